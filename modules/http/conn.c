/* SPDX-License-Identifier: Apache-2.0 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "exchange.h"
#include "problem.h"

/* A body that brings less than this within the stall time-out has stalled, however many packets. */
#define PROGRESS_BYTES 1024u

static void busy_mark(struct http_conn *conn, bool is_busy)
{
    if (conn->is_busy != is_busy) {
        conn->is_busy = is_busy;
        atomic_fetch_add(&conn->server->busy_count, is_busy ? 1 : -1);
    }
}

static void conn_progress(struct http_conn *conn)
{
    conn->since_ms = http_mono_ms(conn->server);
    conn->progress_bytes = 0;
}

void http_conn_phase(struct http_conn *conn, enum http_phase phase)
{
    conn->phase = phase;
    conn_progress(conn);
    busy_mark(conn, phase != HTTP_PHASE_HEAD && phase != HTTP_PHASE_LINGER);
}

static void conn_link(struct http_conn *conn)
{
    struct ub_http_server *server = conn->server;
    conn->next = server->conns;
    if (conn->next != NULL) {
        conn->next->prev = conn;
    }
    server->conns = conn;
    atomic_fetch_add(&server->conn_count, 1);
}

static void conn_unlink(struct http_conn *conn)
{
    struct ub_http_server *server = conn->server;
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        server->conns = conn->next;
    }
    atomic_fetch_sub(&server->conn_count, 1);
}

void http_conn_free(struct http_conn *conn)
{
    busy_mark(conn, false);
    if (conn->exchange != NULL) {
        struct http_exchange *x = conn->exchange;
        conn->exchange = NULL;
        http_exchange_gone(x);
    }
    conn_unlink(conn);
    if (conn->event != NULL) {
        event_free(conn->event);
    }
    conn->wire.ops->close(&conn->wire);
    http_reader_fini(&conn->reader);
    if (conn->out != NULL) {
        evbuffer_free(conn->out);
    }
    free(conn->held);
    free(conn);
}

void http_conn_open(struct ub_http_server *server, int fd, const struct http_peer *peer)
{
    struct http_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        close(fd);
        return;
    }
    conn->server = server;
    conn->wire = (struct http_wire){&http_wire_plain, fd, NULL};
    conn->peer = *peer;
    http_reader_init(&conn->reader, &server->live.limits);
    conn_link(conn);
    http_conn_phase(conn, HTTP_PHASE_HEAD);
    http_conn_settle(conn);
}

void http_conn_cut(struct http_conn *conn)
{
    conn->is_dead = true;
}

struct evbuffer *http_conn_out(struct http_conn *conn)
{
    if (conn->out == NULL) {
        conn->out = evbuffer_new();
        conn_progress(conn);
    }
    if (conn->out == NULL) {
        http_conn_cut(conn);
    }
    return conn->out;
}

void http_conn_refuse(struct http_conn *conn, enum ub_problem problem, const char *why)
{
    struct ub_http_server *server = conn->server;
    atomic_fetch_add(&server->refused_count, 1);
    ub_log(server->host, UB_LOG_INFO, "request-refused", why,
           UB_TEXT("code", http_problem_code(problem)), UB_TEXT("address", conn->peer.address));
    struct evbuffer *out = http_conn_out(conn);
    if (out == NULL || !http_problem_write(server->host, out, problem, why)) {
        http_conn_cut(conn);
    }
    http_conn_phase(conn, HTTP_PHASE_CLOSING);
}

void http_conn_read_body(struct http_conn *conn)
{
    struct http_head *head = &conn->exchange->head;
    conn->is_paused = false;
    http_conn_phase(conn, HTTP_PHASE_BODY);
    if (head->expects_continue && conn->held_len == 0) {
        struct evbuffer *out = http_conn_out(conn);
        if (out != NULL) {
            evbuffer_add(out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        }
    }
    head->expects_continue = false;
}

void http_conn_answered(struct http_conn *conn, bool keep)
{
    conn->exchange = NULL;
    bool goes_on = keep && !atomic_load(&conn->server->is_draining);
    http_conn_phase(conn, goes_on ? HTTP_PHASE_HEAD : HTTP_PHASE_CLOSING);
}

bool http_conn_may_read(const struct http_conn *conn)
{
    switch (conn->phase) {
    case HTTP_PHASE_HEAD: /* the next request waits until the last answer has left */
        return conn->out == NULL;
    case HTTP_PHASE_BODY:
        return !conn->is_paused;
    case HTTP_PHASE_STREAM:
    case HTTP_PHASE_LINGER:
        return true;
    case HTTP_PHASE_HELD:
    case HTTP_PHASE_ANSWER:
    case HTTP_PHASE_CLOSING:
        break;
    }
    return false;
}

static void on_head(struct http_conn *conn)
{
    bool has_body = http_head_has_body(&conn->reader.head);
    conn->exchange = http_exchange_new(conn);
    if (conn->exchange == NULL) {
        http_conn_cut(conn);
        return;
    }
    if (!has_body) {
        size_t none;
        struct ub_bytes nothing;
        http_reader_next(&conn->reader, NULL, 0, &none, &nothing); /* HTTP_EVENT_END */
    }
    http_conn_phase(conn, HTTP_PHASE_HELD);
    http_admit(conn->exchange);
}

static void on_body(struct http_conn *conn, struct ub_bytes bytes)
{
    conn->progress_bytes += (uint32_t)bytes.len;
    if (conn->progress_bytes >= PROGRESS_BYTES) {
        conn_progress(conn);
    }
    http_body_put(conn->exchange, bytes);
}

static void on_bad(struct http_conn *conn)
{
    struct http_fault fault = conn->reader.fault;
    if (conn->exchange == NULL) {
        http_conn_refuse(conn, fault.problem, fault.why);
    } else {
        http_conn_phase(conn, HTTP_PHASE_ANSWER);
        http_body_fail(conn->exchange, fault);
    }
}

static void on_event(struct http_conn *conn, enum http_event event, struct ub_bytes body)
{
    switch (event) {
    case HTTP_EVENT_HEAD:
        on_head(conn);
        break;
    case HTTP_EVENT_BODY:
        on_body(conn, body);
        break;
    case HTTP_EVENT_END:
        http_conn_phase(conn, HTTP_PHASE_ANSWER);
        http_body_end(conn->exchange);
        break;
    case HTTP_EVENT_BAD:
        on_bad(conn);
        break;
    case HTTP_EVENT_MORE:
        break;
    }
}

size_t http_conn_feed(struct http_conn *conn, const uint8_t *in, size_t len)
{
    size_t used = 0;
    enum http_event event = HTTP_EVENT_HEAD;
    if (conn->phase == HTTP_PHASE_STREAM || conn->phase == HTTP_PHASE_LINGER) {
        return len;
    }
    if (conn->phase == HTTP_PHASE_HEAD && !http_reader_is_started(&conn->reader)) {
        conn_progress(conn);
    }
    while (!conn->is_dead && event != HTTP_EVENT_MORE && http_conn_may_read(conn) &&
           (used < len || http_reader_is_started(&conn->reader))) {
        size_t taken = 0;
        struct ub_bytes body = {NULL, 0};
        event = http_reader_next(&conn->reader, in + used, len - used, &taken, &body);
        used += taken;
        on_event(conn, event, body);
    }
    return used;
}
