/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_BLOBS_H
#define MEMB_BLOBS_H

#include "call.h"

/* Which room references which object (UBR1, section 10). The bytes are ub.blob's. */

/* Makes the room's reference to an object that is committed. The caller holds memb->blob_gate and
 * room->writing. On failure answered, and false. */
bool memb_blob_reference(struct memb_call *call, struct memb_room *room, const uint8_t *hash,
                         int64_t length);
/* The same in memory only, for loading; false = no memory. */
bool memb_blob_keep(struct memb_room *room, const uint8_t *hash, const uint8_t *uploader_pk,
                    int64_t length);
/* Drops the reference and, when it was the last one, the object; the same locks. On failure
 * answered, and false. */
bool memb_blob_drop(struct memb_call *call, struct memb_room *room, const uint8_t *hash);

/* A copy of what the room says about the blob; false when it has none. Takes room->lock. */
bool memb_blob_find(struct memb_room *room, const uint8_t *hash, struct memb_blob *blob_out);
/* Bytes that the room references. */
int64_t memb_blob_used(struct memb_room *room);

/* A room of the account that references the blob, or NULL. */
struct memb_room *memb_blob_room_of(struct memb *memb, const struct memb_identity *identity,
                                    const uint8_t *hash);

#endif
