/* SPDX-License-Identifier: Apache-2.0 */
#include "bucket.h"
#include "head.h"
#include "store.h"

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

static enum ub_status read_state(struct kvsq_db *db, const char *name, uint8_t bytes[STATE_BYTES],
                                 struct ub_err *err)
{
    char head[64];
    memset(bytes, 0, STATE_BYTES);
    state_name(name, head);
    return kvsq_head_read(db, head, bytes, STATE_BYTES, NULL, err);
}

enum ub_status kvsq_bucket_revisions(struct kvsq_db *db, const char *name, int64_t *revision_out,
                                     int64_t *purged_out, struct ub_err *err)
{
    uint8_t bytes[STATE_BYTES];
    enum ub_status status = read_state(db, name, bytes, err);
    *revision_out = get_number(bytes + 8);
    *purged_out = get_number(bytes + 16);
    return status;
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
    bucket->now.deletions = has_row ? sqlite3_column_int64(stmt, 0) : 0;
    kvsq_db_end(stmt);
    return status;
}

enum ub_status kvsq_bucket_read(struct ubs_kv *kv, struct ub_kv_bucket *bucket, struct ub_err *err)
{
    uint8_t bytes[STATE_BYTES];
    struct kvsq_db *db = &((struct kvsq *)kv)->writer;
    enum ub_status status = read_state(db, bucket->name, bytes, err);
    bucket->ttl_ms = get_number(bytes);
    bucket->now = (struct ubs_bucket_state){get_number(bytes + 8), get_number(bytes + 16), 0};
    return status == UB_OK ? count_deletions(db, bucket, err) : status;
}

enum ub_status kvsq_bucket_write(struct ubs_kv *kv, struct ub_kv_bucket *bucket, struct ub_err *err)
{
    char head[64];
    uint8_t bytes[STATE_BYTES];
    state_name(bucket->name, head);
    put_number(bytes, bucket->ttl_ms);
    put_number(bytes + 8, bucket->now.revision);
    put_number(bytes + 16, bucket->now.purged);
    return kvsq_head_write(&((struct kvsq *)kv)->writer, head,
                           (struct ub_bytes){bytes, sizeof(bytes)}, err);
}

enum ub_status kvsq_purge(struct ubs_kv *kv, struct ub_kv_bucket *bucket, int64_t keep,
                          struct ub_err *err)
{
    sqlite3_stmt *stmt;
    bool has_row = false;
    struct kvsq_db *db = &((struct kvsq *)kv)->writer;
    enum ub_status status =
        kvsq_db_begin(db, KVSQ_DELETION_NTH, &stmt, err, KVSQ_TEXT(bucket->name), KVSQ_INT(keep));
    if (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, err);
    }
    int64_t last = status == UB_OK && has_row ? sqlite3_column_int64(stmt, 0) : 0;
    kvsq_db_end(stmt);
    if (status == UB_OK && has_row) {
        bucket->now.purged = last;
        status = kvsq_db_run(db, KVSQ_DELETION_PURGE, err, KVSQ_TEXT(bucket->name), KVSQ_INT(last));
    }
    bucket->now.deletions = keep;
    return status;
}
