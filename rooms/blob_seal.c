/* SPDX-License-Identifier: Apache-2.0 */
#include "blob_ad.h"

#include <string.h>

enum ubr_error ubr_blob_seal_init(struct ubr_blob_sealer *sealer,
                                  const uint8_t room_id[UBR_ROOM_ID_LEN], uint64_t size,
                                  uint8_t header_out[UBR_BLOB_HEADER_LEN])
{
    uint64_t osize;
    memset(sealer, 0, sizeof *sealer);
    enum ubr_error error = ubr_blob_osize(size, &osize);
    if (error != UBR_OK) {
        return error;
    }
    sealer->size = size;
    sealer->left = size;
    memcpy(sealer->room_id, room_id, sizeof sealer->room_id);
    crypto_secretstream_xchacha20poly1305_keygen(sealer->key);
    crypto_secretstream_xchacha20poly1305_init_push(&sealer->stream, header_out, sealer->key);
    ubr_hasher_begin_plain(&sealer->hasher, UBR_HASH_LEN);
    ubr_hasher_add(&sealer->hasher, header_out, UBR_BLOB_HEADER_LEN);
    return UBR_OK;
}

size_t ubr_blob_seal_want(const struct ubr_blob_sealer *sealer)
{
    return sealer->left < UBR_BLOB_CHUNK ? (size_t)sealer->left : UBR_BLOB_CHUNK;
}

enum ubr_error ubr_blob_seal_push(struct ubr_blob_sealer *sealer, struct ubr_bytes plain,
                                  uint8_t *sealed_out)
{
    uint8_t ad_buf[BLOB_AD_MAX];
    struct ubr_bytes ad = {NULL, 0};
    if (sealer->is_done || plain.len != ubr_blob_seal_want(sealer)) {
        return UBR_E_BLOB_SIZE;
    }
    if (sealer->left == sealer->size) {
        ad = ubr_blob_put_ad(ad_buf, sealer->room_id, sealer->size);
    }
    sealer->left -= plain.len;
    sealer->is_done = sealer->left == 0;
    uint8_t tag = sealer->is_done ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                                  : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
    crypto_secretstream_xchacha20poly1305_push(&sealer->stream, sealed_out, NULL, plain.ptr,
                                               plain.len, ad.ptr, ad.len, tag);
    ubr_hasher_add(&sealer->hasher, sealed_out, plain.len + UBR_BLOB_CHUNK_EXTRA);
    return UBR_OK;
}

enum ubr_error ubr_blob_seal_finish(struct ubr_blob_sealer *sealer, struct ubr_blob_ref *ref_out)
{
    memset(ref_out, 0, sizeof *ref_out);
    if (!sealer->is_done) {
        return UBR_E_BLOB_SIZE;
    }
    ubr_hasher_end(&sealer->hasher, ref_out->hash);
    memcpy(ref_out->key, sealer->key, sizeof ref_out->key);
    ref_out->size = sealer->size;
    return ubr_blob_osize(sealer->size, &ref_out->osize);
}

void ubr_blob_seal_fini(struct ubr_blob_sealer *sealer)
{
    sodium_memzero(sealer, sizeof *sealer);
}
