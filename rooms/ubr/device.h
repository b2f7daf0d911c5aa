/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_DEVICE_H
#define UBR_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/key.h"

/* Device records (UBR1, 4.5): an account's signed statement about one of its devices. What a record
 * may say after those before it is the chain's business: chain.h. */

#define UBR_DEVICE_BODY_LEN 174
#define UBR_DEVICE_PREV_AT  6    /* offset of prev */
#define UBR_DEVICE_REVOKED  0x01 /* flags, bit 0 */

struct ubr_device_body {
    uint8_t flags;
    uint32_t seq;               /* in the account's chain, from 0 */
    uint8_t prev[UBR_HASH_LEN]; /* device_hash of the record before, zeros at seq 0 */
    uint8_t account_pk[UBR_KEY_LEN];
    uint8_t sign_pk[UBR_KEY_LEN];
    uint8_t box_pk[UBR_KEY_LEN];
    uint8_t nats_pk[UBR_KEY_LEN];
    uint64_t time_ms; /* information only */
};

/* A record as it travels, borrowed. A signature that is absent has length 0. */
struct ubr_device_record {
    struct ubr_bytes body;
    struct ubr_bytes sig;
    struct ubr_bytes pop;      /* absent in a revocation */
    struct ubr_bytes nats_pop; /* absent in a revocation */
};

/* Form only: UBR_E_PARSE (length), UBR_E_VERSION, UBR_E_FLAG, in this order. */
enum ubr_error ubr_device_parse(struct ubr_bytes bytes, struct ubr_device_body *body_out);

/* The bytes of a body. What was parsed is written as it was. */
void ubr_device_write(const struct ubr_device_body *body, uint8_t bytes_out[UBR_DEVICE_BODY_LEN]);

/* H(DS("device-hash") ‖ bytes), of bytes of any length. */
void ubr_device_hash(struct ubr_bytes bytes, uint8_t hash_out[UBR_HASH_LEN]);

/* By the account key. */
void ubr_device_sign(const struct ubr_sign_key *account, const uint8_t bytes[UBR_DEVICE_BODY_LEN],
                     uint8_t sig_out[UBR_SIG_LEN]);
/* Proofs of possession, by the device itself; not for a revocation. */
void ubr_device_prove(const struct ubr_sign_key *sign, const struct ubr_sign_key *nats,
                      const uint8_t bytes[UBR_DEVICE_BODY_LEN], uint8_t pop_out[UBR_SIG_LEN],
                      uint8_t nats_pop_out[UBR_SIG_LEN]);

/* 4.6, step 2: UBR_E_KEY_WEAK, UBR_E_KEY_REUSE, UBR_E_RANGE (time). */
enum ubr_error ubr_device_check_keys(const struct ubr_device_body *body);

/* 4.6, step 4, of a record whose body parsed to body: UBR_E_SIG; then UBR_E_POP, or UBR_E_PARSE for
 * a proof under a revocation. */
enum ubr_error ubr_device_check_signatures(const struct ubr_device_record *record,
                                           const struct ubr_device_body *body);

#endif
