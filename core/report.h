/* SPDX-License-Identifier: Apache-2.0
 *
 * All faults of a config at once: collected, sorted by line, printed. */
#ifndef CORE_REPORT_H
#define CORE_REPORT_H

#include <stdio.h>

#include <unibus/abi.h>

#include "arena.h"
#include "errors.h"
#include "log.h"

struct report_item {
    enum error_id id;
    char code[32]; /* the table's, or a module's own */
    const char *file;
    uint32_t line;
    uint32_t column; /* 0 = not known */
    const char *message;
    size_t order;
};

#define REPORT_MAX 200

struct report {
    struct arena arena;
    struct report_item *items;
    size_t count;
    size_t dropped; /* counted beyond REPORT_MAX, but not kept */
};

void report_fini(struct report *report);

/* Copies everything. A where without a file means the node as a whole. */
UB_PRINTF(4, 5)
void report_add(struct report *report, enum error_id id, struct ub_where where, const char *format,
                ...);

/* The same with a column, from 1. */
UB_PRINTF(5, 6)
void report_add_at(struct report *report, enum error_id id, struct ub_where where, uint32_t column,
                   const char *format, ...);

/* A module's own words: `module "x": MESSAGE`, with his code and place if he gave them. */
void report_add_err(struct report *report, enum error_id id, struct ub_where where,
                    const char *module, const struct ub_err *err);

/* "line 4" when `where` lies in the same file as `from`, else "conf.d/x.lua:4". */
void report_place(struct ub_where where, struct ub_where from, char *out, size_t out_size);

void report_sort(struct report *report);

/* `FILE:LINE: message` (`FILE:LINE:COLUMN:`, if known) for each, sorted, then `2 errors, nothing
 * was started.` */
void report_print(struct report *report, FILE *out, const char *outcome);

/* The same as log events with their codes. */
void report_log(struct report *report, struct log *log, const char *outcome);

/* A JSON array of {code, file, line, message, fix, doc} (jansson), to be decref'ed. */
struct json_t *report_json(struct report *report);

#endif
