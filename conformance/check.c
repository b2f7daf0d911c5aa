/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <unistd.h>

#include <jansson.h>

#include "inspect.h"
#include "report.h"

#define RESULTS_MAX 400
#define BAR_WIDTH   30

struct plan {
    const struct check_options *options;
    struct result *results;
    size_t count, total;
};

static bool provides(const json_t *about, const char *iface)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(about, "provides"), i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "interface")), iface) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_meant(const struct check_options *options, const json_t *about,
                     const struct suite *suite)
{
    bool concerns = suite == &module_suite || provides(about, suite->name);
    return concerns && (options->only == NULL || suite_find(suite, options->only) != NULL);
}

static void draw(const struct plan *plan, const struct check_case *one)
{
    if (!plan->options->has_progress || !isatty(STDERR_FILENO)) {
        return;
    }
    fprintf(stderr, "\r[");
    for (size_t i = 0; i < BAR_WIDTH; i++) {
        fputc(i * plan->total < plan->count * BAR_WIDTH ? '#' : '.', stderr);
    }
    fprintf(stderr, "] %zu/%zu %-45.45s", plan->count, plan->total, one != NULL ? one->name : "");
    if (one == NULL) {
        fprintf(stderr, "\r%*s\r", BAR_WIDTH + 65, "");
    }
    fflush(stderr);
}

/* It cannot even be loaded: everything else would say the same. */
static bool is_hopeless(const struct plan *plan)
{
    const struct check_case *first = suite_at(&module_suite, 0);
    return plan->count == 1 && plan->results[0].one == first &&
           outcome_is_bad(plan->results[0].outcome);
}

static void run_suite(struct plan *plan, const struct suite *suite)
{
    const struct check_options *options = plan->options;
    const struct check_case *one;
    for (size_t i = 0; (one = suite_at(suite, i)) != NULL && plan->count < RESULTS_MAX; i++) {
        if (options->only == NULL || strcmp(one->name, options->only) == 0) {
            draw(plan, one);
            run_case(&options->run, suite, one, &plan->results[plan->count++]);
        }
        if (is_hopeless(plan)) {
            return;
        }
    }
}

static int run_suites(const struct check_options *options, const json_t *about)
{
    struct plan plan = {.options = options, .results = calloc(RESULTS_MAX, sizeof(struct result))};
    if (plan.results == NULL) {
        return 1;
    }
    for (size_t i = 0; suites[i] != NULL; i++) {
        plan.total += is_meant(options, about, suites[i])
                          ? options->only != NULL ? 1 : suite_count(suites[i])
                          : 0;
    }
    for (size_t i = 0; suites[i] != NULL; i++) {
        if (is_meant(options, about, suites[i]) && !is_hopeless(&plan)) {
            run_suite(&plan, suites[i]);
        }
    }
    draw(&plan, NULL);
    json_t *report = report_results(about, plan.results, plan.count);
    int code = plan.total == 0 ? 2 : json_is_true(json_object_get(report, "ok")) ? 0 : 1;
    if (code == 2) {
        fprintf(stderr, "there is no case \"%s\" for this module\n", options->only);
    } else if (options->is_json) {
        json_dumpf(report, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        report_print_results(about, plan.results, plan.count, options->is_verbose, stdout);
    }
    json_decref(report);
    free(plan.results);
    return code;
}

void check_prepare(char **argv)
{
    if (getenv("GLIBC_TUNABLES") == NULL) {
        setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
        execv("/proc/self/exe", argv); /* should that fail, only one case sees less */
    }
}

int check(const struct check_options *options)
{
    json_t *about = inspect(&options->run);
    int code = 1;
    if (json_is_true(json_object_get(about, "ok"))) {
        code = run_suites(options, about);
    } else if (options->is_json) {
        json_dumpf(about, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        report_print_errors(about, stderr);
    }
    json_decref(about);
    return code;
}

int check_linked(const struct ub_module *module, const char *const *sets, int argc, char **argv)
{
    check_prepare(argv);
    const struct subject_spec subject = {.linked = module, .sets = sets};
    const struct check_options options = {.run = {&subject, CHECK_CASE_MAX_MS},
                                          .only = argc > 1 ? argv[1] : NULL,
                                          .is_verbose = true};
    return check(&options);
}
