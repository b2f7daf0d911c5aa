/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bus.h"
#include "info.h"
#include "lame_duck.h"
#include "permission_routes.h"
#include "server.h"
#include "tls.h"

#define S struct nats_settings
static const struct ub_field nats_fields[] = {
    UB_FIELD_LISTEN(S, listen, "127.0.0.1:4250", 0, "addresses for NATS clients"),
    UB_FIELD_LISTEN(S, monitor, NULL, 0,
                    "address for monitoring as nats-server's (HTTP, loopback only); none = off"),
    UB_FIELD_STRINGS(S, advertise, NULL, UB_LIVE,
                     "addresses that clients are told to reconnect to (connect_urls), as "
                     "\"name:port\"; none = the listeners, when there are several"),
    UB_FIELD_CHOICE(S, auth, "enforce", "off|enforce", 0,
                    "off: any client may do anything (to develop, on loopback only)"),
    UB_FIELD_STRING(S, server_name, "", 0, "name shown to clients; empty = the node's"),
    UB_FIELD_INT(S, threads, "0", 0, NATS_SHARDS_MAX, 0, "I/O loops; 0 = one a processor"),
    UB_FIELD_SIZE(S, max_payload, "1 MiB", 1, 64 << 20, 0, "largest message with its headers"),
    UB_FIELD_SIZE(S, max_control_line, "4096", 512, 5000, 0,
                  "longest line of a client, without its payload"),
    UB_FIELD_SIZE(S, max_pending, "64 MiB", 64 << 10, 1 << 30, UB_LIVE,
                  "bytes that may wait for a slow client before it is cut"),
    UB_FIELD_INT(S, max_connections, "65536", 1, 1 << 24, UB_LIVE, "connections at a time"),
    UB_FIELD_INT(S, max_subscriptions, "262144", 0, 1 << 30, UB_LIVE,
                 "subscriptions of one connection; 0 = any number"),
    UB_FIELD_INT(S, max_subscription_tokens, "0", 0, NATS_TOKENS_MAX, UB_LIVE,
                 "tokens of a subject that is subscribed to; 0 = 256, the most there can be"),
    UB_FIELD_DURATION(S, ping_interval, "2 min", 100, 86400000, UB_LIVE,
                      "a client that was silent for so long is sent a PING"),
    UB_FIELD_INT(S, ping_max, "2", 1, 100, UB_LIVE,
                 "PINGs without an answer before a client is cut"),
    UB_FIELD_DURATION(S, write_deadline, "10 s", 100, 3600000, UB_LIVE,
                      "a client that takes nothing for so long is cut"),
    UB_FIELD_DURATION(S, lame_duck_duration, "2 min", 100, 86400000, 0,
                      "SIGUSR2: the time over which all clients are sent away"),
    UB_FIELD_DURATION(S, lame_duck_grace, "10 s", 0, 3600000, 0,
                      "SIGUSR2: the part of it in which they are only told"),
    UB_FIELD_DURATION(S, auth_timeout, "2 s", 100, 60000, UB_LIVE, "time to log in"),
    UB_FIELD_CHOICE(S, tls.mode, "off", "off|upgrade|first|auto", 0,
                    "upgrade: INFO in clear, then TLS, as most clients do; first: TLS from the "
                    "first byte; auto: either on one port"),
    UB_FIELD_CHOICE(S, tls.plain, "none", "none|loopback|all", 0,
                    "clients that may go on without TLS"),
    UB_FIELD_PATH(S, tls.cert, NULL, UB_LIVE,
                  "certificate with its chain, PEM; read again on every reload"),
    UB_FIELD_SECRET(S, tls.key, UB_LIVE, "its private key, PEM: secret \"node.key\""),
    UB_FIELD_PATH(S, tls.ca, NULL, UB_LIVE, "who signs the certificates of clients, PEM"),
    UB_FIELD_CHOICE(S, tls.verify, "off", "off|optional|require", UB_LIVE,
                    "whether a client shows a certificate of tls.ca"),
    UB_FIELD_CHOICE(S, tls.min_version, "1.2", "1.2|1.3", UB_LIVE, "oldest TLS that is spoken"),
    UB_FIELD_DURATION(S, tls.timeout, "2 s", 100, 60000, UB_LIVE, "time for the handshake"),
    UB_FIELD_DURATION(S, tls.wait, "50 ms", 1, 10000, UB_LIVE,
                      "auto: a client that was silent for so long is sent INFO in clear"),
};
#undef S

static enum ub_status nats_create(const struct ub_host *host, const void *settings, void **self_out,
                                  struct ub_err *err)
{
    struct nats_server *server = NULL;
    enum ub_status status =
        nats_info_check(&((const struct nats_settings *)settings)->advertise, err);
    if (status == UB_OK) {
        status = nats_lame_duck_check(settings, err);
    }
    if (status == UB_OK) {
        status = nats_server_new(host, settings, &server, err);
    }
    *self_out = server;
    return status;
}

static const struct ub_authz_ops *ops_at(const void *providers, size_t i)
{
    return ((const struct nats_provider *)providers)[i].ops;
}

static enum ub_status nats_bind(void *self, const struct ub_service *service, struct ub_err *err)
{
    struct nats_server *server = self;
    if (strcmp(service->iface, UB_HTTPD_IFACE) == 0) {
        return nats_permission_routes(server, service, err);
    }
    if (server->provider_count == NATS_PROVIDERS_MAX) {
        return ub_fail(err, UB_ELIMIT,
                       "at most %d modules may provide ub.authz, \"%s\" is one more",
                       NATS_PROVIDERS_MAX, service->module);
    }
    struct nats_provider *providers = server->providers;
    size_t place = ub_authz_place(service->ops, providers, server->provider_count, ops_at);
    memmove(&providers[place + 1], &providers[place],
            (server->provider_count++ - place) * sizeof(providers[0]));
    providers[place] = (struct nats_provider){service->ops, service->self, service->module, server};
    return UB_OK;
}

static enum ub_status nats_start(void *self, struct ub_err *err)
{
    return nats_server_start(self, err);
}

static void nats_ready(void *self)
{
    nats_server_ready(self);
}

static void nats_drain(void *self, int64_t deadline_mono_ms)
{
    (void)deadline_mono_ms; /* stop closes what is left */
    nats_server_drain(self);
}

static bool nats_is_drained(void *self)
{
    struct nats_server *server = self;
    return atomic_load(&server->connection_count) == 0;
}

static void nats_retire(void *self)
{
    nats_lame_duck_begin(self);
}

static bool nats_is_retired(void *self)
{
    return nats_lame_duck_is_over(self);
}

static void nats_stop(void *self)
{
    nats_server_stop(self);
}

static void nats_destroy(void *self)
{
    struct nats_server *server = self;
    nats_server_free(&server);
}

void nats_live_take(struct nats_live *live, const struct nats_settings *settings)
{
    live->max_pending = settings->max_pending;
    live->max_connections = settings->max_connections;
    live->max_subscriptions = settings->max_subscriptions;
    live->max_subscription_tokens = settings->max_subscription_tokens;
    live->ping_interval = settings->ping_interval;
    live->ping_max = settings->ping_max;
    live->write_deadline = settings->write_deadline;
    live->auth_timeout = settings->auth_timeout;
}

static enum ub_status nats_prepare(void *self, const void *settings, void **token_out,
                                   struct ub_err *err)
{
    const struct nats_server *server = self;
    const struct nats_settings *fresh = settings;
    struct nats_tls_change *change = NULL;
    enum ub_status status = nats_info_check(&fresh->advertise, err);
    if (status == UB_OK) {
        status = nats_tls_prepare(server->tls, settings, &change, err);
    }
    *token_out = change;
    return status;
}

static void nats_commit(void *self, void *token)
{
    struct nats_server *server = self;
    struct nats_tls_change *change = token;
    const struct nats_settings *fresh = change->settings;
    nats_live_take(&server->live, fresh);
    nats_info_advertise(server, &fresh->advertise);
    nats_tls_commit(server->tls, &change);
}

static void nats_abort(void *self, void *token)
{
    struct nats_tls_change *change = token;
    (void)self;
    nats_tls_abort(&change);
}

static void nats_posture(void *self, const struct ub_posture_sink *sink)
{
    const struct nats_server *server = self;
    const struct nats_settings *settings = server->settings;
    bool is_off = settings->auth == NATS_AUTH_OFF;
    sink->fact(sink->ctx, "auth", is_off ? "off" : "enforce", "auth");
    bool has_tls = settings->tls.mode != NATS_TLS_OFF && settings->tls.plain != NATS_PLAIN_ALL;
    sink->fact(sink->ctx, "acl", is_off ? "off" : "on", "auth");
    for (size_t i = 0; i < settings->listen.count; i++) {
        const struct ub_listen *listen = &settings->listen.items[i];
        sink->listener(sink->ctx, listen->text, listen->is_loopback, has_tls,
                       settings->tls.mode == NATS_TLS_OFF ? "listen" : "tls.plain");
    }
    for (size_t i = 0; i < settings->monitor.count; i++) {
        const struct ub_listen *listen = &settings->monitor.items[i];
        sink->listener(sink->ctx, listen->text, listen->is_loopback, false, "monitor");
    }
}

static void nats_health(void *self, const struct ub_health_sink *sink)
{
    struct nats_server *server = self;
    uint64_t in_messages = 0, out_messages = 0, in_bytes = 0, out_bytes = 0, slow = 0;
    for (uint32_t i = 0; i < server->shard_count; i++) {
        const struct nats_shard_counts *counts = &server->shards[i].counts;
        in_messages += atomic_load_explicit(&counts->in_messages, memory_order_relaxed);
        out_messages += atomic_load_explicit(&counts->out_messages, memory_order_relaxed);
        in_bytes += atomic_load_explicit(&counts->in_bytes, memory_order_relaxed);
        out_bytes += atomic_load_explicit(&counts->out_bytes, memory_order_relaxed);
        slow += atomic_load_explicit(&counts->slow_consumers, memory_order_relaxed);
    }
    sink->number(sink->ctx, "connections", atomic_load(&server->connection_count));
    sink->number(sink->ctx, "subscriptions", (int64_t)atomic_load(&server->sublist.count));
    sink->number(sink->ctx, "in_messages", (int64_t)in_messages);
    sink->number(sink->ctx, "out_messages", (int64_t)out_messages);
    sink->number(sink->ctx, "in_bytes", (int64_t)in_bytes);
    sink->number(sink->ctx, "out_bytes", (int64_t)out_bytes);
    sink->number(sink->ctx, "slow_consumers", (int64_t)slow);
    nats_tls_health(server->tls, sink);
}

static const struct ub_module_ops nats_ops = {
    .size = sizeof(struct ub_module_ops),
    .create = nats_create,
    .bind = nats_bind,
    .start = nats_start,
    .ready = nats_ready,
    .drain = nats_drain,
    .is_drained = nats_is_drained,
    .stop = nats_stop,
    .destroy = nats_destroy,
    .prepare = nats_prepare,
    .commit = nats_commit,
    .abort = nats_abort,
    .posture = nats_posture,
    .health = nats_health,
    .retire = nats_retire,
    .is_retired = nats_is_retired,
};

static const struct ub_provide nats_provides[] = {
    {sizeof(struct ub_provide), UB_BUS_IFACE, UB_BUS_MAJOR, UB_BUS_MINOR, &nats_bus_ops},
};

static const struct ub_require nats_requires[] = {
    {sizeof(struct ub_require), UB_AUTHZ_IFACE, 1, 0, UB_EVERY | UB_OPTIONAL, NULL},
    {sizeof(struct ub_require), UB_HTTPD_IFACE, UB_HTTPD_MAJOR, 0, UB_OPTIONAL, NULL},
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 1,
    .name = "nats",
    .version = "0.1.0",
    .summary = "NATS protocol server: publish, subscribe, requests, live permissions",
    .ops = &nats_ops,
    .settings_size = sizeof(struct nats_settings),
    UB_TABLE(fields, field, nats_fields),
    UB_TABLE(provides, provide, nats_provides),
    UB_TABLE(requires_, require, nats_requires),
};
