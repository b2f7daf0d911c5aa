/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_LOAD_H
#define MEMB_LOAD_H

#include "memb.h"

/* Reads everything from `control` into the model, judging it as if it came anew. A record that is
 * damaged, missing or invalid is an error that names it: nothing is skipped, because a skipped
 * removal would let somebody back in. */
enum ub_status memb_load(struct memb *memb, struct ub_err *err);

/* memb->cluster_id, made at the first start. */
enum ub_status memb_load_cluster_id(struct memb *memb, struct ub_err *err);

#endif
