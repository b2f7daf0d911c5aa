/* SPDX-License-Identifier: Apache-2.0
 *
 * What the frame asks of LMDB. */
#include "bucket.h"
#include "store.h"
#include "sweep.h"

#define GROW_WAIT_MS 5000

static struct kvlm *store_of(struct ubs_kv *kv)
{
    return (struct kvlm *)kv;
}

/* ---- a group's transaction --------------------------------------------------------------------
 */

static enum ub_status begin(struct ubs_kv *kv, struct ub_err *err)
{
    struct kvlm *store = store_of(kv);
    enum ub_status status = kvlm_txn_begin(store, &store->txn, err);
    store->top = status == UB_OK ? store->txn.mdb : NULL;
    return status;
}

static enum ub_status state(struct ubs_kv *kv)
{
    return kvlm_env_status(store_of(kv), store_of(kv)->txn.rc);
}

/* After a failed fsync the commit may be on disk or not: only the next start can tell. */
static enum ub_status fail_commit(struct kvlm *store, int rc, struct ub_err *err)
{
    struct kvlm_txn probe;
    enum ub_status status = kvlm_env_fail(store, rc, err);
    if (status == UB_ELIMIT) {
        return status;
    }
    if (status != UB_EIO && kvlm_txn_begin(store, &probe, NULL) == UB_OK) {
        mdb_txn_abort(probe.mdb); /* the meta pages were not touched: nothing was written */
        return status;
    }
    return ub_fail(err, UB_EUNKNOWN,
                   "the commit to %s failed, its outcome is unknown until the restart",
                   store->settings->dir);
}

static enum ub_status commit(struct ubs_kv *kv, struct ub_err *err)
{
    struct kvlm *store = store_of(kv);
    int rc = kvlm_txn_commit(&store->txn, err);
    store->top = NULL;
    return rc == MDB_SUCCESS ? UB_OK : fail_commit(store, rc, err);
}

static void rollback(struct ubs_kv *kv)
{
    struct kvlm *store = store_of(kv);
    if (store->top != NULL) {
        mdb_txn_abort(store->top); /* and what is nested in it */
    }
    store->top = NULL;
}

static enum ub_status save(struct ubs_kv *kv, struct ub_err *err)
{
    struct kvlm_txn *txn = &store_of(kv)->txn;
    MDB_txn *nested = NULL;
    txn->rc = mdb_txn_begin(txn->store->env.mdb, txn->mdb, 0, &nested);
    if (txn->rc != MDB_SUCCESS) {
        return kvlm_env_fail(txn->store, txn->rc, err);
    }
    txn->mdb = nested;
    return UB_OK;
}

static enum ub_status release(struct ubs_kv *kv, struct ub_err *err)
{
    struct kvlm_txn *txn = &store_of(kv)->txn;
    txn->rc = mdb_txn_commit(txn->mdb);
    txn->mdb = txn->store->top;
    return txn->rc == MDB_SUCCESS ? UB_OK : kvlm_env_fail(txn->store, txn->rc, err);
}

static enum ub_status undo(struct ubs_kv *kv, struct ub_err *err)
{
    (void)err;
    struct kvlm_txn *txn = &store_of(kv)->txn;
    mdb_txn_abort(txn->mdb);
    txn->mdb = txn->store->top;
    return UB_OK;
}

static enum ub_status grow(struct ubs_kv *kv, struct ub_err *err)
{
    return kvlm_env_grow(store_of(kv), GROW_WAIT_MS, err);
}

static void settle(struct ubs_kv *kv)
{
    kvlm_env_grow_early(store_of(kv));
}

/* ---- records ----------------------------------------------------------------------------------
 */

static enum ub_status find(struct ub_kv_bucket *bucket, struct ub_bytes code,
                           struct ubs_record *record_out, struct ub_err *err)
{
    return kvlm_record_read(&kvlm_of(bucket)->txn, bucket, code, record_out, err);
}

/* The index entries of the record that goes. */
static enum ub_status forget_old(const struct ub_kv_bucket *bucket, const struct ubs_record *old,
                                 struct ub_err *err)
{
    struct kvlm_txn *txn = &kvlm_of(bucket)->txn;
    struct kvlm_place place;
    if (old->revision == 0) {
        return UB_OK;
    }
    kvlm_place_revision(KVLM_CHANGE, bucket->number, old->revision, &place);
    enum ub_status status = kvlm_cell_delete(txn, &place, err);
    if (status == UB_OK && old->expires_ms > 0) {
        kvlm_place_expiry(old->expires_ms, bucket->number, old->revision, &place);
        status = kvlm_cell_delete(txn, &place, err);
    }
    return status;
}

static enum ub_status note_change(const struct ub_kv_bucket *bucket, enum kvlm_kind kind,
                                  int64_t revision, struct ub_bytes code, struct ub_err *err)
{
    struct kvlm_place place;
    kvlm_place_revision(kind, bucket->number, revision, &place);
    return kvlm_cell_put(&kvlm_of(bucket)->txn, &place, code, (struct ub_bytes){NULL, 0}, err);
}

static enum ub_status note_expiry(const struct ub_kv_bucket *bucket,
                                  const struct ubs_record *record, struct ub_err *err)
{
    struct kvlm_place place;
    struct ub_bytes nothing = {NULL, 0};
    if (record->expires_ms == 0) {
        return UB_OK;
    }
    kvlm_place_expiry(record->expires_ms, bucket->number, record->revision, &place);
    return kvlm_cell_put(&kvlm_of(bucket)->txn, &place, nothing, nothing, err);
}

static enum ub_status put(struct ub_kv_bucket *bucket, struct ub_bytes code,
                          const struct ubs_record *record, const struct ubs_record *old,
                          struct ub_err *err)
{
    struct kvlm_place place;
    uint8_t head[KVLM_RECORD_HEAD];
    kvlm_put_number(head, 8, record->revision);
    kvlm_put_number(head + 8, 8, record->expires_ms);
    kvlm_place_record(bucket->number, code, &place);
    enum ub_status status = forget_old(bucket, old, err);
    if (status == UB_OK) {
        status = kvlm_cell_put(&kvlm_of(bucket)->txn, &place, (struct ub_bytes){head, sizeof(head)},
                               record->value, err);
    }
    if (status == UB_OK) {
        status = note_change(bucket, KVLM_CHANGE, record->revision, code, err);
    }
    return status == UB_OK ? note_expiry(bucket, record, err) : status;
}

static enum ub_status remove_record(struct ub_kv_bucket *bucket, struct ub_bytes code,
                                    int64_t revision, const struct ubs_record *old,
                                    struct ub_err *err)
{
    struct kvlm_place place;
    kvlm_place_record(bucket->number, code, &place);
    enum ub_status status = forget_old(bucket, old, err);
    if (status == UB_OK) {
        status = kvlm_cell_delete(&kvlm_of(bucket)->txn, &place, err);
    }
    return status == UB_OK ? note_change(bucket, KVLM_DELETION, revision, code, err) : status;
}

const struct ubs_engine kvlm_engine = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .save = save,
    .release = release,
    .undo = undo,
    .state = state,
    .grow = grow,
    .settle = settle,
    .bucket_read = kvlm_bucket_read,
    .bucket_write = kvlm_bucket_write,
    .purge = kvlm_purge,
    .find = find,
    .needs_old = true,
    .put = put,
    .remove = remove_record,
    .sweep = kvlm_sweep,
    .get = kvlm_get,
    .list = kvlm_list,
    .look = kvlm_look,
};
