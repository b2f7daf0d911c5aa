/* SPDX-License-Identifier: Apache-2.0 */
#include "bucket.h"
#include "store.h"

static enum ub_status get_from(struct ub_kv_bucket *bucket, struct kvsq_db *db,
                               struct ub_bytes code, struct ub_kv_value *value_out,
                               struct ub_err *err)
{
    sqlite3_stmt *stmt;
    struct kvsq_row row;
    bool has_row = false;
    enum ub_status status =
        kvsq_db_begin(db, KVSQ_GET, &stmt, err, KVSQ_TEXT(bucket->name), KVSQ_BYTES(code));
    if (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, err);
    }
    if (status == UB_OK && has_row) {
        status = kvsq_row_read(kvsq_of(bucket), bucket->name, stmt, false, &row, err);
    }
    if (status == UB_OK) {
        struct ubs_record record = {0};
        if (has_row) {
            record = (struct ubs_record){row.revision, row.expires_ms, row.value};
        }
        status = ubs_value_give(bucket, code, has_row ? &record : NULL, value_out, err);
    }
    kvsq_db_end(stmt);
    return status;
}

/* The second look, after damage: an intact record is the truth, absence would not be. */
static bool get_leniently(struct ub_kv_bucket *bucket, struct kvsq_db *db, struct ub_bytes code,
                          struct ub_kv_value *value_out)
{
    kvsq_pages_set_lenient(db, true);
    bool is_found = get_from(bucket, db, code, value_out, NULL) == UB_OK;
    kvsq_pages_set_lenient(db, false);
    return is_found;
}

enum ub_status kvsq_get(struct ub_kv_bucket *bucket, struct ub_bytes code,
                        struct ub_kv_value *value_out, struct ub_err *err)
{
    struct kvsq *store = kvsq_of(bucket);
    struct kvsq_db *db = NULL;
    enum ub_status status = kvsq_readers_take(store, &db, err);
    if (status == UB_OK) {
        status = get_from(bucket, db, code, value_out, err);
        if (status == UB_EDAMAGED && get_leniently(bucket, db, code, value_out)) {
            status = UB_OK;
        }
        kvsq_readers_give(store, db);
    }
    return status;
}

/* ---- listing ----------------------------------------------------------------------------------
 */

/* A damaged row is passed over and reported at the end, so that it takes no other with it. */
static enum ub_status list_rows(struct ubs_list *list, struct kvsq_db *db, sqlite3_stmt *stmt,
                                struct ub_err *err)
{
    const struct ub_kv_bucket *bucket = list->bucket;
    enum ub_status worst = UB_OK;
    bool has_row = true;
    while (!list->is_ended) {
        struct kvsq_row row;
        enum ub_status status = kvsq_db_step(db, stmt, &has_row, err);
        if (status != UB_OK || !has_row) {
            return status != UB_OK ? status : worst;
        }
        status = kvsq_row_read(kvsq_of(bucket), bucket->name, stmt, false, &row,
                               worst == UB_OK ? err : NULL);
        if (status != UB_OK) {
            worst = status;
            continue;
        }
        struct ubs_record record = {row.revision, row.expires_ms, row.value};
        ubs_list_give(list, row.code, &record);
    }
    return worst;
}

static enum ub_status list_from(struct ubs_list *list, struct kvsq_db *db, struct ub_err *err)
{
    sqlite3_stmt *stmt;
    struct ubs_code end;
    ubs_key_range(&list->prefix, &end);
    struct ub_bytes start = ubs_list_start(list), last = {end.bytes, end.len};
    const char *name = list->bucket->name;
    enum ub_status status =
        last.len > 0 ? kvsq_db_begin(db, KVSQ_LIST_TO, &stmt, err, KVSQ_TEXT(name),
                                     KVSQ_BYTES(start), KVSQ_BYTES(last))
                     : kvsq_db_begin(db, KVSQ_LIST, &stmt, err, KVSQ_TEXT(name), KVSQ_BYTES(start));
    if (status == UB_OK) {
        status = list_rows(list, db, stmt, err);
    }
    kvsq_db_end(stmt);
    return status;
}

/* Goes on behind the last entry past a damaged page; the caller is told of the damage anyway. */
static void list_leniently(struct ubs_list *list, struct kvsq_db *db)
{
    kvsq_pages_set_lenient(db, true);
    (void)list_from(list, db, NULL);
    kvsq_pages_set_lenient(db, false);
}

enum ub_status kvsq_list(struct ub_kv_bucket *bucket, struct ubs_list *list, struct ub_err *err)
{
    struct kvsq *store = kvsq_of(bucket);
    struct kvsq_db *db = NULL;
    enum ub_status status = kvsq_readers_take(store, &db, err);
    if (status == UB_OK) {
        status = list_from(list, db, err);
        if (status == UB_EDAMAGED && !list->is_ended) {
            list_leniently(list, db);
        }
        kvsq_readers_give(store, db);
    }
    return status;
}

/* ---- watches ----------------------------------------------------------------------------------
 */

static bool give_row(struct kvsq *store, const char *bucket, sqlite3_stmt *stmt,
                     struct ubs_look *look)
{
    struct kvsq_row row;
    bool is_deletion = sqlite3_column_int(stmt, 5) != 0;
    bool is_damaged = kvsq_row_read(store, bucket, stmt, is_deletion, &row, NULL) != UB_OK;
    const struct ubs_record record = {row.revision, row.expires_ms, row.value};
    if (!is_damaged && ubs_is_expired(&store->kv, &record)) {
        return ubs_look_pass(look, row.revision);
    }
    const struct ubs_change change = {row.revision, is_deletion, is_damaged, row.code, row.value};
    return ubs_look_give(look, &change);
}

static enum ub_status look_at_rows(struct ub_kv_bucket *bucket, struct kvsq_db *db,
                                   struct ubs_look *look)
{
    sqlite3_stmt *stmt;
    bool has_row = true;
    int rows = 0;
    enum ub_status status = kvsq_db_begin(
        db, KVSQ_CHANGES, &stmt, NULL, KVSQ_TEXT(bucket->name), KVSQ_INT(look->after),
        KVSQ_INT(look->last), KVSQ_INT(look->has_deletions), KVSQ_INT(UBS_LOOK_CHANGES));
    while (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, NULL);
        if (status != UB_OK || !has_row) {
            break;
        }
        rows++;
        if (!give_row(kvsq_of(bucket), bucket->name, stmt, look)) {
            break;
        }
    }
    if (status == UB_OK && !has_row && rows < UBS_LOOK_CHANGES) {
        ubs_look_end(look);
    }
    kvsq_db_end(stmt);
    return status;
}

/* In one read transaction, so that state and rows belong together. */
static enum ub_status look_once(struct ub_kv_bucket *bucket, struct kvsq_db *db,
                                struct ubs_look *look)
{
    int64_t revision, purged;
    enum ub_status status = kvsq_db_run(db, KVSQ_BEGIN_READ, NULL, KVSQ_NONE);
    if (status != UB_OK) {
        return status;
    }
    status = kvsq_bucket_revisions(db, bucket->name, &revision, &purged, NULL);
    if (status == UB_OK) {
        ubs_look_begin(look, revision, purged);
        status = look_at_rows(bucket, db, look);
    }
    (void)kvsq_db_run(db, KVSQ_COMMIT, NULL, KVSQ_NONE);
    return status;
}

/* Past a damaged page it goes on with what is intact. */
enum ub_status kvsq_look(struct ub_kv_bucket *bucket, struct ubs_look *look)
{
    struct kvsq_readers *readers = &kvsq_of(bucket)->readers;
    pthread_mutex_lock(&readers->look_lock);
    struct kvsq_db *db = &readers->look_db;
    enum ub_status status = look_once(bucket, db, look);
    if (status == UB_EDAMAGED) {
        look->is_doubtful = true;
        kvsq_pages_set_lenient(db, true);
        status = look_once(bucket, db, look);
        kvsq_pages_set_lenient(db, false);
    }
    pthread_mutex_unlock(&readers->look_lock);
    return status;
}
