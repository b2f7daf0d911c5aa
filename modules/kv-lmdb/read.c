/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

/* For a key that seems absent while the names of some keys are damaged. */
static enum ub_status fail_doubt(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                 struct ub_err *err)
{
    char key[UBS_KEY_TEXT_MAX];
    ubs_key_text(code, key);
    return ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                        "key %s in bucket %s may be one whose name was damaged in %s: restore "
                        "the store from a backup",
                        key, bucket->name, bucket->kv->place);
}

static void parse_record(struct ub_bytes payload, struct ubs_record *record_out)
{
    *record_out = (struct ubs_record){0};
    if (payload.len >= KVLM_RECORD_HEAD) {
        record_out->revision = kvlm_get_number(payload.ptr, 8);
        record_out->expires_ms = kvlm_get_number(payload.ptr + 8, 8);
        record_out->value =
            (struct ub_bytes){payload.ptr + KVLM_RECORD_HEAD, payload.len - KVLM_RECORD_HEAD};
    }
}

enum ub_status kvlm_record_read(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                struct ub_bytes code, struct ubs_record *record_out,
                                struct ub_err *err)
{
    struct kvlm_place place;
    struct ub_bytes payload;
    kvlm_place_record(bucket->number, code, &place);
    enum ub_status status = kvlm_cell_get(txn, &place, &payload, err);
    parse_record(payload, record_out);
    if (status == UB_EDAMAGED && txn->rc == 0) {
        return ubs_trouble_record(&bucket->kv->trouble, bucket->name, code, record_out->revision,
                                  err);
    }
    if (status == UB_ENOTFOUND && atomic_load(&txn->store->env.is_doubtful)) {
        return fail_doubt(bucket, code, err);
    }
    return status;
}

enum ub_status kvlm_get(struct ub_kv_bucket *bucket, struct ub_bytes code,
                        struct ub_kv_value *value_out, struct ub_err *err)
{
    struct kvlm_txn txn = {.store = kvlm_of(bucket)};
    struct ubs_record record;
    enum ub_status status = kvlm_readers_take(txn.store, &txn.mdb, err);
    if (status != UB_OK) {
        return status;
    }
    status = kvlm_record_read(&txn, bucket, code, &record, err);
    if (status == UB_OK || status == UB_ENOTFOUND) {
        status = ubs_value_give(bucket, code, status == UB_OK ? &record : NULL, value_out, err);
    }
    kvlm_readers_give(txn.store, txn.mdb);
    return status;
}

/* ---- listing ----------------------------------------------------------------------------------
 */

static enum ub_status list_cell(struct ubs_list *list, struct ub_bytes place, struct ub_bytes cell,
                                struct ub_err *err)
{
    struct ub_bytes payload, code = {place.ptr + 5, place.len - 5};
    struct ubs_record record;
    bool is_intact = kvlm_cell_open(kvlm_of(list->bucket)->seal_key, place, cell, &payload);
    parse_record(payload, &record);
    if (!is_intact) {
        return ubs_trouble_record(&list->bucket->kv->trouble, list->bucket->name, code,
                                  record.revision, err);
    }
    ubs_list_give(list, code, &record);
    return UB_OK;
}

/* Is this the place of a record below the prefix? */
static bool is_wanted(const struct ubs_list *list, const struct kvlm_place *start, MDB_val key)
{
    const uint8_t *bytes = key.mv_data;
    return key.mv_size > 5 && memcmp(bytes, start->bytes, 5) == 0 &&
           ubs_key_is_below((struct ub_bytes){bytes + 5, key.mv_size - 5}, &list->prefix);
}

/* A damaged record is passed over and reported at the end, so that it takes no other with it. */
static enum ub_status list_cells(struct ubs_list *list, MDB_cursor *cursor, struct ub_err *err)
{
    enum ub_status worst = UB_OK;
    struct kvlm_place start;
    MDB_val value;
    kvlm_place_record(list->bucket->number, ubs_list_start(list), &start);
    MDB_val key = {start.len, start.bytes};
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc == MDB_SUCCESS && key.mv_size == start.len &&
        memcmp(key.mv_data, start.bytes, start.len) == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    while (rc == MDB_SUCCESS && !list->is_ended && is_wanted(list, &start, key)) {
        enum ub_status status =
            list_cell(list, (struct ub_bytes){key.mv_data, key.mv_size},
                      (struct ub_bytes){value.mv_data, value.mv_size}, worst == UB_OK ? err : NULL);
        worst = status != UB_OK ? status : worst;
        rc = list->is_ended ? rc : mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? worst
                                                   : kvlm_env_fail(kvlm_of(list->bucket), rc, err);
}

static enum ub_status list_from(struct ubs_list *list, MDB_txn *mdb, struct ub_err *err)
{
    struct kvlm *store = kvlm_of(list->bucket);
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(mdb, KVLM_DBI, &cursor);
    if (rc != MDB_SUCCESS) {
        return kvlm_env_fail(store, rc, err);
    }
    enum ub_status status = list_cells(list, cursor, err);
    mdb_cursor_close(cursor);
    if (status == UB_OK && atomic_load(&store->env.is_doubtful)) {
        struct ub_bytes prefix = {list->prefix.bytes, list->prefix.len};
        return fail_doubt(list->bucket, prefix, err);
    }
    return status;
}

enum ub_status kvlm_list(struct ub_kv_bucket *bucket, struct ubs_list *list, struct ub_err *err)
{
    MDB_txn *mdb = NULL;
    enum ub_status status = kvlm_readers_take(kvlm_of(bucket), &mdb, err);
    if (status == UB_OK) {
        status = list_from(list, mdb, err);
        kvlm_readers_give(kvlm_of(bucket), mdb);
    }
    return status;
}
