/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_ROOMS_H
#define MEMB_ROOMS_H

#include "model.h"
#include "record.h"

/* Rooms in memory: their log, and who is in which. */

/* A room without log; NULL = no memory. */
struct memb_room *memb_room_new(void);
void memb_room_free(struct memb_room **room);

bool memb_rwlock_init(pthread_rwlock_t *lock);
void memb_room_read(struct memb_room *room);
void memb_room_write(struct memb_room *room);
void memb_room_unlock(struct memb_room *room);

/* Device records for ubr_log, out of the allowlist. Takes memb_model.lock for each look-up. */
struct ubr_record_store memb_record_store(struct memb_model *model);

/* Takes a whole append into the log: all or none. failed_out: index of the entry that was refused.
 * The caller has room->lock for writing, or the room is not published. */
enum ubr_error memb_room_take(struct memb_model *model, struct memb_room *room,
                              const struct memb_append *append, int64_t mono_ms,
                              uint16_t *failed_out);

/* Makes a new room visible. false = no memory. */
bool memb_room_publish(struct memb_model *model, struct memb_room *room);

/* Who is in the room and as what, at one moment. */
struct memb_roster {
    size_t count;
    struct memb_roster_item {
        uint8_t account_pk[UBR_KEY_LEN];
        enum ubr_role role;
    } * items; /* by account_pk */
};

/* Under room->lock. false = no memory. */
bool memb_roster_of(const struct memb_room *room, struct memb_roster *roster_out);
void memb_roster_fini(struct memb_roster *roster);

/* Brings identity->rooms up to date after the roster changed. false = no memory. */
bool memb_rooms_index(struct memb_model *model, struct memb_room *room,
                      const struct memb_roster *before, const struct memb_roster *after);

/* Role of an account in the room now; takes room->lock. */
enum ubr_role memb_room_role(struct memb_room *room, const uint8_t *account_pk);

/* The rooms of an identity, a copy to use without a lock; *rooms_out is the caller's to free.
 * false = no memory. */
bool memb_rooms_of(struct memb_model *model, const struct memb_identity *identity,
                   struct memb_room ***rooms_out, size_t *count_out);

void memb_epoch_kid_key(uint32_t epoch, const uint8_t *kid, uint8_t key_out[MEMB_EPOCH_KID_LEN]);

#endif
