/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "authz.h"
#include "decision.h"
#include "errors.h"
#include "hash.h"
#include "interest.h"
#include "utf8.h"

#define SUB_FIRST_ROOM 4

static struct nats_sub *sid_find(const struct nats_conn *conn, struct ub_bytes sid, uint32_t hash)
{
    struct nats_sub *sub = conn->sid_room == 0 ? NULL : conn->sids[hash & (conn->sid_room - 1)];
    while (sub != NULL && (sub->sid_hash != hash || !nats_bytes_equal(nats_sub_sid(sub), sid))) {
        sub = sub->sid_next;
    }
    return sub;
}

static uint32_t sid_hash(const struct nats_conn *conn, struct ub_bytes sid)
{
    return (uint32_t)nats_hash(sid, conn->shard->server->seed);
}

static bool sids_grow(struct nats_conn *conn)
{
    uint32_t room = conn->sid_room == 0 ? SUB_FIRST_ROOM : conn->sid_room * 2;
    struct nats_sub **sids = room > conn->sid_room ? calloc(room, sizeof(struct nats_sub *)) : NULL;
    if (sids == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < conn->sid_room; i++) {
        for (struct nats_sub *sub = conn->sids[i], *next; sub != NULL; sub = next) {
            next = sub->sid_next;
            sub->sid_next = sids[sub->sid_hash & (room - 1)];
            sids[sub->sid_hash & (room - 1)] = sub;
        }
    }
    free(conn->sids);
    conn->sids = sids;
    conn->sid_room = room;
    return true;
}

static void refuse_subscription(struct nats_conn *conn, struct ub_bytes subject,
                                struct ub_bytes queue, struct ub_bytes sid, const char *wanted)
{
    char text[NATS_ERR_TEXT_MAX * 2];
    const struct nats_refusal refusal = {.right = UB_SUBSCRIBE,
                                         .code = "subscription-refused",
                                         .subject = subject,
                                         .queue = queue,
                                         .wanted = wanted};
    nats_err_subscription(subject, queue, sid, text, sizeof(text));
    nats_conn_deny(conn, text, &refusal);
}

static bool word_is_fine(struct ub_bytes word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] <= 0x20 || word.ptr[i] == 0x7f) {
            return false;
        }
    }
    return nats_utf8_is_valid(word);
}

/* Inboxes are owned by those who have an identity; with auth = "off" nobody has one. */
static bool inbox_needs_owner(const struct nats_conn *conn, struct ub_bytes subject)
{
    struct ub_bytes token = nats_inbox_token(subject);
    return conn->session != NULL && token.len > 0 && !nats_is_star(token) && !nats_is_rest(token);
}

static bool inbox_hold(struct nats_conn *conn, struct ub_bytes subject)
{
    char room[UB_ID_MAX + 24];
    return nats_inbox_hold(conn->shard->server->inboxes, nats_inbox_token(subject),
                           nats_conn_identity(conn, room), conn->shard->now_ms);
}

static void inbox_release(struct nats_conn *conn, struct ub_bytes subject)
{
    char room[UB_ID_MAX + 24];
    conn->own_token_len = 0;
    nats_inbox_release(conn->shard->server->inboxes, nats_inbox_token(subject),
                       nats_conn_identity(conn, room), conn->shard->now_ms);
}

/* false = no memory, nothing changed. */
static bool sub_add(struct nats_conn *conn, const struct nats_op *op, bool needs_filter,
                    bool holds_inbox)
{
    if (conn->sub_count >= conn->sid_room && !sids_grow(conn) && conn->sid_room == 0) {
        return false;
    }
    struct nats_sub *sub = nats_sub_new(op->sid, op->subject, op->queue);
    if (sub == NULL || !nats_shard_add_sub(conn->shard, sub)) {
        free(sub);
        return false;
    }
    sub->conn = conn;
    sub->holds_inbox = holds_inbox;
    sub->filter = needs_filter ? nats_perms_ref(conn->perms) : NULL;
    sub->sid_hash = sid_hash(conn, op->sid);
    if (!nats_sublist_insert(&conn->shard->server->sublist, sub)) {
        nats_perms_unref(&sub->filter);
        nats_shard_remove_sub(conn->shard, sub);
        free(sub);
        return false;
    }
    struct nats_sub **bucket = &conn->sids[sub->sid_hash & (conn->sid_room - 1)];
    sub->sid_next = *bucket;
    *bucket = sub;
    conn->sub_count++;
    return true;
}

static bool has_too_many_tokens(const struct nats_conn *conn, struct ub_bytes subject)
{
    int64_t most = conn->shard->server->live.max_subscription_tokens, tokens = 1;
    if (most == 0) {
        return false;
    }
    for (size_t i = 0; i < subject.len; i++) {
        tokens += subject.ptr[i] == '.';
    }
    return tokens > most;
}

static void sub_try(struct nats_conn *conn, const struct nats_op *op)
{
    bool needs_filter = false;
    if (conn->perms != NULL &&
        !nats_perms_subscribe(conn->perms, op->subject, op->queue, &needs_filter)) {
        refuse_subscription(conn, op->subject, op->queue, nats_text(""), NULL);
        return;
    }
    if (has_too_many_tokens(conn, op->subject)) {
        char text[NATS_ERR_TEXT_MAX];
        nats_err_tokens(op->subject, text, sizeof(text));
        nats_conn_refuse(conn, text, "too-many-tokens", "a subject of fewer tokens");
        return;
    }
    if (conn->max_subscriptions > 0 && conn->sub_count >= conn->max_subscriptions) {
        nats_conn_refuse(conn, NATS_ERR_SUBSCRIPTIONS, "too-many-subscriptions",
                         "fewer subscriptions");
        return;
    }
    if (sid_find(conn, op->sid, sid_hash(conn, op->sid)) == NULL) {
        bool holds_inbox = inbox_needs_owner(conn, op->subject);
        if (holds_inbox && !inbox_hold(conn, op->subject)) {
            refuse_subscription(conn, op->subject, op->queue, nats_text(""),
                                "an inbox that is not another identity's");
            return;
        }
        if (!sub_add(conn, op, needs_filter, holds_inbox)) {
            if (holds_inbox) {
                inbox_release(conn, op->subject);
            }
            nats_conn_cut(conn, "out-of-memory", "no memory for a subscription");
            return;
        }
    }
    if (conn->is_verbose) {
        nats_conn_send(conn, "+OK\r\n", 5);
    }
}

void nats_proto_subscribe(struct nats_conn *conn, const struct nats_op *op)
{
    if (!word_is_fine(op->sid) || !word_is_fine(op->queue)) {
        nats_proto_fault(conn, NATS_FAULT_UNKNOWN);
    } else if (!nats_subject_is_pattern(op->subject)) {
        nats_conn_refuse(conn, NATS_ERR_SUBJECT, "subscription-refused", "a valid subject");
    } else {
        sub_try(conn, op);
    }
}

static void sub_leave(struct nats_conn *conn, struct nats_sub *sub)
{
    struct nats_server *server = conn->shard->server;
    const struct nats_perms *filter = sub->filter;
    nats_sublist_remove(&server->sublist, sub);
    nats_perms_unref(&filter);
    nats_interest_lost(server, sub);
    nats_shard_remove_sub(conn->shard, sub);
    if (sub->holds_inbox) {
        inbox_release(conn, nats_sub_subject(sub));
    }
    conn->sub_count--;
    free(sub);
}

void nats_proto_drop_sub(struct nats_conn *conn, struct nats_sub *sub)
{
    struct nats_sub **link = &conn->sids[sub->sid_hash & (conn->sid_room - 1)];
    while (*link != sub) {
        link = &(*link)->sid_next;
    }
    *link = sub->sid_next;
    sub_leave(conn, sub);
}

void nats_proto_drop_all(struct nats_conn *conn)
{
    for (uint32_t i = 0; i < conn->sid_room; i++) {
        while (conn->sids[i] != NULL) {
            struct nats_sub *sub = conn->sids[i];
            conn->sids[i] = sub->sid_next;
            sub_leave(conn, sub);
        }
    }
}

void nats_proto_unsubscribe(struct nats_conn *conn, const struct nats_op *op)
{
    struct nats_sub *sub = sid_find(conn, op->sid, sid_hash(conn, op->sid));
    if (conn->is_verbose) {
        nats_conn_send(conn, "+OK\r\n", 5);
    }
    if (sub == NULL) {
        return;
    }
    if (op->max > 0 && (uint64_t)op->max > sub->delivered) {
        sub->max = (uint64_t)op->max;
    } else {
        nats_proto_drop_sub(conn, sub);
    }
}

static void sub_refilter(struct nats_conn *conn, struct nats_sub *sub, bool needs_filter)
{
    struct nats_server *server = conn->shard->server;
    const struct nats_perms *old = sub->filter, *fresh = needs_filter ? conn->perms : NULL;
    if (old != fresh) {
        nats_sublist_set_filter(&server->sublist, sub, nats_perms_ref(fresh));
        nats_perms_unref(&old);
        nats_interest_lost(server, sub);
    }
}

/* Calls check for each subscription; those for which it answers false are dropped with -ERR. */
static void subs_sift(struct nats_conn *conn, bool (*check)(struct nats_conn *, struct nats_sub *),
                      const char *wanted)
{
    for (uint32_t i = 0; i < conn->sid_room; i++) {
        for (struct nats_sub *sub = conn->sids[i], *next; sub != NULL; sub = next) {
            next = sub->sid_next;
            if (!check(conn, sub)) {
                refuse_subscription(conn, nats_sub_subject(sub), nats_sub_queue(sub),
                                    nats_sub_sid(sub), wanted);
                nats_proto_drop_sub(conn, sub);
            }
        }
    }
}

static bool sub_is_still_allowed(struct nats_conn *conn, struct nats_sub *sub)
{
    bool needs_filter = false;
    if (!nats_perms_subscribe(conn->perms, nats_sub_subject(sub), nats_sub_queue(sub),
                              &needs_filter)) {
        return false;
    }
    sub_refilter(conn, sub, needs_filter);
    return true;
}

void nats_proto_recheck(struct nats_conn *conn)
{
    subs_sift(conn, sub_is_still_allowed, NULL);
}

static bool sub_inbox_is_own(struct nats_conn *conn, struct nats_sub *sub)
{
    char room[UB_ID_MAX + 24];
    return !sub->holds_inbox ||
           nats_inbox_is_owner(conn->shard->server->inboxes,
                               nats_inbox_token(nats_sub_subject(sub)),
                               nats_conn_identity(conn, room), conn->shard->now_ms);
}

void nats_proto_recheck_inboxes(struct nats_conn *conn)
{
    conn->own_token_len = 0;
    subs_sift(conn, sub_inbox_is_own, "an inbox that is not another identity's");
}
