/* SPDX-License-Identifier: Apache-2.0
 *
 * What modules send: one block for each loop that is concerned, filled on the sender's thread. A
 * message goes to the loop of its target, or to the one that its subject falls to, so that messages
 * on one subject, and all below one inbox, keep their order. */
#include "bus.h"

#include "hash.h"

#define SEND_TEXT_MAX 8192 /* subject and reply */

static bool send_is_valid(const struct ub_bus_send *send)
{
    size_t total;
    return send->subject.len > 0 && send->subject.len + send->reply.len <= SEND_TEXT_MAX &&
           !__builtin_add_overflow(send->headers.len, send->payload.len, &total) &&
           total <= UINT32_MAX / 2;
}

static uint32_t send_shard(const struct nats_server *server, const struct ub_bus_send *send)
{
    if (send->to.sub != 0) {
        return (uint32_t)(send->to.conn % server->shard_count);
    }
    struct ub_bytes inbox = nats_inbox_token(send->subject);
    uint64_t key = nats_hash(inbox.len > 0 ? inbox : send->subject, server->seed);
    return (uint32_t)(key % server->shard_count);
}

static size_t send_text(const struct ub_bus_send *send)
{
    size_t text = send->subject.len + send->reply.len;
    return send->buf != NULL ? text : text + send->headers.len + send->payload.len + 2;
}

static struct ub_bytes send_copy(uint8_t **at, struct ub_bytes part)
{
    struct ub_bytes copy = {*at, part.len};
    if (part.len > 0) {
        memcpy(*at, part.ptr, part.len);
        *at += part.len;
    }
    return copy;
}

static void batch_add(struct nats_batch *batch, const struct ub_bus_send *send,
                      const struct ub_buf **last_buf)
{
    struct nats_record *record = (struct nats_record *)(void *)(batch->records + batch->used);
    size_t size = nats_record_size(1, send_text(send));
    uint8_t *at = (uint8_t *)(record->ids + 1);
    bool is_direct = send->to.sub != 0;
    *record = (struct nats_record){
        .size = (uint32_t)size,
        .id_count = is_direct ? 1 : 0,
        .flags = (is_direct ? NATS_RECORD_DIRECT : NATS_RECORD_PUBLISH) | NATS_RECORD_SHARE |
                 ((send->flags & UB_BUS_REFUSE) != 0 ? NATS_RECORD_REFUSE : 0u),
        .to_conn = send->to.conn,
        .tag = send->tag,
        .buf = send->buf,
        .headers = send->headers,
        .payload = send->payload,
    };
    record->ids[0] = send->to.sub;
    record->subject = send_copy(&at, send->subject);
    record->reply = send_copy(&at, send->reply);
    if (send->buf == NULL) {
        record->headers = send_copy(&at, send->headers);
        record->payload = send_copy(&at, send->payload);
        at[0] = '\r';
        at[1] = '\n';
        record->flags |= NATS_RECORD_LINE_END;
    } else if (send->buf != *last_buf) {
        *last_buf = send->buf;
        ub_buf_ref(send->buf);
        record->flags |= NATS_RECORD_OWNS;
    }
    if (send->buf != NULL) {
        batch->by_ref += send->headers.len + send->payload.len;
    }
    batch->used += size;
}

static void batches_free(struct nats_batch **batches, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        nats_batch_free(&batches[i]);
    }
}

static enum ub_status batches_make(struct nats_server *server, const struct ub_bus_send *messages,
                                   size_t count, struct nats_batch **batches)
{
    size_t sizes[NATS_SHARDS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        if (!send_is_valid(&messages[i])) {
            return UB_EINVAL;
        }
        sizes[send_shard(server, &messages[i])] += nats_record_size(1, send_text(&messages[i]));
    }
    for (uint32_t i = 0; i < server->shard_count; i++) {
        if (sizes[i] > 0 && (batches[i] = nats_batch_new(server, sizes[i])) == NULL) {
            batches_free(batches, i);
            return UB_ENOMEM;
        }
    }
    const struct ub_buf *last_bufs[NATS_SHARDS_MAX] = {NULL};
    for (size_t i = 0; i < count; i++) {
        uint32_t shard = send_shard(server, &messages[i]);
        if (batches[shard] == NULL) {
            continue; /* cannot be: its size was counted above */
        }
        batch_add(batches[shard], &messages[i], &last_bufs[shard]);
    }
    return UB_OK;
}

enum ub_status nats_bus_send(void *self, const struct ub_bus_send *messages, size_t count,
                             ub_bus_refused_fn refused, void *arg)
{
    struct nats_server *server = self;
    if (!atomic_load(&server->is_running)) {
        return UB_EUNAVAILABLE;
    }
    struct nats_batch *batches[NATS_SHARDS_MAX] = {NULL};
    enum ub_status status = batches_make(server, messages, count, batches);
    if (status != UB_OK) {
        return status;
    }
    for (uint32_t i = 0; i < server->shard_count; i++) {
        if (batches[i] == NULL) {
            continue;
        }
        batches[i]->refused = refused;
        batches[i]->arg = arg;
        if (!nats_mail_put(&server->shards[i], batches[i])) {
            nats_batch_free(&batches[i]);
            status = UB_EUNAVAILABLE;
        }
    }
    return status;
}
