/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs cases, each in a process of its own: one that crashes or hangs is a result with a name. */
#ifndef CONFORMANCE_RUNNER_H
#define CONFORMANCE_RUNNER_H

#include "subject.h"
#include "suite.h"

enum outcome { OUTCOME_PASSED = 0, OUTCOME_SKIPPED, OUTCOME_FAILED, OUTCOME_CRASHED, OUTCOME_HUNG };

struct result {
    const char *suite;
    const struct check_case *one;
    enum outcome outcome;
    int64_t took_ms;
    char words[1024]; /* why it did not pass; "" when it did */
    char log[2048];   /* the end of what the module printed on stderr */
};

struct run_options {
    const struct subject_spec *subject;
    int64_t case_max_ms; /* then a case has hung */
};

/* "passed", "skipped", "failed", "crashed", "hung". */
const char *outcome_name(enum outcome outcome);
static inline bool outcome_is_bad(enum outcome outcome)
{
    return outcome >= OUTCOME_FAILED;
}

void run_case(const struct run_options *options, const struct suite *suite,
              const struct check_case *one, struct result *result_out);

/* Runs fn(arg, out) in such a process, where it may load the module, and answers what it wrote to
 * out: `text_out` is to be freed. The result's words say why when it did not come to its end. */
bool run_apart(const struct run_options *options,
               void (*fn)(const struct subject_spec *, FILE *out), char **text_out,
               struct result *result_out);

#endif
