/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_RECORD_H
#define MEMB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ubr/bytes.h>
#include <ubr/chain.h>
#include <ubr/entry.h>
#include <unibus/abi.h>
#include <unibus/authz.h>

/* The values that lie in the bucket `control`. All begin with u8 version = 1 and u64 time_ms of the
 * write; integers are big-endian; a value must end exactly, and only what a writer makes is
 * accepted, so parse(write(x)) = x and no other bytes give x. Keys are in store.h.
 *
 *   allow    u8 kind ‖ account_pk(32) ‖ by kind
 *              1 create: u8 role ‖ str8 handle ‖ str16 note ‖ device
 *              2 patch:  u8 mask (1 role, 2 disabled, 4 note) ‖ u8 role ‖ u8 disabled ‖ str16 note
 *              3 remove: nothing
 *              4 device: device
 *   device   body(174) ‖ sig(64) ‖ u8 has_pops ‖ [pop(64) ‖ nats_pop(64)]
 *   append   u8 flags (1 plain room, first record only) ‖ u16 n ‖ n × (u32 len ‖ body ‖ sig(64))
 *              ‖ u32 m ‖ m × (kid(16) ‖ box(141))
 *   staged   uploader kid(16) ‖ u32 m ‖ m × (kid(16) ‖ box(141))
 *   late     box(141)
 *   request  u8 answered
 *   blob     uploader account_pk(32) ‖ u64 bytes
 *   idem     request hash(32) ‖ u16 status ‖ str8 location ‖ u32 len ‖ body
 *
 * Parsed structs borrow from the value. */

#define MEMB_RECORD_MAX        (512 * 1024)
#define MEMB_APPEND_BODY_MAX   (4 * 1024 * 1024)
#define MEMB_NOTE_MAX          1024
#define MEMB_BOX_LEN           141
#define MEMB_BOX_ITEM_LEN      (UBR_KID_LEN + MEMB_BOX_LEN)
#define MEMB_ENTRIES_MAX       64
#define MEMB_BOXES_MAX         65536
#define MEMB_ENTRY_OVERHEAD    (4 + UBR_SIG_LEN)
#define MEMB_APPEND_BASE       (1 + 8 + 1 + 2 + 4)
#define MEMB_STAGED_BASE       (1 + 8 + UBR_KID_LEN + 4)
#define MEMB_LATE_LEN          (1 + 8 + MEMB_BOX_LEN)
#define MEMB_REQUEST_LEN       (1 + 8 + 1)
#define MEMB_BLOB_LEN          (1 + 8 + UBR_KEY_LEN + 8)
#define MEMB_ALLOW_MAX         (4096 + MEMB_NOTE_MAX)
#define MEMB_IDEM_LOCATION_MAX 255

/* One sealed box for one device, borrowed. */
struct memb_box {
    const uint8_t *kid; /* UBR_KID_LEN */
    const uint8_t *box; /* MEMB_BOX_LEN */
};

/* Boxes one after the other, as they lie in a record. */
struct memb_boxes {
    const uint8_t *items; /* count × MEMB_BOX_ITEM_LEN */
    uint32_t count;
};

struct memb_box memb_boxes_at(const struct memb_boxes *boxes, uint32_t index);

enum memb_allow_kind {
    MEMB_ALLOW_CREATE = 1,
    MEMB_ALLOW_PATCH,
    MEMB_ALLOW_REMOVE,
    MEMB_ALLOW_DEVICE
};

#define MEMB_PATCH_ROLE     0x1u
#define MEMB_PATCH_DISABLED 0x2u
#define MEMB_PATCH_NOTE     0x4u

/* One step of the allowlist. Of the fields only those of the kind count. */
struct memb_allow {
    enum memb_allow_kind kind;
    int64_t time_ms;
    const uint8_t *account_pk;
    enum ub_role role;
    struct ubr_bytes handle;
    struct ubr_bytes note;
    unsigned mask; /* MEMB_PATCH_… */
    bool is_disabled;
    struct ubr_device_record device;
};

/* Writes into buf; {NULL, 0} when it does not fit or is not valid. */
struct ubr_bytes memb_allow_write(const struct memb_allow *allow, uint8_t *buf, size_t cap);
bool memb_allow_parse(struct ub_bytes value, struct memb_allow *allow_out);

struct memb_entry_bytes {
    struct ubr_bytes body;
    const uint8_t *sig; /* UBR_SIG_LEN */
};

struct memb_append {
    int64_t time_ms;
    bool is_plain;
    uint16_t entries_len; /* 1 to MEMB_ENTRIES_MAX */
    struct memb_entry_bytes entries[MEMB_ENTRIES_MAX];
    struct memb_boxes boxes;
};

/* Bytes that it takes as a record. */
size_t memb_append_size(const struct memb_append *append);
struct ubr_bytes memb_append_write(const struct memb_append *append, uint8_t *buf, size_t cap);
bool memb_append_parse(struct ub_bytes value, struct memb_append *append_out);

struct memb_staged {
    int64_t time_ms;
    const uint8_t *uploader; /* UBR_KID_LEN */
    struct memb_boxes boxes; /* at least one */
};

struct ubr_bytes memb_staged_write(const struct memb_staged *staged, uint8_t *buf, size_t cap);
bool memb_staged_parse(struct ub_bytes value, struct memb_staged *staged_out);

void memb_late_write(int64_t time_ms, const uint8_t *box, uint8_t value_out[MEMB_LATE_LEN]);
/* The box, or NULL. */
const uint8_t *memb_late_parse(struct ub_bytes value);

void memb_request_write(int64_t time_ms, bool is_answered, uint8_t value_out[MEMB_REQUEST_LEN]);
bool memb_request_parse(struct ub_bytes value, int64_t *time_ms_out, bool *is_answered_out);

void memb_blob_write(int64_t time_ms, const uint8_t *uploader_pk, int64_t length,
                     uint8_t value_out[MEMB_BLOB_LEN]);
bool memb_blob_parse(struct ub_bytes value, const uint8_t **uploader_pk_out, int64_t *length_out);

/* A stored answer. */
struct memb_idem {
    int64_t time_ms;
    const uint8_t *request_hash; /* UBR_HASH_LEN */
    uint16_t status;
    struct ubr_bytes location; /* may be empty */
    struct ubr_bytes body;
};

struct ubr_bytes memb_idem_write(const struct memb_idem *idem, uint8_t *buf, size_t cap);
bool memb_idem_parse(struct ub_bytes value, struct memb_idem *idem_out);

#endif
