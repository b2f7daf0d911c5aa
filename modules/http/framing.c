/* SPDX-License-Identifier: Apache-2.0 */
#include "head.h"

#include <string.h>
#include <strings.h>

static const struct http_fault fine = {UB_P_NONE, NULL};

static struct http_fault bad(const char *why)
{
    return (struct http_fault){UB_P_BAD_REQUEST, why};
}

static bool span_is(const struct http_head *head, struct http_span span, const char *text)
{
    return span.len == strlen(text) && strncasecmp(head->bytes + span.at, text, span.len) == 0;
}

static struct http_fault read_length(struct http_head *head, struct http_span value)
{
    int64_t length = 0;
    if (head->content_length >= 0) {
        return bad("Content-Length twice");
    }
    if (value.len == 0 || value.len > 18) {
        return bad("Content-Length must be a decimal number");
    }
    for (uint32_t i = value.at; i < value.at + value.len; i++) {
        if (head->bytes[i] < '0' || head->bytes[i] > '9') {
            return bad("Content-Length must be a decimal number");
        }
        length = length * 10 + (head->bytes[i] - '0'); /* 18 digits stay below 2^63 */
    }
    head->content_length = length;
    return fine;
}

static struct http_fault read_encoding(struct http_head *head, struct http_span value)
{
    if (head->is_chunked || !span_is(head, value, "chunked")) {
        return bad("Transfer-Encoding may be chunked, once, and nothing else");
    }
    head->is_chunked = true;
    return fine;
}

static struct http_fault read_expect(struct http_head *head, struct http_span value)
{
    if (!span_is(head, value, "100-continue")) {
        return bad("Expect may be 100-continue and nothing else");
    }
    head->expects_continue = !head->is_http10; /* RFC 9110, section 10.1.1 */
    return fine;
}

static struct http_fault read_connection(struct http_head *head, struct http_span value)
{
    uint32_t end = value.at + value.len;
    for (uint32_t at = value.at; at < end;) {
        const char *start = head->bytes + at;
        uint32_t len = (uint32_t)strcspn(start, ", \t\r");
        len = len > end - at ? end - at : len;
        if (len == 5 && strncasecmp(start, "close", 5) == 0) {
            head->wants_close = true;
        }
        at += len + 1;
    }
    return fine;
}

static struct http_fault read_host(struct http_head *head, struct http_span value)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~%!$&'()*+,;=:[]";
    return strspn(head->bytes + value.at, allowed) >= value.len
               ? fine
               : bad("Host holds what no host name has");
}

static const struct {
    const char *name;
    struct http_fault (*read)(struct http_head *head, struct http_span value);
} framing_fields[] = {
    {"content-length", read_length},
    {"transfer-encoding", read_encoding},
    {"expect", read_expect},
    {"connection", read_connection},
    {"host", read_host},
};

static struct http_fault frame_field(struct http_head *head, const struct http_field *field)
{
    for (size_t i = 0; i < sizeof(framing_fields) / sizeof(framing_fields[0]); i++) {
        if (span_is(head, field->name, framing_fields[i].name)) {
            return framing_fields[i].read(head, field->value);
        }
    }
    return fine;
}

struct http_fault http_head_frame(struct http_head *head)
{
    struct http_fault fault = fine;
    for (uint32_t i = 0; i < head->field_count && fault.problem == UB_P_NONE; i++) {
        fault = frame_field(head, &head->fields[i]);
    }
    if (fault.problem != UB_P_NONE) {
        return fault;
    }
    int host = http_head_find(head, "host", 0);
    if ((host < 0 && !head->is_http10) ||
        (host >= 0 && http_head_find(head, "host", host + 1) >= 0)) {
        return bad("exactly one Host is required");
    }
    /* A message with both, or an old peer that cannot know the coding: the way to smuggling. */
    if (head->is_chunked && (head->content_length >= 0 || head->is_http10)) {
        return bad("Transfer-Encoding with Content-Length, or in HTTP/1.0");
    }
    return fine;
}
