/* SPDX-License-Identifier: Apache-2.0
 *
 * One store: a SQLite file with one writer thread, a few read connections and one watch thread.
 *
 *     caller --job--> writer (writer.c) --commit--> file --> readers (read.c), watches (watch.c)
 *
 * Data flows one way: only the writer's thread writes, and it publishes a bucket's revision after
 * the commit. */
#ifndef KVSQ_STORE_H
#define KVSQ_STORE_H

#include <stdatomic.h>

#include <unibus/module.h>
#include <unibus/kv.h>

#include "bucket.h"
#include "check.h"
#include "db.h"
#include "home.h"
#include "key.h"
#include "read.h"
#include "record.h"
#include "sweep.h"
#include "trouble.h"
#include "watch.h"
#include "writer.h"

struct kvsq_settings {
    const char *file;
    int64_t queue_max, readers, deletions_max;
};

struct kvsq {
    const struct ub_host *host;
    const struct kvsq_settings *settings;
    uint8_t seal_key[KVSQ_SEAL_KEY_BYTES];
    int64_t wall_base_ms, mono_base_ns;
    struct ub_kv_bucket *buckets; /* the writer's thread only */
    struct kvsq_home home;
    struct kvsq_trouble trouble;
    struct kvsq_writer writer;
    struct kvsq_readers readers;
    struct kvsq_watches watches;
    struct kvsq_check check;
    struct kvsq_sweep sweep;
};

extern const struct ub_kv_ops kvsq_ops;

#endif
