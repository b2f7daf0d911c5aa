/* SPDX-License-Identifier: Apache-2.0
 *
 * unibus-module-check: what `unibus module check` and `unibus module inspect` start. A program of
 * its own, because it loads what it is given. */
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <unistd.h>

#include <jansson.h>

#include "check.h"
#include "inspect.h"
#include "report.h"

#define ARGUMENTS_MAX 64

static const char usage[] =
    "usage: unibus-module-check check FILE.so [--set KEY=VALUE]… [--with FILE.so]… [--case NAME]\n"
    "                                 [--case-timeout SECONDS] [--json] [-v] [--no-progress]\n"
    "       unibus-module-check inspect FILE.so [--json]\n"
    "       unibus-module-check cases\n";

struct arguments {
    const char *verb, *file;
    const char *sets[ARGUMENTS_MAX], *withs[ARGUMENTS_MAX];
    size_t set_count, with_count;
    struct check_options options;
};

static bool take_option(struct arguments *a, int option)
{
    char *end;
    long long seconds;
    switch (option) {
    case 's':
        a->sets[a->set_count++] = optarg;
        return a->set_count < ARGUMENTS_MAX;
    case 'w':
        a->withs[a->with_count++] = optarg;
        return a->with_count < ARGUMENTS_MAX;
    case 'c':
        a->options.only = optarg;
        return true;
    case 't':
        seconds = strtoll(optarg, &end, 10);
        a->options.run.case_max_ms = seconds > 0 && seconds <= 3600 ? seconds * 1000 : 0;
        return *end == '\0' && a->options.run.case_max_ms > 0;
    case 'j':
        a->options.is_json = true;
        return true;
    case 'v':
        a->options.is_verbose = true;
        return true;
    case 'p':
        a->options.has_progress = false;
        return true;
    default:
        return false;
    }
}

static bool take_arguments(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"set", required_argument, NULL, 's'},   {"with", required_argument, NULL, 'w'},
        {"case", required_argument, NULL, 'c'},  {"case-timeout", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},        {"verbose", no_argument, NULL, 'v'},
        {"no-progress", no_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "v", options, NULL)) != -1;) {
        if (!take_option(a, option)) {
            return false;
        }
    }
    a->verb = optind < argc ? argv[optind] : "";
    a->file = optind + 1 < argc ? argv[optind + 1] : NULL;
    bool wants_file = strcmp(a->verb, "cases") != 0;
    return optind + 1 + (int)wants_file == argc;
}

static int print_cases(void)
{
    size_t total = 0;
    for (size_t i = 0; suites[i] != NULL; i++) {
        const struct check_case *one;
        for (size_t j = 0; (one = suite_at(suites[i], j)) != NULL; j++, total++) {
            printf("%-8s  %-42s  %s\n", suites[i]->name, one->name, one->doc);
        }
    }
    printf("%zu cases\n", total);
    return 0;
}

static int run_inspect(const struct check_options *options)
{
    json_t *about = inspect(&options->run);
    bool is_ok = json_is_true(json_object_get(about, "ok"));
    if (options->is_json) {
        json_dumpf(about, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        inspect_print(about, stdout);
        report_print_errors(about, stderr);
    }
    json_decref(about);
    return is_ok ? 0 : 1;
}

/* Providers of what the module requires: beside it, beside this program, where they are installed.
 */
static void find_folders(const char *file, char folders[3][PATH_MAX], const char **list)
{
    char copy[PATH_MAX], self[PATH_MAX - 16];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    snprintf(copy, sizeof(copy), "%s", file);
    snprintf(folders[0], PATH_MAX, "%s", dirname(copy));
    self[len > 0 ? len : 0] = '\0';
    const char *here = dirname(self);
    snprintf(folders[1], PATH_MAX, "%s/modules", here);
    snprintf(folders[2], PATH_MAX, "%s/%s", here, UNIBUS_MODULES);
    for (size_t i = 0; i < 3; i++) {
        list[i] = folders[i];
    }
}

int main(int argc, char **argv)
{
    static char folders[3][PATH_MAX];
    check_prepare(argv);
    const char *list[4] = {NULL};
    struct arguments a = {
        .options = {.run = {.case_max_ms = CHECK_CASE_MAX_MS}, .has_progress = true}};
    if (!take_arguments(&a, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (a.file == NULL) {
        return print_cases();
    }
    find_folders(a.file, folders, list);
    const struct subject_spec subject = {
        .file = a.file, .sets = a.sets, .withs = a.withs, .folders = list};
    a.options.run.subject = &subject;
    if (strcmp(a.verb, "inspect") == 0) {
        return run_inspect(&a.options);
    }
    if (strcmp(a.verb, "check") == 0) {
        return check(&a.options);
    }
    fputs(usage, stderr);
    return 2;
}
