/* SPDX-License-Identifier: Apache-2.0 */
#include "proto.h"

#include "errors.h"
#include "info.h"

typedef void (*proto_fn)(struct nats_conn *conn, struct nats_op *op);

static void on_ping(struct nats_conn *conn, struct nats_op *op)
{
    (void)op;
    nats_conn_send(conn, "PONG\r\n", 6);
    if (conn->is_connected && !conn->has_ponged) {
        conn->has_ponged = true;
        nats_info_send(conn);
    }
}

static void on_pong(struct nats_conn *conn, struct nats_op *op)
{
    (void)op;
    conn->pings_out = 0;
    if (conn->ping_ns != 0) {
        const struct ub_host *host = conn->shard->server->host;
        conn->rtt_us = (host->clock->mono_ns(host) - conn->ping_ns) / 1000 + 1;
        conn->ping_ns = 0;
    }
}

static void on_connect(struct nats_conn *conn, struct nats_op *op)
{
    nats_proto_connect(conn, op->text);
}

static void on_sub(struct nats_conn *conn, struct nats_op *op)
{
    if (!conn->is_leaving) { /* it would hear nothing */
        nats_proto_subscribe(conn, op);
    }
}

static void on_unsub(struct nats_conn *conn, struct nats_op *op)
{
    nats_proto_unsubscribe(conn, op);
}

static void on_err(struct nats_conn *conn, struct nats_op *op)
{
    (void)op;
    nats_conn_cut(conn, "client-error", "the client sent -ERR");
}

static void on_nothing(struct nats_conn *conn, struct nats_op *op)
{
    (void)conn;
    (void)op;
}

static const struct proto_verb {
    bool is_before_login; /* allowed before */
    proto_fn fn;
} proto_verbs[] = {
    [NATS_VERB_SUB] = {false, on_sub},        [NATS_VERB_UNSUB] = {false, on_unsub},
    [NATS_VERB_PING] = {true, on_ping},       [NATS_VERB_PONG] = {true, on_pong},
    [NATS_VERB_CONNECT] = {true, on_connect}, [NATS_VERB_INFO] = {false, on_nothing},
    [NATS_VERB_OK] = {false, on_nothing},     [NATS_VERB_ERR] = {false, on_err},
};

void nats_proto_handle(struct nats_conn *conn, struct nats_op *op, struct nats_buf *buf,
                       bool may_share)
{
    bool is_open = conn->state == NATS_CONN_OPEN;
    bool is_publish = op->verb == NATS_VERB_PUB || op->verb == NATS_VERB_HPUB;
    if (!is_open && (is_publish || !proto_verbs[op->verb].is_before_login)) {
        nats_conn_fail(conn, NATS_ERR_AUTHORIZATION, "early-operation",
                       "an operation before CONNECT");
    } else if (is_publish) {
        nats_proto_publish(conn, op, buf, may_share);
    } else {
        proto_verbs[op->verb].fn(conn, op);
    }
}

void nats_proto_fault(struct nats_conn *conn, enum nats_fault fault)
{
    if (fault == NATS_FAULT_CONTROL_LINE) {
        nats_conn_fail(conn, NATS_ERR_CONTROL_LINE, "control-line",
                       "a control line is longer than max_control_line");
    } else if (conn->state != NATS_CONN_OPEN) {
        nats_conn_fail(conn, NATS_ERR_AUTHORIZATION, "early-operation",
                       "something else than CONNECT");
    } else if (fault == NATS_FAULT_PAYLOAD) {
        nats_conn_fail(conn, NATS_ERR_PAYLOAD, "payload", "a payload is longer than max_payload");
    } else {
        nats_conn_fail(conn, NATS_ERR_UNKNOWN, "protocol", "not the NATS protocol");
    }
}
