/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <semaphore.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "conn.h"
#include "exchange.h"
#include "listener.h"

#define TICK_MS        250
#define RESERVED_FILES 128
/* What is under way is cut so long before the end of a drain, so that handlers return in time. */
#define CUT_BEFORE_MS 500

int64_t http_mono_ms(const struct ub_http_server *server)
{
    return server->host->clock->mono_ns(server->host) / 1000000;
}

/* ---- on the loop ------------------------------------------------------------------------------
 */

static void cut_all(struct ub_http_server *server)
{
    for (struct http_conn *conn = server->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        http_conn_cut(conn);
        http_conn_settle(conn);
    }
}

static void accept_all(struct ub_http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        http_listener_begin(&server->listeners[i]);
    }
}

static void refuse_all(struct ub_http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        http_listener_end(&server->listeners[i]);
    }
}

static void on_tick(void *arg)
{
    struct ub_http_server *server = arg;
    int64_t now_ms = http_mono_ms(server);
    for (struct http_conn *conn = server->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        http_conn_tick(conn, now_ms);
    }
    http_late_retry(server);
    if (!atomic_load(&server->is_draining)) {
        accept_all(server); /* those that ran out of descriptors */
    } else if (now_ms >= server->cut_at_ms) {
        cut_all(server);
    }
}

static void serve_task(void *arg)
{
    struct ub_http_server *server = arg;
    server->base = server->host->loop->native(server->loop);
    server->tick = server->host->loop->timer_start(server->loop, TICK_MS, on_tick, server);
    if (server->tick == NULL) {
        server->host->node->fail(server->host, "http-no-memory", "no memory for a timer");
        return;
    }
    accept_all(server);
}

static void drain_task(void *arg)
{
    struct ub_http_server *server = arg;
    refuse_all(server);
    for (struct http_conn *conn = server->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        http_conn_drain(conn);
    }
}

struct stopping {
    struct ub_http_server *server;
    sem_t is_done;
};

static void stop_task(void *arg)
{
    struct stopping *stopping = arg;
    struct ub_http_server *server = stopping->server;
    server->is_stopping = true;
    refuse_all(server);
    server->host->loop->timer_stop(&server->tick);
    cut_all(server);
    sem_post(&stopping->is_done);
}

/* ---- on the main loop -------------------------------------------------------------------------
 */

static void close_listeners(struct ub_http_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        http_listener_close(&server->listeners[i]);
    }
    free(server->listeners);
    server->listeners = NULL;
    server->listener_count = 0;
}

static enum ub_status open_listeners(struct ub_http_server *server, struct ub_err *err)
{
    const struct ub_listens *listen = &server->settings->listen;
    server->listeners = calloc(listen->count + 1, sizeof(*server->listeners));
    if (server->listeners == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the listeners");
    }
    enum ub_status status = UB_OK;
    for (size_t i = 0; i <= listen->count && status == UB_OK; i++) {
        struct http_listener *listener = &server->listeners[i];
        *listener = (struct http_listener){.server = server, .fd = -1};
        status = i < listen->count ? http_listener_open(listener, &listen->items[i], err)
                                   : http_admin_open(listener, server->settings->admin_socket, err);
        server->listener_count = i + 1;
    }
    return status;
}

static void post_facts(const struct ub_http_server *server)
{
    const struct ub_host *host = server->host;
    char url[160];
    for (size_t i = 0; i < server->listener_count; i++) {
        const struct http_listener *listener = &server->listeners[i];
        ub_log(host, UB_LOG_INFO, "listening", "listening", UB_TEXT("address", listener->address));
    }
    if (server->listener_count > 1) {
        snprintf(url, sizeof(url), "http://%s", server->listeners[0].address);
        host->node->post_fact(host, "http.url", url);
    }
    host->node->post_fact(host, "http.admin_socket", server->settings->admin_socket);
}

static int fd_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX) {
        return INT32_MAX;
    }
    rlim_t reserve = limit.rlim_cur / 2;
    return (int)(limit.rlim_cur - (reserve < RESERVED_FILES ? reserve : RESERVED_FILES));
}

struct http_live http_live_of(const struct http_settings *settings)
{
    return (struct http_live){.limits = {(uint32_t)settings->max_target,
                                         (uint32_t)settings->max_headers,
                                         (uint32_t)settings->max_header_count},
                              .max_connections = settings->max_connections,
                              .head_timeout = settings->head_timeout,
                              .idle_timeout = settings->idle_timeout,
                              .stall_timeout = settings->stall_timeout};
}

enum ub_status http_server_start(struct ub_http_server *server, struct ub_err *err)
{
    server->live = http_live_of(server->settings);
    const struct ub_host *host = server->host;
    const struct http_settings *settings = server->settings;
    enum ub_status status = open_listeners(server, err);
    server->fd_max = fd_max();
    if (status == UB_OK) {
        status = host->pool->open(host, "http-worker", (unsigned)settings->workers,
                                  (unsigned)settings->queue, &server->pool, err);
    }
    if (status == UB_OK) {
        status = host->loop->open(host, "http", &server->loop, err);
    }
    if (status != UB_OK) {
        host->pool->close(&server->pool);
        close_listeners(server);
        return status;
    }
    post_facts(server);
    return UB_OK;
}

void http_server_serve(struct ub_http_server *server)
{
    server->host->loop->post(server->loop, serve_task, server);
}

void http_server_drain(struct ub_http_server *server, int64_t deadline_mono_ms)
{
    server->cut_at_ms = deadline_mono_ms - CUT_BEFORE_MS;
    atomic_store(&server->is_draining, true);
    server->host->loop->post(server->loop, drain_task, server);
}

bool http_server_is_drained(struct ub_http_server *server)
{
    return atomic_load(&server->busy_count) == 0;
}

void http_server_stop(struct ub_http_server *server)
{
    const struct ub_host *host = server->host;
    struct stopping stopping = {.server = server};
    if (server->loop == NULL) {
        return;
    }
    sem_init(&stopping.is_done, 0, 0);
    host->loop->post(server->loop, stop_task, &stopping);
    while (sem_wait(&stopping.is_done) != 0) {
    }
    sem_destroy(&stopping.is_done);
    host->pool->close(&server->pool);
    host->loop->close(&server->loop);
    http_late_end(server);
    close_listeners(server);
}
