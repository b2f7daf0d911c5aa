/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operations of a client do. Threads: the connection's loop. */
#ifndef NATS_PROTO_H
#define NATS_PROTO_H

#include "deliver.h"

/* One operation; its ranges lie in buf. The connection may be doomed or asking afterwards. */
void nats_proto_handle(struct nats_conn *conn, struct nats_op *op, struct nats_buf *buf,
                       bool may_share);
/* The -ERR of something that is no operation. */
void nats_proto_fault(struct nats_conn *conn, enum nats_fault fault);

/* proto_connect.c */
void nats_proto_greet(struct nats_conn *conn); /* INFO, with a fresh nonce */
void nats_proto_connect(struct nats_conn *conn, struct ub_bytes json);

/* What CONNECT said; texts are NUL-terminated copies, "" = not sent. */
#define NATS_CONNECT_TEXT_MAX 1024
#define NATS_CONNECT_SHORT    64 /* lang and version */
struct nats_connect_options {
    bool is_verbose, is_pedantic, is_echo, has_headers, has_no_responders;
    int64_t protocol;
    bool has_foreign; /* names an account, or another proof than ours: never allowed */
    bool has_nkey, has_user, has_password, has_token;
    char nkey[128];
    char user[NATS_CONNECT_TEXT_MAX], password[NATS_CONNECT_TEXT_MAX];
    char token[NATS_CONNECT_TEXT_MAX];
    char name[256], lang[NATS_CONNECT_SHORT], version[NATS_CONNECT_SHORT];
    uint8_t signature[64];
    size_t signature_len;
};

/* connect_json.c; false: not acceptable JSON. Any thread. */
bool nats_connect_parse(struct ub_bytes json, struct nats_connect_options *options_out);

/* proto_pub.c */
void nats_proto_publish(struct nats_conn *conn, struct nats_op *op, struct nats_buf *buf,
                        bool may_share);
/* A connection of another loop publishes too fast for one of ours. */
void nats_proto_stall_remote(struct nats_shard *shard, uint64_t cid);

/* proto_sub.c */
void nats_proto_subscribe(struct nats_conn *conn, const struct nats_op *op);
void nats_proto_unsubscribe(struct nats_conn *conn, const struct nats_op *op);
/* Takes a subscription out and frees it. */
void nats_proto_drop_sub(struct nats_conn *conn, struct nats_sub *sub);
void nats_proto_drop_all(struct nats_conn *conn);
/* After conn->perms has changed to another set: drops what is no longer allowed, with -ERR. */
void nats_proto_recheck(struct nats_conn *conn);
/* Drops what lies below inboxes that now are another identity's, with -ERR. */
void nats_proto_recheck_inboxes(struct nats_conn *conn);

/* headers.c: is the block acceptable? Takes out what only servers may say: *headers shrinks, its
 * start moves. Any thread that owns the bytes. */
bool nats_headers_clean(struct ub_bytes *headers);

#endif
