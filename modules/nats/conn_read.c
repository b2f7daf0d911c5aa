/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything is read into the loop's scratch block and handled there, without a copy. What is left
 * of an incomplete small frame is kept and put before the next bytes; a large one gets a buffer of
 * its own, into which the rest is read directly. */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bus.h"
#include "errors.h"
#include "proto.h"
#include "tls.h"

#define READ_LARGE_FRAME ((size_t)32 * 1024) /* these get a buffer of their own */
#define READ_SHARE_MIN   ((size_t)16 * 1024) /* a fuller scratch block is worth keeping */
#define READ_LINGER      ((size_t)64 * 1024)
#define READ_TURNS       4 /* full blocks of one connection before others get their turn */

static bool is_over(const struct nats_conn *conn)
{
    return conn->is_doomed || conn->state == NATS_CONN_ASKING || conn->state == NATS_CONN_LINGERING;
}

static bool hold(struct nats_conn *conn, const uint8_t *bytes, size_t len)
{
    uint8_t *held = len == 0 ? NULL : malloc(len);
    if (len > 0 && held == NULL) {
        nats_conn_cut(conn, "out-of-memory", "no memory for an incomplete operation");
        return false;
    }
    if (len > 0) {
        memcpy(held, bytes, len);
    }
    free(conn->held);
    conn->held = held;
    conn->held_len = len;
    return true;
}

/* The start of a large frame moves to a buffer of its size. */
static void hold_large(struct nats_conn *conn, const uint8_t *bytes, size_t len, size_t frame_len)
{
    conn->frame = nats_buf_new(&conn->shard->server->pool, frame_len);
    if (conn->frame == NULL) {
        nats_conn_cut(conn, "out-of-memory", "no memory for a large message");
        return;
    }
    memcpy(conn->frame->data, bytes, len);
    conn->frame_len = len;
    conn->frame_need = frame_len;
}

static void keep_rest(struct nats_conn *conn, const struct nats_op *op, const uint8_t *bytes,
                      size_t len)
{
    bool is_publish = op->verb == NATS_VERB_PUB || op->verb == NATS_VERB_HPUB;
    if (op->frame_len > 0 && is_publish && conn->state != NATS_CONN_OPEN) {
        nats_proto_fault(conn, NATS_FAULT_UNKNOWN); /* not before login, not even a part */
    } else if (op->frame_len > READ_LARGE_FRAME) {
        hold_large(conn, bytes, len, op->frame_len);
    } else {
        hold(conn, bytes, len);
    }
}

/* Handles the frames in buf->data[0, len) and keeps what is left. */
static void conn_handle(struct nats_conn *conn, struct nats_buf *buf, size_t len)
{
    size_t at = 0;
    bool may_share = len >= READ_SHARE_MIN;
    struct nats_parse_limits limits = {(size_t)conn->shard->server->settings->max_control_line, 0};
    while (at < len && !is_over(conn)) {
        struct nats_op op;
        limits.max_payload = conn->max_payload; /* a CONNECT may change it */
        enum nats_parsed parsed = nats_parse(&limits, buf->data + at, len - at, &op);
        if (parsed == NATS_PARSED_MORE) {
            keep_rest(conn, &op, buf->data + at, len - at);
            return;
        }
        if (parsed == NATS_PARSED_BAD) {
            nats_proto_fault(conn, op.fault);
            return;
        }
        at += op.frame_len;
        nats_proto_handle(conn, &op, buf, may_share);
    }
    if (at < len && conn->state == NATS_CONN_ASKING) {
        hold(conn, buf->data + at, len - at);
    }
}

/* A scratch block that nobody else holds. */
static struct nats_buf *take_scratch(struct nats_shard *shard)
{
    if (shard->scratch == NULL || !nats_buf_is_sole(shard->scratch)) {
        nats_buf_unref(&shard->scratch);
        shard->scratch = nats_buf_new(&shard->server->pool, NATS_BLOCK_SIZE);
    }
    return shard->scratch;
}

static void handle_as_source(struct nats_conn *conn, struct nats_buf *buf, size_t len)
{
    struct nats_shard *shard = conn->shard;
    shard->source = conn;
    conn_handle(conn, buf, len);
    nats_bus_hand_over(shard, conn);
    shard->source = NULL;
    if (shard->must_stall) {
        shard->must_stall = false;
        nats_conn_stall(conn);
    }
}

static bool read_failed(struct nats_conn *conn, ssize_t got)
{
    if (got > 0) {
        conn->last_in_ms = conn->shard->now_ms;
        return false;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return true;
    }
    conn->is_rude = true;
    nats_conn_fail(conn, NULL, NULL, NULL); /* the client has gone: nothing to tell */
    return true;
}

/* Puts what was held before the new bytes; answers where they go. */
static size_t scratch_begin(struct nats_conn *conn, struct nats_buf *scratch)
{
    size_t len = conn->held_len;
    if (len > 0) {
        memcpy(scratch->data, conn->held, len);
        free(conn->held);
        conn->held = NULL;
        conn->held_len = 0;
    }
    return len;
}

/* false: less than a block was there, or it is over. */
static bool read_small(struct nats_conn *conn)
{
    struct nats_buf *scratch = take_scratch(conn->shard);
    if (scratch == NULL) {
        nats_conn_cut(conn, "out-of-memory", "no memory to read");
        return false;
    }
    size_t room = scratch->room - conn->held_len;
    if (conn->state == NATS_CONN_GREETED && room > NATS_PREAUTH_BYTES - conn->preauth_bytes) {
        room = NATS_PREAUTH_BYTES - conn->preauth_bytes;
    }
    if (room == 0) {
        nats_conn_fail(conn, NATS_ERR_AUTHORIZATION, "early-bytes",
                       "too much was sent before login");
        return false;
    }
    uint8_t *into = scratch->data + conn->held_len;
    ssize_t got = conn->tls == NULL ? read(conn->fd, into, room) : nats_tls_read(conn, into, room);
    if (read_failed(conn, got)) {
        return false;
    }
    if (conn->state == NATS_CONN_GREETED) {
        conn->preauth_bytes += (uint32_t)got;
    }
    size_t held = scratch_begin(conn, scratch);
    handle_as_source(conn, scratch, held + (size_t)got);
    return (size_t)got == room && conn->is_reading && conn->frame == NULL;
}

/* The rest of the large frame, and what follows it into the scratch block, in one call. */
static void read_large(struct nats_conn *conn)
{
    struct nats_buf *scratch = take_scratch(conn->shard);
    size_t rest = conn->frame_need - conn->frame_len;
    struct iovec iov[2] = {
        {conn->frame->data + conn->frame_len, rest},
        {scratch == NULL ? NULL : scratch->data, scratch == NULL ? 0 : scratch->room}};
    ssize_t got = conn->tls == NULL ? readv(conn->fd, iov, 2) : nats_tls_readv(conn, iov);
    if (read_failed(conn, got)) {
        return;
    }
    if ((size_t)got < rest) {
        conn->frame_len += (size_t)got;
        return;
    }
    struct nats_buf *frame = conn->frame;
    conn->frame = NULL;
    handle_as_source(conn, frame, conn->frame_need);
    nats_buf_unref(&frame);
    if ((size_t)got > rest && !is_over(conn)) {
        handle_as_source(conn, scratch, (size_t)got - rest);
    }
}

static void read_and_forget(struct nats_conn *conn)
{
    uint8_t bytes[4096];
    size_t total = 0;
    ssize_t got;
    while (total < READ_LINGER && (got = read(conn->fd, bytes, sizeof(bytes))) > 0) {
        total += (size_t)got;
    }
    if (total == 0) { /* the end, or an error */
        nats_conn_free(&conn);
    }
}

void nats_conn_on_read(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct nats_conn *conn = arg;
    nats_shard_enter(conn->shard);
    if (conn->state == NATS_CONN_LINGERING) {
        read_and_forget(conn);
    } else if (conn->state == NATS_CONN_SECURING) {
        nats_tls_on_read(conn);
    } else if (conn->frame != NULL) {
        read_large(conn);
    } else {
        for (int turn = 1; read_small(conn) && turn < READ_TURNS; turn++) {
        }
    }
}

void nats_conn_continue(struct nats_conn *conn)
{
    struct nats_buf *scratch = take_scratch(conn->shard);
    if (scratch == NULL) {
        nats_conn_cut(conn, "out-of-memory", "no memory to read");
        return;
    }
    size_t len = scratch_begin(conn, scratch);
    if (len > 0) {
        handle_as_source(conn, scratch, len);
    }
    nats_conn_resume(conn);
}
