/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "authz.h"
#include "errors.h"
#include "monitor/monitor.h"
#include "shard.h"
#include "tls.h"

#define CONN_COMPLAINTS_MAX 10 /* log lines a second for one connection */
#define CONN_STALL_MS       5
#define CONN_FIRST_PING_MS  2000 /* to measure the way there and back, as nats-server does */

/* ---- open -------------------------------------------------------------------------------------
 */

static void conn_note_peer(struct nats_conn *conn, const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
        inet_ntop(AF_INET6, &in6->sin6_addr, conn->address, sizeof(conn->address));
        conn->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
        conn->port = ntohs(in6->sin6_port);
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)peer;
        inet_ntop(AF_INET, &in4->sin_addr, conn->address, sizeof(conn->address));
        conn->is_loopback = ntohl(in4->sin_addr.s_addr) >> 24 == 127;
        conn->port = ntohs(in4->sin_port);
    }
}

static struct nats_conn *conn_new(struct nats_shard *shard, int fd,
                                  const struct sockaddr_storage *peer)
{
    struct nats_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        return NULL;
    }
    const struct nats_settings *settings = shard->server->settings;
    conn->shard = shard;
    conn->fd = fd;
    conn->cid = nats_shard_next_cid(shard);
    conn->is_verbose = conn->is_pedantic = conn->is_echo = true;
    conn->max_payload = (size_t)settings->max_payload;
    conn->max_subscriptions = shard->server->live.max_subscriptions;
    conn->last_in_ms = conn->opened_ms = shard->now_ms;
    conn_note_peer(conn, peer);
    event_assign(&conn->read_event, shard->base, fd, EV_READ | EV_PERSIST, nats_conn_on_read, conn);
    event_assign(&conn->write_event, shard->base, fd, EV_WRITE | EV_PERSIST, nats_conn_on_write,
                 conn);
    return conn;
}

void nats_conn_begin(struct nats_conn *conn)
{
    struct nats_server *server = conn->shard->server;
    conn->state = server->settings->auth == NATS_AUTH_OFF ? NATS_CONN_OPEN : NATS_CONN_GREETED;
    if (conn->state == NATS_CONN_GREETED) {
        nats_conn_clock_start(conn, conn->shard->now_ms + server->live.auth_timeout);
    }
}

void nats_conn_open(struct nats_shard *shard, int fd, const struct sockaddr_storage *peer)
{
    struct nats_server *server = shard->server;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct nats_conn *conn = conn_new(shard, fd, peer);
    if (conn == NULL || !nats_shard_add_conn(shard, conn)) {
        free(conn);
        close(fd);
        return;
    }
    int64_t count = atomic_fetch_add(&server->connection_count, 1) + 1;
    nats_count(&shard->counts.connections, 1);
    if (!nats_tls_begin(conn)) {
        nats_proto_greet(conn);
        nats_conn_begin(conn);
    }
    nats_conn_resume(conn);
    if (count > server->live.max_connections) {
        nats_conn_fail(conn, NATS_ERR_CONNECTIONS, "too-many-connections",
                       "max_connections is reached");
    } else if (atomic_load(&server->is_draining)) {
        nats_conn_cut(conn, "draining", "the server is stopping");
    }
}

/* ---- say and close ----------------------------------------------------------------------------
 */

void nats_conn_mark_dirty(struct nats_conn *conn)
{
    if (!conn->is_dirty && conn->state != NATS_CONN_LINGERING) {
        conn->is_dirty = true;
        conn->dirty_next = conn->shard->dirty;
        conn->shard->dirty = conn;
    }
}

void nats_conn_queued(struct nats_conn *conn)
{
    const struct nats_live *live = &conn->shard->server->live;
    atomic_store_explicit(&conn->pending, conn->out.bytes, memory_order_relaxed);
    nats_conn_mark_dirty(conn);
    if (conn->out.bytes > (size_t)live->max_pending && !conn->is_doomed) {
        nats_count(&conn->shard->counts.slow_consumers, 1);
        nats_conn_cut(conn, "slow-consumer", "more waits to be written than max_pending");
    }
}

void nats_conn_send(struct nats_conn *conn, const char *text, size_t len)
{
    if (!conn->is_rude && conn->parted_ms == 0 &&
        nats_out_copy(&conn->shard->segments, &conn->out,
                      (struct ub_bytes){(const uint8_t *)text, len})) {
        nats_conn_queued(conn);
    }
}

void nats_conn_complain(struct nats_conn *conn, const char *text)
{
    nats_conn_send(conn, "-ERR '", 6);
    nats_conn_send(conn, text, strlen(text));
    nats_conn_send(conn, "'\r\n", 3);
}

static const char *conn_handle(const struct nats_conn *conn)
{
    return conn->session == NULL ? "" : conn->session->principal.handle;
}

bool nats_conn_may_tell(struct nats_conn *conn)
{
    int64_t now = conn->shard->now_ms;
    if (now - conn->complaints_since_ms >= 1000) {
        conn->complaints_since_ms = now;
        conn->complaints = 0;
    }
    if (conn->complaints >= CONN_COMPLAINTS_MAX) {
        return false;
    }
    conn->complaints++;
    return true;
}

void nats_conn_refuse(struct nats_conn *conn, const char *text, const char *code,
                      const char *wanted)
{
    nats_conn_complain(conn, text);
    if (nats_conn_may_tell(conn)) {
        ub_log(conn->shard->server->host, UB_LOG_WARN, code, "an operation was refused",
               UB_NUMBER("connection", conn->cid), UB_TEXT("identity", conn_handle(conn)),
               UB_TEXT("error", text), UB_TEXT("wanted", wanted == NULL ? "" : wanted));
    }
}

static void conn_doom(struct nats_conn *conn, const char *code, const char *reason)
{
    conn->is_doomed = true;
    conn->close_code = code == NULL ? conn->close_code : code;
    nats_conn_pause(conn);
    nats_conn_mark_dirty(conn);
    if (code != NULL) {
        ub_log(conn->shard->server->host, UB_LOG_WARN, "connection-closed", reason,
               UB_TEXT("code", code), UB_NUMBER("connection", conn->cid),
               UB_TEXT("address", conn->address), UB_TEXT("identity", conn_handle(conn)));
    }
}

void nats_conn_fail(struct nats_conn *conn, const char *text, const char *code, const char *reason)
{
    if (conn->is_doomed || conn->state == NATS_CONN_LINGERING) {
        return;
    }
    if (text != NULL) {
        nats_conn_complain(conn, text);
    }
    conn_doom(conn, code, reason);
}

void nats_conn_cut(struct nats_conn *conn, const char *code, const char *reason)
{
    if (!conn->is_doomed && conn->state != NATS_CONN_LINGERING) {
        conn->is_rude = true;
        conn_doom(conn, code, reason);
    }
}

/* ---- reading on and off -----------------------------------------------------------------------
 */

void nats_conn_pause(struct nats_conn *conn)
{
    if (conn->is_reading) {
        event_del(&conn->read_event);
        conn->is_reading = false;
    }
}

void nats_conn_resume(struct nats_conn *conn)
{
    bool may_read = !conn->is_doomed && !conn->is_draining && conn->stall_until_ms == 0 &&
                    conn->state != NATS_CONN_ASKING;
    if (!conn->is_reading && (may_read || conn->state == NATS_CONN_LINGERING) &&
        event_add(&conn->read_event, NULL) == 0) {
        conn->is_reading = true;
        if (conn->tls != NULL) {
            nats_tls_resume(conn);
        }
    }
}

void nats_conn_stall(struct nats_conn *conn)
{
    struct nats_shard *shard = conn->shard;
    if (conn->stall_until_ms != 0 || conn->is_doomed || conn->state != NATS_CONN_OPEN) {
        return;
    }
    conn->stall_until_ms = shard->now_ms + CONN_STALL_MS;
    nats_conn_pause(conn);
    if (shard->stalled == NULL) {
        struct timeval wait = {0, CONN_STALL_MS * 1000};
        event_add(&shard->stall_event, &wait);
    }
    conn->stall_next = shard->stalled;
    shard->stalled = conn;
}

static void conn_leave_stalled(struct nats_conn *conn)
{
    struct nats_conn **link = &conn->shard->stalled;
    while (*link != NULL && *link != conn) {
        link = &(*link)->stall_next;
    }
    if (*link == conn) {
        *link = conn->stall_next;
    }
}

/* ---- deadlines --------------------------------------------------------------------------------
 */

static struct nats_conn **clock_end(struct nats_conn *conn, bool is_first)
{
    struct nats_shard *shard = conn->shard;
    if (conn->state == NATS_CONN_LINGERING) {
        return is_first ? &shard->linger_first : &shard->linger_last;
    }
    if (conn->state == NATS_CONN_SECURING) {
        return is_first ? &shard->securing_first : &shard->securing_last;
    }
    return is_first ? &shard->clock_first : &shard->clock_last;
}

void nats_conn_clock_start(struct nats_conn *conn, int64_t deadline_ms)
{
    struct nats_conn **last = clock_end(conn, false);
    conn->deadline_ms = deadline_ms;
    conn->clock_next = NULL;
    conn->clock_prev = *last;
    *(*last != NULL ? &(*last)->clock_next : clock_end(conn, true)) = conn;
    *last = conn;
}

/* Called in the state in which it was started. */
static void clock_unlink(struct nats_conn *conn)
{
    *(conn->clock_prev != NULL ? &conn->clock_prev->clock_next : clock_end(conn, true)) =
        conn->clock_next;
    *(conn->clock_next != NULL ? &conn->clock_next->clock_prev : clock_end(conn, false)) =
        conn->clock_prev;
    conn->deadline_ms = 0;
}

void nats_conn_clock_stop(struct nats_conn *conn)
{
    if (conn->deadline_ms != 0) {
        clock_unlink(conn);
    }
}

void nats_conn_deadline(struct nats_conn *conn)
{
    if (conn->state == NATS_CONN_LINGERING) {
        nats_conn_free(&conn);
        return;
    }
    nats_conn_clock_stop(conn);
    if (conn->state == NATS_CONN_SECURING) {
        nats_tls_deadline(conn);
        return;
    }
    if (conn->state == NATS_CONN_ASKING && ++conn->extensions < 5) {
        /* The client did its part; the providers are given a while. */
        nats_conn_clock_start(conn, conn->shard->now_ms + conn->shard->server->live.auth_timeout);
        return;
    }
    nats_conn_fail(conn, NATS_ERR_AUTH_TIMEOUT, "login-timeout", "no login within auth_timeout");
}

static void conn_ping(struct nats_conn *conn)
{
    const struct nats_live *live = &conn->shard->server->live;
    int64_t now = conn->shard->now_ms;
    bool is_first = conn->last_ping_ms == 0 && conn->is_connected &&
                    now - conn->opened_ms >= CONN_FIRST_PING_MS;
    if (!is_first && (now - conn->last_in_ms < live->ping_interval ||
                      now - conn->last_ping_ms < live->ping_interval)) {
        return;
    }
    if (conn->pings_out + 1 > live->ping_max) {
        nats_conn_fail(conn, NATS_ERR_STALE, "stale", "too many PINGs without an answer");
        return;
    }
    conn->pings_out++;
    conn->last_ping_ms = now;
    conn->ping_ns = conn->shard->server->host->clock->mono_ns(conn->shard->server->host);
    nats_conn_send(conn, "PING\r\n", 6);
}

void nats_conn_tick(struct nats_conn *conn)
{
    if (conn->state == NATS_CONN_LINGERING || conn->is_doomed) {
        return;
    }
    if (conn->blocked_since_ms != 0 &&
        conn->shard->now_ms - conn->blocked_since_ms > conn->shard->server->live.write_deadline) {
        nats_count(&conn->shard->counts.slow_consumers, 1);
        nats_conn_cut(conn, "write-deadline", "nothing could be written for write_deadline");
    } else if (conn->parted_ms != 0) {
        if (conn->shard->now_ms - conn->parted_ms > NATS_LINGER_MS) {
            conn->is_rude = true;
            nats_conn_fail(conn, NULL, NULL, NULL);
        }
    } else if (conn->state == NATS_CONN_OPEN) {
        conn_ping(conn);
    }
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void conn_leave(struct nats_conn *conn)
{
    nats_monitor_closed(conn);
    nats_proto_drop_all(conn);
    nats_conn_take_perms(conn, NULL);
    struct nats_session *session = conn->session;
    if (session != NULL) {
        nats_session_leave(session, conn);
        nats_session_unref(conn->shard->server, &session);
    }
    nats_conn_clock_stop(conn);
    conn_leave_stalled(conn);
    nats_replies_free(&conn->replies);
    atomic_fetch_sub(&conn->shard->server->connection_count, 1);
}

/* A socket closed with unread bytes is reset, and the last -ERR is lost: end our side first, and
 * throw away what comes until the client has seen it. */
static void conn_linger(struct nats_conn *conn)
{
    nats_tls_finish(conn);
    shutdown(conn->fd, SHUT_WR);
    nats_out_clear(&conn->shard->segments, &conn->out);
    if (conn->is_writing) {
        event_del(&conn->write_event);
        conn->is_writing = false;
    }
    conn->state = NATS_CONN_LINGERING;
    nats_conn_clock_start(conn, conn->shard->now_ms + NATS_LINGER_MS);
    nats_conn_resume(conn);
}

void nats_conn_end(struct nats_conn *conn)
{
    if (conn->state == NATS_CONN_LINGERING) {
        nats_conn_free(&conn);
        return;
    }
    conn_leave(conn);
    if (conn->is_rude) {
        nats_conn_free(&conn);
    } else {
        conn_linger(conn);
    }
}

void nats_conn_free(struct nats_conn **conn)
{
    struct nats_conn *it = *conn;
    *conn = NULL;
    nats_conn_clock_stop(it);
    nats_shard_remove_conn(it->shard, it);
    event_del(&it->read_event);
    event_del(&it->write_event);
    nats_tls_free(it);
    close(it->fd);
    nats_out_clear(&it->shard->segments, &it->out);
    nats_buf_unref(&it->frame);
    free(it->held);
    free(it->about);
    free(it->sids);
    it->shard->segments.freed += sizeof(*it); /* many that leave at once are a burst too */
    free(it);
}
