/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <unibus/error.h>

#include "authz.h"
#include "info.h"
#include "interest.h"
#include "listener.h"
#include "monitor/monitor.h"
#include "permission_routes.h"
#include "tls.h"

#define SERVER_SPARE_BLOCKS   256 /* of 64 KiB */
#define SERVER_AUTH_THREADS   4
#define SERVER_AUTH_QUEUE     16384
#define SERVER_RESERVED_FILES 128 /* stores, logs, other modules */

static uint32_t server_threads(const struct nats_settings *settings)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t threads = settings->threads > 0 ? settings->threads : processors;
    if (threads < 1) {
        return 1;
    }
    return threads > NATS_SHARDS_MAX ? NATS_SHARDS_MAX : (uint32_t)threads;
}

/* "N" and 55 characters of base32, as nats-server's public server keys look. */
static void server_make_id(struct nats_server *server)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[NATS_SERVER_ID_LEN];
    server->host->clock->random(server->host, random, sizeof(random));
    server->server_id[0] = 'N';
    for (size_t i = 1; i < NATS_SERVER_ID_LEN; i++) {
        server->server_id[i] = letters[random[i] % 32];
    }
}

static bool server_allocate(struct nats_server *server)
{
    server->host->clock->random(server->host, &server->seed, sizeof(server->seed));
    server->host->clock->random(server->host, server->reply_key, sizeof(server->reply_key));
    server->shard_count = server_threads(server->settings);
    server->shards = calloc(server->shard_count, sizeof(*server->shards));
    server->inboxes = nats_inbox_table_new(server->seed);
    server->sessions = nats_sessions_new();
    server->interests = nats_interests_new();
    return server->shards != NULL && server->inboxes != NULL && server->sessions != NULL &&
           server->interests != NULL && nats_sublist_init(&server->sublist, server->seed);
}

enum ub_status nats_server_new(const struct ub_host *host, const struct nats_settings *settings,
                               struct nats_server **server_out, struct ub_err *err)
{
    struct nats_server *server = sodium_init() < 0 ? NULL : calloc(1, sizeof(*server));
    if (server == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the NATS server");
    }
    server->host = host;
    server->settings = settings;
    nats_live_take(&server->live, settings);
    nats_pool_init(&server->pool, SERVER_SPARE_BLOCKS);
    nats_change_gate_init(server);
    pthread_mutex_init(&server->info_lock, NULL);
    if (!server_allocate(server)) {
        nats_server_free(&server);
        return ub_fail(err, UB_ENOMEM, "no memory for the NATS server");
    }
    server_make_id(server);
    enum ub_status status = nats_tls_context_new(host, settings, &server->tls, err);
    if (status != UB_OK) {
        nats_server_free(&server);
    }
    *server_out = server;
    return status;
}

void nats_server_free(struct nats_server **server)
{
    struct nats_server *it = *server;
    *server = NULL;
    if (it == NULL) {
        return;
    }
    if (it->sublist.root != NULL) {
        nats_sublist_fini(&it->sublist);
    }
    nats_inbox_table_free(&it->inboxes);
    nats_sessions_free(&it->sessions);
    nats_interests_free(&it->interests);
    nats_pool_fini(&it->pool);
    nats_tls_context_free(&it->tls);
    nats_change_gate_fini(it);
    pthread_mutex_destroy(&it->info_lock);
    free(it->shards);
    free(it);
}

/* As many open files as there may be connections, as far as the system lets us. */
static void server_raise_files(const struct nats_server *server)
{
    rlim_t wanted = (rlim_t)server->live.max_connections + SERVER_RESERVED_FILES;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) {
        ub_log(server->host, UB_LOG_WARN, "few-files",
               "fewer open files are allowed than max_connections needs; raise LimitNOFILE",
               UB_NUMBER("allowed", limit.rlim_cur), UB_NUMBER("needed", wanted));
    }
}

static int server_fd_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT32_MAX) {
        return INT32_MAX;
    }
    rlim_t reserve = limit.rlim_cur / 2;
    reserve = reserve < SERVER_RESERVED_FILES ? reserve : SERVER_RESERVED_FILES;
    return (int)(limit.rlim_cur - reserve);
}

static enum ub_status server_open_shards(struct nats_server *server, struct ub_err *err)
{
    for (uint32_t i = 0; i < server->shard_count; i++) {
        enum ub_status status = nats_shard_open(server, i, err);
        if (status != UB_OK) {
            return status;
        }
    }
    return UB_OK;
}

static enum ub_status server_start_all(struct nats_server *server, struct ub_err *err)
{
    enum ub_status status = nats_listeners_open(server, err);
    if (status == UB_OK) {
        status = nats_info_make(server, err);
    }
    if (status == UB_OK) {
        status = server_open_shards(server, err);
    }
    if (status == UB_OK) {
        status = server->host->pool->open(server->host, "nats-login", SERVER_AUTH_THREADS,
                                          SERVER_AUTH_QUEUE, &server->auth_pool, err);
    }
    if (status == UB_OK) {
        status = nats_monitor_start(server, err);
    }
    return status == UB_OK ? nats_authz_watch(server, err) : status;
}

enum ub_status nats_server_start(struct nats_server *server, struct ub_err *err)
{
    if (server->settings->auth == NATS_AUTH_ENFORCE && server->provider_count == 0) {
        return ub_fail(err, UB_EINVAL,
                       "auth = \"enforce\" needs a module that provides ub.authz and none is "
                       "configured; add module \"membership\", or set auth = \"off\" to develop");
    }
    server_raise_files(server);
    server->fd_max = server_fd_max();
    enum ub_status status = server_start_all(server, err);
    if (status != UB_OK) {
        nats_server_stop(server);
        return status;
    }
    nats_tls_tell(server->tls);
    atomic_store(&server->is_running, true);
    return UB_OK;
}

void nats_server_ready(struct nats_server *server)
{
    server->host->loop->post(server->shards[0].loop, nats_listeners_accept, server);
}

static void drain_on_shard(void *arg)
{
    struct nats_shard *shard = arg;
    nats_shard_enter(shard);
    for (struct nats_conn *conn = shard->all; conn != NULL; conn = conn->all_next) {
        conn->is_draining = true;
        nats_conn_pause(conn);
        nats_conn_mark_dirty(conn);
    }
}

void nats_server_drain(struct nats_server *server)
{
    atomic_store(&server->is_draining, true);
    server->host->loop->post(server->shards[0].loop, nats_listeners_stop, server);
    for (uint32_t i = 0; i < server->shard_count; i++) {
        server->host->loop->post(server->shards[i].loop, drain_on_shard, &server->shards[i]);
    }
}

void nats_server_stop(struct nats_server *server)
{
    atomic_store(&server->is_running, false);
    nats_permission_routes_leave(server);
    nats_authz_unwatch(server);
    nats_monitor_stop(server);
    if (server->auth_pool != NULL) {
        server->host->pool->close(&server->auth_pool);
    }
    if (server->shards[0].loop != NULL && server->listeners != NULL) {
        server->host->loop->post(server->shards[0].loop, nats_listeners_stop, server);
    }
    for (uint32_t i = 0; i < server->shard_count; i++) {
        nats_shard_close(&server->shards[i]);
    }
    nats_monitor_free(&server->monitor);
    nats_listeners_close(server);
}
