/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_INVITE_H
#define UBR_INVITE_H

#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/name.h"

/* The invite to a room (UBR1, section 12.1):
 * "unibus:room/1/<room32>?h=<seq>.<hex of head>&f=<fingerprint of the founder>" and up to eight
 * "&n=<address of a node>". The id is the root of trust, the head stops a roll-back; an address is
 * never a reason to trust. */

#define UBR_INVITE_TEXT_MAX  2048
#define UBR_INVITE_NODES_MAX 8

struct ubr_invite {
    uint8_t room_id[UBR_ROOM_ID_LEN];
    uint32_t seq; /* of the entry with this hash, < 1,000,000 */
    uint8_t head[UBR_HASH_LEN];
    uint8_t founder[UBR_FINGERPRINT_LEN];
    /* Addresses, decoded; use the functions below. */
    size_t node_n;
    uint16_t node_end[UBR_INVITE_NODES_MAX];
    uint8_t node_text[UBR_INVITE_TEXT_MAX];
};

/* An invite without nodes, all zeros. */
void ubr_invite_init(struct ubr_invite *invite);

/* Appends a node address: 1 byte or more of valid text. E-INVITE: else, a ninth, or too long. */
enum ubr_error ubr_invite_add_node(struct ubr_invite *invite, struct ubr_bytes address);

/* Address number i < node_n, inside invite. */
struct ubr_bytes ubr_invite_node(const struct ubr_invite *invite, size_t i);

/* Writes the link and a final zero. E-INVITE: longer than 2,048 characters, or seq out of range. */
enum ubr_error ubr_invite_format(const struct ubr_invite *invite,
                                 char link_out[UBR_INVITE_TEXT_MAX + 1]);

/* Reads exactly what format writes. Everything else is E-INVITE: another order, other parameters,
 * leading zeros, upper case, an escape that is needless or not in upper-case hex, an address that
 * is empty or not valid text (section 3). */
enum ubr_error ubr_invite_parse(struct ubr_bytes link, struct ubr_invite *invite_out);

#endif
