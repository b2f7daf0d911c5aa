/* SPDX-License-Identifier: Apache-2.0 */
#include "blob_ad.h"

#include <string.h>

enum ubr_error ubr_blob_open_init(struct ubr_blob_opener *opener, const struct ubr_blob_ref *ref,
                                  const uint8_t room_id[UBR_ROOM_ID_LEN])
{
    uint64_t osize;
    memset(opener, 0, sizeof *opener);
    enum ubr_error error = ubr_blob_osize(ref->size, &osize);
    if (error != UBR_OK) {
        return error;
    }
    if (osize != ref->osize) {
        return UBR_E_BLOB_SIZE;
    }
    opener->size = ref->size;
    opener->osize = ref->osize;
    memcpy(opener->key, ref->key, sizeof opener->key);
    memcpy(opener->hash, ref->hash, sizeof opener->hash);
    memcpy(opener->room_id, room_id, sizeof opener->room_id);
    ubr_hasher_begin_plain(&opener->hasher, UBR_HASH_LEN);
    return UBR_OK;
}

size_t ubr_blob_open_want(const struct ubr_blob_opener *opener)
{
    uint64_t left = opener->osize - opener->taken;
    size_t next = opener->taken == 0 ? UBR_BLOB_HEADER_LEN : UBR_BLOB_SEALED_CHUNK;
    return left < next ? (size_t)left : next;
}

static enum ubr_error take_header(struct ubr_blob_opener *opener, struct ubr_bytes header)
{
    if (crypto_secretstream_xchacha20poly1305_init_pull(&opener->stream, header.ptr, opener->key) !=
        0) {
        return UBR_E_BLOB_OPEN;
    }
    return UBR_OK;
}

static enum ubr_error take_chunk(struct ubr_blob_opener *opener, struct ubr_bytes sealed,
                                 uint8_t *plain_out)
{
    uint8_t ad_buf[BLOB_AD_MAX];
    struct ubr_bytes ad = {NULL, 0};
    uint8_t tag = 0;
    bool is_last = opener->taken + sealed.len == opener->osize;
    if (opener->taken == UBR_BLOB_HEADER_LEN) {
        ad = ubr_blob_put_ad(ad_buf, opener->room_id, opener->size);
    }
    if (crypto_secretstream_xchacha20poly1305_pull(&opener->stream, plain_out, NULL, &tag,
                                                   sealed.ptr, sealed.len, ad.ptr, ad.len) != 0) {
        return UBR_E_BLOB_OPEN;
    }
    if ((tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL) != is_last) {
        return UBR_E_BLOB_TRUNCATED;
    }
    if (!is_last && tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE) {
        return UBR_E_BLOB_OPEN;
    }
    return UBR_OK;
}

enum ubr_error ubr_blob_open_push(struct ubr_blob_opener *opener, struct ubr_bytes sealed,
                                  uint8_t *plain_out, size_t *len_out)
{
    bool is_header = opener->taken == 0;
    *len_out = 0;
    if (sealed.len == 0 || sealed.len != ubr_blob_open_want(opener)) {
        return UBR_E_BLOB_SIZE;
    }
    ubr_hasher_add_bytes(&opener->hasher, sealed);
    if (opener->failure == UBR_OK) {
        opener->failure =
            is_header ? take_header(opener, sealed) : take_chunk(opener, sealed, plain_out);
    }
    opener->taken += sealed.len;
    if (is_header) {
        return UBR_OK;
    }
    *len_out = sealed.len - UBR_BLOB_CHUNK_EXTRA;
    if (opener->failure != UBR_OK) {
        memset(plain_out, 0, *len_out);
    }
    return UBR_OK;
}

enum ubr_error ubr_blob_open_finish(struct ubr_blob_opener *opener)
{
    uint8_t hash[UBR_HASH_LEN];
    if (opener->osize == 0 || opener->taken != opener->osize) {
        return UBR_E_BLOB_SIZE;
    }
    ubr_hasher_end(&opener->hasher, hash);
    if (memcmp(hash, opener->hash, sizeof hash) != 0) {
        return UBR_E_BLOB_HASH;
    }
    return opener->failure;
}

void ubr_blob_open_fini(struct ubr_blob_opener *opener)
{
    sodium_memzero(opener, sizeof *opener);
}
