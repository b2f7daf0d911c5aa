/* SPDX-License-Identifier: Apache-2.0
 *
 * The one thread that writes. It takes all jobs that wait into one transaction, a savepoint each,
 * and answers them after the one commit: group commit. */
#ifndef KVSQ_WRITER_H
#define KVSQ_WRITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "db.h"

struct ub_pool;

struct kvsq_job {
    /* Runs in the transaction on the writer's thread; what it wrote is undone unless UB_OK. */
    enum ub_status (*run)(struct kvsq *store, struct kvsq_db *db, struct kvsq_job *job);
    struct ub_err *err; /* the caller's, or NULL */
    struct kvsq_job *next;
    enum ub_status status;
    bool is_done;
    pthread_cond_t done;
};

struct kvsq_writer {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct kvsq_job *first, **end;
    int64_t queued;
    bool is_running, is_stopping, is_sweep_due;
    struct ub_pool *pool;
    struct kvsq_db db;
    int wal_pages;
    _Atomic int64_t job_count, commit_count;
};

void kvsq_writer_init(struct kvsq_writer *writer);
void kvsq_writer_fini(struct kvsq_writer *writer);
/* The connection is open by now. */
enum ub_status kvsq_writer_start(struct kvsq *store, struct ub_err *err);
/* Finishes what is queued; what comes later is UB_EUNAVAILABLE. */
void kvsq_writer_stop(struct kvsq *store);

/* Runs the job and waits for the commit. UB_EUNAVAILABLE at once when the queue is full or the
 * store is read-only; UB_EUNKNOWN when the commit itself failed, so that the next start decides. */
enum ub_status kvsq_writer_do(struct kvsq *store, struct kvsq_job *job);

/* Between two groups, remove what has expired. Threads: any; returns at once. */
void kvsq_writer_sweep_soon(struct kvsq *store);

#endif
