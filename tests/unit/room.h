/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOM_H
#define ROOM_H

#include "scenarios.h"
#include "ubr/accept.h"

/* A room of log.json as one of its members has it: verified up to some head, with the secrets of
 * all its epochs, and the keys of the devices in it (UBR1, 19.1). */

#define ROOM_EPOCHS 9

struct room {
    struct vectors log_vectors;
    struct scenario scenario;
    struct ubr_log *log;
    struct ubr_msg_key keys[ROOM_EPOCHS]; /* of epochs 1 … ROOM_EPOCHS */
};

/* The scenario's log up to entry head. */
void room_open(struct room *room, const char *scenario, size_t head);
void room_close(struct room *room);

/* A live reader of the room: holds all epochs, default max_age. */
struct ubr_receiver room_receiver(const struct room *room, uint64_t now_ms);

/* The signing key of the test device with this kid; fails when there is none. */
void device_key(const uint8_t kid[UBR_KID_LEN], struct ubr_sign_key *key_out);
/* That of a device by name: "alice", "carol-1" … */
void device_key_named(const char *name, struct ubr_sign_key *key_out);

#endif
