/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>

#define SWEEP_EVERY_MS 1000
#define SWEEP_MAX      256

static void sweep_due(void *arg)
{
    kvlm_writer_sweep_soon(arg);
}

void kvlm_sweep_start(struct kvlm *store)
{
    const struct ub_host_loop *loop = store->host->loop;
    store->sweep.timer =
        loop->timer_start(loop->main(store->host), SWEEP_EVERY_MS, sweep_due, store);
}

void kvlm_sweep_stop(struct kvlm *store)
{
    if (store->sweep.timer != NULL) {
        store->host->loop->timer_stop(&store->sweep.timer);
    }
}

/* One entry of the expiry index. */
struct expired {
    struct kvlm_place place;
    uint32_t bucket;
    int64_t revision;
};

static enum ub_status find_expired(struct kvlm_txn *txn, struct expired *found, size_t *count_out,
                                   struct ub_err *err)
{
    MDB_cursor *cursor = NULL;
    struct kvlm_place start;
    int64_t now = kvlm_now_ms(txn->store);
    kvlm_place_expiry(0, 0, 0, &start);
    MDB_val key = {1, start.bytes};
    *count_out = 0;
    int rc = mdb_cursor_open(txn->mdb, KVLM_DBI, &cursor);
    if (rc == MDB_SUCCESS) {
        rc = mdb_cursor_get(cursor, &key, NULL, MDB_SET_RANGE);
    }
    while (rc == MDB_SUCCESS && *count_out < SWEEP_MAX && key.mv_size == start.len &&
           ((const uint8_t *)key.mv_data)[0] == KVLM_EXPIRY) {
        const uint8_t *bytes = key.mv_data;
        struct expired *one = &found[*count_out];
        if (kvlm_get_number(bytes + 1, 8) > now) {
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
static bool find_record(struct kvlm_txn *txn, const struct expired *one,
                        const struct kvlm_place *change, struct kvlm_place *place_out)
{
    struct ub_bytes code, payload;
    if (kvlm_cell_get(txn, change, &code, NULL) != UB_OK || code.len > KVLM_KEY_CODE_MAX) {
        return false;
    }
    kvlm_place_record(one->bucket, code, place_out);
    if (kvlm_cell_get(txn, place_out, &payload, NULL) != UB_OK || payload.len < KVLM_RECORD_HEAD) {
        return false;
    }
    int64_t expires_ms = kvlm_get_number(payload.ptr + 8, 8);
    return kvlm_get_number(payload.ptr, 8) == one->revision && expires_ms > 0 &&
           expires_ms <= kvlm_now_ms(txn->store);
}

static enum ub_status remove_one(struct kvlm_txn *txn, const struct expired *one,
                                 struct ub_err *err)
{
    struct kvlm_place change, record;
    kvlm_place_revision(KVLM_CHANGE, one->bucket, one->revision, &change);
    bool is_found = find_record(txn, one, &change, &record);
    enum ub_status status = kvlm_cell_delete(txn, &one->place, err);
    if (status == UB_OK && is_found) {
        status = kvlm_cell_delete(txn, &change, err);
    }
    return status == UB_OK && is_found ? kvlm_cell_delete(txn, &record, err) : status;
}

enum ub_status kvlm_sweep_run(struct kvlm_txn *txn, struct kvlm_job *job)
{
    struct kvlm *store = txn->store;
    struct expired *found = calloc(SWEEP_MAX, sizeof(*found));
    size_t count = 0;
    if (found == NULL) {
        return ub_fail(job->err, UB_ENOMEM, "no memory to sweep %s", store->settings->dir);
    }
    enum ub_status status = find_expired(txn, found, &count, job->err);
    for (size_t i = 0; i < count && status == UB_OK; i++) {
        status = remove_one(txn, &found[i], job->err);
    }
    free(found);
    if (status == UB_OK) {
        atomic_fetch_add(&store->sweep.count, (int64_t)count);
    }
    if (status == UB_OK && count == SWEEP_MAX) {
        kvlm_writer_sweep_soon(store);
    }
    return status;
}
