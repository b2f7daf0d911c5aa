/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_JUDGE_H
#define MEMB_JUDGE_H

#include <unibus/problem.h>

#include "model.h"
#include "record.h"

/* Judging an append without keeping it: validity by ubr_log, then the server's own rules (UBR1,
 * 7.2), which are not validity. */

/* Who appends. pk NULL: the admin socket, which passes on what one device has signed. */
struct memb_author {
    const uint8_t *account_pk, *kid;
};

struct memb_verdict {
    enum ub_problem problem;
    enum ubr_error rule; /* with entry-invalid and box-invalid */
    uint64_t seq;        /* of the entry, with entry-invalid */
    const char *detail;
    /* what an accepted append does */
    bool is_author_admin; /* at least room admin before it: no rate */
    bool has_epoch;
    uint8_t commit[UBR_HASH_LEN]; /* of its epoch */
    uint8_t head[UBR_HASH_LEN];   /* after it */
    uint64_t head_seq;
    uint8_t room_id[UBR_ROOM_ID_LEN];
    struct ubr_recipient *recipients; /* of its epoch, by kid; the caller frees */
    size_t recipients_len;
};

/* The room's log is as before afterwards. The caller has room->lock for writing, or the room is not
 * published. */
struct memb_verdict memb_judge(struct memb_model *model, struct memb_room *room,
                               const struct memb_append *append, const struct memb_author *author);

/* Whether boxes[0..count) hold exactly one for each recipient; sorts them by kid. */
bool memb_boxes_fit(const struct memb_verdict *verdict, struct memb_box *boxes, size_t count);

#endif
