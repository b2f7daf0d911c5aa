/* SPDX-License-Identifier: Apache-2.0
 *
 * `unibus module check`: every suite that concerns a module, and the report. */
#ifndef CONFORMANCE_CHECK_H
#define CONFORMANCE_CHECK_H

#include "runner.h"

#define CHECK_CASE_MAX_MS 60000

struct check_options {
    struct run_options run;
    const char *only; /* a case's name, or NULL for all */
    bool is_json, is_verbose, has_progress;
};

/* First of all in main: starts the program anew with an allocator that counts exactly. */
void check_prepare(char **argv);

/* 0 = everything that could be run has passed, 1 = not, 2 = there is no such case. */
int check(const struct check_options *options);

/* The whole program of a unit test for a module that is linked in: argv may name one case. */
int check_linked(const struct ub_module *module, const char *const *sets, int argc, char **argv);

#endif
