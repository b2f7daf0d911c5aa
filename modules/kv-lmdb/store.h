/* SPDX-License-Identifier: Apache-2.0
 *
 * One store: an LMDB folder with one writer thread, a pool of read transactions and one watch
 * thread.
 *
 *     caller --job--> writer (writer.c) --commit--> file --> readers (read.c), watches (watch.c)
 *
 * Data flows one way: only the writer's thread writes, and it publishes a bucket's revision after
 * the commit. */
#ifndef KVLM_STORE_H
#define KVLM_STORE_H

#include <stdatomic.h>

#include <unibus/module.h>
#include <unibus/kv.h>

#include "bucket.h"
#include "cell.h"
#include "env.h"
#include "fact.h"
#include "home.h"
#include "key.h"
#include "read.h"
#include "readers.h"
#include "sweep.h"
#include "trouble.h"
#include "watch.h"
#include "writer.h"

struct kvlm_settings {
    const char *dir;
    int64_t map_start, map_max, queue_max, deletions_max;
};

struct kvlm {
    const struct ub_host *host;
    const struct kvlm_settings *settings;
    uint8_t seal_key[KVLM_SEAL_KEY_BYTES];
    int64_t wall_base_ms, mono_base_ns;
    /* The writer's thread only: */
    struct ub_kv_bucket *buckets;
    uint32_t bucket_count, bucket_count_kept;
    struct kvlm_home home;
    struct kvlm_env env;
    struct kvlm_trouble trouble;
    struct kvlm_writer writer;
    struct kvlm_readers readers;
    struct kvlm_watches watches;
    struct kvlm_sweep sweep;
};

#endif
