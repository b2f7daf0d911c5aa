/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/epoch.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define NONCE_LEN crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN   crypto_aead_xchacha20poly1305_ietf_ABYTES

_Static_assert(UBR_LINK_LEN == NONCE_LEN + UBR_SECRET_LEN + TAG_LEN, "6.2");

void ubr_epoch_commit(const struct ubr_epoch *epoch, const uint8_t secret[UBR_SECRET_LEN],
                      uint8_t commit_out[UBR_HASH_LEN])
{
    struct ubr_hasher hasher;
    ubr_hasher_begin(&hasher, UBR_DS_EPOCH_COMMIT, UBR_HASH_LEN);
    ubr_hasher_add(&hasher, epoch->room_id, UBR_ROOM_ID_LEN);
    ubr_hasher_add_u32(&hasher, epoch->number);
    ubr_hasher_add(&hasher, secret, UBR_SECRET_LEN);
    ubr_hasher_end(&hasher, commit_out);
    sodium_memzero(&hasher, sizeof hasher);
}

static bool is_committed(const struct ubr_epoch *epoch, const uint8_t secret[UBR_SECRET_LEN],
                         const uint8_t commit[UBR_HASH_LEN])
{
    uint8_t computed[UBR_HASH_LEN];
    ubr_epoch_commit(epoch, secret, computed);
    return sodium_memcmp(computed, commit, UBR_HASH_LEN) == 0;
}

void ubr_epoch_key(const uint8_t secret[UBR_SECRET_LEN], enum ubr_epoch_key id,
                   uint8_t key_out[UBR_KDF_LEN])
{
    ubr_kdf(secret, UBR_KDF_EPOCH, (uint32_t)id, key_out);
}

#define LINK_AAD_MAX (UBR_DS_MAX + UBR_ROOM_ID_LEN + 8)

static struct ubr_bytes put_link_aad(const struct ubr_epoch *epoch, uint8_t buf[LINK_AAD_MAX])
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, LINK_AAD_MAX);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_EPOCH_LINK));
    ubr_put_copy(&writer, epoch->room_id, UBR_ROOM_ID_LEN);
    ubr_put_u32(&writer, epoch->number - 1);
    ubr_put_u32(&writer, epoch->number);
    return ubr_writer_bytes(&writer);
}

void ubr_link_seal(const struct ubr_epoch *epoch, const uint8_t secret[UBR_SECRET_LEN],
                   const uint8_t old_secret[UBR_SECRET_LEN], uint8_t link_out[UBR_LINK_LEN])
{
    assert(epoch->number >= 2);
    uint8_t key[UBR_KDF_LEN];
    uint8_t buf[LINK_AAD_MAX];
    struct ubr_bytes aad = put_link_aad(epoch, buf);
    ubr_epoch_key(secret, UBR_EPOCH_KEY_LINK, key);
    randombytes_buf(link_out, NONCE_LEN);
    crypto_aead_xchacha20poly1305_ietf_encrypt(link_out + NONCE_LEN, NULL, old_secret,
                                               UBR_SECRET_LEN, aad.ptr, aad.len, NULL, link_out,
                                               key);
    sodium_memzero(key, sizeof key);
}

enum ubr_error ubr_link_open(const struct ubr_epoch *epoch, const uint8_t secret[UBR_SECRET_LEN],
                             const uint8_t link[UBR_LINK_LEN],
                             const uint8_t old_commit[UBR_HASH_LEN],
                             uint8_t old_secret_out[UBR_SECRET_LEN])
{
    uint8_t key[UBR_KDF_LEN];
    uint8_t buf[LINK_AAD_MAX];
    struct ubr_bytes aad = put_link_aad(epoch, buf);
    struct ubr_epoch old = *epoch;
    old.number--;
    ubr_epoch_key(secret, UBR_EPOCH_KEY_LINK, key);
    int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
        old_secret_out, NULL, NULL, link + NONCE_LEN, UBR_LINK_LEN - NONCE_LEN, aad.ptr, aad.len,
        link, key);
    sodium_memzero(key, sizeof key);
    if (failed || !is_committed(&old, old_secret_out, old_commit)) {
        sodium_memzero(old_secret_out, UBR_SECRET_LEN);
        return UBR_E_LINK_COMMIT;
    }
    return UBR_OK;
}

#define BOX_PLAIN_LEN (UBR_BOX_LEN - crypto_box_SEALBYTES)

/* Where the secret stands: it ends the plaintext. */
#define BOX_CONTEXT_LEN (BOX_PLAIN_LEN - UBR_SECRET_LEN)

static void put_box_context(const struct ubr_epoch *epoch, const uint8_t kid[UBR_KID_LEN],
                            uint8_t context_out[BOX_CONTEXT_LEN])
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, context_out, BOX_CONTEXT_LEN);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_SEALED_KEY));
    ubr_put_copy(&writer, epoch->room_id, UBR_ROOM_ID_LEN);
    ubr_put_u32(&writer, epoch->number);
    ubr_put_copy(&writer, kid, UBR_KID_LEN);
    assert(!writer.failed && writer.len == BOX_CONTEXT_LEN);
}

enum ubr_error ubr_box_seal(const struct ubr_epoch *epoch, const uint8_t kid[UBR_KID_LEN],
                            const uint8_t box_pk[UBR_KEY_LEN], const uint8_t secret[UBR_SECRET_LEN],
                            uint8_t box_out[UBR_BOX_LEN])
{
    uint8_t plain[BOX_PLAIN_LEN];
    put_box_context(epoch, kid, plain);
    memcpy(plain + BOX_CONTEXT_LEN, secret, UBR_SECRET_LEN);
    int failed = crypto_box_seal(box_out, plain, sizeof plain, box_pk);
    sodium_memzero(plain, sizeof plain);
    return failed ? UBR_E_KEY_WEAK : UBR_OK;
}

/* Whether an opened box is exactly what it should be. */
static enum ubr_error check_plain(const struct ubr_epoch *epoch, const uint8_t kid[UBR_KID_LEN],
                                  const uint8_t commit[UBR_HASH_LEN],
                                  const uint8_t plain[BOX_PLAIN_LEN])
{
    uint8_t context[BOX_CONTEXT_LEN];
    put_box_context(epoch, kid, context);
    if (memcmp(plain, context, BOX_CONTEXT_LEN) != 0) {
        return UBR_E_BOX_CONTEXT;
    }
    return is_committed(epoch, plain + BOX_CONTEXT_LEN, commit) ? UBR_OK : UBR_E_BOX_COMMIT;
}

enum ubr_error ubr_box_open(const struct ubr_epoch *epoch, const uint8_t kid[UBR_KID_LEN],
                            const struct ubr_box_key *key, const uint8_t commit[UBR_HASH_LEN],
                            struct ubr_bytes box, uint8_t secret_out[UBR_SECRET_LEN])
{
    memset(secret_out, 0, UBR_SECRET_LEN);
    uint8_t plain[BOX_PLAIN_LEN];
    if (box.len != UBR_BOX_LEN ||
        crypto_box_seal_open(plain, box.ptr, box.len, key->pk, key->sk) != 0) {
        return UBR_E_BOX_OPEN;
    }
    enum ubr_error error = check_plain(epoch, kid, commit, plain);
    if (error == UBR_OK) {
        memcpy(secret_out, plain + BOX_CONTEXT_LEN, UBR_SECRET_LEN);
    }
    sodium_memzero(plain, sizeof plain);
    return error;
}
