/* SPDX-License-Identifier: Apache-2.0
 *
 * All subscriptions of the server in one trie of subject tokens, with wildcards and queue groups.
 *
 * The nodes lie in one hash table keyed by (parent, token), so that a leaf costs little. Each I/O
 * loop keeps results in a cache of its own (match_cache.h) and knows by generation numbers whether
 * they still hold: one number for each hash of a first token and one for patterns that begin with a
 * wildcard, so that inboxes coming and going leave other results alone.
 *
 * Threads: any; writers exclude all others. A subscription is owned by the loop of its connection,
 * which inserts and removes it; other loops touch it under the lock only, and afterwards know it by
 * id and shard. A subscription of a module (shard NATS_SHARD_BUS) lives until every loop has passed
 * a fence, so that loops may keep its pointer while a result is valid. */
#ifndef NATS_SUBLIST_H
#define NATS_SUBLIST_H

#include <pthread.h>
#include <stdatomic.h>

#include "subject.h"

#define NATS_SHARD_BUS       0xffffu
#define NATS_GENERATION_SETS 256

struct nats_conn;
struct nats_node;
struct nats_perms;

struct nats_sub {
    struct nats_sub *next, **link; /* among those of the same node and group: under the lock */
    struct nats_node *node;        /* NULL = not in the list; owner */
    struct nats_sub *sid_next;     /* among those of the connection: owner */
    union {
        struct nats_conn *conn; /* owner */
        void *bus;              /* of a module: struct ub_bus_sub */
    };
    uint64_t id;                     /* unique in its shard */
    uint64_t delivered, max;         /* owner; max 0 = no limit */
    const struct nats_perms *filter; /* deny rules that overlap: under the lock; NULL = none */
    uint32_t sid_hash;
    uint16_t shard;
    uint16_t sid_len, subject_len, queue_len;
    bool holds_inbox; /* counted in inbox.h: owner */
    bool is_watched;  /* under the lock of interest.c */
    uint8_t text[];   /* sid, subject, queue */
};

static inline struct ub_bytes nats_sub_sid(const struct nats_sub *sub)
{
    return (struct ub_bytes){sub->text, sub->sid_len};
}

static inline struct ub_bytes nats_sub_subject(const struct nats_sub *sub)
{
    return (struct ub_bytes){sub->text + sub->sid_len, sub->subject_len};
}

/* Empty = not in a queue group. */
static inline struct ub_bytes nats_sub_queue(const struct nats_sub *sub)
{
    return (struct ub_bytes){sub->text + sub->sid_len + sub->subject_len, sub->queue_len};
}

/* A subscription not yet in the list, or NULL (no memory). Each text is at most 65535 bytes. */
struct nats_sub *nats_sub_new(struct ub_bytes sid, struct ub_bytes subject, struct ub_bytes queue);

/* Who receives: what a loop needs to know after the lock is released. */
struct nats_member {
    struct nats_sub *sub; /* to touch only when shard is the own one, or NATS_SHARD_BUS */
    uint64_t id;
    uint32_t shard;
};

/* One queue group of a result: members [first, first + count), one of them receives. */
struct nats_match_group {
    uint64_t hash; /* of the name */
    uint32_t first, count;
};

/* Who receives messages on one literal subject. `plain` ascends by shard. */
struct nats_match {
    struct nats_member *plain, *members;
    struct nats_match_group *groups;
    uint32_t plain_count, member_count, group_count;
};

/* A result under construction that is used over and over. */
struct nats_match_builder {
    struct nats_match match;
    uint32_t plain_room, member_room, group_room;
    const void **queues; /* the groups met on the way */
    uint32_t queue_count, queue_room;
    bool is_broken; /* out of memory: the result is not complete */
};

struct nats_sublist {
    pthread_rwlock_t lock;
    pthread_mutex_t turn; /* of writers, taken before the lock */
    struct nats_node *root;
    struct nats_node **buckets;
    size_t bucket_count, node_count;
    uint64_t seed;
    _Atomic size_t count; /* of subscriptions of clients */
    _Atomic uint64_t inserts;
    _Atomic uint64_t generations[NATS_GENERATION_SETS];
    _Atomic uint64_t wild_generation;
};

bool nats_sublist_init(struct nats_sublist *list, uint64_t seed); /* false = no memory */
void nats_sublist_fini(struct nats_sublist *list);                /* every subscription is out */

/* Excludes all others. One writer at a time waits for the lock, so that readers get it between two
 * writers however many there are. */
void nats_sublist_write_begin(struct nats_sublist *list);
void nats_sublist_write_end(struct nats_sublist *list);

/* false = no memory, nothing changed. */
bool nats_sublist_insert(struct nats_sublist *list, struct nats_sub *sub);
/* Takes it out and forgets its filter, of which the caller had the reference. */
void nats_sublist_remove(struct nats_sublist *list, struct nats_sub *sub);
/* Replaces the filter; the caller keeps the references of both. */
void nats_sublist_set_filter(struct nats_sublist *list, struct nats_sub *sub,
                             const struct nats_perms *filter);

/* The generation of results on subjects that begin with this token. Grows with each change. */
static inline size_t nats_sublist_generation_set(uint64_t token_hash)
{
    return token_hash % NATS_GENERATION_SETS;
}

static inline uint64_t nats_sublist_generation(const struct nats_sublist *list, size_t set)
{
    return atomic_load_explicit(&list->generations[set], memory_order_acquire) +
           atomic_load_explicit(&list->wild_generation, memory_order_acquire);
}

/* The generation set of a literal subject. */
size_t nats_sublist_set_of(const struct nats_sublist *list, struct ub_bytes subject);

/* Collects who receives a literal subject; *generation_out belongs to what was seen. */
void nats_sublist_match(struct nats_sublist *list, struct ub_bytes subject,
                        struct nats_match_builder *builder, uint64_t *generation_out);
void nats_match_builder_fini(struct nats_match_builder *builder);

/* One of those who receive a literal subject (under the lock: *member_out is a copy). `wanted`,
 * when given, says which ones count, and runs under the lock. */
bool nats_sublist_find(struct nats_sublist *list, struct ub_bytes subject,
                       bool (*wanted)(void *arg, const struct nats_sub *sub), void *arg,
                       struct nats_member *member_out);
/* As nats_sublist_find, for a caller who holds the lock. */
bool nats_sublist_find_locked(struct nats_sublist *list, struct ub_bytes subject,
                              bool (*wanted)(void *arg, const struct nats_sub *sub), void *arg,
                              struct nats_sub **sub_out);

#endif
