/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections for reading: whoever reads holds one, and waits when all are held. */
#ifndef KVSQ_READERS_H
#define KVSQ_READERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "db.h"

#define KVSQ_READERS_MAX 64

struct kvsq_readers {
    pthread_mutex_t lock;
    pthread_cond_t is_free;
    struct kvsq_db all[KVSQ_READERS_MAX];
    struct kvsq_db *free[KVSQ_READERS_MAX];
    size_t free_count, count;
    int64_t waiting;
    _Atomic int64_t epoch; /* odd while a commit is under way */
    /* Looks of watches have one of their own, so that no listing delays them. */
    pthread_mutex_t look_lock;
    struct kvsq_db look_db;
};

void kvsq_readers_init(struct kvsq_readers *readers);
enum ub_status kvsq_readers_open(struct kvsq *store, struct ub_err *err);
void kvsq_readers_close(struct kvsq *store);
void kvsq_readers_fini(struct kvsq_readers *readers);

/* A connection with a read transaction that shows the last commit. The transaction stays open when
 * the connection is given back, and serves the next reader unless there was a commit: taking and
 * giving back SQLite's read lock is a third of a get. Threads: any. UB_EUNAVAILABLE at once when
 * too many wait. */
enum ub_status kvsq_readers_take(struct kvsq *store, struct kvsq_db **db_out, struct ub_err *err);
void kvsq_readers_give(struct kvsq *store, struct kvsq_db *db);
/* The writer calls it right before and right after every commit: views from an earlier epoch serve
 * nobody any more. Threads: the writer. */
void kvsq_readers_epoch_next(struct kvsq_readers *readers);
/* Ends the transactions of connections that nobody holds: they keep SQLite from beginning the WAL
 * anew. */
void kvsq_readers_end_views(struct kvsq *store);

#endif
