/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const log_level_names[] = {"error", "warn", "info", "debug"};

void log_init(struct log *log, const struct clock *clock, int fd)
{
    memset(log, 0, sizeof(*log));
    log->clock = clock;
    log->level = UB_LOG_INFO;
    log->fd = fd;
    pthread_mutex_init(&log->lock, NULL);
}

void log_fini(struct log *log)
{
    pthread_mutex_destroy(&log->lock);
    free(log->kept);
    log->kept = NULL;
}

void log_set(struct log *log, enum ub_log_level level, enum log_format format)
{
    log->level = (int)level;
    log->format = (int)format;
}

bool log_is_enabled(const struct log *log, enum ub_log_level level)
{
    return (int)level <= log->level;
}

static void log_time(FILE *out, int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    char text[32];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "%s.%03dZ", text, (int)(now_ms % 1000));
}

static bool text_needs_quotes(const char *text)
{
    return text[0] == '\0' || strpbrk(text, " \"\\=") != NULL;
}

void log_text_field(FILE *out, const struct ub_log_field *field)
{
    if (field->kind == UB_LOG_NUMBER) {
        fprintf(out, " %s=%" PRId64, field->name, field->number);
        return;
    }
    const char *text = field->text != NULL ? field->text : "";
    bool is_quoted = text_needs_quotes(text);
    fprintf(out, is_quoted ? " %s=\"" : " %s=", field->name);
    log_escape(out, text, is_quoted ? LOG_ESCAPE_QUOTED : LOG_ESCAPE_PLAIN);
    fputs(is_quoted ? "\"" : "", out);
}

static void log_as_text(FILE *out, const struct log_event *event)
{
    fprintf(out, " %-5s %s %s: ", log_level_names[event->level], event->module, event->event);
    log_escape(out, event->message, LOG_ESCAPE_PLAIN);
    for (size_t i = 0; i < event->count; i++) {
        log_text_field(out, &event->fields[i]);
    }
}

static void log_json_pair(FILE *out, const char *name, const char *text)
{
    fputs(",\"", out);
    log_escape(out, name, LOG_ESCAPE_JSON);
    fputs("\":\"", out);
    log_escape(out, text, LOG_ESCAPE_JSON);
    fputc('"', out);
}

static void log_json_field(FILE *out, const struct ub_log_field *field)
{
    if (field->kind == UB_LOG_TEXT) {
        log_json_pair(out, field->name, field->text != NULL ? field->text : "");
        return;
    }
    fputs(",\"", out);
    log_escape(out, field->name, LOG_ESCAPE_JSON);
    fprintf(out, "\":%" PRId64, field->number);
}

static void log_as_json(FILE *out, const struct log_event *event)
{
    log_json_pair(out, "level", log_level_names[event->level]);
    log_json_pair(out, "module", event->module);
    log_json_pair(out, "event", event->event);
    log_json_pair(out, "message", event->message);
    for (size_t i = 0; i < event->count; i++) {
        log_json_field(out, &event->fields[i]);
    }
    fputc('}', out);
}

static void log_keep(struct log *log, const char *line, size_t len)
{
    char *kept = realloc(log->kept, log->kept_len + len + 1);
    if (kept != NULL) {
        memcpy(kept + log->kept_len, line, len + 1);
        log->kept = kept;
        log->kept_len += len;
    }
}

static void log_write(struct log *log, const char *line, size_t len)
{
    pthread_mutex_lock(&log->lock);
    if (log->is_kept) {
        log_keep(log, line, len);
    }
    while (log->fd >= 0 && len > 0) {
        ssize_t put = write(log->fd, line, len);
        if (put < 0 && errno != EINTR) {
            break; /* nobody is left to tell */
        }
        line += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    pthread_mutex_unlock(&log->lock);
}

static void log_own_form(void *ctx, FILE *out, const struct log_event *event)
{
    const struct log *log = ctx;
    bool is_json = log->format == LOG_FORMAT_JSON; /* once: a reload may change it meanwhile */
    fputs(is_json ? "{\"time\":\"" : "", out);
    log_time(out, event->now_ms);
    fputs(is_json ? "\"" : "", out);
    (is_json ? log_as_json : log_as_text)(out, event);
}

void log_emit(struct log *log, enum ub_log_level level, const char *module, const char *event,
              const char *message, const struct ub_log_field *fields, size_t count)
{
    if (!log_is_enabled(log, level)) {
        return;
    }
    const struct log_event one = {
        level, module, event, message, fields, count, clock_now_ms(log->clock)};
    char *line = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&line, &len);
    if (out == NULL) {
        return;
    }
    if (log->form != NULL) {
        log->form(log->form_ctx, out, &one);
    } else {
        log_own_form(log, out, &one);
    }
    bool is_line = ftell(out) > 0;
    fputc('\n', out);
    if (fclose(out) == 0 && is_line) {
        log_write(log, line, len);
    }
    free(line);
}
