/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop's side of a connection: when to read, write, wait, give up. */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>

#include "exchange.h"

#define LINGER_MS 2000
#define BEAT_MS   15000
/* Reads in one wake-up, then other connections get their turn. */
#define READS_MAX 4

static bool hold(struct http_conn *conn, const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return true;
    }
    conn->held = malloc(len);
    if (conn->held == NULL) {
        return false;
    }
    memcpy(conn->held, bytes, len);
    conn->held_len = len;
    return true;
}

static void feed_held(struct http_conn *conn)
{
    uint8_t *held = conn->held;
    size_t len = conn->held_len;
    conn->held = NULL;
    conn->held_len = 0;
    size_t used = http_conn_feed(conn, held, len);
    if (!hold(conn, held + used, len - used)) {
        http_conn_cut(conn);
    }
    free(held);
}

/* One read; false = nothing more now. */
static bool read_once(struct http_conn *conn)
{
    uint8_t *scratch = conn->server->scratch;
    ssize_t got = conn->wire.ops->read(&conn->wire, scratch, HTTP_SCRATCH_SIZE);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            http_conn_cut(conn);
        }
        return false;
    }
    size_t used = http_conn_feed(conn, scratch, (size_t)got);
    if (!hold(conn, scratch + used, (size_t)got - used)) {
        http_conn_cut(conn);
    }
    return !conn->is_dead && conn->held_len == 0 && http_conn_may_read(conn);
}

static void flush(struct http_conn *conn)
{
    while (conn->out != NULL && !conn->is_dead) {
        if (evbuffer_get_length(conn->out) == 0) {
            evbuffer_free(conn->out);
            conn->out = NULL;
            break;
        }
        ssize_t sent = conn->wire.ops->write(&conn->wire, conn->out);
        if (sent < 0) {
            if (errno != EAGAIN) {
                http_conn_cut(conn);
            }
            break;
        }
        conn->since_ms = http_mono_ms(conn->server);
    }
    if (conn->exchange != NULL) {
        http_exchange_count_unsent(conn->exchange);
    }
}

static void linger(struct http_conn *conn)
{
    conn->wire.ops->finish(&conn->wire);
    http_conn_phase(conn, HTTP_PHASE_LINGER);
    free(conn->held);
    conn->held = NULL;
    conn->held_len = 0;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct http_conn *conn = arg;
    for (int i = 0; (what & EV_READ) != 0 && i < READS_MAX && read_once(conn); i++) {
    }
    http_conn_settle(conn);
}

bool http_conn_watch(struct http_conn *conn)
{
    short wanted = 0;
    if (http_conn_may_read(conn) && conn->held_len == 0) {
        wanted |= EV_READ;
    }
    if (conn->out != NULL) {
        wanted |= EV_WRITE;
    }
    if (conn->event != NULL && wanted == conn->wanted) {
        return true;
    }
    if (conn->event == NULL) {
        conn->event = event_new(conn->server->base, conn->wire.fd, EV_READ, on_socket, conn);
    } else {
        event_del(conn->event);
    }
    conn->wanted = wanted;
    if (conn->event == NULL || wanted == 0) {
        return conn->event != NULL;
    }
    short kind = (short)(wanted | EV_PERSIST);
    return event_assign(conn->event, conn->server->base, conn->wire.fd, kind, on_socket, conn) ==
               0 &&
           event_add(conn->event, NULL) == 0;
}

void http_conn_settle(struct http_conn *conn)
{
    flush(conn);
    while (!conn->is_dead && conn->held_len > 0 && http_conn_may_read(conn)) {
        feed_held(conn);
        flush(conn);
    }
    if (!conn->is_dead && conn->phase == HTTP_PHASE_CLOSING && conn->out == NULL) {
        linger(conn);
    }
    if (conn->phase == HTTP_PHASE_HEAD && conn->out == NULL &&
        !http_reader_is_started(&conn->reader) && atomic_load(&conn->server->is_draining)) {
        http_conn_cut(conn);
    }
    if (conn->is_dead || !http_conn_watch(conn)) {
        http_conn_free(conn);
    }
}

/* How long this state may last without progress; 0 = for ever. */
static int64_t patience_ms(const struct http_conn *conn)
{
    const struct http_live *live = &conn->server->live;
    if (conn->phase == HTTP_PHASE_LINGER) {
        return LINGER_MS;
    }
    if (conn->out != NULL || (conn->phase == HTTP_PHASE_BODY && !conn->is_paused)) {
        return live->stall_timeout;
    }
    if (conn->phase == HTTP_PHASE_HEAD) {
        return http_reader_is_started(&conn->reader) ? live->head_timeout : live->idle_timeout;
    }
    return 0;
}

void http_conn_tick(struct http_conn *conn, int64_t now_ms)
{
    int64_t patience = patience_ms(conn);
    if (patience > 0 && now_ms - conn->since_ms >= patience) {
        http_conn_cut(conn);
    } else if (conn->phase == HTTP_PHASE_STREAM && now_ms - conn->beat_ms >= BEAT_MS) {
        conn->beat_ms = now_ms;
        http_stream_beat(conn->exchange);
    }
    http_conn_settle(conn);
}

void http_conn_drain(struct http_conn *conn)
{
    if (conn->phase == HTTP_PHASE_STREAM) {
        http_conn_cut(conn);
    }
    http_conn_settle(conn);
}
