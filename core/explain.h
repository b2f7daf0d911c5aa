/* SPDX-License-Identifier: Apache-2.0
 *
 * `membershipd explain`: what can be set, from the same tables that fill the settings. */
#ifndef CORE_EXPLAIN_H
#define CORE_EXPLAIN_H

#include <stdio.h>

#include "loader.h"

/* what: NULL (every block and module), "MODULE" or "MODULE.SETTING". Prints a table, or JSON.
 * False when there is no such thing or a module cannot be loaded; the reason goes to err_out. */
bool explain(const struct loader *loader, const char *what, bool is_json, FILE *out, FILE *err_out);

/* "size", "address or list of them" … */
const char *explain_kind(enum ub_kind kind);

#endif
