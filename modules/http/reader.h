/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads HTTP/1.1 requests from bytes that come in any pieces: the same bytes give the same events
 * however they are cut. Strict (ADR 1): what is not exactly a request is refused, and after a
 * refusal the reader reads nothing more. Memory is bounded by the limits; a reader between two
 * requests holds none. Threads: one at a time. */
#ifndef HTTP_READER_H
#define HTTP_READER_H

#include <unibus/abi.h>

#include "chunked.h"
#include "head.h"

enum http_event {
    HTTP_EVENT_MORE, /* all bytes are taken, more are needed */
    HTTP_EVENT_HEAD, /* reader->head is complete, framed, not sealed; it may be moved out */
    HTTP_EVENT_BODY, /* some bytes of the body */
    HTTP_EVENT_END,  /* the request is complete; the reader stands at the next one */
    HTTP_EVENT_BAD   /* reader->fault says why; every later call answers the same */
};

enum http_reader_state {
    HTTP_READ_LINE = 0,
    HTTP_READ_FIELDS,
    HTTP_READ_LENGTH,
    HTTP_READ_CHUNKS,
    HTTP_READ_END,
    HTTP_READ_DEAD
};

struct http_reader {
    const struct http_limits *limits;
    struct http_head head;
    enum http_reader_state state;
    uint32_t line_at; /* where the current line of the head begins */
    uint32_t fields_at;
    int64_t left; /* of a body with Content-Length */
    struct http_chunked chunked;
    struct http_fault fault;
};

/* limits: borrowed, outlive the reader. */
void http_reader_init(struct http_reader *reader, const struct http_limits *limits);
void http_reader_fini(struct http_reader *reader);

/* The next event. *used_out = bytes taken from in; *body_out = the range of `in` that is body
 * (HTTP_EVENT_BODY only). */
enum http_event http_reader_next(struct http_reader *reader, const uint8_t *in, size_t len,
                                 size_t *used_out, struct ub_bytes *body_out);

/* Some bytes of a request came, and it is not complete. */
bool http_reader_is_started(const struct http_reader *reader);

#endif
