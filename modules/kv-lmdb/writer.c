/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#define GROUP_BYTES  (16 << 20) /* so that a transaction stays far below LMDB's 512 MiB */
#define GROW_WAIT_MS 5000

void kvlm_writer_init(struct kvlm_writer *writer)
{
    memset(writer, 0, sizeof(*writer));
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->has_work, NULL);
    writer->end = &writer->first;
}

void kvlm_writer_fini(struct kvlm_writer *writer)
{
    pthread_cond_destroy(&writer->has_work);
    pthread_mutex_destroy(&writer->lock);
}

/* ---- the callers' side ------------------------------------------------------------------------
 */

static enum ub_status refuse(struct kvlm *store, struct ub_err *err)
{
    struct kvlm_writer *writer = &store->writer;
    const char *dir = store->settings->dir;
    if (!writer->is_running || writer->is_stopping) {
        return ub_fail(err, UB_EUNAVAILABLE, "the store %s is stopped", dir);
    }
    if (kvlm_trouble_is_on(store, KVLM_IO)) {
        return ub_fail_code(err, UB_EUNAVAILABLE, "E-KV-002",
                            "the store %s is read-only after an I/O error (see the health "
                            "report): check the disk, then restart",
                            dir);
    }
    if (writer->queued >= store->settings->queue_max) {
        return ub_fail(err, UB_EUNAVAILABLE,
                       "%lld writes wait for the store %s already (queue_max): try again later",
                       (long long)writer->queued, dir);
    }
    return UB_OK;
}

enum ub_status kvlm_writer_do(struct kvlm *store, struct kvlm_job *job)
{
    struct kvlm_writer *writer = &store->writer;
    pthread_mutex_lock(&writer->lock);
    enum ub_status status = refuse(store, job->err);
    if (status == UB_OK) {
        pthread_cond_init(&job->done, NULL);
        *writer->end = job;
        writer->end = &job->next;
        writer->queued++;
        pthread_cond_signal(&writer->has_work);
        while (!job->is_done) {
            pthread_cond_wait(&job->done, &writer->lock);
        }
        pthread_cond_destroy(&job->done);
        status = job->status;
    }
    pthread_mutex_unlock(&writer->lock);
    return status;
}

void kvlm_writer_sweep_soon(struct kvlm *store)
{
    pthread_mutex_lock(&store->writer.lock);
    store->writer.is_sweep_due = true;
    pthread_cond_signal(&store->writer.has_work);
    pthread_mutex_unlock(&store->writer.lock);
}

/* ---- the writer's thread ----------------------------------------------------------------------
 */

static enum ub_status run_nested(struct kvlm_txn *txn, struct kvlm_job *job)
{
    MDB_txn *parent = txn->mdb;
    txn->rc = mdb_txn_begin(txn->store->env.mdb, parent, 0, &txn->mdb);
    if (txn->rc != MDB_SUCCESS) {
        txn->mdb = parent;
        return kvlm_env_fail(txn->store, txn->rc, job->err);
    }
    enum ub_status status = job->run(txn, job);
    if (status != UB_OK) {
        mdb_txn_abort(txn->mdb);
    } else {
        txn->rc = mdb_txn_commit(txn->mdb);
        if (txn->rc != MDB_SUCCESS) {
            status = kvlm_env_fail(txn->store, txn->rc, job->err);
        }
    }
    txn->mdb = parent;
    return status;
}

static enum ub_status run_job(struct kvlm_txn *txn, struct kvlm_job *job)
{
    kvlm_buckets_mark(txn->store);
    enum ub_status status = job->has_steps ? run_nested(txn, job) : job->run(txn, job);
    if (status != UB_OK) {
        kvlm_buckets_undo(txn->store);
    }
    return status;
}

/* The transaction up to its commit. An error of LMDB ends it. */
static enum ub_status run_group(struct kvlm_txn *txn, struct kvlm_job *group, struct ub_err *err)
{
    for (struct kvlm_job *job = group; job != NULL; job = job->next) {
        job->status = run_job(txn, job);
        if (txn->rc != MDB_SUCCESS) {
            return kvlm_env_fail(txn->store, txn->rc, err);
        }
    }
    return kvlm_buckets_flush(txn, err);
}

/* After a failed fsync the commit may be on disk or not: only the next start can tell. */
static enum ub_status fail_commit(struct kvlm *store, int rc, struct ub_err *err)
{
    struct kvlm_txn probe;
    enum ub_status status = kvlm_env_fail(store, rc, err);
    if (rc == MDB_MAP_FULL) {
        return status;
    }
    if (status != UB_EIO && kvlm_txn_begin(store, &probe, NULL) == UB_OK) {
        mdb_txn_abort(probe.mdb); /* the meta pages were not touched: nothing was written */
        return status;
    }
    return ub_fail(err, UB_EUNKNOWN,
                   "the commit to %s failed, its outcome is unknown until the restart",
                   store->settings->dir);
}

static enum ub_status try_group(struct kvlm *store, struct kvlm_job *group, int *rc_out,
                                struct ub_err *err)
{
    struct kvlm_txn txn;
    *rc_out = MDB_SUCCESS;
    enum ub_status status = kvlm_txn_begin(store, &txn, err);
    if (status != UB_OK) {
        return status;
    }
    status = run_group(&txn, group, err);
    if (status != UB_OK) {
        *rc_out = txn.rc;
        mdb_txn_abort(txn.mdb);
        return status;
    }
    *rc_out = kvlm_txn_commit(&txn, err);
    return *rc_out == MDB_SUCCESS ? UB_OK : fail_commit(store, *rc_out, err);
}

static void fail_group(struct kvlm_job *group, enum ub_status status, const struct ub_err *err)
{
    for (struct kvlm_job *job = group; job != NULL; job = job->next) {
        job->status = status;
        if (job->err != NULL) {
            *job->err = *err;
        }
    }
}

static void end_group(struct kvlm *store, struct kvlm_job *group, enum ub_status status,
                      const struct ub_err *err)
{
    if (status == UB_OK) {
        kvlm_buckets_publish(store);
        kvlm_trouble_clear(store, KVLM_FULL);
        atomic_fetch_add(&store->writer.commit_count, 1);
        return;
    }
    kvlm_buckets_forget(store);
    fail_group(group, status == UB_EIO ? UB_EUNAVAILABLE : status, err);
}

/* Wakes the callers. A job is on its caller's stack: not to be touched once it is done. */
static void answer(struct kvlm_writer *writer, struct kvlm_job *group)
{
    pthread_mutex_lock(&writer->lock);
    for (struct kvlm_job *job = group; job != NULL;) {
        struct kvlm_job *next = job->next;
        atomic_fetch_add(&writer->job_count, 1);
        job->is_done = true;
        pthread_cond_signal(&job->done);
        job = next;
    }
    pthread_mutex_unlock(&writer->lock);
}

/* A full map grows, and then the group runs anew. */
static void write_group(struct kvlm *store, struct kvlm_job *group)
{
    struct ub_err err = UB_ERR_INIT;
    int rc;
    enum ub_status status = try_group(store, group, &rc, &err);
    while (rc == MDB_MAP_FULL) {
        kvlm_buckets_forget(store);
        status = kvlm_env_grow(store, GROW_WAIT_MS, &err);
        if (status != UB_OK) {
            break;
        }
        status = try_group(store, group, &rc, &err);
    }
    end_group(store, group, status, &err);
    kvlm_watches_wake(store);
    answer(&store->writer, group);
    kvlm_env_grow_early(store);
}

/* The jobs at the head of the queue whose sizes fit into one transaction. */
static struct kvlm_job *cut_group(struct kvlm_writer *writer)
{
    struct kvlm_job *group = writer->first, **at = &writer->first;
    for (size_t bytes = 0; *at != NULL && bytes < GROUP_BYTES; at = &(*at)->next) {
        bytes += (*at)->bytes;
        writer->queued--;
    }
    if (group != NULL) {
        writer->first = *at;
        *at = NULL;
    }
    if (writer->first == NULL) {
        writer->end = &writer->first;
    }
    return group;
}

static struct kvlm_job *next_group(struct kvlm_writer *writer, bool *sweep_out)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->is_stopping && !writer->is_sweep_due) {
        pthread_cond_wait(&writer->has_work, &writer->lock);
    }
    struct kvlm_job *group = cut_group(writer);
    *sweep_out = writer->is_sweep_due;
    writer->is_sweep_due = false;
    pthread_mutex_unlock(&writer->lock);
    return group;
}

static void writer_thread(void *arg)
{
    struct kvlm *store = arg;
    bool is_sweep_due;
    struct kvlm_job *group;
    while ((group = next_group(&store->writer, &is_sweep_due)) != NULL || is_sweep_due) {
        struct kvlm_job sweep = {.run = kvlm_sweep_run};
        if (group != NULL) {
            write_group(store, group);
        }
        if (is_sweep_due && !kvlm_trouble_is_on(store, KVLM_IO)) {
            kvlm_env_clear_readers(store);
            pthread_cond_init(&sweep.done, NULL);
            write_group(store, &sweep);
            pthread_cond_destroy(&sweep.done);
        }
    }
}

enum ub_status kvlm_writer_start(struct kvlm *store, struct ub_err *err)
{
    struct kvlm_writer *writer = &store->writer;
    const struct ub_host_pool *pool = store->host->pool;
    enum ub_status status = pool->open(store->host, "kv-write", 1, 1, &writer->pool, err);
    if (status == UB_OK) {
        writer->is_running = true;
        status = pool->submit(writer->pool, writer_thread, store);
    }
    return status;
}

void kvlm_writer_stop(struct kvlm *store)
{
    struct kvlm_writer *writer = &store->writer;
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->has_work);
    pthread_mutex_unlock(&writer->lock);
    if (writer->pool != NULL) {
        store->host->pool->close(&writer->pool);
    }
}
