/* SPDX-License-Identifier: Apache-2.0
 *
 * Read transactions: kept in a pool, because each holds a slot in LMDB's lock file. The map may
 * move only while none is active. */
#ifndef KVLM_READERS_H
#define KVLM_READERS_H

#include <pthread.h>

#include <lmdb.h>

#include <unibus/abi.h>

#define KVLM_READERS_MAX 64

struct kvlm;

struct kvlm_readers {
    pthread_mutex_t lock;
    pthread_cond_t may_enter, is_left;
    MDB_txn *idle[KVLM_READERS_MAX]; /* reset */
    size_t idle_count, count, active;
    int64_t waiting;
    bool is_locked_out;
};

void kvlm_readers_init(struct kvlm_readers *readers);
void kvlm_readers_close(struct kvlm *store);
void kvlm_readers_fini(struct kvlm_readers *readers);

/* A view of the last commit, until given back; waits while all are taken or the map grows. */
enum ub_status kvlm_readers_take(struct kvlm *store, MDB_txn **txn_out, struct ub_err *err);
void kvlm_readers_give(struct kvlm *store, MDB_txn *txn);

/* No reader is active from a lock_out that is true until let_in. */
bool kvlm_readers_lock_out(struct kvlm *store, int64_t wait_ms);
void kvlm_readers_let_in(struct kvlm *store);

#endif
