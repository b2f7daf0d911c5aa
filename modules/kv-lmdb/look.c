/* SPDX-License-Identifier: Apache-2.0
 *
 * The looks of watches: the two revision indexes, merged. */
#include "bucket.h"
#include "store.h"

#define ROWS_MAX 4096 /* so that a look ends soon when it wants little of what is there */

/* One of the two indexes, in order. */
struct index {
    MDB_cursor *cursor;
    struct kvlm_place place; /* the next entry */
    bool has_next;
};

static int index_move(struct index *index, MDB_cursor_op op)
{
    MDB_val key = {index->place.len, index->place.bytes};
    int rc = mdb_cursor_get(index->cursor, &key, NULL, op);
    index->has_next = rc == MDB_SUCCESS && key.mv_size == index->place.len &&
                      memcmp(key.mv_data, index->place.bytes, 5) == 0;
    if (index->has_next) {
        memcpy(index->place.bytes, key.mv_data, key.mv_size);
    }
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

static int index_open(struct index *index, struct kvlm_txn *txn, enum kvlm_kind kind,
                      const struct ub_kv_bucket *bucket, int64_t after)
{
    kvlm_place_revision(kind, bucket->number, after + 1, &index->place);
    int rc = mdb_cursor_open(txn->mdb, KVLM_DBI, &index->cursor);
    return rc == MDB_SUCCESS ? index_move(index, MDB_SET_RANGE) : rc;
}

static int64_t index_revision(const struct index *index)
{
    return index->has_next ? kvlm_get_number(index->place.bytes + 5, 8) : INT64_MAX;
}

/* Gives what the index names at `place`. */
static enum ub_status give_change(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                  const struct kvlm_place *place, struct ubs_look *look,
                                  bool *has_room_out)
{
    struct ubs_record record = {0};
    struct ubs_change change = {.revision = kvlm_get_number(place->bytes + 5, 8),
                                .is_deletion = place->bytes[0] == KVLM_DELETION};
    enum ub_status status = kvlm_cell_get(txn, place, &change.code, NULL);
    bool is_wanted = status == UB_OK && ubs_look_wants(look, change.code);
    if (is_wanted && !change.is_deletion) {
        status = kvlm_record_read(txn, bucket, change.code, &record, NULL);
        change.value = record.value;
        is_wanted = status == UB_OK && record.revision == change.revision &&
                    !ubs_is_expired(bucket->kv, &record);
    }
    change.is_damaged = status == UB_EDAMAGED;
    if (status != UB_OK && status != UB_ENOTFOUND && (!change.is_damaged || txn->rc != 0)) {
        return status;
    }
    *has_room_out = is_wanted || change.is_damaged ? ubs_look_give(look, &change)
                                                   : ubs_look_pass(look, change.revision);
    return UB_OK;
}

static enum ub_status give_merged(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                  struct index indexes[2], struct ubs_look *look)
{
    bool has_room = true;
    for (int rows = 0; rows < ROWS_MAX && has_room; rows++) {
        struct index *next = &indexes[index_revision(&indexes[1]) < index_revision(&indexes[0])];
        if (index_revision(next) > look->last) {
            ubs_look_end(look);
            return UB_OK;
        }
        enum ub_status status = give_change(txn, bucket, &next->place, look, &has_room);
        if (status != UB_OK) {
            return status;
        }
        int rc = index_move(next, MDB_NEXT);
        if (rc != MDB_SUCCESS) {
            return kvlm_env_fail(txn->store, rc, NULL);
        }
    }
    return UB_OK;
}

static enum ub_status give_changes(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                   struct ubs_look *look)
{
    struct index indexes[2] = {{0}, {0}};
    int rc = index_open(&indexes[0], txn, KVLM_CHANGE, bucket, look->after);
    if (rc == MDB_SUCCESS && look->has_deletions) {
        rc = index_open(&indexes[1], txn, KVLM_DELETION, bucket, look->after);
    }
    enum ub_status status = rc == MDB_SUCCESS ? give_merged(txn, bucket, indexes, look)
                                              : kvlm_env_fail(txn->store, rc, NULL);
    for (int i = 0; i < 2; i++) {
        if (indexes[i].cursor != NULL) {
            mdb_cursor_close(indexes[i].cursor);
        }
    }
    return status;
}

/* In one read transaction, so that state and changes belong together. */
enum ub_status kvlm_look(struct ub_kv_bucket *bucket, struct ubs_look *look)
{
    struct kvlm_txn txn = {.store = kvlm_of(bucket)};
    struct ubs_bucket_state state;
    enum ub_status status = kvlm_readers_take(txn.store, &txn.mdb, NULL);
    if (status != UB_OK) {
        return status;
    }
    status = kvlm_bucket_state_read(&txn, bucket->name, &state, NULL);
    if (status == UB_OK) {
        ubs_look_begin(look, state.revision, state.purged);
        status = give_changes(&txn, bucket, look);
    }
    kvlm_readers_give(txn.store, txn.mdb);
    return status;
}
