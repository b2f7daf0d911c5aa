/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#define CHECKPOINT_PAGES 1000

void kvsq_writer_init(struct kvsq_writer *writer)
{
    memset(writer, 0, sizeof(*writer));
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->has_work, NULL);
    writer->end = &writer->first;
}

void kvsq_writer_fini(struct kvsq_writer *writer)
{
    pthread_cond_destroy(&writer->has_work);
    pthread_mutex_destroy(&writer->lock);
}

/* ---- the callers' side ------------------------------------------------------------------------
 */

static enum ub_status refuse(struct kvsq *store, struct ub_err *err)
{
    struct kvsq_writer *writer = &store->writer;
    const char *file = store->settings->file;
    if (!writer->is_running || writer->is_stopping) {
        return ub_fail(err, UB_EUNAVAILABLE, "the store %s is stopped", file);
    }
    if (kvsq_trouble_is_on(store, KVSQ_IO)) {
        return ub_fail_code(err, UB_EUNAVAILABLE, "E-KV-002",
                            "the store %s is read-only after an I/O error (see the health "
                            "report): check the disk, then restart",
                            file);
    }
    if (writer->queued >= store->settings->queue_max) {
        return ub_fail(err, UB_EUNAVAILABLE,
                       "%lld writes wait for the store %s already (queue_max): try again later",
                       (long long)writer->queued, file);
    }
    return UB_OK;
}

enum ub_status kvsq_writer_do(struct kvsq *store, struct kvsq_job *job)
{
    struct kvsq_writer *writer = &store->writer;
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

void kvsq_writer_sweep_soon(struct kvsq *store)
{
    pthread_mutex_lock(&store->writer.lock);
    store->writer.is_sweep_due = true;
    pthread_cond_signal(&store->writer.has_work);
    pthread_mutex_unlock(&store->writer.lock);
}

/* ---- the writer's thread ----------------------------------------------------------------------
 */

static bool is_rolled_back(const struct kvsq_db *db)
{
    return sqlite3_get_autocommit(db->sqlite) != 0;
}

static enum ub_status run_job(struct kvsq *store, struct kvsq_job *job)
{
    struct kvsq_db *db = &store->writer.db;
    kvsq_buckets_mark(store);
    enum ub_status status = kvsq_db_run(db, KVSQ_SAVE, job->err, KVSQ_NONE);
    if (status != UB_OK) {
        return status;
    }
    status = job->run(store, db, job);
    if (status != UB_OK && !is_rolled_back(db)) {
        kvsq_buckets_undo(store);
        (void)kvsq_db_run(db, KVSQ_UNDO, NULL, KVSQ_NONE);
    }
    if (!is_rolled_back(db)) {
        enum ub_status released = kvsq_db_run(db, KVSQ_RELEASE, job->err, KVSQ_NONE);
        status = status == UB_OK ? released : status;
    }
    return status;
}

/* The transaction up to its commit. An error that makes SQLite roll back ends it. */
static enum ub_status run_group(struct kvsq *store, struct kvsq_job *group, struct ub_err *err)
{
    struct kvsq_db *db = &store->writer.db;
    enum ub_status status = kvsq_db_run(db, KVSQ_BEGIN_WRITE, err, KVSQ_NONE);
    for (struct kvsq_job *job = group; job != NULL && status == UB_OK; job = job->next) {
        job->status = run_job(store, job);
        if (is_rolled_back(db)) {
            status = ub_fail(err, job->status == UB_EDAMAGED ? UB_EDAMAGED : UB_EUNAVAILABLE,
                             "nothing was written to the store %s: %s", store->settings->file,
                             job->err != NULL ? job->err->message : "a write failed");
        }
    }
    return status == UB_OK ? kvsq_buckets_flush(store, db, err) : status;
}

/* After a failed fsync the commit may be on disk or not: only the next start can tell. */
static enum ub_status commit(struct kvsq *store, struct ub_err *err)
{
    enum ub_status status = kvsq_db_run(&store->writer.db, KVSQ_COMMIT, err, KVSQ_NONE);
    if (status == UB_EIO) {
        return ub_fail(err, UB_EUNKNOWN,
                       "the commit to %s failed, its outcome is unknown until the restart",
                       store->settings->file);
    }
    return status;
}

static void fail_group(struct kvsq_job *group, enum ub_status status, const struct ub_err *err)
{
    for (struct kvsq_job *job = group; job != NULL; job = job->next) {
        job->status = status;
        if (job->err != NULL) {
            *job->err = *err;
        }
    }
}

static void end_group(struct kvsq *store, struct kvsq_job *group, enum ub_status status,
                      const struct ub_err *err)
{
    if (status == UB_OK) {
        kvsq_buckets_publish(store);
        kvsq_trouble_clear(store, KVSQ_FULL);
        atomic_fetch_add(&store->writer.commit_count, 1);
        return;
    }
    if (!is_rolled_back(&store->writer.db)) {
        (void)kvsq_db_run(&store->writer.db, KVSQ_ROLLBACK, NULL, KVSQ_NONE);
    }
    kvsq_buckets_forget(store);
    fail_group(group, status == UB_EIO ? UB_EUNAVAILABLE : status, err);
}

/* Wakes the callers. A job is on its caller's stack: not to be touched once it is done. */
static void answer(struct kvsq_writer *writer, struct kvsq_job *group)
{
    pthread_mutex_lock(&writer->lock);
    for (struct kvsq_job *job = group; job != NULL;) {
        struct kvsq_job *next = job->next;
        atomic_fetch_add(&writer->job_count, 1);
        job->is_done = true;
        pthread_cond_signal(&job->done);
        job = next;
    }
    pthread_mutex_unlock(&writer->lock);
}

/* Our own, because SQLite's automatic one ignores the error of a failed fsync. */
static void checkpoint(struct kvsq *store)
{
    struct kvsq_db *db = &store->writer.db;
    if (store->writer.wal_pages < CHECKPOINT_PAGES || kvsq_trouble_is_on(store, KVSQ_IO)) {
        return;
    }
    int rc = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY && kvsq_db_fail(db, NULL) == UB_EDAMAGED) {
        kvsq_trouble_note(store, KVSQ_IO, "the WAL is damaged and cannot be copied into the file");
    }
    store->writer.wal_pages = 0;
}

static enum ub_status write_together(struct kvsq *store, struct kvsq_job *group)
{
    struct ub_err err = UB_ERR_INIT;
    enum ub_status status = run_group(store, group, &err);
    if (status == UB_OK) {
        status = commit(store, &err);
    }
    end_group(store, group, status, &err);
    return status;
}

/* A damaged page ends the whole transaction: then each job on its own, so that it fails only those
 * that need the page. */
static void write_group(struct kvsq *store, struct kvsq_job *group)
{
    enum ub_status status = write_together(store, group);
    for (struct kvsq_job *job = group; status == UB_EDAMAGED && job != NULL;) {
        struct kvsq_job *next = job->next;
        job->next = NULL;
        (void)write_together(store, job);
        job->next = next;
        job = next;
    }
    kvsq_watches_wake(store);
    answer(&store->writer, group);
    checkpoint(store);
}

static struct kvsq_job *next_group(struct kvsq_writer *writer, bool *sweep_out)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->is_stopping && !writer->is_sweep_due) {
        pthread_cond_wait(&writer->has_work, &writer->lock);
    }
    struct kvsq_job *group = writer->first;
    *sweep_out = writer->is_sweep_due;
    writer->first = NULL;
    writer->end = &writer->first;
    writer->queued = 0;
    writer->is_sweep_due = false;
    pthread_mutex_unlock(&writer->lock);
    return group;
}

static void writer_thread(void *arg)
{
    struct kvsq *store = arg;
    bool is_sweep_due;
    struct kvsq_job *group;
    while ((group = next_group(&store->writer, &is_sweep_due)) != NULL || is_sweep_due) {
        struct kvsq_job sweep = {.run = kvsq_sweep_run};
        if (group != NULL) {
            write_group(store, group);
        }
        if (is_sweep_due && !kvsq_trouble_is_on(store, KVSQ_IO)) {
            pthread_cond_init(&sweep.done, NULL);
            write_group(store, &sweep);
            pthread_cond_destroy(&sweep.done);
        }
    }
}

static int on_commit(void *arg, sqlite3 *sqlite, const char *name, int pages)
{
    (void)sqlite;
    (void)name;
    ((struct kvsq_writer *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

enum ub_status kvsq_writer_start(struct kvsq *store, struct ub_err *err)
{
    struct kvsq_writer *writer = &store->writer;
    const struct ub_host_pool *pool = store->host->pool;
    sqlite3_wal_hook(writer->db.sqlite, on_commit, writer);
    enum ub_status status = pool->open(store->host, "kv-write", 1, 1, &writer->pool, err);
    if (status == UB_OK) {
        writer->is_running = true;
        status = pool->submit(writer->pool, writer_thread, store);
    }
    return status;
}

void kvsq_writer_stop(struct kvsq *store)
{
    struct kvsq_writer *writer = &store->writer;
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->has_work);
    pthread_mutex_unlock(&writer->lock);
    if (writer->pool != NULL) {
        store->host->pool->close(&writer->pool);
    }
}
