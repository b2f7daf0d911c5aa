/* SPDX-License-Identifier: Apache-2.0 */
#include "lame_duck.h"

#include <sys/socket.h>

#include <unibus/error.h>

#include "info.h"
#include "listener.h"
#include "proto.h"
#include "shard.h"
#include "tls.h"

#define LAME_DUCK_SPARE_MS 3000 /* for the last ones to close their side */

enum ub_status nats_lame_duck_check(const struct nats_settings *settings, struct ub_err *err)
{
    if (settings->lame_duck_grace < settings->lame_duck_duration) {
        return UB_OK;
    }
    return ub_fail(err, UB_EINVAL,
                   "lame_duck_grace (%lld ms) leaves nothing of lame_duck_duration (%lld ms) to "
                   "close connections in; make it shorter",
                   (long long)settings->lame_duck_grace, (long long)settings->lame_duck_duration);
}

void nats_lame_duck_begin(struct nats_server *server)
{
    if (atomic_load(&server->lame_since_ms) != 0) {
        return;
    }
    ub_log(server->host, UB_LOG_INFO, "lame-duck",
           "no new clients; those who are here are sent away",
           UB_NUMBER("connections", atomic_load(&server->connection_count)),
           UB_NUMBER("grace_ms", server->settings->lame_duck_grace),
           UB_NUMBER("duration_ms", server->settings->lame_duck_duration));
    atomic_store(&server->lame_since_ms, nats_now_ms(server));
    server->host->loop->post(server->shards[0].loop, nats_listeners_stop, server);
    nats_info_send_all(server);
}

bool nats_lame_duck_is_over(struct nats_server *server)
{
    int64_t since = atomic_load(&server->lame_since_ms);
    return atomic_load(&server->connection_count) == 0 ||
           nats_now_ms(server) - since >= server->settings->lame_duck_duration + LAME_DUCK_SPARE_MS;
}

/* How many of the loop's connections should have been closed by now. */
static size_t wanted(const struct nats_shard *shard, int64_t since_ms)
{
    const struct nats_settings *settings = shard->server->settings;
    int64_t window = settings->lame_duck_duration - settings->lame_duck_grace;
    int64_t elapsed = shard->now_ms - since_ms - settings->lame_duck_grace;
    if (elapsed < 0) {
        return 0;
    }
    if (elapsed >= window) {
        return SIZE_MAX;
    }
    return (size_t)((double)shard->lame_total * (double)elapsed / (double)window) + 1;
}

void nats_lame_duck_tick(struct nats_shard *shard)
{
    int64_t since_ms = atomic_load_explicit(&shard->server->lame_since_ms, memory_order_relaxed);
    if (since_ms == 0) {
        return;
    }
    if (shard->lame_total == 0) {
        shard->lame_total = shard->conn_count;
    }
    size_t due = wanted(shard, since_ms);
    for (struct nats_conn *conn = shard->all; conn != NULL && shard->lame_left < due;
         conn = conn->all_next) {
        if (!conn->is_leaving && !conn->is_doomed && conn->state != NATS_CONN_LINGERING) {
            shard->lame_left++;
            nats_conn_leave(conn);
        }
    }
}

void nats_conn_leave(struct nats_conn *conn)
{
    conn->close_code = "lame-duck"; /* unless a fault comes first; no log line for each of them */
    if (conn->state != NATS_CONN_OPEN) {
        nats_conn_fail(conn, NULL, NULL, NULL);
        return;
    }
    nats_proto_drop_all(conn); /* queue groups go on without it */
    conn->is_leaving = true;
    nats_conn_mark_dirty(conn);
}

void nats_conn_part(struct nats_conn *conn)
{
    if (conn->out.bytes == 0 && !conn->is_writing && conn->parted_ms == 0) {
        nats_tls_finish(conn);
        shutdown(conn->fd, SHUT_WR);
        conn->parted_ms = conn->shard->now_ms;
    }
}
