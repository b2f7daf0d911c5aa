/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_KEY_H
#define UBR_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/hash.h"

/* Keys: making, deriving, validity, signing (UBR1, sections 3, 4.1 and 4.3). Public keys are plain
 * 32-byte arrays. The structs below hold secrets: their owner ends them with ubr_*_wipe. */

#define UBR_KEY_LEN  32 /* public key, seed, X25519 secret, epoch secret */
#define UBR_SEED_LEN 32
#define UBR_SIG_LEN  64

/* An Ed25519 key pair: account, device signing or NATS. */
struct ubr_sign_key {
    uint8_t pk[UBR_KEY_LEN];
    uint8_t sk[64]; /* seed ‖ pk, libsodium's form */
};

/* An X25519 key pair, to which epoch secrets are sealed. */
struct ubr_box_key {
    uint8_t pk[UBR_KEY_LEN];
    uint8_t sk[UBR_KEY_LEN];
};

void ubr_sign_key_from_seed(const uint8_t seed[UBR_SEED_LEN], struct ubr_sign_key *key_out);
void ubr_sign_key_seed(const struct ubr_sign_key *key, uint8_t seed_out[UBR_SEED_LEN]);
void ubr_sign_key_wipe(struct ubr_sign_key *key);

/* The pair of a seed (crypto_box_seed_keypair). */
void ubr_box_key_from_seed(const uint8_t seed[UBR_SEED_LEN], struct ubr_box_key *key_out);
/* The pair of a stored secret key. */
void ubr_box_key_from_secret(const uint8_t sk[UBR_KEY_LEN], struct ubr_box_key *key_out);
void ubr_box_key_wipe(struct ubr_box_key *key);

/* What an account seed (the recovery key) gives (4.1). */
struct ubr_account_keys {
    struct ubr_sign_key account;
    uint8_t backup[UBR_KEY_LEN];
};

void ubr_account_keys_derive(const uint8_t seed[UBR_SEED_LEN], struct ubr_account_keys *keys_out);
void ubr_account_keys_wipe(struct ubr_account_keys *keys);

/* What a service identity derives from its one seed (4.1): sign is also its account key; box is
 * that of the generation, which counts box rotations from 0. */
struct ubr_service_keys {
    struct ubr_sign_key sign;
    struct ubr_sign_key nats;
    struct ubr_box_key box;
    uint8_t backup[UBR_KEY_LEN];
};

/* generation < 2^31 − 1000, asserted. */
void ubr_service_keys_derive(const uint8_t seed[UBR_SEED_LEN], uint32_t generation,
                             struct ubr_service_keys *keys_out);
void ubr_service_keys_wipe(struct ubr_service_keys *keys);

/* 4.3: canonical encoding, neither of small nor of mixed order. */
bool ubr_sign_pk_is_valid(const uint8_t pk[UBR_KEY_LEN]);
/* 4.3: top bit clear, canonical, and a scalar multiplication gives a secret. */
bool ubr_box_pk_is_valid(const uint8_t pk[UBR_KEY_LEN]);

/* Longest body under a signature: an entry of 120 + 1,024 bytes fits. */
#define UBR_SIGNED_MAX 2048

/* Ed25519 over DS(label) ‖ body, body.len ≤ UBR_SIGNED_MAX. A longer body, which no structure of
 * UBR1 has, gives zeros, which no key verifies. */
void ubr_sign(const struct ubr_sign_key *key, enum ubr_label label, struct ubr_bytes body,
              uint8_t sig_out[UBR_SIG_LEN]);

/* Whether sig is pk's over DS(label) ‖ body; false for a body above UBR_SIGNED_MAX. libsodium's
 * verification, the only one allowed where authority is decided (section 3). */
bool ubr_signature_is_good(const uint8_t pk[UBR_KEY_LEN], enum ubr_label label,
                           struct ubr_bytes body, const uint8_t sig[UBR_SIG_LEN]);

/* The same over a message without label (signed HTTP requests, the NATS nonce). */
bool ubr_plain_signature_is_good(const uint8_t pk[UBR_KEY_LEN], struct ubr_bytes message,
                                 const uint8_t sig[UBR_SIG_LEN]);

#endif
