/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define WORDS_MAX 64

bool cli_command_takes(const struct cli_command *command, const struct cli_option *option)
{
    size_t len = strlen(option->name);
    for (const char *at = command->options; !option->is_global && *at != '\0';) {
        size_t word = strcspn(at, " ");
        if (word == len && strncmp(at, option->name, len) == 0) {
            return true;
        }
        at += word + (at[word] == ' ');
    }
    return option->is_global;
}

static int option_index(const char *name, size_t len)
{
    for (int i = 0; cli_options[i].name != NULL; i++) {
        bool is_name =
            strlen(cli_options[i].name) == len && strncmp(cli_options[i].name, name, len) == 0;
        if (is_name || (len == 1 && cli_options[i].letter == name[0])) {
            return i;
        }
    }
    return -1;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    int at = option_index(name, strlen(name));
    return at < 0 ? NULL : cli->values[at];
}

/* typed: with its hyphens, as "--rol=x" or "-5 degrees". */
static enum unibus_status unknown_option(const char *typed, struct unibus_err *err)
{
    const char *words[WORDS_MAX];
    size_t count = 0;
    for (; cli_options[count].name != NULL && count < WORDS_MAX; count++) {
        words[count] = cli_options[count].name;
    }
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed, "="), typed);
    const char *nearest = cli_nearest(name + strspn(name, "-"), words, count);
    unibus_fail(err, UNIBUS_USAGE, "there is no option %s", name);
    return nearest != NULL
               ? unibus_fix(err, "did you mean --%s?", nearest)
               : unibus_fix(err, "unibus help shows the options; for text that begins with a "
                                 "hyphen put -- before it");
}

/* Takes the option at argv[*at], with its value. */
static enum unibus_status take_option(struct cli *cli, int argc, char **argv, int *at,
                                      struct unibus_err *err)
{
    const char *typed = argv[*at];
    bool is_long = typed[1] == '-';
    const char *name = typed + (is_long ? 2 : 1);
    const char *equals = is_long ? strchr(name, '=') : NULL;
    size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
    int index = (is_long ? len > 1 : len == 1) ? option_index(name, len) : -1;
    if (index < 0) {
        return unknown_option(typed, err);
    }
    const struct cli_option *option = &cli_options[index];
    if (option->value == NULL) {
        if (equals != NULL) {
            return unibus_fail(err, UNIBUS_USAGE, "--%s takes no value", option->name);
        }
        cli->values[index] = "";
        return UNIBUS_OK;
    }
    if (equals == NULL && *at + 1 >= argc) {
        return unibus_fail(err, UNIBUS_USAGE, "--%s needs a value: --%s %s", option->name,
                           option->name, option->value);
    }
    cli->values[index] = equals != NULL ? equals + 1 : argv[++*at];
    return UNIBUS_OK;
}

static enum unibus_status unknown_noun(const char *typed, struct unibus_err *err)
{
    const char *words[WORDS_MAX];
    size_t count = 0;
    for (; cli_commands[count].noun != NULL && count < WORDS_MAX; count++) {
        words[count] = cli_commands[count].noun;
    }
    const char *nearest = cli_nearest(typed, words, count);
    unibus_fail(err, UNIBUS_USAGE, "there is no command \"%s\"", typed);
    return nearest != NULL ? unibus_fix(err, "did you mean unibus %s?", nearest)
                           : unibus_fix(err, "unibus help shows the commands");
}

static enum unibus_status unknown_verb(const char *noun, const char *typed, struct unibus_err *err)
{
    const char *words[WORDS_MAX];
    size_t count = 0, len = 0;
    char all[256] = "";
    for (const struct cli_command *c = cli_commands; c->noun != NULL && count < WORDS_MAX; c++) {
        if (strcmp(c->noun, noun) == 0) {
            words[count++] = c->verb;
            len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len > 0 ? ", " : "",
                                    c->verb);
        }
    }
    const char *nearest = typed != NULL ? cli_nearest(typed, words, count) : NULL;
    if (typed == NULL) {
        unibus_fail(err, UNIBUS_USAGE, "\"%s\" needs a verb: %s", noun, all);
    } else {
        unibus_fail(err, UNIBUS_USAGE, "there is no \"%s %s\"; there is: %s", noun, typed, all);
    }
    return nearest != NULL ? unibus_fix(err, "did you mean unibus %s %s?", noun, nearest)
                           : unibus_fix(err, "unibus help %s", noun);
}

/* Finds the command; *used_out: how many words name it. */
static enum unibus_status find_command(struct cli *cli, const char *const *words, int count,
                                       int *used_out, struct unibus_err *err)
{
    bool has_noun = false;
    if (count == 0) {
        unibus_fail(err, UNIBUS_USAGE, "say what to do");
        return unibus_fix(err, "unibus help shows the commands");
    }
    for (const struct cli_command *c = cli_commands; c->noun != NULL; c++) {
        if (strcmp(c->noun, words[0]) != 0) {
            continue;
        }
        has_noun = true;
        if (c->verb == NULL || (count > 1 && strcmp(c->verb, words[1]) == 0)) {
            cli->command = c;
            *used_out = c->verb == NULL ? 1 : 2;
            return UNIBUS_OK;
        }
    }
    return has_noun ? unknown_verb(words[0], count > 1 ? words[1] : NULL, err)
                    : unknown_noun(words[0], err);
}

static enum unibus_status check_options(const struct cli *cli, struct unibus_err *err)
{
    for (int i = 0; cli_options[i].name != NULL; i++) {
        if (cli->values[i] != NULL && !cli_command_takes(cli->command, &cli_options[i])) {
            unibus_fail(err, UNIBUS_USAGE, "this command has no option --%s", cli_options[i].name);
            return unibus_fix(err, "unibus help %s %s", cli->command->noun,
                              cli->command->verb != NULL ? cli->command->verb : "");
        }
    }
    return UNIBUS_OK;
}

static enum unibus_status take_arguments(struct cli *cli, const char *const *words, int count,
                                         struct unibus_err *err)
{
    const struct cli_command *command = cli->command;
    if (count < command->args_min || count > command->args_max) {
        unibus_fail(err, UNIBUS_USAGE,
                    count < command->args_min ? "an argument is missing"
                                              : "there are too many arguments");
        return unibus_fix(err, "unibus %s%s%s %s", command->noun, command->verb != NULL ? " " : "",
                          command->verb != NULL ? command->verb : "", command->arguments);
    }
    for (int i = 0; i < count; i++) {
        cli->args[i] = words[i];
    }
    cli->args_len = count;
    return UNIBUS_OK;
}

enum unibus_status cli_parse(struct cli *cli, int argc, char **argv, bool *wants_help_out,
                             struct unibus_err *err)
{
    const char *words[WORDS_MAX];
    int count = 0, used = 0;
    bool is_ended = false;
    enum unibus_status status = UNIBUS_OK;
    for (int i = 1; i < argc && status == UNIBUS_OK; i++) {
        if (!is_ended && strcmp(argv[i], "--") == 0) {
            is_ended = true;
        } else if (!is_ended && argv[i][0] == '-' && argv[i][1] != '\0') {
            status = take_option(cli, argc, argv, &i, err);
        } else if (count < WORDS_MAX) {
            words[count++] = argv[i];
        }
    }
    *wants_help_out = status == UNIBUS_OK && cli_option(cli, "help") != NULL;
    if (*wants_help_out) {
        cli->args[0] = count > 0 ? words[0] : NULL;
        cli->args[1] = count > 1 ? words[1] : NULL;
        return UNIBUS_OK;
    }
    status = status == UNIBUS_OK ? find_command(cli, words, count, &used, err) : status;
    status = status == UNIBUS_OK ? check_options(cli, err) : status;
    return status == UNIBUS_OK ? take_arguments(cli, words + used, count - used, err) : status;
}

long long cli_duration_ms(const char *text)
{
    static const struct {
        const char *unit;
        long long ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    double number = strtod(text, &end);
    if (end == text || !(number >= 0) || number > 1e9) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            return (long long)(number * (double)units[i].ms);
        }
    }
    return -1;
}
