/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

static const char *const sql_texts[KVSQ_STATEMENT_COUNT] = {
#define KVSQ_STATEMENT_SQL(name, sql) [KVSQ_##name] = (sql),
    KVSQ_STATEMENTS(KVSQ_STATEMENT_SQL)
#undef KVSQ_STATEMENT_SQL
};

/* FULL: a commit is on disk when it returns. No checkpoint by SQLite itself: it would ignore the
 * error of a failed fsync; the writer does it (writer.c). */
static const char open_sql[] = "PRAGMA page_size = 4096;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA cache_size = -8192;" /* KiB; a miss is a read and a sum */
                               "PRAGMA cache_spill = OFF;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA wal_autocheckpoint = 0;";

static enum ub_status open_safely(struct kvsq_db *db, struct ub_err *err)
{
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, 5000);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_limit(db->sqlite, SQLITE_LIMIT_LENGTH, 4 * UB_KV_VALUE_MAX);
    enum ub_status status = kvsq_pages_attach(db, err);
    return status == UB_OK ? kvsq_db_exec(db, open_sql, err) : status;
}

enum ub_status kvsq_db_open(struct kvsq *store, struct kvsq_db *db, struct ub_err *err)
{
    memset(db, 0, sizeof(*db));
    db->store = store;
    int rc = sqlite3_open_v2(store->settings->file, &db->sqlite,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                             KVSQ_PAGES_VFS);
    if (db->sqlite == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory to open %s", store->settings->file);
    }
    enum ub_status status = rc == SQLITE_OK ? open_safely(db, err) : kvsq_db_fail(db, err);
    if (status != UB_OK) {
        kvsq_db_close(db);
    }
    return status;
}

void kvsq_db_close(struct kvsq_db *db)
{
    for (int i = 0; i < KVSQ_STATEMENT_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
    if (db->sqlite != NULL) {
        /* After a failed fsync nothing may be copied out of the WAL: the file may lie. */
        sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                          ubs_trouble_is_on(&db->store->kv.trouble, UBS_IO), NULL);
        sqlite3_close(db->sqlite);
        db->sqlite = NULL;
    }
}

enum ub_status kvsq_db_exec(struct kvsq_db *db, const char *sql, struct ub_err *err)
{
    return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? UB_OK
                                                                        : kvsq_db_fail(db, err);
}

enum ub_status kvsq_db_number(struct kvsq_db *db, const char *sql, int64_t *number_out,
                              struct ub_err *err)
{
    sqlite3_stmt *stmt = NULL;
    bool has_row = false;
    *number_out = 0;
    if (sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL) != SQLITE_OK) {
        return kvsq_db_fail(db, err);
    }
    enum ub_status status = kvsq_db_step(db, stmt, &has_row, err);
    if (status == UB_OK && has_row) {
        *number_out = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return status;
}

static int bind_one(sqlite3_stmt *stmt, int at, const struct kvsq_param *param)
{
    switch (param->type) {
    case KVSQ_PARAM_TEXT:
        return sqlite3_bind_text(stmt, at, param->text, -1, SQLITE_STATIC);
    case KVSQ_PARAM_INT:
        return sqlite3_bind_int64(stmt, at, param->number);
    default: /* no bytes are not NULL */
        return sqlite3_bind_blob64(stmt, at,
                                   param->bytes.len > 0 ? (const void *)param->bytes.ptr : "",
                                   param->bytes.len, SQLITE_STATIC);
    }
}

enum ub_status kvsq_db_begin_with(struct kvsq_db *db, enum kvsq_statement id,
                                  sqlite3_stmt **stmt_out, struct ub_err *err,
                                  const struct kvsq_param *params)
{
    sqlite3_stmt **stmt = &db->statements[id];
    int rc = SQLITE_OK;
    *stmt_out = NULL;
    if (*stmt == NULL) {
        rc = sqlite3_prepare_v3(db->sqlite, sql_texts[id], -1, SQLITE_PREPARE_PERSISTENT, stmt,
                                NULL);
    }
    for (int at = 1; rc == SQLITE_OK && params->type != KVSQ_PARAM_END; at++, params++) {
        rc = bind_one(*stmt, at, params);
    }
    *stmt_out = *stmt;
    return rc == SQLITE_OK ? UB_OK : kvsq_db_fail(db, err);
}

enum ub_status kvsq_db_step(struct kvsq_db *db, sqlite3_stmt *stmt, bool *has_row_out,
                            struct ub_err *err)
{
    int rc = sqlite3_step(stmt);
    *has_row_out = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? UB_OK : kvsq_db_fail(db, err);
}

void kvsq_db_end(sqlite3_stmt *stmt)
{
    if (stmt != NULL) {
        sqlite3_reset(stmt);
        sqlite3_clear_bindings(stmt);
    }
}

enum ub_status kvsq_db_run_with(struct kvsq_db *db, enum kvsq_statement id, struct ub_err *err,
                                const struct kvsq_param *params)
{
    sqlite3_stmt *stmt;
    bool has_row = false;
    enum ub_status status = kvsq_db_begin_with(db, id, &stmt, err, params);
    if (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, err);
    }
    kvsq_db_end(stmt);
    return status;
}

struct ub_bytes kvsq_db_bytes(sqlite3_stmt *stmt, int column)
{
    const uint8_t *ptr = sqlite3_column_blob(stmt, column);
    return (struct ub_bytes){ptr, ptr != NULL ? (size_t)sqlite3_column_bytes(stmt, column) : 0};
}

static enum ub_status fail_noted(struct kvsq_db *db, enum ubs_trouble_kind kind,
                                 enum ub_status status, const char *what, struct ub_err *err)
{
    char text[UB_ERR_MESSAGE_MAX];
    int system_errno = sqlite3_system_errno(db->sqlite);
    snprintf(text, sizeof(text), "%s %s: %s (SQLite %d%s%s)", what, db->store->settings->file,
             sqlite3_errmsg(db->sqlite), sqlite3_extended_errcode(db->sqlite),
             system_errno != 0 ? ", " : "", system_errno != 0 ? strerror(system_errno) : "");
    ubs_trouble_note(&db->store->kv.trouble, kind, text);
    return ub_fail(err, status, "%s", text);
}

static enum ub_status fail(struct kvsq_db *db, struct ub_err *err)
{
    int rc = sqlite3_errcode(db->sqlite) & 0xff;
    if (rc == SQLITE_FULL) {
        return fail_noted(db, UBS_FULL, UB_EUNAVAILABLE, "no room for the store", err);
    }
    if (sqlite3_extended_errcode(db->sqlite) == SQLITE_IOERR_DATA) { /* noted with its page */
        return ub_fail_code(err, UB_EDAMAGED, "E-KV-001",
                            "a page that this needs is damaged in %s (the health report names "
                            "it): restore the file from a backup",
                            db->store->settings->file);
    }
    if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_CONSTRAINT) {
        return fail_noted(db, UBS_DAMAGE, UB_EDAMAGED, "the structure is damaged in", err);
    }
    if (rc == SQLITE_NOMEM) {
        return ub_fail(err, UB_ENOMEM, "no memory for the store");
    }
    if (rc == SQLITE_INTERRUPT || rc == SQLITE_BUSY) {
        return ub_fail(err, UB_EUNAVAILABLE, "the store %s is busy: %s", db->store->settings->file,
                       sqlite3_errmsg(db->sqlite));
    }
    return fail_noted(db, UBS_IO, UB_EIO, "cannot use the store", err);
}

enum ub_status kvsq_db_fail(struct kvsq_db *db, struct ub_err *err)
{
    db->last_failure = fail(db, err);
    return db->last_failure;
}
