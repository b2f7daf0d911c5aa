/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <unibus/error.h>

#include "check.h"
#include "utf8.h"

void report_fini(struct report *report)
{
    arena_fini(&report->arena);
    free(report->items);
    *report = (struct report){.items = NULL};
}

/* A text that is cut, or comes from outside, may hold half a character: JSON takes none. */
static const char *report_text(struct report *report, const char *text)
{
    char *copy = arena_copy(&report->arena, text, strlen(text));
    for (const char *at = copy; (at = utf8_find_fault(at, strlen(at))) != NULL;) {
        copy[at - copy] = '?';
    }
    return copy;
}

static struct report_item *report_known(const struct report *report, const char *file,
                                        uint32_t line, const char *message)
{
    for (size_t i = 0; i < report->count; i++) {
        struct report_item *item = &report->items[i];
        bool is_same_file =
            file == NULL || item->file == NULL ? file == item->file : strcmp(file, item->file) == 0;
        if (is_same_file && item->line == line && strcmp(item->message, message) == 0) {
            return item;
        }
    }
    return NULL;
}

/* The new item, or the one that says the same already; NULL when it is only counted. */
static struct report_item *report_push(struct report *report, enum error_id id,
                                       struct ub_where where, const char *message)
{
    struct report_item *item = report_known(report, where.file, where.line, message);
    if (item != NULL || report->count == REPORT_MAX) {
        report->dropped += item == NULL;
        return item;
    }
    struct report_item *items = reallocarray(report->items, report->count + 1, sizeof(*items));
    CHECK(items != NULL);
    report->items = items;
    item = &items[report->count];
    *item =
        (struct report_item){.id = id,
                             .file = where.file != NULL ? report_text(report, where.file) : NULL,
                             .line = where.line,
                             .message = report_text(report, message),
                             .order = report->count++};
    snprintf(item->code, sizeof(item->code), "%s", error_entry(id)->code);
    return item;
}

void report_add(struct report *report, enum error_id id, struct ub_where where, const char *format,
                ...)
{
    char message[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    report_push(report, id, where, message);
}

void report_add_at(struct report *report, enum error_id id, struct ub_where where, uint32_t column,
                   const char *format, ...)
{
    char message[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    struct report_item *item = report_push(report, id, where, message);
    if (item != NULL) {
        item->column = column;
    }
}

void report_add_err(struct report *report, enum error_id id, struct ub_where where,
                    const char *module, const struct ub_err *err)
{
    char message[2048];
    if (err->message[0] != '\0') {
        snprintf(message, sizeof(message), "module \"%s\": %s", module, err->message);
    } else {
        snprintf(message, sizeof(message),
                 "module \"%s\": %s, and it gives no reason (\"%s\", %d): tell its author to fill "
                 "the ub_err",
                 module, error_entry(id)->what, ub_status_name(err->status), (int)err->status);
    }
    struct report_item *item =
        report_push(report, id, err->where.file != NULL ? err->where : where, message);
    if (item != NULL && err->code[0] != '\0') {
        snprintf(item->code, sizeof(item->code), "%s", err->code);
    }
}

void report_place(struct ub_where where, struct ub_where from, char *out, size_t out_size)
{
    bool is_same = where.file != NULL && from.file != NULL && strcmp(where.file, from.file) == 0;
    if (where.line > 0 && is_same) {
        snprintf(out, out_size, "line %u", (unsigned)where.line);
    } else if (where.line > 0) {
        snprintf(out, out_size, "%s:%u", where.file, (unsigned)where.line);
    } else {
        snprintf(out, out_size, "%s", where.file != NULL ? where.file : "the config");
    }
}

static int report_compare(const void *left, const void *right)
{
    const struct report_item *a = left, *b = right;
    /* What belongs to no file comes last. */
    int by_file = a->file == NULL || b->file == NULL ? (a->file == NULL) - (b->file == NULL)
                                                     : strcmp(a->file, b->file);
    if (by_file != 0) {
        return by_file;
    }
    if (a->line != b->line) {
        return a->line < b->line ? -1 : 1;
    }
    if (a->column != b->column) {
        return a->column < b->column ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

void report_sort(struct report *report)
{
    if (report->count > 1) {
        qsort(report->items, report->count, sizeof(*report->items), report_compare);
    }
}

static void report_outcome(const struct report *report, const char *outcome, char *out, size_t size)
{
    size_t count = report->count + report->dropped;
    snprintf(out, size, "%zu error%s, %s.", count, count == 1 ? "" : "s", outcome);
}

void report_print(struct report *report, FILE *out, const char *outcome)
{
    char last[128];
    report_sort(report);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_item *item = &report->items[i];
        if (item->file != NULL && item->column > 0) {
            fprintf(out, "%s:%u:%u: ", item->file, (unsigned)item->line, (unsigned)item->column);
        } else if (item->file != NULL && item->line > 0) {
            fprintf(out, "%s:%u: ", item->file, (unsigned)item->line);
        } else if (item->file != NULL) {
            fprintf(out, "%s: ", item->file);
        }
        log_escape(out, item->message, LOG_ESCAPE_PLAIN);
        fputc('\n', out);
    }
    report_outcome(report, outcome, last, sizeof(last));
    fprintf(out, "%s\n", last);
}

void report_log(struct report *report, struct log *log, const char *outcome)
{
    char last[128];
    report_sort(report);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_item *item = &report->items[i];
        log_core(log, UB_LOG_ERROR, "start-refused", item->message, UB_TEXT("code", item->code),
                 UB_TEXT("file", item->file), UB_NUMBER("line", item->line),
                 UB_TEXT("fix", error_entry(item->id)->fix));
    }
    report_outcome(report, outcome, last, sizeof(last));
    log_core(log, UB_LOG_ERROR, "not-started", last, UB_NUMBER("errors", report->count));
}

static json_t *report_item_json(const struct report_item *item)
{
    char doc[64];
    error_doc(item->id, doc, sizeof(doc));
    return json_pack("{ss, ss*, si, ss, ss, ss}", "code", item->code, "file", item->file, "line",
                     (int)item->line, "message", item->message, "fix", error_entry(item->id)->fix,
                     "doc", doc);
}

json_t *report_json(struct report *report)
{
    json_t *list = json_array();
    report_sort(report);
    for (size_t i = 0; i < report->count; i++) {
        json_array_append_new(list, report_item_json(&report->items[i]));
    }
    return list;
}
