/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/key.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum {
    KDF_SIGN = 1,
    KDF_NATS = 2,
    KDF_BACKUP = 3,
    KDF_BOX_BASE = 1000,
};

void ubr_sign_key_from_seed(const uint8_t seed[UBR_SEED_LEN], struct ubr_sign_key *key_out)
{
    crypto_sign_seed_keypair(key_out->pk, key_out->sk, seed);
}

void ubr_sign_key_seed(const struct ubr_sign_key *key, uint8_t seed_out[UBR_SEED_LEN])
{
    memcpy(seed_out, key->sk, UBR_SEED_LEN);
}

void ubr_sign_key_wipe(struct ubr_sign_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void ubr_box_key_from_seed(const uint8_t seed[UBR_SEED_LEN], struct ubr_box_key *key_out)
{
    crypto_box_seed_keypair(key_out->pk, key_out->sk, seed);
}

void ubr_box_key_from_secret(const uint8_t sk[UBR_KEY_LEN], struct ubr_box_key *key_out)
{
    memmove(key_out->sk, sk, UBR_KEY_LEN);
    crypto_scalarmult_base(key_out->pk, key_out->sk);
}

void ubr_box_key_wipe(struct ubr_box_key *key)
{
    sodium_memzero(key, sizeof *key);
}

static void derive_sign_key(const uint8_t seed[UBR_SEED_LEN], uint32_t id,
                            struct ubr_sign_key *key_out)
{
    uint8_t key_seed[UBR_KDF_LEN];
    ubr_kdf(seed, UBR_KDF_IDENT, id, key_seed);
    ubr_sign_key_from_seed(key_seed, key_out);
    sodium_memzero(key_seed, sizeof key_seed);
}

void ubr_account_keys_derive(const uint8_t seed[UBR_SEED_LEN], struct ubr_account_keys *keys_out)
{
    derive_sign_key(seed, KDF_SIGN, &keys_out->account);
    ubr_kdf(seed, UBR_KDF_IDENT, KDF_BACKUP, keys_out->backup);
}

void ubr_account_keys_wipe(struct ubr_account_keys *keys)
{
    sodium_memzero(keys, sizeof *keys);
}

void ubr_service_keys_derive(const uint8_t seed[UBR_SEED_LEN], uint32_t generation,
                             struct ubr_service_keys *keys_out)
{
    assert(generation < (UINT32_C(1) << 31) - KDF_BOX_BASE);
    uint8_t box_seed[UBR_KDF_LEN];
    derive_sign_key(seed, KDF_SIGN, &keys_out->sign);
    derive_sign_key(seed, KDF_NATS, &keys_out->nats);
    ubr_kdf(seed, UBR_KDF_IDENT, KDF_BACKUP, keys_out->backup);
    ubr_kdf(seed, UBR_KDF_IDENT, KDF_BOX_BASE + generation, box_seed);
    ubr_box_key_from_seed(box_seed, &keys_out->box);
    sodium_memzero(box_seed, sizeof box_seed);
}

void ubr_service_keys_wipe(struct ubr_service_keys *keys)
{
    sodium_memzero(keys, sizeof *keys);
}

/* value (little-endian, top bit ignored) < 2^255 − 19. Public keys only: need not be constant time.
 */
static bool is_below_p(const uint8_t value[UBR_KEY_LEN])
{
    if ((value[31] & 0x7f) != 0x7f || value[0] < 0xed) {
        return true;
    }
    for (size_t i = 1; i < 31; i++) {
        if (value[i] != 0xff) {
            return true;
        }
    }
    return false;
}

bool ubr_sign_pk_is_valid(const uint8_t pk[UBR_KEY_LEN])
{
    uint8_t unused[UBR_KEY_LEN];
    return is_below_p(pk) && crypto_sign_ed25519_pk_to_curve25519(unused, pk) == 0;
}

bool ubr_box_pk_is_valid(const uint8_t pk[UBR_KEY_LEN])
{
    uint8_t unused[UBR_KEY_LEN];
    uint8_t n[UBR_KEY_LEN];
    memset(n, 1, sizeof n);
    return (pk[31] & 0x80) == 0 && is_below_p(pk) && crypto_scalarmult(unused, n, pk) == 0;
}

/* libsodium signs one contiguous message. */
struct labelled {
    uint8_t buf[UBR_DS_MAX + UBR_SIGNED_MAX];
    struct ubr_writer writer;
};

static struct ubr_bytes label_body(struct labelled *labelled, enum ubr_label label,
                                   struct ubr_bytes body)
{
    ubr_writer_init(&labelled->writer, labelled->buf, sizeof labelled->buf);
    ubr_put_bytes(&labelled->writer, ubr_ds(label));
    ubr_put_bytes(&labelled->writer, body);
    return ubr_writer_bytes(&labelled->writer);
}

void ubr_sign(const struct ubr_sign_key *key, enum ubr_label label, struct ubr_bytes body,
              uint8_t sig_out[UBR_SIG_LEN])
{
    if (body.len > UBR_SIGNED_MAX) {
        memset(sig_out, 0, UBR_SIG_LEN);
        return;
    }
    struct labelled labelled;
    struct ubr_bytes message = label_body(&labelled, label, body);
    crypto_sign_detached(sig_out, NULL, message.ptr, message.len, key->sk);
}

bool ubr_signature_is_good(const uint8_t pk[UBR_KEY_LEN], enum ubr_label label,
                           struct ubr_bytes body, const uint8_t sig[UBR_SIG_LEN])
{
    if (body.len > UBR_SIGNED_MAX) {
        return false;
    }
    struct labelled labelled;
    return ubr_plain_signature_is_good(pk, label_body(&labelled, label, body), sig);
}

bool ubr_plain_signature_is_good(const uint8_t pk[UBR_KEY_LEN], struct ubr_bytes message,
                                 const uint8_t sig[UBR_SIG_LEN])
{
    return crypto_sign_verify_detached(sig, message.ptr, message.len, pk) == 0;
}
