/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>

#include "lame_duck.h"
#include "shard.h"
#include "tls.h"

static void conn_want_write(struct nats_conn *conn, bool is_wanted)
{
    if (is_wanted && !conn->is_writing) {
        conn->is_writing = event_add(&conn->write_event, NULL) == 0;
    } else if (!is_wanted && conn->is_writing) {
        event_del(&conn->write_event);
        conn->is_writing = false;
    }
}

enum nats_written nats_conn_put(struct nats_conn *conn, size_t *count_out)
{
    return conn->tls == NULL
               ? nats_out_write(&conn->shard->segments, &conn->out, conn->fd, count_out)
               : nats_tls_write(conn, count_out);
}

static void conn_write(struct nats_conn *conn)
{
    size_t written;
    enum nats_written result = nats_conn_put(conn, &written);
    atomic_store_explicit(&conn->pending, conn->out.bytes, memory_order_relaxed);
    if (result == NATS_WRITE_FAILED) {
        conn->is_doomed = conn->is_rude = true;
        conn->close_code = conn->close_code == NULL ? "write-failed" : conn->close_code;
        return;
    }
    bool is_blocked = result == NATS_WRITTEN_PART;
    if (!is_blocked) {
        conn->blocked_since_ms = 0;
    } else if (written > 0 || conn->blocked_since_ms == 0) {
        conn->blocked_since_ms = conn->shard->now_ms;
    }
    conn_want_write(conn, is_blocked && !conn->is_doomed);
}

void nats_conn_flush(struct nats_conn *conn)
{
    if (!conn->is_rude) {
        conn_write(conn);
    }
    if (conn->is_leaving) {
        nats_conn_part(conn);
    }
    if (conn->is_doomed || (conn->is_draining && conn->out.bytes == 0 && !conn->is_writing)) {
        nats_conn_end(conn);
    }
}

void nats_conn_on_write(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct nats_conn *conn = arg;
    nats_shard_enter(conn->shard);
    nats_conn_mark_dirty(conn);
}
