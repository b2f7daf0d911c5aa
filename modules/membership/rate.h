/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_RATE_H
#define MEMB_RATE_H

#include "memb.h"

/* UBR1, 16: entries per hour and account below room admin. An hour's worth may come at once, then
 * they trickle. In memory only: a restart forgives. */

/* False = too many; *wait_ms_out says when it fits. */
bool memb_rate_take(struct memb *memb, struct memb_identity *identity, unsigned entries,
                    int64_t *wait_ms_out);

/* Records of staged boxes: two epochs' worth in 10 minutes, which is as long as they stay. So one
 * identity holds 32 MiB of them at most. */
#define MEMB_STAGE_RATE 64
bool memb_stage_take(struct memb *memb, struct memb_identity *identity, int64_t *wait_ms_out);

#endif
