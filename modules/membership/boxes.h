/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_BOXES_H
#define MEMB_BOXES_H

#include "call.h"

/* Sealed boxes of an epoch for one device (UBR1, 6.4): the first one came with the epoch's append,
 * or staged before it; late ones are records of their own. */

#define MEMB_UPLOADERS_MAX 4

struct memb_kept_box {
    uint8_t uploader[UBR_KID_LEN];
    uint8_t box[MEMB_BOX_LEN];
};

struct memb_kept_boxes {
    bool has_first; /* boxes[0] is the epoch's own */
    size_t count;
    struct memb_kept_box boxes[MEMB_UPLOADERS_MAX + 1];
};

/* All boxes that are kept for the device. Blocks on the store. */
enum ub_status memb_boxes_read(struct memb *memb, struct memb_room *room, uint32_t epoch,
                               const uint8_t *kid, struct memb_kept_boxes *kept_out,
                               struct ub_err *err);

#endif
