/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_ENTRY_H
#define UBR_ENTRY_H

#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/key.h"
#include "ubr/name.h"

/* Entries of a room's log (UBR1, 5.1 to 5.3): their bytes and values. Whether an entry may follow
 * those before it is the log's business: log.h. */

#define UBR_ENTRY_HEADER_LEN  120
#define UBR_ENTRY_PAYLOAD_MAX 1024
#define UBR_ENTRY_BODY_MAX    (UBR_ENTRY_HEADER_LEN + UBR_ENTRY_PAYLOAD_MAX)
#define UBR_LINK_LEN          72

enum ubr_entry_type {
    UBR_ENTRY_CREATE = 1,
    UBR_ENTRY_ADD,
    UBR_ENTRY_REMOVE,
    UBR_ENTRY_ROLE,
    UBR_ENTRY_EPOCH,
    UBR_ENTRY_DEVICE,
    UBR_ENTRY_POLICY,
    UBR_ENTRY_CLOSE,
    UBR_ENTRY_TYPES_END
};

enum ubr_role {
    UBR_ROLE_NONE,
    UBR_ROLE_READER,
    UBR_ROLE_WRITER,
    UBR_ROLE_ADMIN,
    UBR_ROLE_OWNER,
};

enum ubr_cause {
    UBR_CAUSE_FIRST = 1,
    UBR_CAUSE_MEMBER_REMOVED,
    UBR_CAUSE_DEVICE_REVOKED,
    UBR_CAUSE_SCHEDULED,
    UBR_CAUSE_MANUAL, /* also: policy lowered */
    UBR_CAUSE_MEMBER_ADDED,
};

enum ubr_remove_reason {
    UBR_REMOVE_LEFT = 1,
    UBR_REMOVE_REMOVED,
    UBR_REMOVE_COMPROMISED,
};

enum ubr_close_reason {
    UBR_CLOSE_ENDED = 1,
    UBR_CLOSE_CONTINUED, /* in another room */
};

/* The policy byte. */
#define UBR_POLICY_HISTORY  0x03 /* bits 0–1: one of the modes below */
#define UBR_POLICY_UNSIGNED 0x04 /* bit 2: unsigned messages allowed */

enum ubr_history {
    UBR_HISTORY_NEXT_EPOCH, /* a newcomer reads from the next epoch */
    UBR_HISTORY_JOINING,    /* from the epoch of joining */
    UBR_HISTORY_ALL,
};

#define UBR_SUITE_1 1

/* An entry, decoded. Of the payload only the fields of the type count (5.3), the others are zero.
 * handle, name and link are borrowed: after parsing they point into the body. */
struct ubr_entry {
    enum ubr_entry_type type;
    uint8_t room_id[UBR_ROOM_ID_LEN];
    uint64_t seq;
    uint8_t prev[UBR_HASH_LEN];
    uint64_t time_ms; /* information only */
    uint8_t author_pk[UBR_KEY_LEN];
    uint8_t author_kid[UBR_KID_LEN];

    uint16_t suite;                    /* create */
    uint8_t random[16];                /* create */
    uint8_t policy;                    /* create, policy */
    uint32_t rotate_secs;              /* create, policy; 0 = never */
    uint32_t rotate_msgs;              /* create, policy; 0 = never */
    struct ubr_bytes name;             /* create, policy */
    struct ubr_bytes handle;           /* create, add */
    uint8_t device_head[UBR_HASH_LEN]; /* create, add, device */
    uint8_t account_pk[UBR_KEY_LEN];   /* add, remove, role, device */
    uint8_t role;                      /* add, role: enum ubr_role */
    uint8_t reason;                    /* remove, close */
    uint32_t epoch;                    /* epoch, from here on */
    uint8_t commit[UBR_HASH_LEN];
    uint8_t members_hash[UBR_HASH_LEN];
    uint8_t recipients_hash[UBR_HASH_LEN];
    uint32_t recipients;
    uint8_t cause; /* enum ubr_cause */
    struct ubr_bytes link;
};

/* The whole of a body's own validity, steps 1 to 3 of 5.5 in their order as far as they need no
 * log: UBR_E_PARSE, UBR_E_LIMIT, UBR_E_UPGRADE, UBR_E_RANGE (time), then the payload's:
 * UBR_E_PARSE, UBR_E_UPGRADE, UBR_E_POLICY, UBR_E_RANGE, and for create UBR_E_ROOM_ID. */
enum ubr_error ubr_entry_parse(struct ubr_bytes body, struct ubr_entry *entry_out);

/* The two halves, for a log, whose checks of the header lie between them. The first gives the
 * header and zeros the payload's fields; it does not check time_ms. */
enum ubr_error ubr_entry_parse_header(struct ubr_bytes body, struct ubr_entry *entry_out);
/* entry holds what the first half gave for the same body. */
enum ubr_error ubr_entry_parse_payload(struct ubr_bytes body, struct ubr_entry *entry);

/* A body, ready to sign. */
struct ubr_entry_body {
    uint8_t buf[UBR_ENTRY_BODY_MAX];
    size_t len;
};

struct ubr_bytes ubr_entry_body_bytes(const struct ubr_entry_body *body);

/* The bytes of an entry; of create the room id is computed and entry->room_id not looked at. An
 * entry that ubr_entry_parse would refuse gives its code, so nothing invalid leaves here. */
enum ubr_error ubr_entry_write(const struct ubr_entry *entry, struct ubr_entry_body *body_out);

/* The author device's signature. body.len ≤ UBR_ENTRY_BODY_MAX. */
void ubr_entry_sign(const struct ubr_sign_key *sign, struct ubr_bytes body,
                    uint8_t sig_out[UBR_SIG_LEN]);

/* H(DS("room-entry-hash") ‖ body). */
void ubr_entry_hash(struct ubr_bytes body, uint8_t hash_out[UBR_HASH_LEN]);

/* 5.2, of the body of a create entry; body.len ≥ UBR_ENTRY_HEADER_LEN, asserted. */
void ubr_entry_room_id(struct ubr_bytes body, uint8_t room_id_out[UBR_ROOM_ID_LEN]);

/* Names for people and JSON: "create"…, "reader"…; NULL for a value that is none. Static text. */
const char *ubr_entry_type_name(unsigned type);
const char *ubr_role_name(unsigned role);
/* UBR_ROLE_NONE for a name that is none. */
enum ubr_role ubr_role_from_name(struct ubr_bytes name);

#endif
