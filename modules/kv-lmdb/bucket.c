/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <inttypes.h>
#include <stdlib.h>

#define STATE_BYTES 36

static void state_name(const char *bucket, char out[64])
{
    snprintf(out, 64, "bucket/%s", bucket);
}

/* What the file keeps of a bucket. */
struct kept_bucket {
    uint32_t number;
    int64_t ttl_ms;
    struct kvlm_bucket_state state;
};

static enum ub_status read_kept(struct kvlm_txn *txn, const char *name,
                                struct kept_bucket *kept_out, struct ub_err *err)
{
    char fact[64];
    uint8_t bytes[STATE_BYTES] = {0};
    state_name(name, fact);
    enum ub_status status = kvlm_fact_read(txn, fact, bytes, sizeof(bytes), NULL, err);
    kept_out->number = (uint32_t)kvlm_get_number(bytes, 4);
    kept_out->ttl_ms = kvlm_get_number(bytes + 4, 8);
    kept_out->state =
        (struct kvlm_bucket_state){kvlm_get_number(bytes + 12, 8), kvlm_get_number(bytes + 20, 8),
                                   kvlm_get_number(bytes + 28, 8)};
    return status;
}

enum ub_status kvlm_bucket_state_read(struct kvlm_txn *txn, const char *name,
                                      struct kvlm_bucket_state *state_out, struct ub_err *err)
{
    struct kept_bucket kept;
    enum ub_status status = read_kept(txn, name, &kept, err);
    *state_out = kept.state;
    return status;
}

static enum ub_status state_write(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                  struct ub_err *err)
{
    char fact[64];
    uint8_t bytes[STATE_BYTES];
    state_name(bucket->name, fact);
    kvlm_put_number(bytes, 4, bucket->number);
    kvlm_put_number(bytes + 4, 8, bucket->ttl_ms);
    kvlm_put_number(bytes + 12, 8, bucket->now.revision);
    kvlm_put_number(bytes + 20, 8, bucket->now.purged);
    kvlm_put_number(bytes + 28, 8, bucket->now.deletions);
    return kvlm_fact_write(txn, fact, (struct ub_bytes){bytes, sizeof(bytes)}, err);
}

enum ub_status kvlm_buckets_count_read(struct kvlm_txn *txn, struct ub_err *err)
{
    uint8_t bytes[4] = {0};
    enum ub_status status = kvlm_fact_read(txn, "buckets", bytes, sizeof(bytes), NULL, err);
    txn->store->bucket_count = txn->store->bucket_count_kept = (uint32_t)kvlm_get_number(bytes, 4);
    return status == UB_ENOTFOUND ? ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                                                 "%s has no count of its buckets: restore the "
                                                 "store from a backup",
                                                 txn->store->settings->dir)
                                  : status;
}

enum ub_status kvlm_buckets_count_write(struct kvlm_txn *txn, struct ub_err *err)
{
    uint8_t bytes[4];
    kvlm_put_number(bytes, 4, txn->store->bucket_count);
    return kvlm_fact_write(txn, "buckets", (struct ub_bytes){bytes, sizeof(bytes)}, err);
}

/* The oldest deletion that the file has of the bucket. */
static enum ub_status oldest_deletion(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                      struct kvlm_place *place_out, bool *is_found_out,
                                      struct ub_err *err)
{
    MDB_cursor *cursor = NULL;
    *is_found_out = false;
    kvlm_place_revision(KVLM_DELETION, bucket->number, 0, place_out);
    MDB_val key = {place_out->len, place_out->bytes};
    int rc = mdb_cursor_open(txn->mdb, KVLM_DBI, &cursor);
    if (rc == MDB_SUCCESS) {
        rc = mdb_cursor_get(cursor, &key, NULL, MDB_SET_RANGE);
    }
    if (rc == MDB_SUCCESS && key.mv_size == place_out->len &&
        memcmp(key.mv_data, place_out->bytes, 5) == 0) {
        memcpy(place_out->bytes, key.mv_data, key.mv_size);
        *is_found_out = true;
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? UB_OK : kvlm_env_fail(txn->store, rc, err);
}

/* Keeps the newest three quarters, so that it happens seldom. */
static enum ub_status purge(struct kvlm_txn *txn, struct ub_kv_bucket *bucket, struct ub_err *err)
{
    int64_t max = txn->store->settings->deletions_max, keep = max - max / 4;
    enum ub_status status = UB_OK;
    while (status == UB_OK && bucket->now.deletions > keep) {
        struct kvlm_place place;
        bool is_found;
        status = oldest_deletion(txn, bucket, &place, &is_found, err);
        if (status == UB_OK && is_found) {
            bucket->now.purged = kvlm_get_number(place.bytes + 5, 8);
            status = kvlm_cell_delete(txn, &place, err);
        }
        bucket->now.deletions = is_found ? bucket->now.deletions - 1 : 0;
    }
    return status;
}

static enum ub_status flush_bucket(struct kvlm_txn *txn, struct ub_kv_bucket *bucket,
                                   struct ub_err *err)
{
    enum ub_status status = UB_OK;
    if (!bucket->is_new && bucket->now.revision == bucket->kept.revision) {
        return UB_OK;
    }
    if (bucket->now.deletions > txn->store->settings->deletions_max) {
        status = purge(txn, bucket, err);
    }
    return status == UB_OK ? state_write(txn, bucket, err) : status;
}

enum ub_status kvlm_buckets_flush(struct kvlm_txn *txn, struct ub_err *err)
{
    struct kvlm *store = txn->store;
    enum ub_status status = UB_OK;
    if (store->bucket_count != store->bucket_count_kept) {
        status = kvlm_buckets_count_write(txn, err);
    }
    for (struct ub_kv_bucket *b = store->buckets; b != NULL && status == UB_OK; b = b->next) {
        status = flush_bucket(txn, b, err);
    }
    return status;
}

void kvlm_buckets_mark(struct kvlm *store)
{
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        b->mark = b->now;
    }
}

void kvlm_buckets_undo(struct kvlm *store)
{
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        b->now = b->mark;
    }
}

void kvlm_buckets_publish(struct kvlm *store)
{
    store->bucket_count_kept = store->bucket_count;
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        b->kept = b->now;
        b->is_new = false;
        atomic_store(&b->revision, b->now.revision);
    }
}

void kvlm_buckets_forget(struct kvlm *store)
{
    for (struct ub_kv_bucket *b = store->buckets; b != NULL; b = b->next) {
        b->now = b->kept;
    }
}

void kvlm_buckets_free(struct kvlm *store)
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
    struct kvlm_job job; /* first */
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

/* A new one is written with the group (kvlm_buckets_flush). */
static enum ub_status load(struct open_job *open, struct kvlm_txn *txn, struct ub_kv_bucket *bucket)
{
    struct kept_bucket kept;
    enum ub_status status = read_kept(txn, open->name, &kept, open->job.err);
    if (status == UB_ENOTFOUND) {
        bucket->ttl_ms = open->ttl_ms;
        bucket->number = ++txn->store->bucket_count;
        bucket->is_new = true;
        return UB_OK;
    }
    bucket->number = kept.number;
    bucket->ttl_ms = kept.ttl_ms;
    bucket->now = bucket->mark = bucket->kept = kept.state;
    atomic_store(&bucket->revision, kept.state.revision);
    return status == UB_OK ? check_ttl(open, kept.ttl_ms) : status;
}

static enum ub_status open_run(struct kvlm_txn *txn, struct kvlm_job *job)
{
    struct kvlm *store = txn->store;
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
    enum ub_status status = load(open, txn, bucket);
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
    return len >= 1 && len <= KVLM_BUCKET_NAME_MAX && name[len] == '\0';
}

enum ub_status kvlm_bucket_open(void *self, const char *name,
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
    enum ub_status status = kvlm_writer_do(self, &open.job);
    if (status == UB_OK) {
        *bucket_out = open.bucket;
    }
    return status;
}

void kvlm_bucket_close(void *self, struct ub_kv_bucket **bucket)
{
    (void)self;
    *bucket = NULL; /* shared, and freed when the store stops */
}

enum ub_status kvlm_bucket_revision(struct ub_kv_bucket *bucket, int64_t *revision_out,
                                    struct ub_err *err)
{
    (void)err;
    *revision_out = atomic_load(&bucket->revision);
    return UB_OK;
}
