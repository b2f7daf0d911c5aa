/* SPDX-License-Identifier: Apache-2.0
 *
 * The LMDB environment: opened the safe way, the map that grows, and what its errors mean to us. */
#ifndef KVLM_ENV_H
#define KVLM_ENV_H

#include <lmdb.h>

#include "cell.h"

#define KVLM_DBI         1 /* LMDB's main tree */
#define KVLM_COMMIT_FACT "commit"

struct kvlm;

struct kvlm_env {
    MDB_env *mdb;
    size_t page_size;
    _Atomic int64_t map_size;
    _Atomic int64_t stale_readers; /* slots of dead processes that were freed */
    atomic_bool is_doubtful;       /* names of keys are damaged: nothing can be called absent */
};

/* Checks the file, maps it, reads or makes the first facts. The folder is ours by now. */
enum ub_status kvlm_env_open(struct kvlm *store, struct ub_err *err);
void kvlm_env_close(struct kvlm *store);

/* Threads: the writer's, without a transaction. Doubles the map, up to map_max, once no reader is
 * active; waits at most wait_ms for that. UB_EUNAVAILABLE when it cannot grow. */
enum ub_status kvlm_env_grow(struct kvlm *store, int64_t wait_ms, struct ub_err *err);
/* Grows it before it is full, when nobody has to wait for that. */
void kvlm_env_grow_early(struct kvlm *store);
/* Frees the slots of readers whose process is dead: they keep old pages alive. */
void kvlm_env_clear_readers(struct kvlm *store);

/* A transaction that writes, on the writer's thread or before it runs. commit names the transaction
 * in the tree (tree.c) and gives LMDB's code; the transaction is over in any case. */
enum ub_status kvlm_txn_begin(struct kvlm *store, struct kvlm_txn *txn_out, struct ub_err *err);
int kvlm_txn_commit(struct kvlm_txn *txn, struct ub_err *err);

/* LMDB's code as ours, without words: UB_ELIMIT when the map is full. */
enum ub_status kvlm_env_status(const struct kvlm *store, int rc);
/* The same in words; notes trouble when it is one. */
enum ub_status kvlm_env_fail(struct kvlm *store, int rc, struct ub_err *err);

#endif
