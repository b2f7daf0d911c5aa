/* SPDX-License-Identifier: Apache-2.0
 *
 * The module's state. One loop with a thread of its own owns all connections; a pool of workers
 * checks signatures and runs handlers. The main loop starts and stops. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include <event2/event.h>

#include <unibus/error.h>
#include <unibus/host.h>
#include <unibus/httpd.h>

#include "head.h"
#include "router.h"
#include "settings.h"

#define HTTP_SCRATCH_SIZE 16384

struct http_conn;
struct http_exchange;

struct http_listener {
    struct ub_http_server *server;
    struct event *event;
    int fd;
    bool is_admin, is_loopback;
    char address[128]; /* "127.0.0.1:8470" with the real port, or the path of the admin socket */
};

/* Settings that a reload may change; the loop's once there is one. */
struct http_live {
    struct http_limits limits;
    int64_t max_connections;
    int64_t head_timeout, idle_timeout, stall_timeout; /* ms */
};

struct ub_http_server {
    const struct ub_host *host;
    const struct http_settings *settings;
    struct http_live live;
    struct http_router router;
    struct ub_httpd_auth_ops auth; /* authenticate NULL = none is registered */
    void *auth_arg;

    struct http_listener *listeners; /* TCP first, the admin socket last */
    size_t listener_count;
    int fd_max; /* sockets above are turned away: what is left is for the stores */
    struct ub_loop *loop;
    struct ub_pool *pool;

    /* The loop's. */
    struct event_base *base;
    struct ub_timer *tick;
    struct http_conn *conns;
    struct http_exchange *late; /* tickets that wait for a place in the queue (late.c) */
    bool is_stopping;
    int64_t cut_at_ms; /* monotonic; 0 = no drain is under way */
    uint8_t scratch[HTTP_SCRATCH_SIZE];

    /* Those whose handler streams: they hold a worker each (transfer.c). */
    pthread_mutex_t transfer_lock;
    struct http_exchange *transfers;

    /* For health() and is_drained() on the main loop. */
    atomic_bool is_draining;
    atomic_llong conn_count, busy_count, request_count, refused_count;
};

struct http_live http_live_of(const struct http_settings *settings);

/* Starting and stopping; main loop. start undoes what it did when it fails. */
enum ub_status http_server_start(struct ub_http_server *server, struct ub_err *err);
void http_server_serve(struct ub_http_server *server);
void http_server_drain(struct ub_http_server *server, int64_t deadline_mono_ms);
bool http_server_is_drained(struct ub_http_server *server);
void http_server_stop(struct ub_http_server *server);

int64_t http_mono_ms(const struct ub_http_server *server);

#endif
