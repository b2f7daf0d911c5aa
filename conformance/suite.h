/* SPDX-License-Identifier: Apache-2.0
 *
 * The suites: tables of cases over nothing but an interface. */
#ifndef CONFORMANCE_SUITE_H
#define CONFORMANCE_SUITE_H

#include "case.h"

struct suite {
    const char *name; /* the interface, or "module" for what every module must do */
    const struct check_case *const *tables; /* ended by NULL */
    void (*run)(const struct check_case *one, struct subject *subject);
};

extern const struct suite module_suite, kv_suite, blob_suite;
/* All of them, ended by NULL. */
extern const struct suite *const suites[];

size_t suite_count(const struct suite *suite);
/* NULL past the last. */
const struct check_case *suite_at(const struct suite *suite, size_t i);
/* NULL = there is none. */
const struct check_case *suite_find(const struct suite *suite, const char *name);

#endif
