/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "authz.h"
#include "decision.h"
#include "errors.h"
#include "monitor/monitor.h"

static void refuse_publish(struct nats_conn *conn, struct ub_bytes subject, const char *wanted)
{
    char text[NATS_ERR_TEXT_MAX];
    const struct nats_refusal refusal = {
        .right = UB_PUBLISH, .code = "publish-refused", .subject = subject, .wanted = wanted};
    nats_err_publish(subject, text, sizeof(text));
    nats_conn_deny(conn, text, &refusal);
}

static const struct ub_guard *guard_refusing(const struct nats_verdict *verdict,
                                             struct ub_bytes payload, int64_t now_ms)
{
    for (uint32_t i = 0; i < verdict->guard_count; i++) {
        if (nats_guard_accepts(verdict->guards[i], payload, now_ms)) {
            return NULL;
        }
    }
    return verdict->guards[0];
}

/* Answers to where a delivered message asked for them. */
static bool is_answer(struct nats_conn *conn, struct ub_bytes subject, bool takes_a_use)
{
    const uint8_t *key = conn->shard->server->reply_key;
    return takes_a_use ? nats_replies_use(conn->replies, key, subject, conn->shard->now_ms)
                       : nats_replies_has(conn->replies, key, subject, conn->shard->now_ms);
}

static bool publish_is_allowed(struct nats_conn *conn, const struct nats_op *op,
                               const struct nats_route *route)
{
    const struct nats_perms *perms = conn->perms;
    struct nats_verdict verdict = nats_match_verdict(route, op->subject, perms);
    if (perms->has_inbox_rules && nats_is_inbox(op->subject)) {
        /* Where answers are counted, only an allow rule spares the count, as in nats-server. */
        bool is_counted = perms->max_response_count > 0 && verdict.right != NATS_PUBLISH_ALLOWED;
        if (!verdict.has_denial && is_answer(conn, op->subject, is_counted)) {
            return true;
        }
        refuse_publish(conn, op->subject, "a reply to a message that was delivered here");
        return false;
    }
    if (verdict.right == NATS_PUBLISH_ALLOWED) {
        return true;
    }
    if (verdict.right == NATS_PUBLISH_GUARDED) {
        const struct ub_guard *guard = guard_refusing(&verdict, op->payload, conn->shard->now_ms);
        if (guard == NULL) {
            return true;
        }
        refuse_publish(conn, op->subject, guard->what);
        return false;
    }
    if (perms->max_response_count > 0 && !verdict.has_denial &&
        is_answer(conn, op->subject, true)) {
        return true;
    }
    refuse_publish(conn, op->subject, NULL);
    return false;
}

static bool inbox_is_own(struct nats_conn *conn, struct ub_bytes reply)
{
    char room[UB_ID_MAX + 24];
    struct ub_bytes token = nats_inbox_token(reply);
    uint64_t version = nats_inbox_version(conn->shard->server->inboxes);
    if (token.len == conn->own_token_len && version == conn->own_token_version &&
        memcmp(token.ptr, conn->own_token, token.len) == 0) {
        return true;
    }
    if (!nats_inbox_is_owner(conn->shard->server->inboxes, token, nats_conn_identity(conn, room),
                             conn->shard->now_ms)) {
        return false;
    }
    if (token.len <= sizeof(conn->own_token)) {
        memcpy(conn->own_token, token.ptr, token.len);
        conn->own_token_len = (uint8_t)token.len;
        conn->own_token_version = version;
    }
    return true;
}

/* Whoever answers does so with his own rights, modules of this node too: so a reply subject must be
 * one where the asker himself may publish, or his own inbox. Sets without the inbox rules may also
 * name what they may subscribe to, as users of nats-server with private inboxes do. */
static bool reply_is_allowed(struct nats_conn *conn, struct ub_bytes reply)
{
    const struct nats_perms *perms = conn->perms;
    bool needs_filter;
    if (perms == NULL) {
        return true;
    }
    if (nats_is_inbox(reply) && inbox_is_own(conn, reply)) {
        return true;
    }
    if (!(perms->has_inbox_rules && nats_is_inbox(reply)) &&
        nats_perms_publish(perms, reply).right == NATS_PUBLISH_ALLOWED) {
        return true;
    }
    if (!perms->has_inbox_rules &&
        nats_perms_subscribe(perms, reply, nats_text(""), &needs_filter)) {
        return true;
    }
    return is_answer(conn, reply, false);
}

static bool reply_is_fine(struct nats_conn *conn, struct ub_bytes reply)
{
    if (reply.len == 0 || (nats_subject_is_literal(reply) && !nats_starts(reply, "_R_.") &&
                           reply_is_allowed(conn, reply))) {
        return true;
    }
    char text[NATS_ERR_TEXT_MAX];
    const struct nats_refusal refusal = {.right = UB_PUBLISH,
                                         .code = "reply-refused",
                                         .subject = reply,
                                         .wanted = "an inbox of its own as reply"};
    nats_err_reply(reply, text, sizeof(text));
    nats_conn_deny(conn, text, &refusal);
    return false;
}

/* Nobody was there: the asker's own subscription to the reply is told so. */
static void send_no_responders(struct nats_conn *conn, const struct nats_op *op)
{
    struct nats_route route;
    nats_match_look(conn->shard->cache, op->reply, &route); /* literal: reply_is_fine */
    for (uint32_t i = 0; i < route.match.plain_count; i++) {
        const struct nats_member *member = &route.match.plain[i];
        if (member->shard != conn->shard->index || member->sub->conn != conn) {
            continue;
        }
        struct ub_bytes sid = nats_sub_sid(member->sub);
        char line[64];
        size_t len = 32 + op->subject.len; /* the header block */
        int line_len =
            snprintf(line, sizeof(line), " %zu %zu\r\nNATS/1.0 503\r\nNats-Subject: ", len, len);
        nats_conn_send(conn, "HMSG ", 5);
        nats_conn_send(conn, (const char *)op->reply.ptr, op->reply.len);
        nats_conn_send(conn, " ", 1);
        nats_conn_send(conn, (const char *)sid.ptr, sid.len);
        nats_conn_send(conn, line, (size_t)line_len);
        nats_conn_send(conn, (const char *)op->subject.ptr, op->subject.len);
        nats_conn_send(conn, "\r\n\r\n\r\n", 6);
        return;
    }
}

static bool headers_are_fine(struct nats_conn *conn, struct nats_op *op)
{
    if (!conn->has_headers) {
        nats_conn_fail(conn, NATS_ERR_NO_HEADERS, "headers", "HPUB without headers in CONNECT");
        return false;
    }
    if (op->headers.len > 0 && !nats_headers_clean(&op->headers)) {
        nats_conn_fail(conn, NATS_ERR_BAD_HEADER, "headers", "a malformed header block");
        return false;
    }
    return true;
}

void nats_proto_publish(struct nats_conn *conn, struct nats_op *op, struct nats_buf *buf,
                        bool may_share)
{
    struct nats_shard *shard = conn->shard;
    nats_count(&shard->counts.in_messages, 1);
    nats_count(&shard->counts.in_bytes, op->headers.len + op->payload.len);
    conn->counts.in_messages++;
    conn->counts.in_bytes += op->headers.len + op->payload.len;
    if (op->verb == NATS_VERB_HPUB && !headers_are_fine(conn, op)) {
        return;
    }
    struct nats_route route;
    nats_match_look(shard->cache, op->subject, &route);
    if (!route.is_valid) {
        nats_conn_refuse(conn, NATS_ERR_PUBLISH_SUBJECT, "publish-refused", "a literal subject");
        return;
    }
    if ((conn->perms != NULL && !nats_monitor_is_open(op->subject) &&
         !publish_is_allowed(conn, op, &route)) ||
        !reply_is_fine(conn, op->reply)) {
        return;
    }
    if (conn->is_verbose) {
        nats_conn_send(conn, "+OK\r\n", 5);
    }
    struct nats_message message; /* not zeroed as a whole: it has room that few need */
    nats_message_init(&message, &buf->base, conn->cid);
    message.subject = op->subject;
    message.reply = op->reply;
    message.headers = op->headers;
    message.payload = op->payload;
    message.is_whole = true;
    message.has_line_end = true;
    message.may_share = may_share;
    message.has_no_echo = !conn->is_echo;
    if (!nats_deliver(shard, &route.match, &message) && op->reply.len > 0 &&
        conn->has_no_responders) {
        send_no_responders(conn, op);
    }
}

struct stall_post {
    struct nats_shard *shard;
    uint64_t cid;
};

static void stall_on_shard(void *arg)
{
    struct stall_post post = *(struct stall_post *)arg;
    free(arg);
    nats_shard_enter(post.shard);
    struct nats_conn *conn = nats_shard_conn(post.shard, post.cid);
    if (conn != NULL) {
        nats_conn_stall(conn);
    }
}

void nats_proto_stall_remote(struct nats_shard *shard, uint64_t cid)
{
    struct nats_shard *to = nats_shard_of(shard->server, cid);
    struct stall_post *post = malloc(sizeof(*post));
    if (post != NULL) { /* without, the sender goes on and the receiver may be cut */
        *post = (struct stall_post){to, cid};
        shard->server->host->loop->post(to->loop, stall_on_shard, post);
    }
}
