/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_STAGED_H
#define MEMB_STAGED_H

#include "call.h"

/* Boxes that are brought before the append they belong to (UBR1, 7.3): under the commit of an epoch
 * to come, in records named by their first kid. Once that epoch is in the log they are its boxes;
 * until then they live for 10 minutes. */

#define MEMB_STAGED_KEEP_MS (10 * 60 * 1000)
#define MEMB_STAGED_MAX     32 /* records of one epoch */

struct memb_staged_chunk {
    int64_t revision;
    uint8_t first_kid[UBR_KID_LEN];
    uint8_t *value; /* owned */
    struct memb_staged staged;
};

struct memb_staged_list {
    size_t count;
    size_t boxes;
    struct memb_staged_chunk chunks[MEMB_STAGED_MAX];
};

/* All that is staged for a commit. memb_staged_free it. */
enum ub_status memb_staged_read(struct memb *memb, const uint8_t *room_id, const uint8_t *commit,
                                struct memb_staged_list *list_out, struct ub_err *err);
void memb_staged_free(struct memb_staged_list *list);

/* Key of a chunk; the bytes are borrowed. */
void memb_staged_key(struct memb_key *key, const uint8_t *room_id, const uint8_t *commit,
                     const uint8_t *first_kid);

/* Drops what is older than 10 minutes and belongs to no epoch; on the pool. */
void memb_staged_expire(struct memb *memb);

#endif
