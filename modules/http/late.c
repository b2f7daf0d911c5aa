/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets of requests whose handler never ran: their nonce is spent all the same, and spending may
 * block, so a worker does it. A full queue must not lose one: it waits here for the next tick. */
#include "exchange.h"

static void late_work(void *arg)
{
    struct http_exchange *x = arg;
    http_auth_finish(x);
    http_exchange_release(x);
}

static bool submit(struct http_exchange *x)
{
    struct ub_http_server *server = x->server;
    return !server->is_stopping && server->host->pool->submit(server->pool, late_work, x) == UB_OK;
}

void http_late_add(struct http_exchange *x)
{
    http_exchange_ref(x);
    if (!submit(x)) {
        x->late_next = x->server->late;
        x->server->late = x;
    }
}

void http_late_retry(struct ub_http_server *server)
{
    struct http_exchange *x = server->late, *next;
    server->late = NULL;
    for (; x != NULL; x = next) {
        next = x->late_next;
        if (!submit(x)) {
            x->late_next = server->late;
            server->late = x;
        }
    }
}

void http_late_end(struct ub_http_server *server)
{
    for (struct http_exchange *x = server->late, *next; x != NULL; x = next) {
        next = x->late_next;
        http_auth_finish(x);
        http_exchange_unref(x);
    }
    server->late = NULL;
}
