/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of an answer. */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include <event2/buffer.h>

#include <unibus/httpd.h>

struct http_answer_head {
    int status;
    const struct ub_http_header *headers; /* end with {NULL, NULL}; NULL = none */
    int64_t length;                       /* -1 = not known */
    bool is_chunked, says_close;
    int64_t now_ms;
};

/* NULL, or the name of a header that a handler may not set or whose value would break the lines. */
const char *http_answer_fault(const struct ub_http_header *headers);

/* Status line, headers, empty line; what every answer carries is added unless `headers` has it.
 * False = no memory. */
bool http_answer_write(struct evbuffer *out, const struct http_answer_head *head);

/* 1xx, 204 and 304 have no body. */
bool http_answer_has_body(int status);

#endif
