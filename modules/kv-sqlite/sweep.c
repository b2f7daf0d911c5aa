/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#define SWEEP_EVERY_MS 1000
#define SWEEP_MAX      256

static void sweep_due(void *arg)
{
    kvsq_writer_sweep_soon(arg);
}

void kvsq_sweep_start(struct kvsq *store)
{
    const struct ub_host_loop *loop = store->host->loop;
    store->sweep.timer =
        loop->timer_start(loop->main(store->host), SWEEP_EVERY_MS, sweep_due, store);
}

void kvsq_sweep_stop(struct kvsq *store)
{
    if (store->sweep.timer != NULL) {
        store->host->loop->timer_stop(&store->sweep.timer);
    }
}

/* Only intact records go: the expiry of a damaged one cannot be trusted. */
static enum ub_status find_expired(struct kvsq *store, struct kvsq_db *db, int64_t *ids,
                                   size_t *count_out, struct ub_err *err)
{
    sqlite3_stmt *stmt;
    bool has_row = true;
    *count_out = 0;
    enum ub_status status = kvsq_db_begin(db, KVSQ_EXPIRED, &stmt, err,
                                          KVSQ_INT(kvsq_now_ms(store)), KVSQ_INT(SWEEP_MAX));
    while (status == UB_OK && has_row) {
        struct kvsq_record record;
        status = kvsq_db_step(db, stmt, &has_row, err);
        if (status != UB_OK || !has_row) {
            break;
        }
        const char *bucket = (const char *)sqlite3_column_text(stmt, 5);
        if (kvsq_read_row(store, bucket != NULL ? bucket : "", stmt, false, &record, NULL) ==
            UB_OK) {
            ids[(*count_out)++] = sqlite3_column_int64(stmt, 6);
        }
    }
    kvsq_db_end(stmt);
    return status;
}

enum ub_status kvsq_sweep_run(struct kvsq *store, struct kvsq_db *db, struct kvsq_job *job)
{
    int64_t ids[SWEEP_MAX];
    size_t count;
    enum ub_status status = find_expired(store, db, ids, &count, job->err);
    for (size_t i = 0; i < count && status == UB_OK; i++) {
        status = kvsq_db_run(db, KVSQ_REMOVE, job->err, KVSQ_INT(ids[i]));
    }
    if (status == UB_OK) {
        atomic_fetch_add(&store->sweep.count, (int64_t)count);
    }
    if (status == UB_OK && count == SWEEP_MAX) {
        kvsq_writer_sweep_soon(store);
    }
    return status;
}
