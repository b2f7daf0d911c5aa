/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_HISTORY_H
#define UBR_HISTORY_H

#include "ubr/log.h"

/* What the log said after an earlier entry: the questions that messages, boxes and pins ask (UBR1,
 * 6.6, 8 and 9.4 to 9.6). Times are seq numbers: "at h" is the state after entry h. Every h must be
 * below state->entries unless said otherwise. */

#define UBR_SEQ_NEVER UINT32_MAX

/* entry_hash of entry h; NULL when the log is shorter. Borrowed until the next append. */
const uint8_t *ubr_log_hash_at(const struct ubr_log *log, uint64_t h);

/* Whether the log contains a pinned head (8): UBR_OK, UBR_E_ROLLBACK (shorter) or UBR_E_FORK. */
enum ubr_error ubr_log_check_pin(const struct ubr_log *log, uint64_t seq,
                                 const uint8_t head[UBR_HASH_LEN]);

/* The epoch in force at h; 0 before the first. */
uint32_t ubr_log_epoch_at(const struct ubr_log *log, uint32_t h);

struct ubr_log_epoch {
    uint32_t seq; /* of its entry */
    uint8_t commit[UBR_HASH_LEN];
    uint8_t cause;  /* enum ubr_cause */
    bool was_stale; /* the room was stale before it */
    uint8_t author_pk[UBR_KEY_LEN];
    uint8_t author_kid[UBR_KID_LEN];
    bool has_link;
    uint8_t link[UBR_LINK_LEN];
};

/* Epoch number 1 ≤ epoch ≤ state->epoch; NULL for others. Borrowed until the next append. */
const struct ubr_log_epoch *ubr_log_epoch(const struct ubr_log *log, uint32_t epoch);

/* Whether every epoch after this one has cause 4, 5 or 6 and came to a room that was not stale:
 * only then messages of a superseded epoch are in time for a while (9.5). True for the current one.
 */
bool ubr_log_epoch_has_grace(const struct ubr_log *log, uint32_t epoch);

/* Whether unsigned messages were allowed in every state from first to last, first ≤ last. */
bool ubr_log_allowed_unsigned(const struct ubr_log *log, uint32_t first, uint32_t last);

/* A device that the log knows, live or not. */
struct ubr_log_kid {
    uint8_t account_pk[UBR_KEY_LEN];
    uint8_t sign_pk[UBR_KEY_LEN];
    uint8_t box_pk[UBR_KEY_LEN]; /* pinned now */
    uint32_t first_seq;          /* of the entry that pinned it first */
    uint32_t revoked_seq;        /* of the entry that pinned its revocation; UBR_SEQ_NEVER */
};

/* False when no pinned chain has the kid. */
bool ubr_log_kid(const struct ubr_log *log, const uint8_t kid[UBR_KID_LEN],
                 struct ubr_log_kid *kid_out);

/* Who a device was at h. */
struct ubr_sender {
    uint8_t account_pk[UBR_KEY_LEN];
    enum ubr_role role;
    const char *handle; /* borrowed until the next append */
};

/* 9.4, step 9: whether the device could write at h. UBR_E_NOT_MEMBER, UBR_E_KID_UNKNOWN (never, or
 * not yet), UBR_E_DEVICE_REVOKED, UBR_E_ROLE. sender_out is filled on UBR_OK and UBR_E_ROLE and may
 * be NULL. */
enum ubr_error ubr_log_sender_at(const struct ubr_log *log, const uint8_t kid[UBR_KID_LEN],
                                 uint32_t h, struct ubr_sender *sender_out);

/* Role of an account at h, UBR_ROLE_NONE for no member. */
enum ubr_role ubr_log_role_at(const struct ubr_log *log, const uint8_t account_pk[UBR_KEY_LEN],
                              uint32_t h);

/* Whether an entry in first+1 … last removed a member or took a kid away (9.5). */
bool ubr_log_lost_someone(const struct ubr_log *log, uint32_t first, uint32_t last);

/* 6.6: whether the device may be given the secret of epoch: UBR_OK, UBR_E_KID_UNKNOWN,
 * UBR_E_DEVICE_REVOKED or UBR_E_BOX_HISTORY (also: no member now, no such epoch). */
enum ubr_error ubr_log_check_entitled(const struct ubr_log *log, const uint8_t kid[UBR_KID_LEN],
                                      uint32_t epoch);

#endif
