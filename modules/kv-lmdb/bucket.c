/* SPDX-License-Identifier: Apache-2.0 */
#include "bucket.h"
#include "store.h"

#define STATE_BYTES 36

static void state_name(const char *bucket, char out[64])
{
    snprintf(out, 64, "bucket/%s", bucket);
}

/* What the file keeps of a bucket. */
struct kept_bucket {
    uint32_t number;
    int64_t ttl_ms;
    struct ubs_bucket_state state;
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
        (struct ubs_bucket_state){kvlm_get_number(bytes + 12, 8), kvlm_get_number(bytes + 20, 8),
                                  kvlm_get_number(bytes + 28, 8)};
    return status;
}

enum ub_status kvlm_bucket_state_read(struct kvlm_txn *txn, const char *name,
                                      struct ubs_bucket_state *state_out, struct ub_err *err)
{
    struct kept_bucket kept;
    enum ub_status status = read_kept(txn, name, &kept, err);
    *state_out = kept.state;
    return status;
}

/* A bucket that is not kept yet has the next number; nobody else can take it. */
enum ub_status kvlm_bucket_read(struct ubs_kv *kv, struct ub_kv_bucket *bucket, struct ub_err *err)
{
    struct kvlm *store = (struct kvlm *)kv;
    struct kept_bucket kept;
    enum ub_status status = read_kept(&store->txn, bucket->name, &kept, err);
    if (status == UB_ENOTFOUND) {
        bucket->number = ++store->bucket_count;
        return status;
    }
    bucket->number = kept.number;
    bucket->ttl_ms = kept.ttl_ms;
    bucket->now = kept.state;
    return status;
}

enum ub_status kvlm_bucket_write(struct ubs_kv *kv, struct ub_kv_bucket *bucket, struct ub_err *err)
{
    char fact[64];
    uint8_t bytes[STATE_BYTES];
    struct kvlm_txn *txn = &((struct kvlm *)kv)->txn;
    state_name(bucket->name, fact);
    kvlm_put_number(bytes, 4, bucket->number);
    kvlm_put_number(bytes + 4, 8, bucket->ttl_ms);
    kvlm_put_number(bytes + 12, 8, bucket->now.revision);
    kvlm_put_number(bytes + 20, 8, bucket->now.purged);
    kvlm_put_number(bytes + 28, 8, bucket->now.deletions);
    enum ub_status status =
        kvlm_fact_write(txn, fact, (struct ub_bytes){bytes, sizeof(bytes)}, err);
    return status == UB_OK && bucket->is_new ? kvlm_buckets_count_write(txn, err) : status;
}

enum ub_status kvlm_buckets_count_read(struct kvlm_txn *txn, struct ub_err *err)
{
    uint8_t bytes[4] = {0};
    enum ub_status status = kvlm_fact_read(txn, "buckets", bytes, sizeof(bytes), NULL, err);
    txn->store->bucket_count = (uint32_t)kvlm_get_number(bytes, 4);
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

enum ub_status kvlm_purge(struct ubs_kv *kv, struct ub_kv_bucket *bucket, int64_t keep,
                          struct ub_err *err)
{
    struct kvlm_txn *txn = &((struct kvlm *)kv)->txn;
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
