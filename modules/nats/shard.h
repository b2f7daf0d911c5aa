/* SPDX-License-Identifier: Apache-2.0
 *
 * One I/O loop and what belongs to it. Each callback begins with nats_shard_enter; after the last
 * one of a wake-up the flush stage runs: mail to other loops goes out, connections are written,
 * closed ones are freed. Nothing is freed before, so pointers stay valid throughout a wake-up.
 * Threads: the loop's own, but for what says otherwise. */
#ifndef NATS_SHARD_H
#define NATS_SHARD_H

#include "conn.h"
#include "mail.h"
#include "match_cache.h"

#define NATS_TICK_MS 100

struct nats_shard_counts {
    _Atomic uint64_t in_messages, out_messages, in_bytes, out_bytes, slow_consumers;
    _Atomic uint64_t connections; /* ever accepted */
};

struct nats_shard {
    struct nats_server *server;
    uint32_t index;
    struct ub_loop *loop;
    struct event_base *base;
    struct event flush_event, stall_event;
    bool is_entered, has_events;
    uint32_t wake_up; /* number of this wake-up */
    int64_t now_ms;   /* monotonic, of this wake-up */
    struct ub_timer *tick;
    uint32_t tick_count;

    struct nats_buf *scratch; /* what is read into */
    struct nats_segments segments;
    struct nats_tls_room *tls_room; /* NULL = no connection with TLS yet */
    struct nats_match_cache *cache;
    uint64_t random;

    pthread_mutex_t table_lock; /* for readers on other threads; the loop itself only to write */
    struct nats_conn **table;   /* by cid */
    size_t table_room, conn_count;
    uint64_t last_serial;
    struct nats_conn *all, *dirty, *stalled;
    struct nats_conn *clock_first, *clock_last; /* greeted */
    struct nats_conn *linger_first, *linger_last;
    struct nats_conn *securing_first, *securing_last;

    struct nats_sub **slots; /* subscriptions by the low half of their id */
    uint32_t slot_room, slot_free, slot_count;
    uint32_t last_sub;

    struct nats_mailbox mailbox;
    struct nats_batch *outgoing[NATS_SHARDS_MAX];
    const struct ub_buf *outgoing_buf[NATS_SHARDS_MAX]; /* of the last record */
    struct nats_record *outgoing_last[NATS_SHARDS_MAX]; /* that record, NULL = none */
    struct ub_bus_sub *touched;                         /* with messages to hand over */
    struct nats_conn *source;                           /* whose messages are being handled */
    bool must_stall;                                    /* a receiver is far behind */
    struct nats_shard_counts counts;
    struct nats_closed_ring *closed; /* monitor/closed.h; NULL = none was closed yet */
    size_t lame_total, lame_left;    /* lame duck: connections when it began, and closed since */
};

enum ub_status nats_shard_open(struct nats_server *server, uint32_t index, struct ub_err *err);
/* The main loop's thread; ends the loop's thread. */
void nats_shard_close(struct nats_shard *shard);

void nats_shard_enter(struct nats_shard *shard);
void nats_shard_on_mail(void *arg);

/* Connection ids tell their shard. */
static inline struct nats_shard *nats_shard_of(struct nats_server *server, uint64_t cid)
{
    return &server->shards[cid % server->shard_count];
}

uint64_t nats_shard_next_cid(struct nats_shard *shard);
bool nats_shard_add_conn(struct nats_shard *shard, struct nats_conn *conn); /* false = no memory */
void nats_shard_remove_conn(struct nats_shard *shard, struct nats_conn *conn);
struct nats_conn *nats_shard_conn(const struct nats_shard *shard, uint64_t cid);
/* What waits for it and what is on its way to its loop. Any thread. 0 when it is gone. */
size_t nats_shard_pending(struct nats_shard *shard, uint64_t cid);

/* Gives the subscription its id; false = no memory. */
bool nats_shard_add_sub(struct nats_shard *shard, struct nats_sub *sub);
void nats_shard_remove_sub(struct nats_shard *shard, struct nats_sub *sub);
static inline struct nats_sub *nats_shard_sub(const struct nats_shard *shard, uint64_t id)
{
    uint32_t slot = (uint32_t)id;
    /* A free slot holds the number of the next one, odd. */
    struct nats_sub *sub = slot < shard->slot_room ? shard->slots[slot] : NULL;
    return sub == NULL || ((uintptr_t)sub & 1) != 0 || sub->id != id ? NULL : sub;
}

static inline uint32_t nats_shard_random(struct nats_shard *shard, uint32_t below)
{
    uint64_t x = shard->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    shard->random = x;
    return (uint32_t)(((x >> 32) * below) >> 32);
}

static inline void nats_count(_Atomic uint64_t *counter, uint64_t more)
{
    /* One writer: the loop's thread. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* A record of `size` bytes to another loop, zeroed but for its size, kept until the flush stage or
 * until the batch is full; NULL = no memory or the loop has ended. buf is referenced. */
struct nats_record *nats_shard_mail(struct nats_shard *shard, uint32_t to, size_t size,
                                    struct ub_buf *buf);
/* One more item for the last record to that loop, to be filled; NULL = the batch is full. `bytes`
 * is what it refers to. */
struct nats_item *nats_shard_mail_item(struct nats_shard *shard, uint32_t to, size_t bytes);

#endif
