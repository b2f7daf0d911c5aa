/* SPDX-License-Identifier: Apache-2.0
 *
 * /connz. First a short row of each connection is taken, in steps on the loops; then the page that
 * is asked for is written, in steps again. A connection that ends in between is left out. */
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../session.h"
#include "../tls.h"
#include "closed.h"
#include "rows.h"
#include "snapshot.h"

#define CONNZ_STEP_BUCKETS 4096

struct connz {
    struct mon_question *question;
    struct mon_connz ask;
    bool is_known, is_empty; /* the account: does it exist, has it no clients */
    struct mon_rows rows;
    size_t total;
    /* the step on a loop */
    uint32_t shard;
    size_t first_row, bucket, bucket_count; /* of the table of connections */
    uint64_t number;                        /* of the ring */
    bool is_done;
    /* writing */
    struct mon_text pieces;
    size_t row, end;
};

/* ---- who they are -----------------------------------------------------------------------------
 */

/* Of the last PING that was answered. Before that, what the kernel measured on the connection. */
static int64_t conn_rtt_us(const struct nats_conn *conn)
{
    if (conn->rtt_us != 0) {
        return conn->rtt_us;
    }
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    return getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_rtt : 0;
}

static int64_t conn_last_ms(const struct nats_conn *conn)
{
    return conn->last_in_ms > conn->last_out_ms ? conn->last_in_ms : conn->last_out_ms;
}

static int64_t conn_key(const struct nats_conn *conn, enum mon_sort sort)
{
    const struct mon_keys keys = {
        .subs = conn->sub_count,
        .pending = (int64_t)conn->out.bytes,
        .msgs_to = (int64_t)conn->counts.out_messages,
        .msgs_from = (int64_t)conn->counts.in_messages,
        .bytes_to = (int64_t)conn->counts.out_bytes,
        .bytes_from = (int64_t)conn->counts.in_bytes,
        .last = conn_last_ms(conn),
        .uptime = conn->shard->now_ms - conn->opened_ms,
        .rtt = sort == MON_BY_RTT ? conn_rtt_us(conn) : 0,
    };
    return mon_key(sort, &keys);
}

static int64_t closed_key(const struct nats_closed *closed, enum mon_sort sort)
{
    const struct mon_keys keys = {
        .subs = closed->sub_count,
        .msgs_to = (int64_t)closed->counts.out_messages,
        .msgs_from = (int64_t)closed->counts.in_messages,
        .bytes_to = (int64_t)closed->counts.out_bytes,
        .bytes_from = (int64_t)closed->counts.in_bytes,
        .last = closed->last_ms,
        .uptime = closed->closed_ms - closed->opened_ms,
        .stop = closed->closed_ms,
        .reason = closed->reason,
    };
    return mon_key(sort, &keys);
}

static bool conn_is_wanted(const struct nats_conn *conn, const struct mon_connz *ask)
{
    if (ask->user[0] != '\0' && strcmp(ask->user, mon_conn_user(conn)) != 0 &&
        (conn->session == NULL || strcmp(ask->user, conn->session->principal.id) != 0)) {
        return false;
    }
    if (ask->subject[0] == '\0') {
        return true;
    }
    for (uint32_t i = 0; i < conn->sid_room; i++) {
        for (const struct nats_sub *sub = conn->sids[i]; sub != NULL; sub = sub->sid_next) {
            if (nats_subjects_overlap(nats_text(ask->subject), 0, nats_sub_subject(sub))) {
                return true;
            }
        }
    }
    return false;
}

static void add_conn(struct connz *connz, const struct nats_conn *conn)
{
    const struct mon_row row = {
        .cid = conn->cid, .key = conn_key(conn, connz->ask.sort), .shard = connz->shard};
    if (conn->state != NATS_CONN_LINGERING) {
        mon_rows_add(&connz->rows, &row);
    }
}

static void step_one(struct nats_shard *shard, void *arg)
{
    struct connz *connz = arg;
    const struct nats_conn *conn = nats_shard_conn(shard, connz->ask.cid);
    if (conn != NULL) {
        add_conn(connz, conn);
    }
}

static void step_open(struct nats_shard *shard, void *arg)
{
    struct connz *connz = arg;
    size_t seen = 0, stop = connz->bucket + CONNZ_STEP_BUCKETS;
    if (connz->bucket_count != shard->table_room) { /* it has grown: everything lies elsewhere */
        connz->bucket_count = shard->table_room;
        connz->rows.count = connz->first_row;
        connz->bucket = 0;
    }
    for (; connz->bucket < connz->bucket_count && connz->bucket < stop && seen < MON_STEP_CONNS;
         connz->bucket++) {
        for (const struct nats_conn *conn = shard->table[connz->bucket]; conn != NULL;
             conn = conn->next, seen++) {
            if (conn_is_wanted(conn, &connz->ask)) {
                add_conn(connz, conn);
            }
        }
    }
    connz->is_done = connz->bucket >= connz->bucket_count;
}

static void step_closed(struct nats_shard *shard, void *arg)
{
    struct connz *connz = arg;
    const struct nats_closed_ring *ring = shard->closed;
    uint64_t first = ring == NULL ? 0 : nats_closed_first(ring);
    uint64_t total = ring == NULL ? 0 : ring->total, from = connz->number;
    connz->total += from == 0 ? total - first : 0;
    connz->number = from < first ? first : from;
    for (size_t seen = 0; connz->number < total && seen < MON_STEP_CONNS; connz->number++, seen++) {
        const struct nats_closed *closed = ring->items[connz->number % ring->room];
        const struct mon_row row = {.cid = closed->cid,
                                    .key = closed_key(closed, connz->ask.sort),
                                    .number = connz->number,
                                    .shard = connz->shard,
                                    .is_closed = true};
        if (connz->ask.cid != 0
                ? closed->cid == connz->ask.cid
                : connz->ask.user[0] == '\0' || strcmp(connz->ask.user, closed->text) == 0) {
            mon_rows_add(&connz->rows, &row);
        }
    }
    connz->is_done = connz->number >= total;
}

static void gather_shard(struct connz *connz, uint32_t shard)
{
    struct nats_server *server = connz->question->monitor->server;
    connz->shard = shard;
    connz->first_row = connz->rows.count;
    connz->bucket = connz->bucket_count = 0;
    connz->number = 0;
    bool is_one = connz->ask.cid != 0, wants_open = connz->ask.state != MON_CLOSED;
    if (wants_open && is_one && connz->ask.cid % server->shard_count == shard) {
        mon_visit(server, shard, step_one, connz);
    }
    connz->is_done = !wants_open || is_one;
    while (!connz->is_done) {
        mon_visit(server, shard, step_open, connz);
    }
    /* Subjects of closed connections are not kept, so none of them matches one. */
    connz->is_done = connz->ask.state == MON_OPEN || connz->ask.subject[0] != '\0';
    while (!connz->is_done) {
        mon_visit(server, shard, step_closed, connz);
    }
}

/* ---- the page ---------------------------------------------------------------------------------
 */

/* One connection, open or closed, as it is shown. */
struct view {
    uint64_t cid;
    const char *address, *user, *about;
    uint16_t port;
    int64_t opened_ms, last_ms, now_ms, rtt_us;
    size_t pending;
    uint32_t sub_count;
    const struct nats_conn_counts *counts;
    const struct nats_closed *closed; /* NULL = open */
    const struct nats_conn *conn;     /* NULL = closed */
};

static void write_subs(struct mon_text *text, const struct nats_conn *conn, bool has_details)
{
    size_t count = 0;
    if (conn->sub_count == 0) {
        return;
    }
    mon_open(text, has_details ? "subscriptions_list_detail" : "subscriptions_list", '[');
    for (uint32_t i = 0; i < conn->sid_room; i++) {
        for (const struct nats_sub *sub = conn->sids[i]; sub != NULL && count < MON_SUBS_MAX;
             sub = sub->sid_next, count++) {
            if (has_details) {
                mon_write_sub(text, sub, conn->cid, false);
            } else {
                mon_bytes(text, NULL, nats_sub_subject(sub));
            }
        }
    }
    mon_close(text, ']');
}

static void write_about(struct mon_text *text, const char *about)
{
    static const char *const names[] = {"name", "lang", "version"};
    for (size_t i = 0; about != NULL && i < 3; i++) {
        mon_string_if(text, names[i], about);
        about += strlen(about) + 1;
    }
}

static void write_times(const struct nats_monitor *monitor, struct mon_text *text,
                        const struct view *view)
{
    mon_time(text, "start", mon_wall_ms(monitor, view->opened_ms));
    mon_time(text, "last_activity", mon_wall_ms(monitor, view->last_ms));
    if (view->closed != NULL) {
        mon_time(text, "stop", mon_wall_ms(monitor, view->closed->closed_ms));
        mon_string(text, "reason", nats_closed_text(view->closed->reason));
    }
    mon_duration(text, "rtt", view->rtt_us);
    mon_uptime(text, "uptime", view->now_ms - view->opened_ms);
    mon_uptime(text, "idle", view->now_ms - view->last_ms);
}

static void write_view(const struct connz *connz, struct mon_text *text, const struct view *view)
{
    mon_open(text, NULL, '{');
    mon_unsigned(text, "cid", view->cid);
    mon_string(text, "kind", "Client");
    mon_string(text, "type", "nats");
    mon_string(text, "ip", view->address);
    mon_number(text, "port", view->port);
    write_times(connz->question->monitor, text, view);
    mon_unsigned(text, "pending_bytes", view->pending);
    mon_unsigned(text, "in_msgs", view->counts->in_messages);
    mon_unsigned(text, "out_msgs", view->counts->out_messages);
    mon_unsigned(text, "in_bytes", view->counts->in_bytes);
    mon_unsigned(text, "out_bytes", view->counts->out_bytes);
    mon_unsigned(text, "subscriptions", view->sub_count);
    write_about(text, view->about);
    if (view->conn != NULL) {
        mon_string_if(text, "tls_version", nats_tls_version(view->conn));
        mon_string_if(text, "tls_cipher_suite", nats_tls_cipher(view->conn));
    }
    if (connz->ask.has_auth) {
        mon_string_if(text, "authorized_user", view->user);
    }
    if (view->conn != NULL && (connz->ask.has_subs || connz->ask.has_details)) {
        write_subs(text, view->conn, connz->ask.has_details);
    }
    mon_close(text, '}');
}

static void write_open(struct connz *connz, const struct nats_conn *conn)
{
    const struct view view = {
        .cid = conn->cid,
        .address = conn->address,
        .user = mon_conn_user(conn),
        .about = conn->about,
        .port = conn->port,
        .opened_ms = conn->opened_ms,
        .last_ms = conn_last_ms(conn),
        .now_ms = conn->shard->now_ms,
        .rtt_us = conn_rtt_us(conn),
        .pending = conn->out.bytes,
        .sub_count = conn->sub_count,
        .counts = &conn->counts,
        .conn = conn,
    };
    write_view(connz, &connz->pieces, &view);
}

static void write_closed(struct connz *connz, const struct nats_closed *closed)
{
    const struct view view = {
        .cid = closed->cid,
        .address = closed->address,
        .user = closed->text,
        .about = closed->has_about ? closed->text + strlen(closed->text) + 1 : NULL,
        .port = closed->port,
        .opened_ms = closed->opened_ms,
        .last_ms = closed->last_ms,
        .now_ms = closed->closed_ms,
        .sub_count = closed->sub_count,
        .counts = &closed->counts,
        .closed = closed,
    };
    write_view(connz, &connz->pieces, &view);
}

static void write_row(struct connz *connz, struct nats_shard *shard, struct mon_row *row)
{
    const struct nats_closed_ring *ring = shard->closed;
    const struct nats_conn *conn = row->is_closed ? NULL : nats_shard_conn(shard, row->cid);
    row->at = mon_piece_begin(&connz->pieces);
    if (conn != NULL && conn->state != NATS_CONN_LINGERING) {
        write_open(connz, conn);
        row->is_written = true;
    } else if (row->is_closed && row->number >= nats_closed_first(ring)) {
        write_closed(connz, ring->items[row->number % ring->room]);
        row->is_written = true;
    }
    row->len = connz->pieces.len - row->at;
}

static void step_write(struct nats_shard *shard, void *arg)
{
    struct connz *connz = arg;
    size_t written = 0;
    for (; connz->row < connz->end && written < MON_STEP_ROWS; connz->row++) {
        struct mon_row *row = &connz->rows.items[connz->row];
        if (row->shard == shard->index) {
            write_row(connz, shard, row);
            written++;
        }
    }
}

static void write_page(struct connz *connz, size_t first, size_t end)
{
    struct nats_server *server = connz->question->monitor->server;
    connz->end = end;
    for (uint32_t shard = 0; shard < server->shard_count; shard++) {
        for (connz->row = first; connz->row < end && !connz->pieces.is_broken;) {
            mon_visit(server, shard, step_write, connz);
        }
    }
}

/* ---- the answer -------------------------------------------------------------------------------
 */

static size_t count_written(const struct connz *connz, size_t first, size_t end)
{
    size_t count = 0;
    for (size_t i = first; i < end; i++) {
        count += connz->rows.items[i].is_written;
    }
    return count;
}

static void write_answer(struct connz *connz, struct mon_text *text, size_t first, size_t end)
{
    const struct nats_monitor *monitor = connz->question->monitor;
    mon_open(text, NULL, '{');
    mon_string(text, "server_id", monitor->server->server_id);
    mon_time(text, "now", mon_unix_ms(monitor));
    mon_unsigned(text, "num_connections", count_written(connz, first, end));
    mon_unsigned(text, "total", connz->total);
    mon_number(text, "offset", connz->ask.offset);
    mon_number(text, "limit", connz->ask.limit);
    if (connz->is_known) {
        mon_open(text, "connections", '[');
        for (size_t i = first; i < end; i++) {
            const struct mon_row *row = &connz->rows.items[i];
            if (row->is_written) {
                mon_piece(text, connz->pieces.ptr + row->at, row->len);
            }
        }
        mon_close(text, ']');
    } else {
        mon_null(text, "connections");
    }
    mon_close(text, '}');
    text->is_broken = text->is_broken || connz->rows.is_broken || connz->pieces.is_broken;
}

static void connz_answer(struct connz *connz, struct mon_text *text)
{
    struct nats_server *server = connz->question->monitor->server;
    size_t first, end;
    for (uint32_t i = 0; i < server->shard_count && connz->is_known && !connz->is_empty; i++) {
        gather_shard(connz, i);
    }
    if (connz->is_known && !connz->is_empty && connz->ask.state != MON_CLOSED) {
        connz->total += (size_t)atomic_load(&server->connection_count);
    }
    mon_rows_sort(&connz->rows, connz->ask.sort);
    mon_page(connz->rows.count, connz->ask.offset, connz->ask.limit, &first, &end);
    write_page(connz, first, end);
    write_answer(connz, text, first, end);
}

bool mon_connz(struct mon_question *question, struct mon_text *text)
{
    struct connz connz = {.question = question};
    if (!mon_connz_read(&question->pairs, &connz.ask, &question->fault)) {
        return false;
    }
    const char *account = connz.ask.account;
    bool is_system = strcmp(account, NATS_MONITOR_SYSTEM) == 0;
    connz.is_known = account[0] == '\0' || is_system || strcmp(account, NATS_MONITOR_ACCOUNT) == 0;
    connz.is_empty = is_system || connz.ask.mqtt_client[0] != '\0';
    /* items of the list in the object: one level for each that is open around them */
    mon_text_init(&connz.pieces, text->max, text->is_indented, text->depth + 2);
    connz_answer(&connz, text);
    mon_text_fini(&connz.pieces);
    mon_rows_fini(&connz.rows);
    return true;
}
