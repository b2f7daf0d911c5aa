/* SPDX-License-Identifier: Apache-2.0
 *
 * Results as JSON and as tables. */
#ifndef CONFORMANCE_REPORT_H
#define CONFORMANCE_REPORT_H

#include "runner.h"

/* {"ok", "module", "counts": {…}, "cases": […]}; takes nothing. To be decref'ed (jansson). */
struct json_t *report_results(const struct json_t *about, const struct result *results,
                              size_t count);

/* A table per interface, then what did not pass; is_verbose: every case. */
void report_print_results(const struct json_t *about, const struct result *results, size_t count,
                          bool is_verbose, FILE *out);

/* The errors of an inspection, a line each and its fix. */
void report_print_errors(const struct json_t *about, FILE *out);

/* How many of these outcomes; suite NULL = all. */
size_t report_count(const struct result *results, size_t count, const char *suite,
                    enum outcome outcome);

#endif
