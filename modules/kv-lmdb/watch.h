/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches: one thread asks the revision index for what came after each watch's position. The file
 * keeps the latest value of every key and the newest deletions, both by revision, so nothing is
 * held in memory for a slow watch; one that falls behind the kept deletions gets RESET. */
#ifndef KVLM_WATCH_H
#define KVLM_WATCH_H

#include <pthread.h>

#include <unibus/kv.h>

#include "cell.h"

struct ub_pool;
struct kvlm_change;

struct kvlm_watches {
    pthread_mutex_t lock;
    pthread_cond_t is_due;  /* for the thread: something may have changed */
    pthread_cond_t is_idle; /* for unwatch: a step has ended */
    struct ub_kv_watch *first;
    struct ub_kv_watch *running;
    bool is_stopping;
    struct ub_pool *pool;
    struct kvlm_change *changes; /* the thread's: of one step */
};

void kvlm_watches_init(struct kvlm_watches *watches);
void kvlm_watches_fini(struct kvlm_watches *watches);
enum ub_status kvlm_watches_start(struct kvlm *store, struct ub_err *err);
void kvlm_watches_stop(struct kvlm *store);
/* A commit was published. Threads: any. */
void kvlm_watches_wake(struct kvlm *store);

/* Of ub_kv_ops. */
enum ub_status kvlm_watch(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                          int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                          struct ub_kv_watch **watch_out, struct ub_err *err);
void kvlm_unwatch(struct ub_kv_watch **watch);

#endif
