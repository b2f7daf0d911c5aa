/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_CHORES_H
#define MEMB_CHORES_H

#include "memb.h"

/* What is done every minute, on a thread of our own: the nonce epoch is renewed, acknowledged boxes
 * are erased, forgotten staged boxes and old answers are dropped. */
enum ub_status memb_chores_start(struct memb *memb, struct ub_err *err);
/* Finishes what runs. */
void memb_chores_stop(struct memb *memb);

/* One round, on the calling thread. */
void memb_chores_run(struct memb *memb);

#endif
