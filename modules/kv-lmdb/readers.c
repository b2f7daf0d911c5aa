/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <time.h>

/* How many views this thread holds: the callback of a list may read too, and must not wait for a
 * growth that waits for that list. */
static _Thread_local int held;

void kvlm_readers_init(struct kvlm_readers *readers)
{
    pthread_condattr_t monotonic;
    memset(readers, 0, sizeof(*readers));
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->may_enter, NULL);
    pthread_cond_init(&readers->is_left, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void kvlm_readers_close(struct kvlm *store)
{
    struct kvlm_readers *readers = &store->readers;
    while (readers->idle_count > 0) {
        mdb_txn_abort(readers->idle[--readers->idle_count]);
    }
    readers->count = 0;
}

void kvlm_readers_fini(struct kvlm_readers *readers)
{
    pthread_cond_destroy(&readers->is_left);
    pthread_cond_destroy(&readers->may_enter);
    pthread_mutex_destroy(&readers->lock);
}

static bool must_wait(const struct kvlm_readers *readers)
{
    bool is_full = readers->idle_count == 0 && readers->count == KVLM_READERS_MAX;
    return is_full || (readers->is_locked_out && held == 0);
}

/* Waits for a place; an idle transaction comes with it when there is one. */
static enum ub_status enter(struct kvlm *store, MDB_txn **txn_out, struct ub_err *err)
{
    struct kvlm_readers *readers = &store->readers;
    enum ub_status status = UB_OK;
    *txn_out = NULL;
    pthread_mutex_lock(&readers->lock);
    if (must_wait(readers) && readers->waiting >= store->settings->queue_max) {
        status = ub_fail(err, UB_EUNAVAILABLE,
                         "%lld readers wait for the store %s already (queue_max): try again later",
                         (long long)readers->waiting, store->settings->dir);
    } else {
        readers->waiting++;
        while (must_wait(readers)) {
            pthread_cond_wait(&readers->may_enter, &readers->lock);
        }
        readers->waiting--;
        readers->active++;
        if (readers->idle_count > 0) {
            *txn_out = readers->idle[--readers->idle_count];
        } else {
            readers->count++;
        }
    }
    pthread_mutex_unlock(&readers->lock);
    return status;
}

/* txn NULL: its place is free again. */
static void leave(struct kvlm *store, MDB_txn *txn)
{
    struct kvlm_readers *readers = &store->readers;
    pthread_mutex_lock(&readers->lock);
    if (txn != NULL) {
        readers->idle[readers->idle_count++] = txn;
    } else {
        readers->count--;
    }
    readers->active--;
    if (readers->waiting > 0) {
        pthread_cond_signal(&readers->may_enter);
    }
    if (readers->is_locked_out) {
        pthread_cond_signal(&readers->is_left);
    }
    pthread_mutex_unlock(&readers->lock);
}

enum ub_status kvlm_readers_take(struct kvlm *store, MDB_txn **txn_out, struct ub_err *err)
{
    enum ub_status status = enter(store, txn_out, err);
    if (status != UB_OK) {
        return status;
    }
    int rc;
    if (*txn_out != NULL) {
        rc = mdb_txn_renew(*txn_out);
        if (rc != MDB_SUCCESS) {
            mdb_txn_abort(*txn_out);
        }
    } else {
        rc = mdb_txn_begin(store->env.mdb, NULL, MDB_RDONLY, txn_out);
    }
    if (rc != MDB_SUCCESS) {
        *txn_out = NULL;
        leave(store, NULL);
        return kvlm_env_fail(store, rc, err);
    }
    held++;
    return UB_OK;
}

void kvlm_readers_give(struct kvlm *store, MDB_txn *txn)
{
    held--;
    mdb_txn_reset(txn);
    leave(store, txn);
}

bool kvlm_readers_lock_out(struct kvlm *store, int64_t wait_ms)
{
    struct kvlm_readers *readers = &store->readers;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += wait_ms / 1000;
    end.tv_nsec += wait_ms % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&readers->lock);
    readers->is_locked_out = true;
    while (readers->active > 0 && wait_ms > 0 &&
           pthread_cond_timedwait(&readers->is_left, &readers->lock, &end) == 0) {
    }
    bool is_alone = readers->active == 0;
    if (!is_alone) {
        readers->is_locked_out = false;
        pthread_cond_broadcast(&readers->may_enter);
    }
    pthread_mutex_unlock(&readers->lock);
    return is_alone;
}

void kvlm_readers_let_in(struct kvlm *store)
{
    pthread_mutex_lock(&store->readers.lock);
    store->readers.is_locked_out = false;
    pthread_cond_broadcast(&store->readers.may_enter);
    pthread_mutex_unlock(&store->readers.lock);
}
