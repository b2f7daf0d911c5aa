/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Content"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
};

/* On every answer: nothing here is a page, so nothing may be run, framed or guessed. */
static const struct ub_http_header always[] = {
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
};

/* These say how the bytes are cut; the server alone sets them. */
static const char *const framing[] = {"content-length", "transfer-encoding", "connection", "date"};

static const char *phrase_of(int status)
{
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "";
}

static bool is_name(const char *name)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    return name[0] != '\0' && name[strspn(name, token)] == '\0';
}

static bool is_value(const char *value)
{
    while ((unsigned char)*value >= 0x20 && *value != 0x7f) {
        value++;
    }
    return *value == '\0';
}

static bool is_framing(const char *name)
{
    for (size_t i = 0; i < sizeof(framing) / sizeof(framing[0]); i++) {
        if (strcasecmp(name, framing[i]) == 0) {
            return true;
        }
    }
    return false;
}

const char *http_answer_fault(const struct ub_http_header *headers)
{
    for (; headers != NULL && headers->name != NULL; headers++) {
        if (!is_name(headers->name) || is_framing(headers->name) || headers->value == NULL ||
            !is_value(headers->value)) {
            return headers->name;
        }
    }
    return NULL;
}

static bool has_header(const struct ub_http_header *headers, const char *name)
{
    for (; headers != NULL && headers->name != NULL; headers++) {
        if (strcasecmp(headers->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool write_date(struct evbuffer *out, int64_t now_ms)
{
    char date[64];
    struct tm tm;
    time_t now = (time_t)(now_ms / 1000);
    if (gmtime_r(&now, &tm) == NULL ||
        strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0) {
        return true;
    }
    return evbuffer_add_printf(out, "Date: %s\r\n", date) > 0;
}

static bool write_headers(struct evbuffer *out, const struct ub_http_header *headers)
{
    bool is_ok = true;
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]) && is_ok; i++) {
        if (!has_header(headers, always[i].name)) {
            is_ok = evbuffer_add_printf(out, "%s: %s\r\n", always[i].name, always[i].value) > 0;
        }
    }
    for (; headers != NULL && headers->name != NULL && is_ok; headers++) {
        is_ok = evbuffer_add_printf(out, "%s: %s\r\n", headers->name, headers->value) > 0;
    }
    return is_ok;
}

static bool write_framing(struct evbuffer *out, const struct http_answer_head *head)
{
    int rc = 0;
    if (head->is_chunked) {
        rc = evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
    } else if (head->length >= 0 && http_answer_has_body(head->status)) {
        rc = evbuffer_add_printf(out, "Content-Length: %" PRId64 "\r\n", head->length);
    }
    if (rc >= 0 && head->says_close) {
        rc = evbuffer_add_printf(out, "Connection: close\r\n");
    }
    return rc >= 0 && evbuffer_add(out, "\r\n", 2) == 0;
}

bool http_answer_write(struct evbuffer *out, const struct http_answer_head *head)
{
    return evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", head->status, phrase_of(head->status)) >
               0 &&
           write_date(out, head->now_ms) && write_headers(out, head->headers) &&
           write_framing(out, head);
}

bool http_answer_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}
