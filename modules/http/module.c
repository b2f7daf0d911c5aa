/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus/module.h>

#include <stdlib.h>

#include <sodium.h>

#include "ops.h"

static const struct ub_field http_fields[] = {
    UB_FIELD_LISTEN(struct http_settings, listen, "127.0.0.1:8470", 0,
                    "addresses of the control plane, one or a list"),
    UB_FIELD_STATE_PATH(struct http_settings, admin_socket, "admin.sock", 0,
                        "the socket for the operator of this machine (mode 0600)"),
    UB_FIELD_INT(struct http_settings, workers, "64", 1, 1024, 0,
                 "threads that check signatures and run handlers"),
    UB_FIELD_INT(struct http_settings, queue, "1024", 1, 1000000, 0,
                 "requests that may wait for a worker; more are answered 503"),
    UB_FIELD_INT(struct http_settings, max_connections, "10000", 1, 1000000, UB_LIVE,
                 "open TCP connections; more are answered 503"),
    UB_FIELD_SIZE(struct http_settings, max_target, "8 KiB", 256, 65536, UB_LIVE,
                  "longest path with query; longer is answered 414"),
    UB_FIELD_SIZE(struct http_settings, max_headers, "16 KiB", 1024, 262144, UB_LIVE,
                  "all headers of a request together; more are answered 431"),
    UB_FIELD_INT(struct http_settings, max_header_count, "100", 10, 1000, UB_LIVE,
                 "headers of a request; more are answered 431"),
    UB_FIELD_DURATION(struct http_settings, head_timeout, "10 s", 100, 600000, UB_LIVE,
                      "from the first byte of a request to the end of its headers"),
    UB_FIELD_DURATION(struct http_settings, idle_timeout, "60 s", 100, 3600000, UB_LIVE,
                      "how long a connection may stay open between requests"),
    UB_FIELD_DURATION(struct http_settings, stall_timeout, "30 s", 100, 600000, UB_LIVE,
                      "how long a body or an answer may stand still"),
};

static const struct ub_provide http_provides[] = {{.size = sizeof(struct ub_provide),
                                                   .iface = UB_HTTPD_IFACE,
                                                   .major = UB_HTTPD_MAJOR,
                                                   .minor = UB_HTTPD_MINOR,
                                                   .ops = &http_ops}};

static void http_destroy(void *self)
{
    struct ub_http_server *server = self;
    http_router_fini(&server->router);
    pthread_mutex_destroy(&server->transfer_lock);
    free(server);
}

static enum ub_status http_create(const struct ub_host *host, const void *settings, void **self_out,
                                  struct ub_err *err)
{
    struct ub_http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the server");
    }
    server->host = host;
    server->settings = settings;
    pthread_mutex_init(&server->transfer_lock, NULL);
    enum ub_status status = sodium_init() < 0 ? ub_fail(err, UB_EINTERNAL, "libsodium cannot start")
                                              : http_health_routes(server, err);
    if (status == UB_OK) {
        status = http_decision_routes(server, err);
    }
    if (status == UB_OK) {
        status = http_config_routes(server, err);
    }
    if (status != UB_OK) {
        http_destroy(server);
        return status;
    }
    *self_out = server;
    return UB_OK;
}

static enum ub_status http_start(void *self, struct ub_err *err)
{
    return http_server_start(self, err);
}

static void http_ready(void *self)
{
    http_server_serve(self);
}

static void http_drain(void *self, int64_t deadline_mono_ms)
{
    http_server_drain(self, deadline_mono_ms);
}

static bool http_is_drained(void *self)
{
    return http_server_is_drained(self);
}

static void http_stop(void *self)
{
    http_server_stop(self);
}

/* ---- reload: what is live belongs to the loop, so it is carried there -------------------------
 */

struct http_change {
    struct ub_http_server *server;
    struct http_live live;
};

static enum ub_status http_prepare(void *self, const void *settings, void **token_out,
                                   struct ub_err *err)
{
    struct http_change *change = malloc(sizeof(*change));
    if (change == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the new settings");
    }
    *change = (struct http_change){self, http_live_of(settings)};
    *token_out = change;
    return UB_OK;
}

/* On the loop. Whoever is told of the reload afterwards meets the new limits already. */
static void http_change_take(void *arg)
{
    struct http_change *change = arg;
    change->server->live = change->live;
    free(change);
}

static void http_commit(void *self, void *token)
{
    struct ub_http_server *server = self;
    server->host->loop->post(server->loop, http_change_take, token);
}

static void http_abort(void *self, void *token)
{
    (void)self;
    free(token);
}

static void http_posture(void *self, const struct ub_posture_sink *sink)
{
    const struct ub_http_server *server = self;
    sink->fact(sink->ctx, "auth", "enforce", NULL);
    for (size_t i = 0; i < server->settings->listen.count; i++) {
        const struct ub_listen *listen = &server->settings->listen.items[i];
        sink->listener(sink->ctx, listen->text, listen->is_loopback, false, "listen");
    }
}

static void http_health(void *self, const struct ub_health_sink *sink)
{
    struct ub_http_server *server = self;
    sink->number(sink->ctx, "connections", atomic_load(&server->conn_count));
    sink->number(sink->ctx, "requests", atomic_load(&server->request_count));
    sink->number(sink->ctx, "refused", atomic_load(&server->refused_count));
}

static const struct ub_module_ops http_module_ops = {.size = sizeof(http_module_ops),
                                                     .create = http_create,
                                                     .start = http_start,
                                                     .ready = http_ready,
                                                     .drain = http_drain,
                                                     .is_drained = http_is_drained,
                                                     .stop = http_stop,
                                                     .destroy = http_destroy,
                                                     .prepare = http_prepare,
                                                     .commit = http_commit,
                                                     .abort = http_abort,
                                                     .posture = http_posture,
                                                     .health = http_health};

UB_MODULE = {.size = sizeof(struct ub_module),
             .abi_major = 1,
             .abi_minor = 1,
             .name = "http",
             .version = "0.1.0",
             .summary = "HTTP/1.1 server: listeners, admin socket, signed requests, routes",
             .ops = &http_module_ops,
             .settings_size = sizeof(struct http_settings),
             UB_TABLE(fields, field, http_fields),
             UB_TABLE(provides, provide, http_provides)};
