/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <stdlib.h>

#include "problem.h"

static void request_fill(struct http_exchange *x, const struct http_conn *conn)
{
    http_head_seal(&x->head);
    const struct http_head *head = &x->head;
    x->pub =
        (struct ub_http_request){.size = sizeof(x->pub),
                                 .id = x->id,
                                 .method = http_head_text(head, head->method),
                                 .raw_path = http_head_text(head, head->path),
                                 .raw_query = http_head_text(head, head->query),
                                 .body_length = head->is_chunked           ? -1
                                                : head->content_length < 0 ? 0
                                                                           : head->content_length,
                                 .address = conn->peer.address,
                                 .is_loopback = conn->peer.is_loopback,
                                 .has_tls = conn->wire.ops->has_tls,
                                 .is_admin_socket = conn->peer.is_admin,
                                 .principal = {.size = sizeof(x->pub.principal)},
                                 .server = x->server};
}

struct http_exchange *http_exchange_new(struct http_conn *conn)
{
    struct http_exchange *x = calloc(1, sizeof(*x));
    if (x == NULL) {
        return NULL;
    }
    x->in = evbuffer_new();
    x->out = evbuffer_new();
    x->address = strdup(conn->peer.address);
    if (x->in == NULL || x->out == NULL || x->address == NULL) {
        if (x->in != NULL) {
            evbuffer_free(x->in);
        }
        if (x->out != NULL) {
            evbuffer_free(x->out);
        }
        free(x->address);
        free(x);
        return NULL;
    }
    x->server = conn->server;
    x->conn = conn;
    x->head = conn->reader.head;
    http_head_init(&conn->reader.head);
    x->is_in_ended = !http_head_has_body(&x->head);
    x->began_ns = x->server->host->clock->mono_ns(x->server->host);
    atomic_init(&x->refs, 1);
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    http_request_id(x->server->host, x->id);
    request_fill(x, conn);
    x->pub.address = x->address; /* a worker may look at it when the connection has gone */
    atomic_fetch_add(&x->server->request_count, 1);
    return x;
}

static void exchange_free(struct http_exchange *x)
{
    for (struct http_joined *joined = x->joined, *next; joined != NULL; joined = next) {
        next = joined->next;
        free(joined);
    }
    http_stream_free(&x->stream);
    http_head_fini(&x->head);
    evbuffer_free(x->in);
    evbuffer_free(x->out);
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    free(x->params);
    free(x->address);
    free(x);
}

void http_exchange_ref(struct http_exchange *x)
{
    atomic_fetch_add(&x->refs, 1);
}

void http_exchange_unref(struct http_exchange *x)
{
    if (atomic_fetch_sub(&x->refs, 1) != 1) {
        return;
    }
    if (x->pub.ticket != NULL) {
        http_late_add(x);
    } else {
        exchange_free(x);
    }
}

static void unref_task(void *arg)
{
    http_exchange_unref(arg);
}

void http_exchange_release(struct http_exchange *x)
{
    x->server->host->loop->post(x->server->loop, unref_task, x);
}

static void output_task(void *arg)
{
    struct http_exchange *x = arg;
    http_exchange_pump(x);
    http_exchange_unref(x);
}

void http_exchange_post_output(struct http_exchange *x)
{
    if (!x->is_out_posted && !x->is_gone) {
        x->is_out_posted = true;
        http_exchange_ref(x);
        x->server->host->loop->post(x->server->loop, output_task, x);
    }
}

/* Refusals show without debugging; neither path nor headers are logged, they may hold secrets. */
static void exchange_log(const struct http_exchange *x)
{
    const struct ub_host *host = x->server->host;
    enum ub_log_level level = x->problem == UB_P_NONE       ? UB_LOG_DEBUG
                              : x->problem == UB_P_INTERNAL ? UB_LOG_ERROR
                                                            : UB_LOG_INFO;
    if (!host->log->is_enabled(host, level)) {
        return;
    }
    int64_t took_us = (host->clock->mono_ns(host) - x->began_ns) / 1000;
    ub_log(host, level, x->problem == UB_P_NONE ? "request" : "request-refused",
           x->problem == UB_P_NONE ? "answered" : "refused", UB_TEXT("request", x->id),
           UB_TEXT("method", x->pub.method),
           UB_TEXT("route", x->route != NULL ? x->route->pub.pattern : ""),
           UB_NUMBER("status", x->status),
           UB_TEXT("code", x->problem == UB_P_NONE ? "" : http_problem_code(x->problem)),
           UB_TEXT("address", x->pub.address), UB_TEXT("identity", x->pub.principal.id),
           UB_NUMBER("took_us", took_us));
}

void http_exchange_gone(struct http_exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->is_gone = true;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    x->conn = NULL;
    ub_log(x->server->host, UB_LOG_DEBUG, "peer-left", "the connection ended before the answer",
           UB_TEXT("request", x->id), UB_TEXT("address", x->pub.address));
    if (x->stream != NULL) {
        http_stream_tell(x->stream);
    }
    http_exchange_unref(x);
}

static void exchange_ended(struct http_exchange *x, bool keep)
{
    struct http_conn *conn = x->conn;
    x->conn = NULL;
    exchange_log(x);
    http_conn_answered(conn, keep);
    http_exchange_unref(x); /* the connection's; the caller holds one */
}

void http_exchange_pump(struct http_exchange *x)
{
    struct http_conn *conn = x->conn;
    if (conn == NULL) {
        return;
    }
    struct evbuffer *out = http_conn_out(conn);
    pthread_mutex_lock(&x->lock);
    x->is_out_posted = false;
    bool is_cut = x->is_cut || out == NULL || evbuffer_add_buffer(out, x->out) != 0;
    bool is_ended = x->is_out_ended, keep = x->is_in_ended && !x->says_close;
    bool is_stream = x->is_streaming;
    pthread_mutex_unlock(&x->lock);
    if (is_cut) {
        http_conn_cut(conn);
    } else if (is_ended) {
        exchange_ended(x, keep);
    } else if (is_stream && conn->phase != HTTP_PHASE_STREAM) {
        http_conn_phase(conn, HTTP_PHASE_STREAM);
        conn->beat_ms = http_mono_ms(x->server);
    }
    http_conn_settle(conn);
}

void http_exchange_count_unsent(struct http_exchange *x)
{
    struct evbuffer *out = x->conn->out;
    pthread_mutex_lock(&x->lock);
    x->unsent = evbuffer_get_length(x->out) + (out != NULL ? evbuffer_get_length(out) : 0);
    if (x->unsent <= HTTP_PENDING_MAX) {
        pthread_cond_broadcast(&x->changed);
    }
    pthread_mutex_unlock(&x->lock);
}
