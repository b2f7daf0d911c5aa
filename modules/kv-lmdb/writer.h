/* SPDX-License-Identifier: Apache-2.0
 *
 * The one thread that writes. It takes the jobs that wait into one transaction and answers
 * them after the one commit: group commit. */
#ifndef KVLM_WRITER_H
#define KVLM_WRITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "cell.h"

struct ub_pool;

struct kvlm_job {
    /* Runs in the transaction on the writer's thread, again when the map had to grow; what it wrote
     * is undone unless UB_OK. */
    enum ub_status (*run)(struct kvlm_txn *txn, struct kvlm_job *job);
    bool has_steps;     /* it may fail after it has written: it gets a nested transaction */
    size_t bytes;       /* about how much it writes */
    struct ub_err *err; /* the caller's, or NULL */
    struct kvlm_job *next;
    enum ub_status status;
    bool is_done;
    pthread_cond_t done;
};

struct kvlm_writer {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct kvlm_job *first, **end;
    int64_t queued;
    bool is_running, is_stopping, is_sweep_due;
    struct ub_pool *pool;
    _Atomic int64_t job_count, commit_count;
};

void kvlm_writer_init(struct kvlm_writer *writer);
void kvlm_writer_fini(struct kvlm_writer *writer);
/* The environment is open by now. */
enum ub_status kvlm_writer_start(struct kvlm *store, struct ub_err *err);
/* Finishes what is queued; what comes later is UB_EUNAVAILABLE. */
void kvlm_writer_stop(struct kvlm *store);

/* Runs the job and waits for the commit. UB_EUNAVAILABLE at once when the queue is full or the
 * store is read-only; UB_EUNKNOWN when the commit itself failed, so that the next start decides. */
enum ub_status kvlm_writer_do(struct kvlm *store, struct kvlm_job *job);

/* Between two groups, remove what has expired. Threads: any; returns at once. */
void kvlm_writer_sweep_soon(struct kvlm *store);

#endif
