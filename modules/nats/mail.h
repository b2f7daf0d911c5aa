/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages from one loop (or a module's thread) to another: records in blocks, a queue for each
 * loop, one wake-up for what piles up. */
#ifndef NATS_MAIL_H
#define NATS_MAIL_H

#include "server.h"

#define NATS_RECORD_PUBLISH  0x1u  /* from a module, by subject: match it on arrival */
#define NATS_RECORD_DIRECT   0x2u  /* from a module, to ids[0] of connection `to_conn` */
#define NATS_RECORD_REFUSE   0x4u  /* tell `refused` when nobody was there */
#define NATS_RECORD_OWNS     0x8u  /* holds the reference to buf for the batch */
#define NATS_RECORD_NO_ECHO  0x10u /* not to the connection it came from */
#define NATS_RECORD_SHARE    0x20u /* may be written from buf */
#define NATS_RECORD_LINE_END 0x40u /* CRLF lies behind the payload */

/* One message of a record, by places in buf: many in a row come from one source on one subject. */
struct nats_item {
    uint32_t reply_at, reply_len, headers_at, headers_len, payload_at, payload_len;
};

struct nats_record {
    uint32_t size; /* with ids and items, a multiple of 8 */
    uint32_t id_count;
    uint32_t item_count; /* 0 = one message, reply, headers and payload are here */
    uint32_t flags;
    uint64_t source, to_conn; /* connections; 0 = none */
    uint64_t group;           /* ids[0] was picked from the queue group with this hash */
    uint64_t tag;
    struct ub_bytes subject, reply, headers, payload;
    struct ub_buf *buf; /* payload and headers lie in it; NULL = in the batch itself */
    uint64_t ids[];     /* subscriptions of the receiving loop; items behind them */
};

static inline struct nats_item *nats_record_items(struct nats_record *record)
{
    return (struct nats_item *)(void *)(record->ids + record->id_count);
}

/* Lies at the start of its block. */
struct nats_batch {
    struct nats_batch *next;
    struct nats_buf *block;
    size_t used;   /* bytes of records */
    size_t by_ref; /* bytes of payloads and headers that lie in buffers of modules */
    ub_bus_refused_fn refused;
    void *arg;
    _Alignas(16) uint8_t records[];
};

struct nats_mailbox {
    pthread_mutex_t lock;
    struct nats_batch *head, *tail; /* under lock */
    bool is_woken, is_closed;       /* under lock; woken: the loop will look without being told */
    _Atomic size_t bytes;           /* not handled yet, with what is referenced */
};

static inline size_t nats_record_size(size_t ids, size_t text)
{
    return (sizeof(struct nats_record) + ids * sizeof(uint64_t) + text + 7) & ~(size_t)7;
}

/* An empty batch for at least `room` bytes of records; NULL = no memory. Threads: any. */
struct nats_batch *nats_batch_new(struct nats_server *server, size_t room);
static inline size_t nats_batch_room(const struct nats_batch *batch)
{
    return batch->block->room - sizeof(*batch) - batch->used;
}
/* Drops the references of its records, and the batch. */
void nats_batch_free(struct nats_batch **batch);

void nats_mailbox_init(struct nats_mailbox *box);
void nats_mailbox_fini(struct nats_mailbox *box);
/* Hands the batch over to the loop. false: the loop has ended; the batch stays the caller's.
 * Threads: any. */
bool nats_mail_put(struct nats_shard *to, struct nats_batch *batch);
/* All that waits, oldest first. NULL: nothing, and with may_sleep whoever puts something in from
 * here on wakes the loop; without, the loop looks again by itself. The loop's thread. */
struct nats_batch *nats_mail_take(struct nats_mailbox *box, bool may_sleep);
/* The loop is awake and will look into its box before it sleeps. The loop's thread. */
void nats_mail_awake(struct nats_mailbox *box);
/* The batch has been handled: it waits no longer. The loop's thread. */
void nats_mail_done(struct nats_mailbox *box, const struct nats_batch *batch);
void nats_mailbox_close(struct nats_mailbox *box);

#endif
