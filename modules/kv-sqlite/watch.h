/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches: one thread asks the file for what came after each watch's position. The file keeps the
 * latest value of every key and the newest deletions, both by revision, so nothing is held in
 * memory for a slow watch; one that falls behind the kept deletions gets RESET. */
#ifndef KVSQ_WATCH_H
#define KVSQ_WATCH_H

#include <pthread.h>

#include <unibus/kv.h>

#include "db.h"

struct ub_pool;
struct kvsq_change;

struct kvsq_watches {
    pthread_mutex_t lock;
    pthread_cond_t is_due;  /* for the thread: something may have changed */
    pthread_cond_t is_idle; /* for unwatch: a step has ended */
    struct ub_kv_watch *first;
    struct ub_kv_watch *running;
    bool is_stopping;
    struct ub_pool *pool;
    struct kvsq_db db;           /* the thread's */
    struct kvsq_change *changes; /* the thread's: of one step */
};

void kvsq_watches_init(struct kvsq_watches *watches);
void kvsq_watches_fini(struct kvsq_watches *watches);
enum ub_status kvsq_watches_start(struct kvsq *store, struct ub_err *err);
void kvsq_watches_stop(struct kvsq *store);
/* A commit was published. Threads: any. */
void kvsq_watches_wake(struct kvsq *store);

/* Of ub_kv_ops. */
enum ub_status kvsq_watch(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                          int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                          struct ub_kv_watch **watch_out, struct ub_err *err);
void kvsq_unwatch(struct ub_kv_watch **watch);

#endif
