/* SPDX-License-Identifier: Apache-2.0
 *
 * One store: a SQLite file below the frame of `stores`, with a connection for the writer, a few
 * for readers and one for watches. */
#ifndef KVSQ_STORE_H
#define KVSQ_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/error.h>
#include <unibus/module.h>

#include <ubs/home.h>
#include <ubs/kv.h>

#include "check.h"
#include "db.h"
#include "read.h"
#include "readers.h"
#include "record.h"

struct kvsq_settings {
    const char *file;
    int64_t queue_max, readers, deletions_max, wal_size;
};

struct kvsq {
    struct ubs_kv kv; /* first */
    const struct kvsq_settings *settings;
    uint8_t seal_key[KVSQ_SEAL_KEY_BYTES];
    struct ubs_home home;
    struct kvsq_db writer; /* the writer's thread only */
    int wal_pages;
    bool is_wal_copied; /* by a checkpoint, and no write since */
    struct kvsq_readers readers;
    struct kvsq_check check;
};

extern const struct ubs_engine kvsq_engine;

static inline struct kvsq *kvsq_of(const struct ub_kv_bucket *bucket)
{
    return (struct kvsq *)bucket->kv;
}

#endif
