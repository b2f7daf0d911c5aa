/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver.h"

#include "bus.h"
#include "hash.h"
#include "proto.h"

#define DELIVER_SHARE_MIN  4096 /* smaller payloads are copied */
#define DELIVER_IDS_MAX    4096 /* in one record */
#define DELIVER_MAIL_LIMIT ((size_t)16 * 1024 * 1024)

/* Most parts are short: two overlapping words are cheaper than a call. */
static uint8_t *put(uint8_t *at, const void *from, size_t len)
{
    const uint8_t *bytes = from;
    if (len > 16) {
        memcpy(at, bytes, len);
    } else if (len >= 8) {
        memcpy(at, bytes, 8);
        memcpy(at + len - 8, bytes + len - 8, 8);
    } else {
        for (size_t i = 0; i < len; i++) {
            at[i] = bytes[i];
        }
    }
    return at + len;
}

static uint8_t *put_number(uint8_t *at, size_t number)
{
    uint8_t digits[20], *first = digits + sizeof(digits);
    do {
        *--first = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, first, (size_t)(digits + sizeof(digits) - first));
}

/* " <header length> <total length>\r\n", without the reply. */
static void message_make_tail(struct nats_message *message, bool has_headers)
{
    uint8_t *tail = message->tail[has_headers], *at = tail;
    *at++ = ' ';
    if (has_headers) {
        at = put_number(at, message->headers.len);
        *at++ = ' ';
        at = put_number(at, message->headers.len + message->payload.len);
    } else {
        at = put_number(at, message->payload.len);
    }
    *at++ = '\r';
    *at++ = '\n';
    message->tail_len[has_headers] = (uint16_t)(at - tail);
}

static uint8_t *put_line(uint8_t *at, const struct nats_sub *sub,
                         const struct nats_message *message, bool has_headers)
{
    struct ub_bytes sid = nats_sub_sid(sub);
    at = has_headers ? put(at, "HMSG ", 5) : put(at, "MSG ", 4);
    at = put(at, message->subject.ptr, message->subject.len);
    *at++ = ' ';
    at = put(at, sid.ptr, sid.len);
    if (message->reply.len > 0) {
        *at++ = ' ';
        at = put(at, message->reply.ptr, message->reply.len);
    }
    return put(at, message->tail[has_headers], message->tail_len[has_headers]);
}

static bool write_shared(struct nats_segments *segments, struct nats_out *out,
                         const struct nats_message *message, bool has_headers)
{
    struct ub_bytes payload = message->payload;
    if (message->has_line_end) {
        payload.len += 2;
    }
    if (has_headers && !nats_out_copy(segments, out, message->headers)) {
        return false;
    }
    return nats_out_share(segments, out, message->buf, payload) &&
           (message->has_line_end || nats_out_copy(segments, out, nats_text("\r\n")));
}

static bool write_copied(struct nats_segments *segments, struct nats_out *out,
                         const struct nats_message *message, bool has_headers)
{
    return (!has_headers || nats_out_copy(segments, out, message->headers)) &&
           nats_out_copy(segments, out, message->payload) &&
           nats_out_copy(segments, out, nats_text("\r\n"));
}

static uint8_t *put_body(uint8_t *at, const struct nats_message *message, bool has_headers)
{
    if (has_headers) {
        at = put(at, message->headers.ptr, message->headers.len);
    }
    if (message->payload.len > 0) {
        at = put(at, message->payload.ptr, message->payload.len);
    }
    return put(at, "\r\n", 2);
}

static bool message_write(struct nats_shard *shard, struct nats_conn *conn,
                          const struct nats_sub *sub, struct nats_message *message)
{
    bool has_headers = message->headers.len > 0 && conn->has_headers;
    if (message->tail_len[has_headers] == 0) {
        message_make_tail(message, has_headers);
    }
    size_t line = 8 + message->subject.len + sub->sid_len + message->reply.len +
                  message->tail_len[has_headers];
    size_t body = (has_headers ? message->headers.len : 0) + message->payload.len + 2;
    bool is_shared = message->may_share && message->payload.len >= DELIVER_SHARE_MIN;
    bool is_small = !is_shared && line + body <= NATS_SEGMENT_SIZE;
    struct nats_out *out = &conn->out;
    uint8_t *start = nats_out_reserve(&shard->segments, out, is_small ? line + body : line);
    if (start == NULL) {
        return false;
    }
    uint8_t *at = put_line(start, sub, message, has_headers);
    if (is_small) {
        at = put_body(at, message, has_headers);
    }
    nats_out_commit(out, (size_t)(at - start));
    if (is_shared) {
        return write_shared(&shard->segments, out, message, has_headers);
    }
    return is_small || write_copied(&shard->segments, out, message, has_headers);
}

/* Where the receiver may answer, if his answers are restricted. */
static void remember_reply(struct nats_conn *conn, const struct nats_message *message)
{
    const struct nats_perms *perms = conn->perms;
    int64_t now = conn->shard->now_ms;
    if (perms->max_response_count > 0) {
        uint32_t uses = /* 0 = any number */
            perms->max_response_count > INT32_MAX ? 0 : (uint32_t)perms->max_response_count;
        nats_replies_add(&conn->replies, conn->shard->server->reply_key, message->reply, now,
                         now + perms->max_response_ms, uses);
    } else if (perms->has_inbox_rules && nats_is_inbox(message->reply)) {
        nats_replies_add(&conn->replies, conn->shard->server->reply_key, message->reply, now,
                         now + NATS_REPLY_VALID_MS, 0);
    }
}

/* Over three quarters of what may wait: its senders pause, those on other loops too. */
static void slow_down_source(struct nats_shard *shard, struct nats_conn *conn, uint64_t source)
{
    shard->must_stall = true;
    if (source == 0 || source % shard->server->shard_count == shard->index ||
        conn->stall_told_ms == shard->now_ms) {
        return;
    }
    conn->stall_told_ms = shard->now_ms;
    nats_proto_stall_remote(shard, source);
}

bool nats_deliver_to(struct nats_shard *shard, struct nats_sub *sub, struct nats_message *message)
{
    struct nats_conn *conn = sub->conn;
    if (conn->is_doomed || (message->has_no_echo && conn->cid == message->source) ||
        (sub->filter != NULL && !nats_perms_may_receive(sub->filter, nats_sub_subject(sub),
                                                        nats_sub_queue(sub), message->subject))) {
        return false;
    }
    if (!message_write(shard, conn, sub, message)) {
        nats_conn_cut(conn, "out-of-memory", "no memory for what waits to be written");
        return false;
    }
    nats_count(&shard->counts.out_messages, 1);
    nats_count(&shard->counts.out_bytes, message->headers.len + message->payload.len);
    conn->counts.out_messages++;
    conn->counts.out_bytes += message->headers.len + message->payload.len;
    conn->last_out_ms = shard->now_ms;
    if (message->reply.len > 0 && conn->perms != NULL) {
        remember_reply(conn, message);
    }
    nats_conn_queued(conn);
    if (conn->out.bytes > (size_t)shard->server->live.max_pending / 4 * 3) {
        slow_down_source(shard, conn, message->source);
    }
    sub->delivered++;
    if (sub->max != 0 && sub->delivered >= sub->max) {
        nats_proto_drop_sub(conn, sub);
    }
    return true;
}

/* ---- to other loops ---------------------------------------------------------------------------
 */

static uint32_t record_flags(const struct nats_message *message)
{
    return (message->has_no_echo ? NATS_RECORD_NO_ECHO : 0u) |
           (message->may_share ? NATS_RECORD_SHARE : 0u) |
           (message->has_line_end ? NATS_RECORD_LINE_END : 0u);
}

static uint32_t place_in(const struct ub_buf *buf, struct ub_bytes part)
{
    return part.len == 0 ? 0 : (uint32_t)(part.ptr - buf->ptr);
}

/* Can it be told by places in its buffer? */
static bool is_placed(const struct nats_message *message)
{
    return message->is_whole && message->buf->len <= UINT32_MAX;
}

static struct nats_item item_of(const struct nats_message *message)
{
    const struct ub_buf *buf = message->buf;
    return (struct nats_item){place_in(buf, message->reply),   (uint32_t)message->reply.len,
                              place_in(buf, message->headers), (uint32_t)message->headers.len,
                              place_in(buf, message->payload), (uint32_t)message->payload.len};
}

static size_t item_bytes(const struct nats_message *message)
{
    return message->reply.len + message->headers.len + message->payload.len;
}

static bool ids_are(const struct nats_record *record, const struct nats_member *members,
                    uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (record->ids[i] != members[i].id) {
            return false;
        }
    }
    return true;
}

/* Is it as the message before, for the same receivers? Then it joins its record. */
static bool mail_may_join(const struct nats_shard *shard, const struct nats_member *members,
                          uint32_t count, uint64_t group, const struct nats_message *message)
{
    uint32_t to = members[0].shard;
    const struct nats_record *last = shard->outgoing_last[to];
    return last != NULL && last->item_count > 0 && last->buf == message->buf &&
           last->id_count == count && last->source == message->source && last->group == group &&
           (last->flags & ~NATS_RECORD_OWNS) == record_flags(message) &&
           last->subject.len == message->subject.len &&
           nats_key_is(last->subject.ptr, message->subject.ptr, message->subject.len) &&
           ids_are(last, members, count);
}

static void record_describe(struct nats_record *record, const struct nats_message *message)
{
    uint8_t *at = (uint8_t *)(record->ids + record->id_count);
    record->reply = message->reply;
    record->headers = message->headers;
    record->payload = message->payload;
    record->subject.ptr = at;
    at = put(at, message->subject.ptr, message->subject.len);
    record->reply.ptr = at;
    if (message->reply.len > 0) {
        put(at, message->reply.ptr, message->reply.len);
    }
}

static bool mail_record(struct nats_shard *shard, const struct nats_member *members, uint32_t count,
                        uint64_t group, const struct nats_message *message)
{
    uint32_t to = members[0].shard;
    size_t text =
        is_placed(message) ? sizeof(struct nats_item) : message->subject.len + message->reply.len;
    struct nats_record *record =
        nats_shard_mail(shard, to, nats_record_size(count, text), message->buf);
    if (record == NULL) {
        return false;
    }
    record->id_count = count;
    record->source = message->source;
    record->group = group;
    record->flags |= record_flags(message);
    record->subject = message->subject;
    for (uint32_t i = 0; i < count; i++) {
        record->ids[i] = members[i].id;
    }
    if (is_placed(message)) {
        record->item_count = 1;
        *nats_record_items(record) = item_of(message);
        shard->outgoing[to]->by_ref += item_bytes(message);
    } else {
        record_describe(record, message);
    }
    size_t waiting =
        atomic_load_explicit(&shard->server->shards[to].mailbox.bytes, memory_order_relaxed);
    shard->must_stall = shard->must_stall || waiting > DELIVER_MAIL_LIMIT;
    return true;
}

/* To members of one other loop. */
static bool mail_members(struct nats_shard *shard, const struct nats_member *members,
                         uint32_t count, uint64_t group, const struct nats_message *message)
{
    if (is_placed(message) && mail_may_join(shard, members, count, group, message)) {
        struct nats_item *item = nats_shard_mail_item(shard, members[0].shard, item_bytes(message));
        if (item != NULL) {
            *item = item_of(message);
            return true;
        }
    }
    bool is_sent = true;
    while (count > 0 && is_sent) {
        uint32_t some = count < DELIVER_IDS_MAX ? count : DELIVER_IDS_MAX;
        is_sent = mail_record(shard, members, some, group, message);
        members += some;
        count -= some;
    }
    return is_sent;
}

static bool deliver_plain(struct nats_shard *shard, const struct nats_match *match,
                          struct nats_message *message)
{
    bool is_delivered = false;
    for (uint32_t i = 0; i < match->plain_count;) {
        const struct nats_member *member = &match->plain[i];
        if (member->shard == shard->index) {
            is_delivered |= nats_deliver_to(shard, member->sub, message);
            i++;
        } else if (member->shard == NATS_SHARD_BUS) {
            is_delivered |= nats_bus_collect(shard, member->sub->bus, message);
            i++;
        } else {
            uint32_t first = i;
            while (i < match->plain_count && match->plain[i].shard == member->shard) {
                i++;
            }
            is_delivered |= mail_members(shard, member, i - first, 0, message);
        }
    }
    return is_delivered;
}

static bool deliver_to_member(struct nats_shard *shard, const struct nats_member *member,
                              uint64_t group, struct nats_message *message)
{
    if (member->shard == shard->index) {
        return nats_deliver_to(shard, member->sub, message);
    }
    if (member->shard == NATS_SHARD_BUS) {
        return nats_bus_collect(shard, member->sub->bus, message);
    }
    return mail_members(shard, member, 1, group, message);
}

/* One member at random; another when that one does not take it. */
static bool deliver_group(struct nats_shard *shard, const struct nats_match *match,
                          const struct nats_match_group *group, struct nats_message *message)
{
    uint32_t start = nats_shard_random(shard, group->count);
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t at = start + i < group->count ? start + i : start + i - group->count;
        if (deliver_to_member(shard, &match->members[group->first + at], group->hash, message)) {
            return true;
        }
    }
    return false;
}

bool nats_deliver(struct nats_shard *shard, const struct nats_match *match,
                  struct nats_message *message)
{
    bool is_delivered = deliver_plain(shard, match, message);
    for (uint32_t i = 0; i < match->group_count; i++) {
        is_delivered |= deliver_group(shard, match, &match->groups[i], message);
    }
    return is_delivered;
}

/* ---- from other loops -------------------------------------------------------------------------
 */

static void record_message(const struct nats_batch *batch, const struct nats_record *record,
                           struct nats_message *message_out)
{
    nats_message_init(message_out, record->buf != NULL ? record->buf : &batch->block->base,
                      record->source);
    message_out->subject = record->subject;
    message_out->reply = record->reply;
    message_out->headers = record->headers;
    message_out->payload = record->payload;
    message_out->is_whole = record->buf == NULL;
    message_out->may_share = (record->flags & NATS_RECORD_SHARE) != 0;
    message_out->has_line_end = (record->flags & NATS_RECORD_LINE_END) != 0;
    message_out->has_no_echo = (record->flags & NATS_RECORD_NO_ECHO) != 0;
}

/* The member that was picked has gone meanwhile: the group still has to get the message. */
static void deliver_again(struct nats_shard *shard, uint64_t hash, struct nats_message *message)
{
    struct nats_route route;
    nats_match_look(shard->cache, message->subject, &route);
    for (uint32_t i = 0; route.is_valid && i < route.match.group_count; i++) {
        if (route.match.groups[i].hash == hash) {
            deliver_group(shard, &route.match, &route.match.groups[i], message);
            return;
        }
    }
}

static bool deliver_published(struct nats_shard *shard, struct nats_message *message)
{
    struct nats_route route;
    nats_match_look(shard->cache, message->subject, &route);
    return route.is_valid && nats_deliver(shard, &route.match, message);
}

static bool deliver_direct(struct nats_shard *shard, const struct nats_record *record,
                           struct nats_message *message)
{
    struct nats_sub *sub = nats_shard_sub(shard, record->ids[0]);
    return sub != NULL && sub->conn->cid == record->to_conn && nats_deliver_to(shard, sub, message);
}

static void deliver_ids(struct nats_shard *shard, const struct nats_record *record,
                        struct nats_message *message)
{
    for (uint32_t i = 0; i < record->id_count; i++) {
        struct nats_sub *sub = nats_shard_sub(shard, record->ids[i]);
        bool is_taken = sub != NULL && nats_deliver_to(shard, sub, message);
        if (!is_taken && record->group != 0) {
            deliver_again(shard, record->group, message);
        }
    }
}

static struct ub_bytes item_part(const struct ub_buf *buf, uint32_t place, uint32_t len)
{
    return (struct ub_bytes){buf->ptr + place, len};
}

/* Those of one size have the same end of their line. */
static void deliver_items(struct nats_shard *shard, struct nats_record *record,
                          struct nats_message *message)
{
    const struct nats_item *items = nats_record_items(record);
    message->is_whole = true;
    for (uint32_t i = 0; i < record->item_count; i++) {
        const struct nats_item *item = &items[i];
        if (i > 0 && (item->payload_len != items[i - 1].payload_len ||
                      item->headers_len != items[i - 1].headers_len)) {
            message->tail_len[0] = message->tail_len[1] = 0;
        }
        message->reply = item_part(message->buf, item->reply_at, item->reply_len);
        message->headers = item_part(message->buf, item->headers_at, item->headers_len);
        message->payload = item_part(message->buf, item->payload_at, item->payload_len);
        deliver_ids(shard, record, message);
    }
}

void nats_deliver_batch(struct nats_shard *shard, struct nats_batch *batch)
{
    for (size_t at = 0; at < batch->used;) {
        struct nats_record *record = (struct nats_record *)(void *)(batch->records + at);
        struct nats_message message;
        record_message(batch, record, &message);
        at += record->size;
        bool is_taken = true;
        if ((record->flags & NATS_RECORD_PUBLISH) != 0) {
            is_taken = deliver_published(shard, &message);
        } else if ((record->flags & NATS_RECORD_DIRECT) != 0) {
            is_taken = deliver_direct(shard, record, &message);
        } else if (record->item_count > 0) {
            deliver_items(shard, record, &message);
        } else {
            deliver_ids(shard, record, &message);
        }
        if (!is_taken && (record->flags & NATS_RECORD_REFUSE) != 0 && batch->refused != NULL) {
            batch->refused(batch->arg, record->tag);
        }
    }
    nats_bus_hand_over(shard, NULL);
    shard->must_stall = false;
}
