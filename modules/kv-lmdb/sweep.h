/* SPDX-License-Identifier: Apache-2.0
 *
 * Removes expired records for good. Reading filters them anyway; this only makes room. */
#ifndef KVLM_SWEEP_H
#define KVLM_SWEEP_H

#include "writer.h"

struct ub_timer;

struct kvlm_sweep {
    struct ub_timer *timer;
    _Atomic int64_t count; /* records removed */
};

/* Threads: the main loop's. */
void kvlm_sweep_start(struct kvlm *store);
void kvlm_sweep_stop(struct kvlm *store);

/* A job of the writer: removes at most a few hundred. */
enum ub_status kvlm_sweep_run(struct kvlm_txn *txn, struct kvlm_job *job);

#endif
