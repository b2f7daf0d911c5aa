/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <unibus/error.h>
#include <unibus/sized.h>

static enum ub_status flush_bucket(struct ubs_kv *kv, struct ub_kv_bucket *bucket,
                                   struct ub_err *err)
{
    enum ub_status status = UB_OK;
    if (!bucket->is_new && bucket->now.revision == bucket->kept.revision) {
        return UB_OK;
    }
    if (bucket->now.deletions > kv->deletions_max) {
        /* The newest three quarters are kept, so that it happens seldom. */
        int64_t keep = kv->deletions_max - kv->deletions_max / 4;
        status = kv->engine->purge(kv, bucket, keep, err);
    }
    return status == UB_OK ? kv->engine->bucket_write(kv, bucket, err) : status;
}

enum ub_status ubs_buckets_flush(struct ubs_kv *kv, struct ub_err *err)
{
    enum ub_status status = UB_OK;
    for (struct ub_kv_bucket *b = kv->buckets; b != NULL && status == UB_OK; b = b->next) {
        status = flush_bucket(kv, b, err);
    }
    return status;
}

void ubs_buckets_mark(struct ubs_kv *kv)
{
    for (struct ub_kv_bucket *b = kv->buckets; b != NULL; b = b->next) {
        b->mark = b->now;
    }
}

void ubs_buckets_undo(struct ubs_kv *kv)
{
    for (struct ub_kv_bucket *b = kv->buckets; b != NULL; b = b->next) {
        b->now = b->mark;
    }
}

void ubs_buckets_publish(struct ubs_kv *kv)
{
    for (struct ub_kv_bucket *b = kv->buckets; b != NULL; b = b->next) {
        b->kept = b->now;
        b->is_new = false;
        atomic_store(&b->revision, b->now.revision);
    }
}

void ubs_buckets_forget(struct ubs_kv *kv)
{
    for (struct ub_kv_bucket *b = kv->buckets; b != NULL; b = b->next) {
        b->now = b->kept;
    }
}

void ubs_buckets_free(struct ubs_kv *kv)
{
    while (kv->buckets != NULL) {
        struct ub_kv_bucket *bucket = kv->buckets;
        kv->buckets = bucket->next;
        free(bucket);
    }
}

/* ---- opening: a job of the writer's thread ----------------------------------------------------
 */

struct open_job {
    struct ubs_job job; /* first */
    const char *name;
    int64_t ttl_ms;
    struct ub_kv_bucket *bucket;
};

static enum ub_status check_ttl(struct open_job *open, int64_t ttl_ms)
{
    if (ttl_ms == open->ttl_ms) {
        return UB_OK;
    }
    return ub_fail(open->job.err, UB_EINVAL,
                   "bucket %s exists with ttl_ms %" PRId64 ", not %" PRId64
                   ": open it with the same options",
                   open->name, ttl_ms, open->ttl_ms);
}

/* A new one is written with the group (ubs_buckets_flush). */
static enum ub_status load(struct open_job *open, struct ub_kv_bucket *bucket)
{
    struct ubs_kv *kv = bucket->kv;
    enum ub_status status = kv->engine->bucket_read(kv, bucket, open->job.err);
    if (status == UB_ENOTFOUND) {
        bucket->ttl_ms = open->ttl_ms;
        bucket->is_new = true;
        return UB_OK;
    }
    bucket->mark = bucket->kept = bucket->now;
    atomic_store(&bucket->revision, bucket->now.revision);
    return status == UB_OK ? check_ttl(open, bucket->ttl_ms) : status;
}

static enum ub_status open_run(struct ubs_kv *kv, struct ubs_job *job)
{
    struct open_job *open = (struct open_job *)job;
    for (struct ub_kv_bucket *b = kv->buckets; b != NULL; b = b->next) {
        if (strcmp(b->name, open->name) == 0) {
            open->bucket = b;
            return check_ttl(open, b->ttl_ms);
        }
    }
    struct ub_kv_bucket *bucket = calloc(1, sizeof(*bucket));
    if (bucket == NULL) {
        return ub_fail(job->err, UB_ENOMEM, "no memory for bucket %s", open->name);
    }
    bucket->kv = kv;
    snprintf(bucket->name, sizeof(bucket->name), "%s", open->name);
    enum ub_status status = load(open, bucket);
    if (status != UB_OK) {
        free(bucket);
        return status;
    }
    bucket->next = kv->buckets;
    kv->buckets = open->bucket = bucket;
    return UB_OK;
}

static bool is_name(const char *name)
{
    size_t len = name != NULL ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    return len >= 1 && len <= UBS_BUCKET_NAME_MAX && name[len] == '\0';
}

enum ub_status ubs_bucket_open(void *self, const char *name,
                               const struct ub_kv_bucket_options *options,
                               struct ub_kv_bucket **bucket_out, struct ub_err *err)
{
    *bucket_out = NULL;
    if (!is_name(name)) {
        return ub_fail(err, UB_EINVAL,
                       "\"%.64s\" is no name of a bucket: 1 to 32 of a-z, 0-9 and '-'",
                       name != NULL ? name : "");
    }
    struct ub_kv_bucket_options own;
    ub_sized_take(&own, sizeof(own), options);
    struct open_job open = {
        .job = {.run = open_run, .err = err}, .name = name, .ttl_ms = own.ttl_ms};
    if (open.ttl_ms < 0) {
        return ub_fail(err, UB_EINVAL, "ttl_ms = %" PRId64 " is negative; 0 means no expiry",
                       open.ttl_ms);
    }
    enum ub_status status = ubs_writer_do(self, &open.job);
    if (status == UB_OK) {
        *bucket_out = open.bucket;
    }
    return status;
}

void ubs_bucket_close(void *self, struct ub_kv_bucket **bucket)
{
    (void)self;
    *bucket = NULL; /* shared, and freed when the store stops */
}

enum ub_status ubs_bucket_revision(struct ub_kv_bucket *bucket, int64_t *revision_out,
                                   struct ub_err *err)
{
    (void)err;
    *revision_out = atomic_load(&bucket->revision);
    return UB_OK;
}
