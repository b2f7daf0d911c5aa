/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/nkey.h"

#include <sodium.h>
#include <string.h>

#include "base32.h"
#include "ubr/text.h"

/* "U" is 20 and "S" is 18 in base32; the seed's prefix holds both in ten bits. */
static const uint8_t user_prefix[] = {20 << 3};
static const uint8_t seed_prefix[] = {18 << 3 | 20 >> 2, (20 << 6) & 0xff};

struct nkey_form {
    const uint8_t *prefix;
    size_t prefix_len;
    size_t text_len;
};

static const struct nkey_form user_form = {user_prefix, sizeof user_prefix, UBR_NKEY_LEN};
static const struct nkey_form seed_form = {seed_prefix, sizeof seed_prefix, UBR_NKEY_SEED_LEN};

#define RAW_MAX 36

static uint16_t crc16_xmodem(const uint8_t *ptr, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)ptr[i] << 8;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc << 1 ^ ((0u - (crc >> 15 & 1)) & 0x1021);
        }
    }
    return (uint16_t)(crc & 0xffff);
}

static size_t put_raw(const struct nkey_form *form, const uint8_t key[UBR_KEY_LEN],
                      uint8_t raw_out[RAW_MAX])
{
    size_t len = form->prefix_len + UBR_KEY_LEN;
    memcpy(raw_out, form->prefix, form->prefix_len);
    memcpy(raw_out + form->prefix_len, key, UBR_KEY_LEN);
    uint16_t crc = crc16_xmodem(raw_out, len);
    raw_out[len] = (uint8_t)(crc & 0xff);
    raw_out[len + 1] = (uint8_t)(crc >> 8);
    return len + 2;
}

static void encode(const struct nkey_form *form, const uint8_t key[UBR_KEY_LEN], char *text_out)
{
    uint8_t raw[RAW_MAX];
    size_t len = put_raw(form, key, raw);
    base32_encode('A', ubr_bytes_of(raw, len), text_out);
    sodium_memzero(raw, sizeof raw);
}

/* Decodes, encodes the key again and compares: prefix, checksum and length in one. */
static bool decode(const struct nkey_form *form, struct ubr_bytes text,
                   uint8_t key_out[UBR_KEY_LEN])
{
    uint8_t raw[RAW_MAX];
    uint8_t expected[RAW_MAX];
    size_t len = 0;
    bool good = text.len == form->text_len && base32_decode('A', text, raw, sizeof raw, &len) &&
                put_raw(form, raw + form->prefix_len, expected) == len &&
                sodium_memcmp(raw, expected, len) == 0;
    if (good) {
        memcpy(key_out, raw + form->prefix_len, UBR_KEY_LEN);
    }
    sodium_memzero(raw, sizeof raw);
    sodium_memzero(expected, sizeof expected);
    return good;
}

void ubr_nkey_encode(const uint8_t nats_pk[UBR_KEY_LEN], char text_out[UBR_NKEY_LEN + 1])
{
    encode(&user_form, nats_pk, text_out);
}

bool ubr_nkey_decode(struct ubr_bytes text, uint8_t nats_pk_out[UBR_KEY_LEN])
{
    return decode(&user_form, text, nats_pk_out);
}

void ubr_nkey_seed_encode(const uint8_t seed[UBR_SEED_LEN], char text_out[UBR_NKEY_SEED_LEN + 1])
{
    encode(&seed_form, seed, text_out);
}

bool ubr_nkey_seed_decode(struct ubr_bytes text, uint8_t seed_out[UBR_SEED_LEN])
{
    return decode(&seed_form, text, seed_out);
}
