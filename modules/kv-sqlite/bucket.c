/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "head.h"

#include <inttypes.h>
#include <stdlib.h>

#define STATE_BYTES 24

static void state_name(const char *bucket, char out[64])
{
    snprintf(out, 64, "bucket/%s", bucket);
}

static void put_number(uint8_t *out, int64_t number)
{
    for (int i = 0; i < 8; i++) {
        out[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
}

static int64_t get_number(const uint8_t *in)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | in[i];
    }
    return (int64_t)number;
}

enum ub_status kvsq_bucket_state_read(struct kvsq_db *db, const char *name,
                                      struct kvsq_bucket_state *state_out, struct ub_err *err)
{
    char head[64];
    uint8_t bytes[STATE_BYTES] = {0};
    state_name(name, head);
    enum ub_status status = kvsq_head_read(db, head, bytes, sizeof(bytes), NULL, err);
    *state_out = (struct kvsq_bucket_state){get_number(bytes), get_number(bytes + 8),
                                            get_number(bytes + 16)};
    return status;
}

static enum ub_status state_write(struct ub_kv_bucket *bucket, struct kvsq_db *db,
                                  struct ub_err *err)
{
    char head[64];
    uint8_t bytes[STATE_BYTES];
    state_name(bucket->name, head);
    put_number(bytes, bucket->ttl_ms);
    put_number(bytes + 8, bucket->pending);
    put_number(bytes + 16, bucket->purged);
    return kvsq_head_write(db, head, (struct ub_bytes){bytes, sizeof(bytes)}, err);
}

/* Keeps the newest three quarters, so that it happens seldom. */
static enum ub_status purge(struct ub_kv_bucket *bucket, struct kvsq_db *db, struct ub_err *err)
{
    sqlite3_stmt *stmt;
    bool has_row = false;
    int64_t max = bucket->store->settings->deletions_max, keep = max - max / 4, last = 0;
    enum ub_status status =
        kvsq_db_begin(db, KVSQ_DELETION_NTH, &stmt, err, KVSQ_TEXT(bucket->name), KVSQ_INT(keep));
    if (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, err);
    }
    if (status == UB_OK && has_row) {
        last = sqlite3_column_int64(stmt, 0);
    }
    kvsq_db_end(stmt);
    if (status == UB_OK && has_row) {
        status = kvsq_db_run(db, KVSQ_DELETION_PURGE, err, KVSQ_TEXT(bucket->name), KVSQ_INT(last));
        bucket->purged = last;
    }
    bucket->deletions = keep;
    return status;
}

enum ub_status kvsq_buckets_flush(struct kvsq *store, struct kvsq_db *db, struct ub_err *err)
{
    enum ub_status status = UB_OK;
    for (struct ub_kv_bucket *b = store->buckets; b != NULL && status == UB_OK; b = b->next) {
        if (b->pending == atomic_load(&b->revision)) {
            continue;
        }
        if (b->deletions > store->settings->deletions_max) {
            status = purge(b, db, err);
        }
        if (status == UB_OK) {
            status = state_write(b, db, err);
        }
    }
    return status;
}

void kvsq_buckets_mark(struct kvsq *store)
{
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        b->mark = b->pending;
    }
}

void kvsq_buckets_undo(struct kvsq *store)
{
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        b->pending = b->mark;
    }
}

void kvsq_buckets_publish(struct kvsq *store)
{
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        atomic_store(&b->revision, b->pending);
    }
}

void kvsq_buckets_forget(struct kvsq *store)
{
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        b->pending = atomic_load(&b->revision);
    }
}

void kvsq_buckets_free(struct kvsq *store)
{
    while (store->buckets != NULL) {
        struct ub_kv_bucket *bucket = store->buckets;
        store->buckets = bucket->next;
        free(bucket);
    }
}

/* ---- opening: a job of the writer's thread ----------------------------------------------------
 */

struct open_job {
    struct kvsq_job job; /* first */
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

static enum ub_status count_deletions(struct kvsq_db *db, struct ub_kv_bucket *bucket,
                                      struct ub_err *err)
{
    sqlite3_stmt *stmt;
    bool has_row = false;
    enum ub_status status =
        kvsq_db_begin(db, KVSQ_DELETION_COUNT, &stmt, err, KVSQ_TEXT(bucket->name));
    if (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, err);
    }
    bucket->deletions = has_row ? sqlite3_column_int64(stmt, 0) : 0;
    kvsq_db_end(stmt);
    return status;
}

static enum ub_status load(struct open_job *open, struct kvsq_db *db, struct ub_kv_bucket *bucket)
{
    struct kvsq_bucket_state state;
    enum ub_status status = kvsq_bucket_state_read(db, open->name, &state, open->job.err);
    if (status == UB_ENOTFOUND) {
        bucket->ttl_ms = open->ttl_ms;
        return state_write(bucket, db, open->job.err);
    }
    if (status == UB_OK) {
        status = check_ttl(open, state.ttl_ms);
    }
    bucket->ttl_ms = state.ttl_ms;
    bucket->purged = state.purged;
    bucket->pending = bucket->mark = state.revision;
    atomic_store(&bucket->revision, state.revision);
    return status == UB_OK ? count_deletions(db, bucket, open->job.err) : status;
}

static enum ub_status open_run(struct kvsq *store, struct kvsq_db *db, struct kvsq_job *job)
{
    struct open_job *open = (struct open_job *)job;
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        if (strcmp(b->name, open->name) == 0) {
            open->bucket = b;
            return check_ttl(open, b->ttl_ms);
        }
    }
    struct ub_kv_bucket *bucket = calloc(1, sizeof(*bucket));
    if (bucket == NULL) {
        return ub_fail(job->err, UB_ENOMEM, "no memory for bucket %s", open->name);
    }
    bucket->store = store;
    snprintf(bucket->name, sizeof(bucket->name), "%s", open->name);
    enum ub_status status = load(open, db, bucket);
    if (status != UB_OK) {
        free(bucket);
        return status;
    }
    bucket->next = store->buckets;
    store->buckets = open->bucket = bucket;
    return UB_OK;
}

static bool is_name(const char *name)
{
    size_t len = name != NULL ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;
    return len >= 1 && len <= KVSQ_BUCKET_NAME_MAX && name[len] == '\0';
}

enum ub_status kvsq_bucket_open(void *self, const char *name,
                                const struct ub_kv_bucket_options *options,
                                struct ub_kv_bucket **bucket_out, struct ub_err *err)
{
    *bucket_out = NULL;
    if (!is_name(name)) {
        return ub_fail(err, UB_EINVAL,
                       "\"%.64s\" is no name of a bucket: 1 to 32 of a-z, 0-9 and '-'",
                       name != NULL ? name : "");
    }
    struct open_job open = {.job = {.run = open_run, .err = err}, .name = name};
    open.ttl_ms = options != NULL ? options->ttl_ms : 0;
    if (open.ttl_ms < 0) {
        return ub_fail(err, UB_EINVAL, "ttl_ms = %" PRId64 " is negative; 0 means no expiry",
                       open.ttl_ms);
    }
    enum ub_status status = kvsq_writer_do(self, &open.job);
    if (status == UB_OK) {
        *bucket_out = open.bucket;
    }
    return status;
}

void kvsq_bucket_close(void *self, struct ub_kv_bucket **bucket)
{
    (void)self;
    *bucket = NULL; /* shared, and freed when the store stops */
}

enum ub_status kvsq_bucket_revision(struct ub_kv_bucket *bucket, int64_t *revision_out,
                                    struct ub_err *err)
{
    (void)err;
    *revision_out = atomic_load(&bucket->revision);
    return UB_OK;
}
