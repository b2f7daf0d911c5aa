/* SPDX-License-Identifier: Apache-2.0
 *
 * How much may still come: the limit of one item, the limit of all, and the disk. */
#ifndef BLOBFS_ROOM_H
#define BLOBFS_ROOM_H

#include <unibus/abi.h>

struct blobfs;

/* Counts what is there, when there is a limit of all. */
enum ub_status blobfs_room_count(struct blobfs *store, struct ub_err *err);

/* May an item of so many bytes come? Takes nothing. UB_ELIMIT or UB_EUNAVAILABLE. */
enum ub_status blobfs_room_check(struct blobfs *store, int64_t item_bytes, struct ub_err *err);

/* Takes bytes of the limit of all. UB_ELIMIT: nothing taken. */
enum ub_status blobfs_room_take(struct blobfs *store, int64_t bytes, struct ub_err *err);
void blobfs_room_give(struct blobfs *store, int64_t bytes);
void blobfs_room_give_locked(struct blobfs *store, int64_t bytes);

#endif
