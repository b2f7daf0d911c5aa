/* SPDX-License-Identifier: Apache-2.0
 *
 * The control of the conformance suites: a sound provider behind ops that break one rule each. A
 * suite that lets one of them pass proves nothing. */
#ifndef TESTS_MUTANTS_H
#define TESTS_MUTANTS_H

#include "conformance/runner.h"

/* One broken rule, and the cases of which at least the named ones must fail. */
struct mutant {
    const char *name;
    void (*break_rule)(void *ops); /* changes a copy of the sound ops */
    const char *killers[4];        /* ended by NULL */
};

/* Runs each killer without a mutant (it must pass) and with its own (it must not). Prints a line a
 * mutant; 0 when all are killed. */
int mutants_run(const struct suite *suite, const struct ub_module *module, const char *const *sets,
                size_t ops_size, const struct mutant *mutants, size_t count);

/* The sound ops, for those that break them. */
const void *mutants_inner(void);

#endif
