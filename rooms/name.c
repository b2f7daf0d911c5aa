/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/name.h"

#include <stdio.h>
#include <string.h>

#include "ubr/text.h"

static void hash_prefix(enum ubr_label label, const uint8_t pk[UBR_KEY_LEN], uint8_t *out,
                        size_t len)
{
    uint8_t hash[UBR_HASH_LEN];
    ubr_hash(label, ubr_bytes_of(pk, UBR_KEY_LEN), hash);
    memcpy(out, hash, len);
}

void ubr_kid(const uint8_t sign_pk[UBR_KEY_LEN], uint8_t kid_out[UBR_KID_LEN])
{
    hash_prefix(UBR_DS_DEVICE_KID, sign_pk, kid_out, UBR_KID_LEN);
}

void ubr_fingerprint(const uint8_t account_pk[UBR_KEY_LEN],
                     uint8_t fingerprint_out[UBR_FINGERPRINT_LEN])
{
    hash_prefix(UBR_DS_FINGERPRINT, account_pk, fingerprint_out, UBR_FINGERPRINT_LEN);
}

void ubr_fingerprint_text(const uint8_t account_pk[UBR_KEY_LEN], char text_out[33])
{
    uint8_t fingerprint[UBR_FINGERPRINT_LEN];
    ubr_fingerprint(account_pk, fingerprint);
    ubr_base32_encode(ubr_bytes_of(fingerprint, sizeof fingerprint), text_out);
}

/* The two keys in ascending order. */
struct key_pair {
    const uint8_t *smaller;
    const uint8_t *larger;
};

static struct key_pair in_order(const uint8_t a[UBR_KEY_LEN], const uint8_t b[UBR_KEY_LEN])
{
    if (memcmp(a, b, UBR_KEY_LEN) <= 0) {
        return (struct key_pair){a, b};
    }
    return (struct key_pair){b, a};
}

void ubr_safety_number(const uint8_t a[UBR_KEY_LEN], const uint8_t b[UBR_KEY_LEN],
                       char text_out[UBR_SAFETY_LEN + 1])
{
    struct key_pair pair = in_order(a, b);
    uint8_t z[60];
    struct ubr_hasher hasher;
    ubr_hasher_begin(&hasher, UBR_DS_SAFETY, sizeof z);
    ubr_hasher_add(&hasher, pair.smaller, UBR_KEY_LEN);
    ubr_hasher_add(&hasher, pair.larger, UBR_KEY_LEN);
    ubr_hasher_end(&hasher, z);
    for (size_t group = 0; group < 12; group++) {
        const uint8_t *at = z + 5 * group;
        uint64_t number = (uint64_t)at[0] << 32 | (uint64_t)at[1] << 24 | (uint64_t)at[2] << 16 |
                          (uint64_t)at[3] << 8 | at[4];
        snprintf(text_out + 6 * group, 7, group < 11 ? "%05u-" : "%05u",
                 (unsigned)(number % 100000));
    }
}

void ubr_safety_link(const uint8_t a[UBR_KEY_LEN], const uint8_t b[UBR_KEY_LEN],
                     char link_out[UBR_SAFETY_LINK_LEN + 1])
{
    struct key_pair pair = in_order(a, b);
    char smaller[UBR_HEX_LEN(UBR_KEY_LEN) + 1];
    char larger[UBR_HEX_LEN(UBR_KEY_LEN) + 1];
    ubr_hex_encode(ubr_bytes_of(pair.smaller, UBR_KEY_LEN), smaller);
    ubr_hex_encode(ubr_bytes_of(pair.larger, UBR_KEY_LEN), larger);
    snprintf(link_out, UBR_SAFETY_LINK_LEN + 1, "unibus:verify/1?a=%s&b=%s", smaller, larger);
}

void ubr_inbox_token(const uint8_t nats_pk[UBR_KEY_LEN], char token_out[33])
{
    uint8_t token[20];
    hash_prefix(UBR_DS_INBOX, nats_pk, token, sizeof token);
    ubr_base32_encode(ubr_bytes_of(token, sizeof token), token_out);
}

void ubr_room32(const uint8_t room_id[UBR_ROOM_ID_LEN], char text_out[UBR_ROOM32_LEN + 1])
{
    ubr_base32_encode(ubr_bytes_of(room_id, UBR_ROOM_ID_LEN), text_out);
}

bool ubr_room32_parse(struct ubr_bytes text, uint8_t room_id_out[UBR_ROOM_ID_LEN])
{
    return ubr_base32_decode_exact(text, room_id_out, UBR_ROOM_ID_LEN);
}
