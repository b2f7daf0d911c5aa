/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of a request: the raw bytes once, and where its parts lie in them.
 *
 * The bytes are kept as they came; http_head_seal then writes a NUL behind each part (over the
 * space, the colon or the line end that follows it), so that the parts can be used as C strings. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <unibus/problem.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_limits {
    uint32_t target_max;  /* bytes of path and query */
    uint32_t headers_max; /* bytes of all header lines with their line ends */
    uint32_t fields_max;  /* header lines */
};

struct http_span {
    uint32_t at, len;
};

struct http_field {
    struct http_span name, value; /* the value without white space around it */
};

struct http_head {
    char *bytes;
    uint32_t len, room;
    struct http_field *fields;
    uint32_t field_count, field_room;
    struct http_span method, path, query; /* query without '?' */
    int64_t content_length;               /* -1 = not declared */
    bool is_chunked, is_http10, wants_close, expects_continue;
};

/* What is wrong with a request; problem UB_P_NONE = nothing. `why` is a constant. */
struct http_fault {
    enum ub_problem problem;
    const char *why;
};

void http_head_init(struct http_head *head);
void http_head_fini(struct http_head *head);

/* One byte more; false = no memory. */
bool http_head_push(struct http_head *head, char byte);

/* The lines of RFC 9112, section 3 and 5, without their line end: [at, at + len) of the bytes.
 * Fills method, path, query, is_http10; adds a field. */
struct http_fault http_head_request_line(struct http_head *head, struct http_span line,
                                         const struct http_limits *limits);
struct http_fault http_head_field_line(struct http_head *head, struct http_span line,
                                       const struct http_limits *limits);

/* After the last line: judges Host, Content-Length, Transfer-Encoding, Expect, Connection (RFC 9112
 * section 6, narrower) and fills the rest of the struct (framing.c). */
struct http_fault http_head_frame(struct http_head *head);

/* Makes C strings of the parts and lower case of the names. After http_head_frame. */
void http_head_seal(struct http_head *head);

bool http_head_has_body(const struct http_head *head);

/* The first field of that name (any case) at index `from` or behind; -1 = none. */
int http_head_find(const struct http_head *head, const char *name, int from);

/* Parts of a sealed head. */
static inline const char *http_head_text(const struct http_head *head, struct http_span span)
{
    return head->bytes + span.at;
}

#endif
