/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_EPOCH_H
#define UBR_EPOCH_H

#include <stdint.h>

#include "ubr/entry.h"

/* Epochs (UBR1, section 6): the commitment to a secret, the keys from it, the link to the epoch
 * before, and the sealed boxes that deliver it. An epoch secret is 32 random bytes, drawn by the
 * caller; secrets given out here are the caller's to wipe. */

#define UBR_SECRET_LEN 32
#define UBR_BOX_LEN    141

/* Which epoch of which room. */
struct ubr_epoch {
    uint8_t room_id[UBR_ROOM_ID_LEN];
    uint32_t number;
};

/* 6.1: what the signed epoch entry says about the secret. */
void ubr_epoch_commit(const struct ubr_epoch *epoch, const uint8_t secret[UBR_SECRET_LEN],
                      uint8_t commit_out[UBR_HASH_LEN]);

enum ubr_epoch_key {
    UBR_EPOCH_KEY_MSG = 1,
    UBR_EPOCH_KEY_EXPORT = 4, /* for the application */
    UBR_EPOCH_KEY_LINK = 5,
};

/* 6.1: a key from an epoch secret. */
void ubr_epoch_key(const uint8_t secret[UBR_SECRET_LEN], enum ubr_epoch_key id,
                   uint8_t key_out[UBR_KDF_LEN]);

/* 6.2: the secret of the epoch before under the secret of epoch, with a random nonce. An author who
 * does not hold the old secret writes UBR_LINK_LEN zeros instead. epoch->number ≥ 2, asserted. */
void ubr_link_seal(const struct ubr_epoch *epoch, const uint8_t secret[UBR_SECRET_LEN],
                   const uint8_t old_secret[UBR_SECRET_LEN], uint8_t link_out[UBR_LINK_LEN]);

/* The old secret, checked against the commit of its epoch in the verified log. UBR_E_LINK_COMMIT
 * for zeros, a link that does not open and any other secret; then old_secret_out is all zeros. */
enum ubr_error ubr_link_open(const struct ubr_epoch *epoch, const uint8_t secret[UBR_SECRET_LEN],
                             const uint8_t link[UBR_LINK_LEN],
                             const uint8_t old_commit[UBR_HASH_LEN],
                             uint8_t old_secret_out[UBR_SECRET_LEN]);

/* 6.3: a box for one device, to the box key pinned in the verified log. UBR_E_KEY_WEAK when the key
 * takes no box, which a valid chain excludes. */
enum ubr_error ubr_box_seal(const struct ubr_epoch *epoch, const uint8_t kid[UBR_KID_LEN],
                            const uint8_t box_pk[UBR_KEY_LEN], const uint8_t secret[UBR_SECRET_LEN],
                            uint8_t box_out[UBR_BOX_LEN]);

/* The secret in a box for this device: UBR_E_BOX_OPEN, UBR_E_BOX_CONTEXT (other room, epoch, kid or
 * structure), UBR_E_BOX_COMMIT (not the secret that the verified log commits to); then secret_out
 * is all zeros. */
enum ubr_error ubr_box_open(const struct ubr_epoch *epoch, const uint8_t kid[UBR_KID_LEN],
                            const struct ubr_box_key *key, const uint8_t commit[UBR_HASH_LEN],
                            struct ubr_bytes box, uint8_t secret_out[UBR_SECRET_LEN]);

#endif
