/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <string.h>

#include <unibus/error.h>

#define GROUP_BYTES (16 << 20) /* so that a transaction stays of a size that any engine likes */
#define SWEEP_MAX   256

void ubs_writer_init(struct ubs_writer *writer)
{
    memset(writer, 0, sizeof(*writer));
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->has_work, NULL);
    writer->end = &writer->first;
}

void ubs_writer_fini(struct ubs_writer *writer)
{
    pthread_cond_destroy(&writer->has_work);
    pthread_mutex_destroy(&writer->lock);
}

/* ---- the callers' side ------------------------------------------------------------------------
 */

static enum ub_status refuse(struct ubs_kv *kv, struct ub_err *err)
{
    struct ubs_writer *writer = &kv->writer;
    if (!writer->is_running || writer->is_stopping) {
        return ub_fail(err, UB_EUNAVAILABLE, "the store %s is stopped", kv->place);
    }
    if (writer->queued >= kv->queue_max) {
        return ub_fail(err, UB_EUNAVAILABLE,
                       "%lld writes wait for the store %s already (queue_max): try again later",
                       (long long)writer->queued, kv->place);
    }
    return ubs_trouble_check_writable(&kv->trouble, err);
}

/* Under the lock. A job is on its caller's stack: not to be touched once it is done. */
static void wake(struct ubs_job *job)
{
    if (job != NULL) {
        job->is_done = true;
        pthread_cond_signal(&job->done);
    }
}

enum ub_status ubs_writer_do(struct ubs_kv *kv, struct ubs_job *job)
{
    struct ubs_writer *writer = &kv->writer;
    pthread_mutex_lock(&writer->lock);
    enum ub_status status = refuse(kv, job->err);
    if (status == UB_OK) {
        pthread_cond_init(&job->done, NULL);
        *writer->end = job;
        writer->end = &job->next;
        writer->queued++;
        pthread_cond_signal(&writer->has_work);
        while (!job->is_done) {
            pthread_cond_wait(&job->done, &writer->lock);
        }
        wake(job->wakes[0]);
        wake(job->wakes[1]);
        pthread_cond_destroy(&job->done);
        status = job->status;
    }
    pthread_mutex_unlock(&writer->lock);
    return status;
}

void ubs_writer_sweep_soon(struct ubs_kv *kv)
{
    pthread_mutex_lock(&kv->writer.lock);
    kv->writer.is_sweep_due = true;
    pthread_cond_signal(&kv->writer.has_work);
    pthread_mutex_unlock(&kv->writer.lock);
}

/* ---- a group: one transaction -----------------------------------------------------------------
 */

/* Why the transaction cannot go on; UB_OK when it can. */
static enum ub_status broken(struct ubs_kv *kv, enum ub_status status)
{
    enum ub_status state = kv->engine->state(kv);
    return state == UB_OK && kv->writer.has_failed ? status : state;
}

/* The job's own answer; *end_out is another than UB_OK when the transaction ends with it. */
static enum ub_status run_job(struct ubs_kv *kv, struct ubs_job *job, enum ub_status *end_out)
{
    const struct ubs_engine *engine = kv->engine;
    ubs_buckets_mark(kv);
    *end_out = job->has_steps ? engine->save(kv, job->err) : UB_OK;
    if (*end_out != UB_OK) {
        return *end_out;
    }
    enum ub_status status = job->run(kv, job);
    if (status != UB_OK) {
        ubs_buckets_undo(kv);
        *end_out = broken(kv, status);
    }
    if (job->has_steps && *end_out == UB_OK) {
        *end_out = status == UB_OK ? engine->release(kv, job->err) : engine->undo(kv, NULL);
    }
    return *end_out != UB_OK ? *end_out : status;
}

static enum ub_status run_group(struct ubs_kv *kv, struct ubs_job *group, struct ub_err *err)
{
    enum ub_status end = UB_OK;
    for (struct ubs_job *job = group; job != NULL && end == UB_OK; job = job->next) {
        job->status = run_job(kv, job, &end);
        if (end != UB_OK) {
            (void)ub_fail_code(err, end, job->err != NULL ? job->err->code : "",
                               "nothing was written to the store %s: %s", kv->place,
                               job->err != NULL ? job->err->message : "a write failed");
        }
    }
    return end == UB_OK ? ubs_buckets_flush(kv, err) : end;
}

static enum ub_status try_group(struct ubs_kv *kv, struct ubs_job *group, struct ub_err *err)
{
    kv->writer.has_failed = false;
    enum ub_status status = kv->engine->begin(kv, err);
    if (status == UB_OK) {
        status = run_group(kv, group, err);
    }
    if (status == UB_OK) {
        status = kv->engine->commit(kv, err);
    }
    if (status != UB_OK) {
        kv->engine->rollback(kv);
        ubs_buckets_forget(kv);
    }
    return status;
}

static void fail_group(struct ubs_job *group, enum ub_status status, struct ub_err *err)
{
    err->status = status;
    for (struct ubs_job *job = group; job != NULL; job = job->next) {
        job->status = status;
        if (job->err != NULL) {
            *job->err = *err;
        }
    }
}

/* When the engine has no more room it grows, and then the group runs anew. */
static enum ub_status write_together(struct ubs_kv *kv, struct ubs_job *group)
{
    struct ub_err err = UB_ERR_INIT;
    enum ub_status status = try_group(kv, group, &err);
    while (status == UB_ELIMIT && kv->engine->grow != NULL) {
        status = kv->engine->grow(kv, &err);
        if (status == UB_OK) {
            status = try_group(kv, group, &err);
        }
    }
    if (status != UB_OK) {
        bool is_hidden = status == UB_EIO || status == UB_ELIMIT;
        fail_group(group, is_hidden ? UB_EUNAVAILABLE : status, &err);
        return status;
    }
    atomic_fetch_add(&kv->writer.commit_count, 1);
    ubs_buckets_publish(kv);
    ubs_trouble_clear(&kv->trouble, UBS_FULL);
    return UB_OK;
}

/* Waking takes as long as writing, so every caller wakes two others and the writer only the first:
 * job n of the group has n * 2 + 1 and n * 2 + 2 to wake. */
static void answer(struct ubs_writer *writer, struct ubs_job *group)
{
    struct ubs_job *parent = group, *job = group->next;
    int64_t count = 1;
    for (; job != NULL; job = job->next, count++) {
        parent->wakes[(count - 1) % 2] = job;
        parent = count % 2 == 0 ? parent->next : parent;
    }
    atomic_fetch_add(&writer->job_count, count);
    pthread_mutex_lock(&writer->lock);
    wake(group);
    pthread_mutex_unlock(&writer->lock);
}

/* Damage ends the whole transaction: then each job on its own, so that it fails only those that
 * need what is damaged. */
static void write_group(struct ubs_kv *kv, struct ubs_job *group)
{
    enum ub_status status = write_together(kv, group);
    bool is_one = group->next == NULL;
    for (struct ubs_job *job = group; status == UB_EDAMAGED && !is_one && job != NULL;) {
        struct ubs_job *next = job->next;
        job->next = NULL;
        (void)write_together(kv, job);
        job->next = next;
        job = next;
    }
    ubs_watches_wake(&kv->watches);
    answer(&kv->writer, group);
    if (kv->engine->settle != NULL) {
        kv->engine->settle(kv);
    }
}

static enum ub_status sweep_run(struct ubs_kv *kv, struct ubs_job *job)
{
    size_t count = 0;
    enum ub_status status = kv->engine->sweep(kv, ubs_kv_now_ms(kv), SWEEP_MAX, &count, job->err);
    kv->writer.has_failed |= status != UB_OK;
    if (status == UB_OK) {
        atomic_fetch_add(&kv->sweep_count, (int64_t)count);
    }
    if (status == UB_OK && count == SWEEP_MAX) {
        ubs_writer_sweep_soon(kv);
    }
    return status;
}

static void sweep(struct ubs_kv *kv)
{
    struct ubs_job job = {.run = sweep_run};
    if (!ubs_trouble_is_on(&kv->trouble, UBS_IO)) {
        pthread_cond_init(&job.done, NULL);
        write_group(kv, &job);
        pthread_cond_destroy(&job.done);
    }
}

/* ---- the thread -------------------------------------------------------------------------------
 */

/* The jobs at the head of the queue whose sizes fit into one transaction. */
static struct ubs_job *cut_group(struct ubs_writer *writer)
{
    struct ubs_job *group = writer->first, **at = &writer->first;
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

static struct ubs_job *next_group(struct ubs_writer *writer, bool *sweep_out)
{
    pthread_mutex_lock(&writer->lock);
    while (writer->first == NULL && !writer->is_stopping && !writer->is_sweep_due) {
        pthread_cond_wait(&writer->has_work, &writer->lock);
    }
    struct ubs_job *group = cut_group(writer);
    *sweep_out = writer->is_sweep_due;
    writer->is_sweep_due = false;
    pthread_mutex_unlock(&writer->lock);
    return group;
}

static void writer_thread(void *arg)
{
    struct ubs_kv *kv = arg;
    bool is_sweep_due;
    struct ubs_job *group;
    while ((group = next_group(&kv->writer, &is_sweep_due)) != NULL || is_sweep_due) {
        if (group != NULL) {
            write_group(kv, group);
        }
        if (is_sweep_due) {
            sweep(kv);
        }
    }
}

enum ub_status ubs_writer_start(struct ubs_kv *kv, struct ub_err *err)
{
    struct ubs_writer *writer = &kv->writer;
    const struct ub_host_pool *pool = kv->host->pool;
    enum ub_status status = pool->open(kv->host, "kv-write", 1, 1, &writer->pool, err);
    if (status == UB_OK) {
        writer->is_running = true;
        status = pool->submit(writer->pool, writer_thread, kv);
    }
    return status;
}

void ubs_writer_stop(struct ubs_kv *kv)
{
    struct ubs_writer *writer = &kv->writer;
    pthread_mutex_lock(&writer->lock);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->has_work);
    pthread_mutex_unlock(&writer->lock);
    if (writer->pool != NULL) {
        kv->host->pool->close(&writer->pool);
    }
}
