/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

struct table {
    size_t columns, count, room;
    char **cells; /* row after row */
};

struct table *table_new(size_t columns)
{
    struct table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        abort();
    }
    table->columns = columns;
    return table;
}

void table_row_of(struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->columns; i++) {
        if (table->count == table->room) {
            table->room = table->room * 2 + 64;
            table->cells = reallocarray(table->cells, table->room, sizeof(char *));
        }
        char *copy = strdup(cells[i]);
        if (table->cells == NULL || copy == NULL) {
            abort();
        }
        table->cells[table->count++] = copy;
    }
}

/* In characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

void table_safe(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
}

void table_print(const struct table *table, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of(table->cells[i]), *widest = &widths[i % table->columns];
        *widest = width > *widest ? width : *widest;
    }
    for (size_t i = 0; i < table->count; i++) {
        bool is_last = i % table->columns == table->columns - 1;
        size_t gap = widths[i % table->columns] + 2 - width_of(table->cells[i]);
        table_safe(table->cells[i], out);
        if (is_last) {
            fputc('\n', out);
        } else {
            fprintf(out, "%*s", (int)gap, "");
        }
    }
}

void table_free(struct table **table)
{
    for (size_t i = 0; i < (*table)->count; i++) {
        free((*table)->cells[i]);
    }
    free((*table)->cells);
    free(*table);
    *table = NULL;
}
