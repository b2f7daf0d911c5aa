/* SPDX-License-Identifier: Apache-2.0
 *
 * A handler that streams holds its worker for as long as the peer likes to take. So not all workers
 * may be held like that, and not too many of them by one identity: whoever sends a byte now and
 * then must not keep an admin from removing him. */
#include "exchange.h"

static bool has_slot(const struct ub_http_server *server, const struct http_exchange *x)
{
    size_t workers = (size_t)server->settings->workers, all = 0, own = 0;
    size_t reserve = workers < 8 ? 1 : workers / 4;
    size_t max = workers > 1 ? workers - reserve : 1;
    for (const struct http_exchange *it = server->transfers; it != NULL; it = it->transfer_next) {
        all++;
        own += strcmp(it->pub.principal.id, x->pub.principal.id) == 0;
    }
    return all < max && own < (max < 8 ? max : max / 4);
}

bool http_transfer_begin(struct http_exchange *x)
{
    struct ub_http_server *server = x->server;
    if (x->is_transfer) {
        return true;
    }
    pthread_mutex_lock(&server->transfer_lock);
    x->is_transfer = has_slot(server, x);
    if (x->is_transfer) {
        x->transfer_next = server->transfers;
        server->transfers = x;
    }
    pthread_mutex_unlock(&server->transfer_lock);
    if (!x->is_transfer) {
        http_problem_reply(x, UB_P_MODULE_UNAVAILABLE, NULL,
                           "too many transfers are under way: try again later");
    }
    return x->is_transfer;
}

void http_transfer_end(struct http_exchange *x)
{
    struct ub_http_server *server = x->server;
    if (!x->is_transfer) {
        return;
    }
    pthread_mutex_lock(&server->transfer_lock);
    struct http_exchange **link = &server->transfers;
    while (*link != x) {
        link = &(*link)->transfer_next;
    }
    *link = x->transfer_next;
    x->is_transfer = false;
    pthread_mutex_unlock(&server->transfer_lock);
}
