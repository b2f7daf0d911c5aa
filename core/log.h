/* SPDX-License-Identifier: Apache-2.0
 *
 * One event a line, as text for people or as JSON for machines. What comes from outside cannot
 * forge a line or reach the terminal: control characters, invalid UTF-8 and direction marks are
 * escaped. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <unibus/host.h>

#include "clock.h"

enum log_format { LOG_FORMAT_TEXT = 0, LOG_FORMAT_JSON };

struct log_event {
    enum ub_log_level level;
    const char *module, *event, *message;
    const struct ub_log_field *fields;
    size_t count;
    int64_t now_ms; /* UTC */
};

/* Writes the whole line but for its end, everything dangerous escaped; or nothing, and then there
 * is no line. Threads: any. */
typedef void (*log_form_fn)(void *ctx, FILE *out, const struct log_event *event);

struct log {
    const struct clock *clock;
    log_form_fn form; /* of a front, in place of our own; NULL = ours. Set before any thread runs */
    void *form_ctx;
    _Atomic int level;  /* enum ub_log_level: the last one that is shown */
    _Atomic int format; /* enum log_format */
    int fd;             /* where lines go, or -1 */
    char *kept;         /* for tests: with is_kept, every line so far, NUL-terminated; under lock */
    size_t kept_len;
    bool is_kept;
    pthread_mutex_t lock;
};

/* Text at level info to fd. */
void log_init(struct log *log, const struct clock *clock, int fd);
void log_fini(struct log *log);

/* From the next event on. Threads: any. */
void log_set(struct log *log, enum ub_log_level level, enum log_format format);

bool log_is_enabled(const struct log *log, enum ub_log_level level);

/* Threads: any. A line is one write(2). */
void log_emit(struct log *log, enum ub_log_level level, const char *module, const char *event,
              const char *message, const struct ub_log_field *fields, size_t count);

/* The same for the core's own events, which come from the module "core". */
#define log_core(log, level, event, message, ...)                                                  \
    do {                                                                                           \
        const struct ub_log_field log_fields_[] = {__VA_ARGS__};                                   \
        log_emit((log), (level), "core", (event), (message), log_fields_,                          \
                 sizeof(log_fields_) / sizeof(log_fields_[0]));                                    \
    } while (0)

enum log_escape {
    LOG_ESCAPE_PLAIN,  /* a line for people: \n, \r, \t, \xHH, \uHHHH for what is dangerous */
    LOG_ESCAPE_QUOTED, /* the same between quotes: these and the backslash are escaped too */
    LOG_ESCAPE_LUA,    /* the same as a Lua text reads it again: \u{HHHH} */
    LOG_ESCAPE_JSON    /* \uHHHH, and U+FFFD for bytes that are not UTF-8 */
};

/* ` name=value`, as in a text line. */
void log_text_field(FILE *out, const struct ub_log_field *field);

/* Writes text to out with everything dangerous escaped (log_escape.c). */
void log_escape(FILE *out, const char *text, enum log_escape how);

#endif
