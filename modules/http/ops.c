/* SPDX-License-Identifier: Apache-2.0 */
#include "ops.h"

#include <stdlib.h>

#include "exchange.h"

static enum ub_status ops_route(void *self, const struct ub_http_route *route, struct ub_err *err)
{
    struct ub_http_server *server = self;
    struct ub_http_route own = *route;
    own.flags &= ~HTTP_INLINE;
    return http_router_add(&server->router, &own, err);
}

static enum ub_status ops_authenticator(void *self, const struct ub_httpd_auth_ops *ops, void *arg,
                                        struct ub_err *err)
{
    struct ub_http_server *server = self;
    if (server->auth.authenticate != NULL) {
        return ub_fail(err, UB_EEXISTS, "another module checks signatures already");
    }
    if (ops->authenticate == NULL || ops->finish == NULL) {
        return ub_fail(err, UB_EINVAL, "an authenticator needs authenticate and finish");
    }
    memcpy(&server->auth, ops, ops->size < sizeof(server->auth) ? ops->size : sizeof(server->auth));
    server->auth_arg = arg;
    return UB_OK;
}

static size_t joined_length(const struct http_head *head, const char *name)
{
    size_t len = 1;
    for (int i = http_head_find(head, name, 0); i >= 0; i = http_head_find(head, name, i + 1)) {
        len += head->fields[i].value.len + 2;
    }
    return len;
}

static const char *joined_new(struct http_exchange *x, const char *name)
{
    size_t room = joined_length(&x->head, name), len = 0;
    struct http_joined *joined = malloc(sizeof(*joined) + room);
    if (joined == NULL) {
        return NULL;
    }
    for (int i = http_head_find(&x->head, name, 0); i >= 0;
         i = http_head_find(&x->head, name, i + 1)) {
        len += (size_t)snprintf(joined->text + len, room - len, "%s%s", len > 0 ? ", " : "",
                                http_head_text(&x->head, x->head.fields[i].value));
    }
    joined->next = x->joined;
    x->joined = joined;
    return joined->text;
}

static const char *ops_header(const struct ub_http_request *request, const char *name)
{
    struct http_exchange *x = http_exchange_of(request);
    int first = http_head_find(&x->head, name, 0);
    if (first < 0) {
        return NULL;
    }
    if (http_head_find(&x->head, name, first + 1) >= 0) {
        return joined_new(x, name);
    }
    return http_head_text(&x->head, x->head.fields[first].value);
}

static enum ub_status ops_read(const struct ub_http_request *request, void *out, size_t out_size,
                               size_t *read_out, struct ub_err *err)
{
    return http_body_read(http_exchange_of(request), out, out_size, read_out, err);
}

static void ops_reply(const struct ub_http_request *request, int status,
                      const struct ub_http_header *headers, struct ub_bytes body)
{
    http_reply(http_exchange_of(request), status, headers, body);
}

static void ops_problem(const struct ub_http_request *request, enum ub_problem problem,
                        const char *members, const char *detail)
{
    http_problem_reply(http_exchange_of(request), problem, members, detail);
}

static enum ub_status ops_begin(const struct ub_http_request *request, int status,
                                const struct ub_http_header *headers, int64_t length,
                                struct ub_err *err)
{
    struct http_exchange *x = http_exchange_of(request);
    bool may_wait = length < 0 || length > HTTP_PENDING_MAX;
    if (may_wait && x->answer == HTTP_UNANSWERED && !http_transfer_begin(x)) {
        return ub_fail(err, UB_EUNAVAILABLE, "too many transfers are under way");
    }
    return http_reply_begin(x, status, headers, length, err);
}

static enum ub_status ops_write(const struct ub_http_request *request, struct ub_bytes bytes,
                                struct ub_err *err)
{
    return http_reply_write(http_exchange_of(request), bytes, err);
}

static void ops_end(const struct ub_http_request *request)
{
    http_reply_end(http_exchange_of(request));
}

const struct ub_httpd_ops http_ops = {.size = sizeof(http_ops),
                                      .route = ops_route,
                                      .authenticator = ops_authenticator,
                                      .header = ops_header,
                                      .read = ops_read,
                                      .reply = ops_reply,
                                      .problem = ops_problem,
                                      .begin = ops_begin,
                                      .write = ops_write,
                                      .end = ops_end,
                                      .stream_open = http_stream_open,
                                      .stream_send = http_stream_send,
                                      .stream_close = http_stream_close};
