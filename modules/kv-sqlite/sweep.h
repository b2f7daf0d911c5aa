/* SPDX-License-Identifier: Apache-2.0
 *
 * Removes expired records for good. Reading filters them anyway; this only makes room. */
#ifndef KVSQ_SWEEP_H
#define KVSQ_SWEEP_H

#include "writer.h"

struct ub_timer;

struct kvsq_sweep {
    struct ub_timer *timer;
    _Atomic int64_t count; /* records removed */
};

/* Threads: the main loop's. */
void kvsq_sweep_start(struct kvsq *store);
void kvsq_sweep_stop(struct kvsq *store);

/* A job of the writer: removes at most a few hundred. */
enum ub_status kvsq_sweep_run(struct kvsq *store, struct kvsq_db *db, struct kvsq_job *job);

#endif
