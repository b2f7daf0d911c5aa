/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

static int should_stop(void *arg)
{
    return atomic_load(&((struct kvsq_check *)arg)->is_stopping);
}

static void note_line(struct kvsq *store, const char *line)
{
    char what[UB_ERR_MESSAGE_MAX];
    if (line != NULL && strcmp(line, "ok") != 0) {
        snprintf(what, sizeof(what), "quick_check of %s: %s", store->settings->file, line);
        ubs_trouble_note(&store->kv.trouble, UBS_DAMAGE, what);
    }
}

static void quick_check(struct kvsq *store, struct kvsq_db *db)
{
    sqlite3_stmt *stmt = NULL;
    bool has_row = true;
    if (sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(10)", -1, &stmt, NULL) != SQLITE_OK) {
        (void)kvsq_db_fail(db, NULL);
        return;
    }
    enum ub_status status = UB_OK;
    while (status == UB_OK && has_row) {
        status = kvsq_db_step(db, stmt, &has_row, NULL);
        if (status == UB_OK && has_row) {
            note_line(store, (const char *)sqlite3_column_text(stmt, 0));
        }
    }
    sqlite3_finalize(stmt);
    atomic_store(&store->check.is_owed, status == UB_EUNAVAILABLE); /* broken off */
}

static void check_thread(void *arg)
{
    struct kvsq *store = arg;
    struct kvsq_db db;
    struct ub_err err = UB_ERR_INIT;
    if (kvsq_db_open(store, &db, &err) == UB_OK) {
        sqlite3_progress_handler(db.sqlite, 10000, should_stop, &store->check);
        quick_check(store, &db);
        kvsq_db_close(&db);
    }
    ub_log(store->kv.host, UB_LOG_INFO, "store-checked",
           "the check after an unclean stop has ended", UB_TEXT("file", store->settings->file));
    atomic_store(&store->check.is_running, false);
}

enum ub_status kvsq_check_start(struct kvsq *store, struct ub_err *err)
{
    const struct ub_host_pool *pool = store->kv.host->pool;
    enum ub_status status = pool->open(store->kv.host, "kv-check", 1, 1, &store->check.pool, err);
    if (status == UB_OK) {
        atomic_store(&store->check.is_running, true);
        status = pool->submit(store->check.pool, check_thread, store);
    }
    return status;
}

void kvsq_check_stop(struct kvsq *store)
{
    atomic_store(&store->check.is_stopping, true);
    if (store->check.pool != NULL) {
        store->kv.host->pool->close(&store->check.pool);
    }
}
