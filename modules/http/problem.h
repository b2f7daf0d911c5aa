/* SPDX-License-Identifier: Apache-2.0
 *
 * application/problem+json (RFC 9457) from the one table in unibus/problem.h. */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include <event2/buffer.h>

#include <unibus/host.h>
#include <unibus/problem.h>

#include <stdbool.h>

const char *http_problem_code(enum ub_problem problem);
int http_problem_status(enum ub_problem problem);

/* The JSON; members: further ones without braces, or NULL; detail: any bytes, or NULL. NULL = no
 * memory. Freed with evbuffer_free. */
struct evbuffer *http_problem_json(enum ub_problem problem, const char *members, const char *detail,
                                   const char *request_id);

/* A whole last answer (Connection: close) for bytes that are no request. */
bool http_problem_write(const struct ub_host *host, struct evbuffer *out, enum ub_problem problem,
                        const char *detail);

/* A name for one request in logs and `instance`: sortable by time, 26 characters (ULID). */
void http_request_id(const struct ub_host *host, char out[27]);

#endif
