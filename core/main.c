/* SPDX-License-Identifier: Apache-2.0
 *
 * membershipd: command line, signals, exit codes. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>
#include <jansson.h>

#include "boot.h"
#include "effective.h"
#include "explain.h"
#include "linked.h"
#include "loop.h"
#include "process.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define SETS_MAX 256

struct command {
    const char *config_file;
    const char *sets[SETS_MAX];
    size_t set_count;
    bool is_check, is_effective, is_json, is_version, is_help, is_explain;
    const char *topic; /* of explain; NULL = everything */
};

/* ---- options ----------------------------------------------------------------------------------
 */

struct option_row {
    const char *name, *alias;
    const char *value; /* what it takes, NULL = nothing */
    bool (*take)(struct command *command, const char *value);
    const char *doc;
};

static bool take_config(struct command *command, const char *value)
{
    command->config_file = value;
    return true;
}

static bool take_check(struct command *command, const char *value)
{
    (void)value;
    return command->is_check = true;
}

static bool take_effective(struct command *command, const char *value)
{
    (void)value;
    return command->is_effective = true;
}

static bool take_json(struct command *command, const char *value)
{
    (void)value;
    return command->is_json = true;
}

static bool take_set(struct command *command, const char *value)
{
    if (command->set_count == SETS_MAX) {
        return false;
    }
    command->sets[command->set_count++] = value;
    return true;
}

static bool take_version(struct command *command, const char *value)
{
    (void)value;
    return command->is_version = true;
}

static bool take_help(struct command *command, const char *value)
{
    (void)value;
    return command->is_help = true;
}

static const struct option_row option_rows[] = {
    {"-c", "--config", "FILE", take_config, "the config, in Lua; see etc/ for samples"},
    {"--check", NULL, NULL, take_check, "judge the config and its modules, start nothing"},
    {"--print-effective", NULL, NULL, take_effective,
     "every setting with its origin, start nothing"},
    {"--json", NULL, NULL, take_json, "with --check, --print-effective or explain: as JSON"},
    {"--set", NULL, "module.key=value", take_set, "a setting over the file's; may be repeated"},
    {"--version", NULL, NULL, take_version, "print the version"},
    {"--help", "-h", NULL, take_help, "print this"},
};

static void print_help(FILE *out)
{
    fputs("usage: membershipd -c FILE [--check | --print-effective] [--json] [--set "
          "module.key=value]…\n"
          "       membershipd explain [MODULE[.SETTING]] [--json]\n\n",
          out);
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        const struct option_row *row = &option_rows[i];
        char name[64];
        snprintf(name, sizeof(name), "%s%s%s%s%s", row->name, row->alias != NULL ? ", " : "",
                 row->alias != NULL ? row->alias : "", row->value != NULL ? " " : "",
                 row->value != NULL ? row->value : "");
        fprintf(out, "  %-24s %s\n", name, row->doc);
    }
    fputs("\nSIGTERM and SIGINT finish what is under way (10 s at most) and stop; once more stops "
          "at once.\nSIGHUP reads the config again and applies all of it or nothing; the log says "
          "which.\nSIGUSR2 sends clients elsewhere without haste (lame duck), then stops.\n"
          "Exit: 0 stopped or checked, 1 failed, 2 usage.\n",
          out);
}

static void print_version(void)
{
    printf("membershipd %s, ABI %d.%d\n", node_version(), UB_ABI_MAJOR, UB_ABI_MINOR);
    for (size_t i = 0; i < linked_count; i++) {
        printf("linked in: %s %s, ABI %u.%u\n", linked_modules[i]->name, linked_modules[i]->version,
               (unsigned)linked_modules[i]->abi_major, (unsigned)linked_modules[i]->abi_minor);
    }
}

static const struct option_row *option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
        const char *const names[] = {option_rows[i].name, option_rows[i].alias};
        for (size_t j = 0; j < 2; j++) {
            if (names[j] != NULL && strlen(names[j]) == len && memcmp(names[j], name, len) == 0) {
                return &option_rows[i];
            }
        }
    }
    return NULL;
}

static bool usage_fault(const char *what, const char *which)
{
    fprintf(stderr, "membershipd: %s: %s (membershipd --help lists the options)\n", which, what);
    return false;
}

/* `explain` and what it is about: the only words that are no options. */
static bool take_word(struct command *command, const char *word)
{
    if (!command->is_explain && strcmp(word, "explain") == 0) {
        return command->is_explain = true;
    }
    if (command->is_explain && command->topic == NULL && word[0] != '-') {
        command->topic = word;
        return true;
    }
    return false;
}

/* --name value, or --name=value */
static bool command_parse(struct command *command, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *equals = strncmp(argv[i], "--", 2) == 0 ? strchr(argv[i], '=') : NULL;
        size_t len = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct option_row *row = option_find(argv[i], len);
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (row == NULL && take_word(command, argv[i])) {
            continue;
        }
        if (row == NULL) {
            return usage_fault("unknown option", argv[i]);
        }
        if (row->value == NULL && value != NULL) {
            return usage_fault("takes no value", row->name);
        }
        if (row->value != NULL && value == NULL && ++i < argc) {
            value = argv[i];
        }
        if (row->value != NULL && value == NULL) {
            return usage_fault("needs a value", row->name);
        }
        if (!row->take(command, value)) {
            return usage_fault("given too often", row->name);
        }
    }
    return true;
}

static bool command_is_whole(const struct command *command)
{
    if (command->config_file == NULL) {
        return usage_fault("is needed", "-c FILE");
    }
    if (command->is_check && command->is_effective) {
        return usage_fault("cannot go with --check", "--print-effective");
    }
    return !command->is_json || command->is_check || command->is_effective ||
           usage_fault("goes with --check or --print-effective", "--json");
}

/* ---- signals ----------------------------------------------------------------------------------
 */

static void on_stop_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    boot_stop(arg);
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    (void)boot_reload(arg); /* it logs what came of it */
}

static void on_retire_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    boot_retire(arg);
}

static const struct signal_row {
    int number;
    event_callback_fn fn;
} signal_rows[] = {{SIGTERM, on_stop_signal},
                   {SIGINT, on_stop_signal},
                   {SIGHUP, on_hangup},
                   {SIGUSR2, on_retire_signal}};

#define SIGNAL_ROWS (sizeof(signal_rows) / sizeof(signal_rows[0]))

struct signals {
    struct event *events[SIGNAL_ROWS];
};

static bool signals_start(struct signals *signals, struct boot *boot)
{
    bool is_sound = true;
    for (size_t i = 0; i < SIGNAL_ROWS; i++) {
        signals->events[i] = evsignal_new(loop_native(boot->node.main), signal_rows[i].number,
                                          signal_rows[i].fn, boot);
        is_sound =
            is_sound && signals->events[i] != NULL && event_add(signals->events[i], NULL) == 0;
    }
    return is_sound;
}

static void signals_stop(struct signals *signals)
{
    for (size_t i = 0; i < SIGNAL_ROWS; i++) {
        if (signals->events[i] != NULL) {
            event_free(signals->events[i]);
        }
    }
}

/* ---- the process ------------------------------------------------------------------------------
 */

/* modules/ beside the program, as in the build folder, else where an installation has them; both as
 * seen from the program, so that an installed tree may be moved. */
static void module_dir_find(char *out, size_t out_size)
{
    static const char *const places[] = {"modules", UNIBUS_MODULES_INSTALLED};
    char program[PATH_MAX / 2], place[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(place, sizeof(place), "%s/%s", program, places[i]);
        char *real = realpath(place, NULL);
        snprintf(out, out_size, "%s", real != NULL ? real : place);
        free(real);
        if (access(out, F_OK) == 0) {
            return;
        }
    }
}

static void report_out(struct boot *boot, const char *outcome)
{
    if (boot->node.log.format == LOG_FORMAT_JSON) {
        report_log(&boot->report, &boot->node.log, outcome);
    } else {
        report_print(&boot->report, stderr, outcome);
    }
}

static int run_check(struct boot *boot, const struct command *command)
{
    bool is_ok = boot_plan(boot);
    if (command->is_json) {
        char *json = boot_json(boot);
        printf("%s\n", json != NULL ? json : "{}");
        free(json);
    } else if (is_ok) {
        printf("%s: ok\n", command->config_file);
    } else {
        report_print(&boot->report, stderr, "nothing was started");
    }
    return is_ok ? EXIT_OK : EXIT_FAILED;
}

static int run_effective(struct boot *boot, const struct command *command)
{
    if (!boot_plan(boot)) {
        report_print(&boot->report, stderr, "nothing was started");
        return EXIT_FAILED;
    }
    if (command->is_json) {
        json_t *json = effective_json(&boot->plan);
        json_dumpf(json, stdout, JSON_INDENT(2));
        fputc('\n', stdout);
        json_decref(json);
    } else {
        effective_print(&boot->plan, stdout);
    }
    return EXIT_OK;
}

static int run_node(struct boot *boot)
{
    struct signals signals = {{NULL}};
    if (!boot_plan(boot)) {
        report_out(boot, "nothing was started");
        return EXIT_FAILED;
    }
    int code = EXIT_FAILED;
    if (signals_start(&signals, boot) && boot_start(boot)) {
        code = boot_run(boot) ? EXIT_OK : EXIT_FAILED;
        log_core(&boot->node.log, UB_LOG_INFO, "stopped", "stopped", UB_NUMBER("exit", code));
    } else {
        report_out(boot, "everything that had started was stopped again");
    }
    signals_stop(&signals);
    return code;
}

static int run(const struct command *command)
{
    char module_dir[PATH_MAX];
    struct boot boot;
    module_dir_find(module_dir, sizeof(module_dir));
    const struct plan_source source = {.config_file = command->config_file,
                                       .sets = command->sets,
                                       .set_count = command->set_count,
                                       .loader = {module_dir, linked_modules, linked_count}};
    if (!boot_init(&boot, &source, STDERR_FILENO)) {
        report_print(&boot.report, stderr, "nothing was started");
        report_fini(&boot.report);
        return EXIT_FAILED;
    }
    int code = command->is_check       ? run_check(&boot, command)
               : command->is_effective ? run_effective(&boot, command)
                                       : run_node(&boot);
    boot_fini(&boot);
    return code;
}

static int run_explain(const struct command *command)
{
    char module_dir[PATH_MAX];
    module_dir_find(module_dir, sizeof(module_dir));
    const struct loader loader = {module_dir, linked_modules, linked_count};
    return explain(&loader, command->topic, command->is_json, stdout, stderr) ? EXIT_OK
                                                                              : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct command command = {.config_file = NULL};
    umask(0077);
    process_harden();
    if (!command_parse(&command, argc, argv)) {
        return EXIT_USAGE;
    }
    if (command.is_help) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (command.is_version) {
        print_version();
        return EXIT_OK;
    }
    if (command.is_explain) {
        return run_explain(&command);
    }
    return command_is_whole(&command) ? run(&command) : EXIT_USAGE;
}
