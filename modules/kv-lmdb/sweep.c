/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"
#include "store.h"

#include <stdlib.h>

/* One entry of the expiry index. */
struct expired {
    struct kvlm_place place;
    uint32_t bucket;
    int64_t revision;
};

static enum ub_status find_expired(struct kvlm_txn *txn, int64_t now_ms, size_t max,
                                   struct expired *found, size_t *count_out, struct ub_err *err)
{
    MDB_cursor *cursor = NULL;
    struct kvlm_place start;
    kvlm_place_expiry(0, 0, 0, &start);
    MDB_val key = {1, start.bytes};
    *count_out = 0;
    int rc = mdb_cursor_open(txn->mdb, KVLM_DBI, &cursor);
    if (rc == MDB_SUCCESS) {
        rc = mdb_cursor_get(cursor, &key, NULL, MDB_SET_RANGE);
    }
    while (rc == MDB_SUCCESS && *count_out < max && key.mv_size == start.len &&
           ((const uint8_t *)key.mv_data)[0] == KVLM_EXPIRY) {
        const uint8_t *bytes = key.mv_data;
        struct expired *one = &found[*count_out];
        if (kvlm_get_number(bytes + 1, 8) > now_ms) {
            break;
        }
        one->place.len = key.mv_size;
        memcpy(one->place.bytes, bytes, key.mv_size);
        one->bucket = (uint32_t)kvlm_get_number(bytes + 9, 4);
        one->revision = kvlm_get_number(bytes + 13, 8);
        ++*count_out;
        rc = mdb_cursor_get(cursor, &key, NULL, MDB_NEXT);
    }
    if (cursor != NULL) {
        mdb_cursor_close(cursor);
    }
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? UB_OK : kvlm_env_fail(txn->store, rc, err);
}

/* The place of the record that this revision wrote, when it is intact, still that one and expired:
 * the expiry of a damaged record cannot be trusted. */
static bool find_record(struct kvlm_txn *txn, int64_t now_ms, const struct expired *one,
                        const struct kvlm_place *change, struct kvlm_place *place_out)
{
    struct ub_bytes code, payload;
    if (kvlm_cell_get(txn, change, &code, NULL) != UB_OK || code.len > UBS_KEY_CODE_MAX) {
        return false;
    }
    kvlm_place_record(one->bucket, code, place_out);
    if (kvlm_cell_get(txn, place_out, &payload, NULL) != UB_OK || payload.len < KVLM_RECORD_HEAD) {
        return false;
    }
    int64_t expires_ms = kvlm_get_number(payload.ptr + 8, 8);
    return kvlm_get_number(payload.ptr, 8) == one->revision && expires_ms > 0 &&
           expires_ms <= now_ms;
}

static enum ub_status remove_one(struct kvlm_txn *txn, int64_t now_ms, const struct expired *one,
                                 struct ub_err *err)
{
    struct kvlm_place change, record;
    kvlm_place_revision(KVLM_CHANGE, one->bucket, one->revision, &change);
    bool is_found = find_record(txn, now_ms, one, &change, &record);
    enum ub_status status = kvlm_cell_delete(txn, &one->place, err);
    if (status == UB_OK && is_found) {
        status = kvlm_cell_delete(txn, &change, err);
    }
    return status == UB_OK && is_found ? kvlm_cell_delete(txn, &record, err) : status;
}

enum ub_status kvlm_sweep(struct ubs_kv *kv, int64_t now_ms, size_t max, size_t *count_out,
                          struct ub_err *err)
{
    struct kvlm *store = (struct kvlm *)kv;
    struct expired *found = calloc(max, sizeof(*found));
    if (found == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory to sweep %s", kv->place);
    }
    kvlm_env_clear_readers(store);
    enum ub_status status = find_expired(&store->txn, now_ms, max, found, count_out, err);
    for (size_t i = 0; i < *count_out && status == UB_OK; i++) {
        status = remove_one(&store->txn, now_ms, &found[i], err);
    }
    free(found);
    return status;
}
