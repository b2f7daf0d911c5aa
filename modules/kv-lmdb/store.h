/* SPDX-License-Identifier: Apache-2.0
 *
 * One store: an LMDB folder below the frame of `stores`, with a pool of read transactions. */
#ifndef KVLM_STORE_H
#define KVLM_STORE_H

#include <stdatomic.h>

#include <unibus/error.h>
#include <unibus/module.h>

#include <ubs/kv.h>

#include "cell.h"
#include "env.h"
#include "fact.h"
#include "home.h"
#include "read.h"
#include "readers.h"

struct kvlm_settings {
    const char *dir;
    int64_t map_start, map_max, queue_max, deletions_max;
};

struct kvlm {
    struct ubs_kv kv; /* first */
    const struct kvlm_settings *settings;
    uint8_t seal_key[KVLM_SEAL_KEY_BYTES];
    struct kvlm_home home;
    struct kvlm_env env;
    struct kvlm_readers readers;
    /* The writer's thread only: */
    struct kvlm_txn txn;   /* where it writes; txn.mdb is top or one nested in it */
    MDB_txn *top;          /* NULL = none is open */
    uint32_t bucket_count; /* buckets ever made: the number of the last */
};

extern const struct ubs_engine kvlm_engine;

static inline struct kvlm *kvlm_of(const struct ub_kv_bucket *bucket)
{
    return (struct kvlm *)bucket->kv;
}

#endif
