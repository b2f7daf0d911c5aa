/* SPDX-License-Identifier: Apache-2.0
 *
 * An aligned table of text; what modules say cannot reach the terminal as control characters. */
#ifndef CONFORMANCE_TABLE_H
#define CONFORMANCE_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 6

struct table;

struct table *table_new(size_t columns);
/* So many texts as the table has columns; copied. */
void table_row_of(struct table *table, const char *const *cells);
#define table_row(table, ...) table_row_of((table), (const char *const[]){__VA_ARGS__})
void table_print(const struct table *table, FILE *out);
void table_free(struct table **table);

/* One text, every control character as '?'. */
void table_safe(const char *text, FILE *out);

#endif
