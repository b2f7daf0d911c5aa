/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_ERASE_H
#define MEMB_ERASE_H

#include "memb.h"

/* Erases boxes that their recipients have acknowledged: the records that hold them are written
 * again without them. On the pool, every minute. */
void memb_boxes_erase(struct memb *memb);

#endif
