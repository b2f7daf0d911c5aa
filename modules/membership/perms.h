/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_PERMS_H
#define MEMB_PERMS_H

#include <ubr/entry.h>
#include <unibus/authz.h>

#include "memb.h"

/* Permission sets for the data plane, out of the rooms (UBR1, section 13). */

extern const struct ub_authz_ops memb_authz_ops;

/* One rule of a room as a role has it, for people and for GET …/permissions. */
struct memb_room_rule {
    uint32_t actions;
    uint32_t family_token;
    bool is_guarded;
    char subject[64];
};

/* The set of a device now; one reference, the caller's. NULL = no memory. No lock may be held. */
const struct ub_perms *memb_perms_make(struct memb *memb, const struct memb_identity *identity,
                                       const uint8_t *kid, const uint8_t *nats_pk);

#define MEMB_ROOM_RULES 3

/* Fills the rules of a role; is_plain: no guards; is_closed: nothing is published any more. */
void memb_room_rules(const char *room32, enum ubr_role role, bool is_plain, bool is_closed,
                     struct memb_room_rule rules_out[MEMB_ROOM_RULES]);

#endif
