/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_REFUSAL_H
#define HTTP_REFUSAL_H

#include "server.h"

/* What was asked of which resource, and why not. */
struct http_refusal {
    const char *action, *resource_kind, *resource_id, *text;
};

/* Answers 403 with a decision: like every refusal it can be asked for by its id. */
void http_refuse(struct ub_http_server *server, const struct ub_http_request *request,
                 const struct http_refusal *refusal);

#endif
