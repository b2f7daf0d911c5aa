/* SPDX-License-Identifier: Apache-2.0 */
#include "blob_ad.h"

#include <string.h>

#include "ubr/text.h"

static const char address_prefix[] = {'b', '2', '-'};

uint64_t ubr_blob_chunks(uint64_t size)
{
    return size > 0 ? (size - 1) / UBR_BLOB_CHUNK + 1 : 1;
}

enum ubr_error ubr_blob_osize(uint64_t size, uint64_t *osize_out)
{
    if (size >= UBR_U53_END) {
        return UBR_E_BLOB_SIZE;
    }
    uint64_t osize = UBR_BLOB_HEADER_LEN + size + UBR_BLOB_CHUNK_EXTRA * ubr_blob_chunks(size);
    if (osize >= UBR_U53_END) {
        return UBR_E_BLOB_SIZE;
    }
    *osize_out = osize;
    return UBR_OK;
}

void ubr_blob_address(const uint8_t hash[UBR_HASH_LEN], char text_out[UBR_BLOB_ADDRESS_LEN + 1])
{
    memcpy(text_out, address_prefix, sizeof address_prefix);
    ubr_hex_encode(ubr_bytes_of(hash, UBR_HASH_LEN), text_out + sizeof address_prefix);
}

bool ubr_blob_address_parse(struct ubr_bytes text, uint8_t hash_out[UBR_HASH_LEN])
{
    if (text.len != UBR_BLOB_ADDRESS_LEN ||
        memcmp(text.ptr, address_prefix, sizeof address_prefix) != 0) {
        return false;
    }
    return ubr_hex_decode_exact(
        ubr_bytes_of(text.ptr + sizeof address_prefix, text.len - sizeof address_prefix), hash_out,
        UBR_HASH_LEN);
}

/* Characters that change the direction of text around them (Unicode, Bidi_Control), in UTF-8. */
static const char *const bidi_controls[] = {
    "\u061c", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c",
    "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069",
};

static bool holds(struct ubr_bytes text, const char *what)
{
    size_t len = strlen(what);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.ptr + i, what, len) == 0) {
            return true;
        }
    }
    return false;
}

bool ubr_blob_name_is_safe(struct ubr_bytes name)
{
    if (name.len == 0 || name.len > UBR_BLOB_NAME_MAX || !ubr_text_is_valid(name)) {
        return false;
    }
    if (name.ptr[0] == '.' || holds(name, "/") || holds(name, "\\")) {
        return false;
    }
    for (size_t i = 0; i < sizeof bidi_controls / sizeof *bidi_controls; i++) {
        if (holds(name, bidi_controls[i])) {
            return false;
        }
    }
    return true;
}

struct ubr_bytes ubr_blob_put_ad(uint8_t buf[BLOB_AD_MAX], const uint8_t *room_id, uint64_t size)
{
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, BLOB_AD_MAX);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_BLOB));
    ubr_put_copy(&writer, room_id, UBR_ROOM_ID_LEN);
    ubr_put_u64(&writer, size);
    return ubr_writer_bytes(&writer);
}
