/* SPDX-License-Identifier: Apache-2.0 */
#include "log_line.h"

#include <string.h>
#include <time.h>

/* An event of the core that nats-server has too. */
struct known {
    const char *event;
    const char *words; /* NULL = told otherwise, by the front itself */
    bool has_message;
};

static const struct known knowns[] = {
    {"ready", NULL, false},
    {"draining", "Initiating Shutdown...", false},
    {"stopped", "Server Exiting..", false},
    {"reloaded", "Reloaded server configuration: ", true},
    {"reload-refused", "Failed to reload server configuration: ", true},
};

static const struct known *find(const struct log_event *event)
{
    for (size_t i = 0; i < sizeof(knowns) / sizeof(knowns[0]); i++) {
        if (strcmp(event->module, "core") == 0 && strcmp(event->event, knowns[i].event) == 0) {
            return &knowns[i];
        }
    }
    return NULL;
}

static void write_head(const struct log_line *line, FILE *out, const struct log_event *event)
{
    static const char *const levels[] = {"ERR", "WRN", "INF", "DBG"};
    fprintf(out, "[%ld] ", line->pid);
    if (line->has_time) {
        time_t seconds = (time_t)(event->now_ms / 1000);
        struct tm tm;
        char text[32];
        if (line->is_utc) {
            gmtime_r(&seconds, &tm);
        } else {
            localtime_r(&seconds, &tm);
        }
        strftime(text, sizeof(text), "%Y/%m/%d %H:%M:%S", &tm);
        fprintf(out, "%s.%06d ", text, (int)(event->now_ms % 1000) * 1000);
    }
    fprintf(out, "[%s] ", levels[event->level]);
}

static const struct ub_log_field *field_of(const struct log_event *event, const char *name)
{
    for (size_t i = 0; i < event->count; i++) {
        if (strcmp(event->fields[i].name, name) == 0) {
            return &event->fields[i];
        }
    }
    return NULL;
}

/* A fault of a reload names its place first, as at the start. */
static bool write_fault(FILE *out, const struct log_event *event)
{
    const struct ub_log_field *file = field_of(event, "file"), *number = field_of(event, "line");
    if (strcmp(event->event, "reload-fault") != 0 || file == NULL || file->text == NULL) {
        return false;
    }
    log_escape(out, file->text, LOG_ESCAPE_PLAIN);
    if (number != NULL && number->number > 0) {
        fprintf(out, ":%ld", (long)number->number);
    }
    fputs(": ", out);
    log_escape(out, event->message, LOG_ESCAPE_PLAIN);
    return true;
}

void log_line_write(const struct log_line *line, FILE *out, const struct log_event *event)
{
    const struct known *known = find(event);
    if (known != NULL && known->words == NULL) {
        return;
    }
    write_head(line, out, event);
    if (known != NULL) {
        fputs(known->words, out);
        log_escape(out, known->has_message ? event->message : "", LOG_ESCAPE_PLAIN);
        return;
    }
    if (write_fault(out, event)) {
        return;
    }
    bool is_own = strcmp(event->module, LOG_LINE_OWN) == 0;
    if (!is_own) {
        fprintf(out, "%s %s: ", event->module, event->event);
    }
    log_escape(out, event->message, LOG_ESCAPE_PLAIN);
    for (size_t i = 0; i < event->count && !is_own; i++) {
        log_text_field(out, &event->fields[i]);
    }
}
