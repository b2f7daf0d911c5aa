/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define NEAR 3

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* How many letters must be changed, taken away or put in. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], len_b = strlen(b);
    if (len_b >= 64 || strlen(a) >= 64) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= len_b; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1] ? 1 : 0));
            diagonal = above;
        }
    }
    return row[len_b];
}

const char *cli_nearest(const char *typed, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t best = NEAR;
    for (size_t i = 0; i < count; i++) {
        size_t far = distance(typed, words[i]);
        if (far < best && far < strlen(words[i])) {
            best = far;
            nearest = words[i];
        }
    }
    return nearest;
}

static void usage_of(const struct cli_command *command, char usage_out[96])
{
    int len = snprintf(usage_out, 96, "%s", command->noun);
    const char *rest[] = {command->verb, command->arguments};
    for (size_t i = 0; i < 2; i++) {
        if (rest[i] != NULL && rest[i][0] != '\0' && len < 96) {
            len += snprintf(usage_out + len, (size_t)(96 - len), " %s", rest[i]);
        }
    }
}

static void print_options(const struct cli_command *command, bool are_global)
{
    for (const struct cli_option *o = cli_options; o->name != NULL; o++) {
        if (o->is_global != are_global || (command != NULL && !cli_command_takes(command, o))) {
            continue;
        }
        char left[64];
        snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter != '\0' ? "-" : "",
                 o->letter != '\0' ? o->letter : ' ', o->letter != '\0' ? ", " : "", o->name,
                 o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
        printf("  %-26s %s\n", left[0] == ' ' ? left + 1 : left, o->help);
    }
}

static void print_command(const struct cli_command *command)
{
    char usage[96];
    usage_of(command, usage);
    printf("usage: unibus %s\n\n  %s\n", usage, command->help);
    if (command->options[0] != '\0') {
        printf("\noptions:\n");
        print_options(command, false);
    }
    printf("\noptions of every command:\n");
    print_options(NULL, true);
}

static void print_all(const char *noun)
{
    printf("usage: unibus NOUN VERB [argument…] [option…]\n\n");
    for (const struct cli_command *c = cli_commands; c->noun != NULL; c++) {
        char usage[96];
        if (noun == NULL || strcmp(noun, c->noun) == 0) {
            usage_of(c, usage);
            printf("  %-28s %s\n", usage, c->help);
        }
    }
    printf("\noptions of every command:\n");
    print_options(NULL, true);
    printf(
        "\n`unibus help NOUN VERB` shows the options of one command.\n"
        "ROOM is a name that this client knows, an id, or the beginning of one; WHO is a handle\n"
        "or an id.\n"
        "Exit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 not found, 5 conflict, 6 unreachable,\n"
        "7 verification failed, 124 time-out.\n");
}

bool cli_help(const struct cli *cli, const char *noun, const char *verb)
{
    bool has_noun = noun == NULL;
    (void)cli;
    for (const struct cli_command *c = cli_commands; noun != NULL && c->noun != NULL; c++) {
        if (strcmp(c->noun, noun) != 0) {
            continue;
        }
        has_noun = true;
        if (c->verb == NULL || (verb != NULL && strcmp(c->verb, verb) == 0)) {
            print_command(c);
            return true;
        }
    }
    if (has_noun) {
        print_all(noun);
    }
    return has_noun;
}
