/* SPDX-License-Identifier: Apache-2.0
 *
 * What the frame asks of SQLite. */
#include "bucket.h"
#include "store.h"

#define SWEEP_MAX 256

static struct kvsq_db *writer_of(struct ubs_kv *kv)
{
    return &((struct kvsq *)kv)->writer;
}

/* ---- a group's transaction --------------------------------------------------------------------
 */

static bool is_rolled_back(const struct kvsq_db *db)
{
    return sqlite3_get_autocommit(db->sqlite) != 0;
}

/* SQLite begins the WAL anew when nobody reads what is in it; a reader that came between the last
 * answer and the checkpoint may hold such a view. */
static enum ub_status begin(struct ubs_kv *kv, struct ub_err *err)
{
    struct kvsq *store = (struct kvsq *)kv;
    if (store->is_wal_copied) {
        kvsq_readers_end_views(store);
        store->is_wal_copied = false;
    }
    return kvsq_db_run(writer_of(kv), KVSQ_BEGIN_WRITE, err, KVSQ_NONE);
}

static enum ub_status state(struct ubs_kv *kv)
{
    const struct kvsq_db *db = writer_of(kv);
    return is_rolled_back(db) ? db->last_failure : UB_OK;
}

/* After a failed fsync the commit may be on disk or not: only the next start can tell. */
static enum ub_status commit(struct ubs_kv *kv, struct ub_err *err)
{
    struct kvsq_readers *readers = &((struct kvsq *)kv)->readers;
    kvsq_readers_epoch_next(readers);
    enum ub_status status = kvsq_db_run(writer_of(kv), KVSQ_COMMIT, err, KVSQ_NONE);
    kvsq_readers_epoch_next(readers);
    if (status == UB_EIO) {
        return ub_fail(err, UB_EUNKNOWN,
                       "the commit to %s failed, its outcome is unknown until the restart",
                       kv->place);
    }
    return status;
}

static void rollback(struct ubs_kv *kv)
{
    if (!is_rolled_back(writer_of(kv))) {
        (void)kvsq_db_run(writer_of(kv), KVSQ_ROLLBACK, NULL, KVSQ_NONE);
    }
}

static enum ub_status save(struct ubs_kv *kv, struct ub_err *err)
{
    return kvsq_db_run(writer_of(kv), KVSQ_SAVE, err, KVSQ_NONE);
}

static enum ub_status release(struct ubs_kv *kv, struct ub_err *err)
{
    return kvsq_db_run(writer_of(kv), KVSQ_RELEASE, err, KVSQ_NONE);
}

static enum ub_status undo(struct ubs_kv *kv, struct ub_err *err)
{
    enum ub_status status = kvsq_db_run(writer_of(kv), KVSQ_UNDO, err, KVSQ_NONE);
    return status == UB_OK ? release(kv, err) : status;
}

/* Our own checkpoint, because SQLite's automatic one ignores the error of a failed fsync. */
static void settle(struct ubs_kv *kv)
{
    struct kvsq *store = (struct kvsq *)kv;
    bool is_due = (int64_t)store->wal_pages * KVSQ_PAGE_SIZE >= store->settings->wal_size;
    if (!is_due || ubs_trouble_is_on(&kv->trouble, UBS_IO)) {
        return;
    }
    kvsq_readers_end_views(store);
    int rc = sqlite3_wal_checkpoint_v2(store->writer.sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
                                       NULL);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY &&
        kvsq_db_fail(&store->writer, NULL) == UB_EDAMAGED) {
        ubs_trouble_note(&kv->trouble, UBS_IO,
                         "the WAL is damaged and cannot be copied into the file");
    }
    store->wal_pages = 0;
    store->is_wal_copied = true;
}

/* ---- records ----------------------------------------------------------------------------------
 */

/* Without the value: nobody asks for it. */
static enum ub_status find(struct ub_kv_bucket *bucket, struct ub_bytes code,
                           struct ubs_record *record_out, struct ub_err *err)
{
    sqlite3_stmt *stmt;
    struct kvsq_row row;
    bool has_row = false;
    struct kvsq *store = kvsq_of(bucket);
    enum ub_status status = kvsq_db_begin(&store->writer, KVSQ_GET, &stmt, err,
                                          KVSQ_TEXT(bucket->name), KVSQ_BYTES(code));
    if (status == UB_OK) {
        status = kvsq_db_step(&store->writer, stmt, &has_row, err);
    }
    if (status == UB_OK) {
        status =
            has_row ? kvsq_row_read(store, bucket->name, stmt, false, &row, err) : UB_ENOTFOUND;
    }
    if (status == UB_OK) {
        *record_out = (struct ubs_record){row.revision, row.expires_ms, {NULL, 0}};
    }
    kvsq_db_end(stmt);
    return status;
}

static enum ub_status put(struct ub_kv_bucket *bucket, struct ub_bytes code,
                          const struct ubs_record *record, const struct ubs_record *old,
                          struct ub_err *err)
{
    (void)old;
    uint8_t sum[KVSQ_SUM_BYTES];
    struct ub_bytes sum_bytes = {sum, sizeof(sum)};
    struct kvsq *store = kvsq_of(bucket);
    const struct kvsq_row row = {bucket->name,       code,  record->revision,
                                 record->expires_ms, false, record->value};
    kvsq_row_sum(store->seal_key, &row, sum);
    return kvsq_db_run(&store->writer, KVSQ_PUT, err, KVSQ_TEXT(bucket->name), KVSQ_BYTES(code),
                       KVSQ_INT(row.revision), KVSQ_INT(row.expires_ms), KVSQ_BYTES(sum_bytes),
                       KVSQ_BYTES(row.value));
}

static enum ub_status remove_record(struct ub_kv_bucket *bucket, struct ub_bytes code,
                                    int64_t revision, const struct ubs_record *old,
                                    struct ub_err *err)
{
    (void)old;
    uint8_t sum[KVSQ_SUM_BYTES];
    struct ub_bytes sum_bytes = {sum, sizeof(sum)};
    struct kvsq *store = kvsq_of(bucket);
    const struct kvsq_row row = {bucket->name, code, revision, 0, true, {NULL, 0}};
    kvsq_row_sum(store->seal_key, &row, sum);
    enum ub_status status =
        kvsq_db_run(&store->writer, KVSQ_DELETE, err, KVSQ_TEXT(bucket->name), KVSQ_BYTES(code));
    if (status == UB_OK) {
        status = kvsq_db_run(&store->writer, KVSQ_DELETION_PUT, err, KVSQ_TEXT(bucket->name),
                             KVSQ_INT(revision), KVSQ_BYTES(code), KVSQ_BYTES(sum_bytes));
    }
    return status;
}

/* ---- what has expired -------------------------------------------------------------------------
 */

/* Only intact records go: the expiry of a damaged one cannot be trusted. */
static enum ub_status find_expired(struct kvsq *store, int64_t now_ms, int64_t *ids, size_t max,
                                   size_t *count_out, struct ub_err *err)
{
    sqlite3_stmt *stmt;
    bool has_row = true;
    struct kvsq_db *db = &store->writer;
    *count_out = 0;
    enum ub_status status =
        kvsq_db_begin(db, KVSQ_EXPIRED, &stmt, err, KVSQ_INT(now_ms), KVSQ_INT((int64_t)max));
    while (status == UB_OK && has_row) {
        struct kvsq_row row;
        status = kvsq_db_step(db, stmt, &has_row, err);
        if (status != UB_OK || !has_row) {
            break;
        }
        const char *bucket = (const char *)sqlite3_column_text(stmt, 5);
        if (kvsq_row_read(store, bucket != NULL ? bucket : "", stmt, false, &row, NULL) == UB_OK) {
            ids[(*count_out)++] = sqlite3_column_int64(stmt, 6);
        }
    }
    kvsq_db_end(stmt);
    return status;
}

static enum ub_status sweep(struct ubs_kv *kv, int64_t now_ms, size_t max, size_t *count_out,
                            struct ub_err *err)
{
    int64_t ids[SWEEP_MAX];
    enum ub_status status = find_expired((struct kvsq *)kv, now_ms, ids,
                                         max < SWEEP_MAX ? max : SWEEP_MAX, count_out, err);
    for (size_t i = 0; i < *count_out && status == UB_OK; i++) {
        status = kvsq_db_run(writer_of(kv), KVSQ_REMOVE, err, KVSQ_INT(ids[i]));
    }
    return status;
}

const struct ubs_engine kvsq_engine = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .save = save,
    .release = release,
    .undo = undo,
    .state = state,
    .settle = settle,
    .bucket_read = kvsq_bucket_read,
    .bucket_write = kvsq_bucket_write,
    .purge = kvsq_purge,
    .find = find,
    .put = put,
    .remove = remove_record,
    .sweep = sweep,
    .get = kvsq_get,
    .list = kvsq_list,
    .look = kvsq_look,
};
