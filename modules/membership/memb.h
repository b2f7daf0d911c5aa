/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_MEMB_H
#define MEMB_MEMB_H

#include <stdatomic.h>

#include <unibus/blob.h>
#include <unibus/httpd.h>
#include <unibus/kv.h>
#include <unibus/module.h>

#include "generation.h"
#include "model.h"
#include "nonces.h"
#include "notify.h"

/* The module itself: what it was given and what it holds. */

struct memb_settings {
    const char *kv, *blob;
    const char *nats_url;
    int64_t clock_skew;
    int64_t append_rate_per_hour;
    int64_t max_identities, max_rooms, max_rooms_per_identity;
    int64_t max_blob, max_room_blobs;
    int64_t max_nonces, max_nonces_per_identity;
};

/* Those that a reload may change: written on the main loop, read by all threads. */
struct memb_live {
    _Atomic int64_t append_rate_per_hour;
    _Atomic int64_t max_identities, max_rooms, max_rooms_per_identity;
    _Atomic int64_t max_room_blobs;
};

#define MEMB_POLICIES_MAX 8

struct memb {
    const struct ub_host *host;
    const struct memb_settings *settings;
    struct memb_live live;

    const struct ub_kv_ops *kv;
    void *kv_self;
    const struct ub_blob_ops *blob;
    void *blob_self;
    const struct ub_httpd_ops *httpd;
    void *httpd_self;
    struct memb_policy { /* other providers of ub.authz */
        const struct ub_authz_ops *ops;
        void *self;
        const char *module;
    } policies[MEMB_POLICIES_MAX];
    size_t policies_len;

    struct ub_kv_bucket *control, *nonce_bucket;
    bool has_store_batch; /* nonce and effect in one transaction */
    char cluster_id[33];
    atomic_bool is_open;  /* between start and stop */
    atomic_uint visitors; /* threads of http that are inside, from memb_enter to memb_leave */

    struct memb_model model;
    struct memb_generation generation;
    struct memb_nonces nonces;
    struct memb_watchers watchers;
    pthread_mutex_t blob_gate; /* no blob is removed while one is being referenced */
    pthread_mutex_t idem_lock;
    struct memb_map *idem_running; /* key(32) → not NULL */

    void *bound_routes; /* routes.c */
    struct ub_pool *pool;
    struct ub_timer *timer;
};

static inline int64_t memb_now_ms(const struct memb *memb)
{
    return memb->host->clock->now_ms(memb->host);
}

static inline int64_t memb_mono_ms(const struct memb *memb)
{
    return memb->host->clock->mono_ns(memb->host) / 1000000;
}

/* Around everything that threads of http do with the store: stop waits for them. false = not
 * started, or stopping. */
bool memb_enter(struct memb *memb);
void memb_leave(struct memb *memb);

/* What is in memory can no longer be trusted to be what is in the store: stop the node, so that it
 * loads anew. */
void memb_fail(struct memb *memb, const char *why);

#endif
