/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

void kvsq_readers_init(struct kvsq_readers *readers)
{
    memset(readers, 0, sizeof(*readers));
    pthread_mutex_init(&readers->lock, NULL);
    pthread_mutex_init(&readers->look_lock, NULL);
    pthread_cond_init(&readers->is_free, NULL);
}

enum ub_status kvsq_readers_open(struct kvsq *store, struct ub_err *err)
{
    struct kvsq_readers *readers = &store->readers;
    enum ub_status status = kvsq_db_open(store, &readers->look_db, err);
    for (int64_t i = 0; i < store->settings->readers && status == UB_OK; i++) {
        struct kvsq_db *db = &readers->all[readers->count];
        status = kvsq_db_open(store, db, err);
        if (status == UB_OK) {
            readers->count++;
            readers->free[readers->free_count++] = db;
        }
    }
    return status;
}

void kvsq_readers_close(struct kvsq *store)
{
    struct kvsq_readers *readers = &store->readers;
    while (readers->count > 0) {
        kvsq_db_close(&readers->all[--readers->count]);
    }
    readers->free_count = 0;
    kvsq_db_close(&readers->look_db);
}

void kvsq_readers_fini(struct kvsq_readers *readers)
{
    pthread_cond_destroy(&readers->is_free);
    pthread_mutex_destroy(&readers->look_lock);
    pthread_mutex_destroy(&readers->lock);
}

static enum ub_status take(struct kvsq *store, struct kvsq_db **db_out, struct ub_err *err)
{
    struct kvsq_readers *readers = &store->readers;
    enum ub_status status = UB_OK;
    pthread_mutex_lock(&readers->lock);
    if (readers->free_count == 0 && readers->waiting >= store->kv.queue_max) {
        status = ub_fail(err, UB_EUNAVAILABLE,
                         "%lld readers wait for the store %s already (queue_max): try again later",
                         (long long)readers->waiting, store->settings->file);
    } else {
        readers->waiting++;
        while (readers->free_count == 0) {
            pthread_cond_wait(&readers->is_free, &readers->lock);
        }
        readers->waiting--;
        *db_out = readers->free[--readers->free_count];
    }
    pthread_mutex_unlock(&readers->lock);
    return status;
}

static void end_view(struct kvsq_db *db)
{
    if (db->has_view) {
        (void)kvsq_db_run(db, KVSQ_COMMIT, NULL, KVSQ_NONE);
    }
    db->has_view = false;
}

void kvsq_readers_epoch_next(struct kvsq_readers *readers)
{
    atomic_fetch_add(&readers->epoch, 1);
}

/* The epoch is read before the view is opened: so the view is not older than it says. In an odd one
 * a commit is under way, and some moment in it SQLite shows it: a view from before would then be
 * older than what another connection has shown to the same caller. */
static enum ub_status open_view(struct kvsq *store, struct kvsq_db *db, struct ub_err *err)
{
    int64_t epoch = atomic_load(&store->readers.epoch);
    if (db->has_view && db->view_epoch == epoch && epoch % 2 == 0) {
        return UB_OK;
    }
    end_view(db);
    enum ub_status status = kvsq_db_run(db, KVSQ_BEGIN_READ, err, KVSQ_NONE);
    db->has_view = status == UB_OK;
    db->view_epoch = epoch;
    return status;
}

enum ub_status kvsq_readers_take(struct kvsq *store, struct kvsq_db **db_out, struct ub_err *err)
{
    enum ub_status status = take(store, db_out, err);
    if (status == UB_OK) {
        status = open_view(store, *db_out, err);
        if (status != UB_OK) {
            kvsq_readers_give(store, *db_out);
        }
    }
    return status;
}

void kvsq_readers_end_views(struct kvsq *store)
{
    struct kvsq_readers *readers = &store->readers;
    pthread_mutex_lock(&readers->lock);
    for (size_t i = 0; i < readers->free_count; i++) {
        end_view(readers->free[i]);
    }
    pthread_mutex_unlock(&readers->lock);
}

void kvsq_readers_give(struct kvsq *store, struct kvsq_db *db)
{
    struct kvsq_readers *readers = &store->readers;
    db->has_view =
        db->has_view && sqlite3_get_autocommit(db->sqlite) == 0; /* an error may end it */
    pthread_mutex_lock(&readers->lock);
    readers->free[readers->free_count++] = db;
    pthread_cond_signal(&readers->is_free);
    pthread_mutex_unlock(&readers->lock);
}
