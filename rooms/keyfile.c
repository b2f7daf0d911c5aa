/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/keyfile.h"

#include <sodium.h>
#include <string.h>

#include "ubr/hash.h"

#define MAGIC       "UBKF"
#define MAGIC_LEN   4
#define VERSION     1
#define ARGON2ID13  1
#define HEADER_LEN  58
#define AAD_MAX     (UBR_DS_MAX + HEADER_LEN)
#define AEAD_KEYLEN crypto_aead_xchacha20poly1305_ietf_KEYBYTES

_Static_assert(HEADER_LEN + UBR_KEYFILE_SECRET_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES ==
                   UBR_KEYFILE_LEN,
               "11.1");

void ubr_keyfile_params_init(struct ubr_keyfile_params *params_out)
{
    params_out->ops = UBR_KEYFILE_OPS_DEFAULT;
    params_out->mem_bytes = UBR_KEYFILE_MEM_DEFAULT;
    randombytes_buf(params_out->salt, sizeof params_out->salt);
    randombytes_buf(params_out->nonce, sizeof params_out->nonce);
}

static bool cost_is_allowed(const struct ubr_keyfile_params *params)
{
    return params->ops >= UBR_KEYFILE_OPS_MIN && params->ops <= UBR_KEYFILE_OPS_MAX &&
           params->mem_bytes >= UBR_KEYFILE_MEM_MIN && params->mem_bytes <= UBR_KEYFILE_MEM_MAX &&
           params->mem_bytes % 1024 == 0;
}

static struct ubr_bytes put_aad(uint8_t buf[AAD_MAX], const uint8_t header[HEADER_LEN])
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, AAD_MAX);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_KEYFILE));
    ubr_put_copy(&writer, header, HEADER_LEN);
    return ubr_writer_bytes(&writer);
}

static void put_header(const struct ubr_keyfile_params *params, uint8_t header_out[HEADER_LEN])
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, header_out, HEADER_LEN);
    ubr_put_copy(&writer, MAGIC, MAGIC_LEN);
    ubr_put_u8(&writer, VERSION);
    ubr_put_u8(&writer, ARGON2ID13);
    ubr_put_u32(&writer, params->ops);
    ubr_put_u64(&writer, params->mem_bytes);
    ubr_put_copy(&writer, params->salt, sizeof params->salt);
    ubr_put_copy(&writer, params->nonce, sizeof params->nonce);
}

static enum ubr_error stretch(const struct ubr_keyfile_params *params, struct ubr_bytes passphrase,
                              uint8_t key_out[AEAD_KEYLEN])
{
    const char *text = passphrase.len > 0 ? (const char *)passphrase.ptr : "";
    if (crypto_pwhash(key_out, AEAD_KEYLEN, text, passphrase.len, params->salt, params->ops,
                      (size_t)params->mem_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        return UBR_E_MEMORY;
    }
    return UBR_OK;
}

enum ubr_error ubr_keyfile_seal(const struct ubr_keyfile_params *params,
                                struct ubr_bytes passphrase,
                                const uint8_t secret[UBR_KEYFILE_SECRET_LEN],
                                uint8_t file_out[UBR_KEYFILE_LEN])
{
    uint8_t key[AEAD_KEYLEN];
    uint8_t aad_buf[AAD_MAX];
    if (!cost_is_allowed(params)) {
        return UBR_E_KEYFILE_PARAMS;
    }
    enum ubr_error error = stretch(params, passphrase, key);
    if (error == UBR_OK) {
        put_header(params, file_out);
        struct ubr_bytes aad = put_aad(aad_buf, file_out);
        crypto_aead_xchacha20poly1305_ietf_encrypt(file_out + HEADER_LEN, NULL, secret,
                                                   UBR_KEYFILE_SECRET_LEN, aad.ptr, aad.len, NULL,
                                                   params->nonce, key);
    }
    sodium_memzero(key, sizeof key);
    return error;
}

static enum ubr_error read_header(struct ubr_bytes file, struct ubr_keyfile_params *params_out)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, file);
    if (file.len != UBR_KEYFILE_LEN ||
        memcmp(ubr_get_view(&reader, MAGIC_LEN).ptr, MAGIC, MAGIC_LEN) != 0) {
        return UBR_E_PARSE;
    }
    if (ubr_get_u8(&reader) != VERSION) {
        return UBR_E_VERSION;
    }
    uint8_t algorithm = ubr_get_u8(&reader);
    params_out->ops = ubr_get_u32(&reader);
    params_out->mem_bytes = ubr_get_u64(&reader);
    ubr_get_copy(&reader, params_out->salt, sizeof params_out->salt);
    ubr_get_copy(&reader, params_out->nonce, sizeof params_out->nonce);
    if (algorithm != ARGON2ID13 || !cost_is_allowed(params_out)) {
        return UBR_E_KEYFILE_PARAMS;
    }
    return UBR_OK;
}

enum ubr_error ubr_keyfile_open(struct ubr_bytes file, struct ubr_bytes passphrase,
                                uint8_t secret_out[UBR_KEYFILE_SECRET_LEN])
{
    struct ubr_keyfile_params params;
    uint8_t key[AEAD_KEYLEN];
    uint8_t aad_buf[AAD_MAX];
    memset(secret_out, 0, UBR_KEYFILE_SECRET_LEN);
    enum ubr_error error = read_header(file, &params);
    if (error != UBR_OK) {
        return error;
    }
    error = stretch(&params, passphrase, key);
    struct ubr_bytes aad = put_aad(aad_buf, file.ptr);
    if (error == UBR_OK && crypto_aead_xchacha20poly1305_ietf_decrypt(
                               secret_out, NULL, NULL, file.ptr + HEADER_LEN, file.len - HEADER_LEN,
                               aad.ptr, aad.len, params.nonce, key) != 0) {
        error = UBR_E_KEYFILE_OPEN;
    }
    sodium_memzero(key, sizeof key);
    return error;
}
