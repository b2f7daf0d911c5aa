/* SPDX-License-Identifier: Apache-2.0
 *
 * Removes expired records for good, by the index of expiry. Reading filters them anyway; this only
 * makes room. */
#ifndef KVLM_SWEEP_H
#define KVLM_SWEEP_H

#include <ubs/kv.h>

/* Of ubs_engine; also frees the slots of dead readers. */
enum ub_status kvlm_sweep(struct ubs_kv *kv, int64_t now_ms, size_t max, size_t *count_out,
                          struct ub_err *err);

#endif
