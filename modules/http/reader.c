/* SPDX-License-Identifier: Apache-2.0 */
#include "reader.h"

#include <string.h>

/* Method, two spaces and the version beside the target. */
#define LINE_EXTRA 32u

void http_reader_init(struct http_reader *reader, const struct http_limits *limits)
{
    memset(reader, 0, sizeof(*reader));
    reader->limits = limits;
    http_head_init(&reader->head);
}

void http_reader_fini(struct http_reader *reader)
{
    http_head_fini(&reader->head);
}

static void reader_restart(struct http_reader *reader)
{
    const struct http_limits *limits = reader->limits;
    http_reader_fini(reader);
    http_reader_init(reader, limits);
}

bool http_reader_is_started(const struct http_reader *reader)
{
    return reader->state != HTTP_READ_LINE || reader->head.len > 0;
}

static struct http_fault bad(const char *why)
{
    return (struct http_fault){UB_P_BAD_REQUEST, why};
}

/* The limits hold while reading: a byte beyond them is never stored. */
static struct http_fault head_byte_judge(const struct http_reader *reader, char byte)
{
    const struct http_head *head = &reader->head;
    bool is_after_cr = head->len > reader->line_at && head->bytes[head->len - 1] == '\r';
    if (byte == '\0') {
        return bad("a NUL byte");
    }
    if (is_after_cr != (byte == '\n')) {
        return bad("lines end with CRLF, and CR and LF stand nowhere else");
    }
    if (reader->state == HTTP_READ_LINE && head->len >= reader->limits->target_max + LINE_EXTRA) {
        return (struct http_fault){UB_P_URI_TOO_LONG, "the request line is too long"};
    }
    if (reader->state == HTTP_READ_FIELDS &&
        head->len - reader->fields_at >= reader->limits->headers_max) {
        return (struct http_fault){UB_P_HEADERS_TOO_LARGE, "the headers are too large"};
    }
    return (struct http_fault){UB_P_NONE, NULL};
}

static void body_begin(struct http_reader *reader)
{
    reader->chunked = (struct http_chunked){HTTP_CHUNK_SIZE, 0, 0};
    reader->left = reader->head.content_length;
    if (reader->head.is_chunked) {
        reader->state = HTTP_READ_CHUNKS;
    } else {
        reader->state = reader->left > 0 ? HTTP_READ_LENGTH : HTTP_READ_END;
    }
}

/* A line is complete; *is_head_out = it was the empty one behind the headers. */
static struct http_fault line_end(struct http_reader *reader, bool *is_head_out)
{
    struct http_head *head = &reader->head;
    struct http_span line = {reader->line_at, head->len - 2 - reader->line_at};
    reader->line_at = head->len;
    if (reader->state == HTTP_READ_LINE) {
        reader->state = HTTP_READ_FIELDS;
        reader->fields_at = head->len;
        return http_head_request_line(head, line, reader->limits);
    }
    if (line.len > 0) {
        return http_head_field_line(head, line, reader->limits);
    }
    struct http_fault fault = http_head_frame(head);
    *is_head_out = fault.problem == UB_P_NONE;
    return fault;
}

static struct http_fault head_byte(struct http_reader *reader, char byte, bool *is_head_out)
{
    struct http_fault fault = head_byte_judge(reader, byte);
    if (fault.problem != UB_P_NONE) {
        return fault;
    }
    if (!http_head_push(&reader->head, byte)) {
        return (struct http_fault){UB_P_INTERNAL, "no memory"};
    }
    return byte == '\n' ? line_end(reader, is_head_out) : fault;
}

static enum http_event reader_refuse(struct http_reader *reader, struct http_fault fault)
{
    reader->fault = fault;
    reader->state = HTTP_READ_DEAD;
    return HTTP_EVENT_BAD;
}

static enum http_event next_head(struct http_reader *reader, const uint8_t *in, size_t len,
                                 size_t *used_out)
{
    bool is_head = false;
    while (*used_out < len && !is_head) {
        struct http_fault fault = head_byte(reader, (char)in[(*used_out)++], &is_head);
        if (fault.problem != UB_P_NONE) {
            return reader_refuse(reader, fault);
        }
    }
    if (!is_head) {
        return HTTP_EVENT_MORE;
    }
    body_begin(reader);
    return HTTP_EVENT_HEAD;
}

static enum http_event next_length(struct http_reader *reader, const uint8_t *in, size_t len,
                                   size_t *used_out, struct ub_bytes *body_out)
{
    size_t take = (uint64_t)reader->left < len ? (size_t)reader->left : len;
    if (take == 0) {
        return HTTP_EVENT_MORE;
    }
    *body_out = (struct ub_bytes){in, take};
    *used_out = take;
    reader->left -= (int64_t)take;
    if (reader->left == 0) {
        reader->state = HTTP_READ_END;
    }
    return HTTP_EVENT_BODY;
}

static enum http_event next_chunks(struct http_reader *reader, const uint8_t *in, size_t len,
                                   size_t *used_out, struct ub_bytes *body_out)
{
    struct http_chunked *chunked = &reader->chunked;
    struct http_fault fault = http_chunked_frame(chunked, in, len, used_out);
    if (fault.problem != UB_P_NONE) {
        return reader_refuse(reader, fault);
    }
    if (chunked->state == HTTP_CHUNK_END) {
        reader_restart(reader);
        return HTTP_EVENT_END;
    }
    size_t rest = len - *used_out;
    if (chunked->state != HTTP_CHUNK_DATA || rest == 0) {
        return HTTP_EVENT_MORE;
    }
    size_t take = chunked->left < rest ? (size_t)chunked->left : rest;
    *body_out = (struct ub_bytes){in + *used_out, take};
    *used_out += take;
    http_chunked_take(chunked, take);
    return HTTP_EVENT_BODY;
}

enum http_event http_reader_next(struct http_reader *reader, const uint8_t *in, size_t len,
                                 size_t *used_out, struct ub_bytes *body_out)
{
    *used_out = 0;
    switch (reader->state) {
    case HTTP_READ_LINE:
    case HTTP_READ_FIELDS:
        return next_head(reader, in, len, used_out);
    case HTTP_READ_LENGTH:
        return next_length(reader, in, len, used_out, body_out);
    case HTTP_READ_CHUNKS:
        return next_chunks(reader, in, len, used_out, body_out);
    case HTTP_READ_END:
        reader_restart(reader);
        return HTTP_EVENT_END;
    case HTTP_READ_DEAD:
        break;
    }
    return HTTP_EVENT_BAD;
}
