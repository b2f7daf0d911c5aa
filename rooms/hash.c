/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/hash.h"

#include <assert.h>

/* A C string ends with the zero that DS wants after the label. */
#define DS(label) "\xffunibus/1/" label

struct label_row {
    const char *ds;
    size_t len;
};

static const struct label_row labels[UBR_LABEL_COUNT] = {
#define LABEL_ROW(constant, label) [constant] = {DS(label), sizeof(DS(label))},
    UBR_LABEL_TABLE(LABEL_ROW)
#undef LABEL_ROW
};

struct ubr_bytes ubr_ds(enum ubr_label label)
{
    assert((size_t)label < UBR_LABEL_COUNT);
    return ubr_bytes_of(labels[label].ds, labels[label].len);
}

void ubr_hash(enum ubr_label label, struct ubr_bytes x, uint8_t hash_out[UBR_HASH_LEN])
{
    struct ubr_hasher hasher;
    ubr_hasher_begin(&hasher, label, UBR_HASH_LEN);
    ubr_hasher_add_bytes(&hasher, x);
    ubr_hasher_end(&hasher, hash_out);
}

void ubr_hash_plain(struct ubr_bytes x, uint8_t hash_out[UBR_HASH_LEN])
{
    ubr_hash_plain_n(x, hash_out, UBR_HASH_LEN);
}

void ubr_hash_plain_n(struct ubr_bytes x, uint8_t *hash_out, size_t n)
{
    crypto_generichash(hash_out, n, x.ptr, x.len, NULL, 0);
}

void ubr_hasher_begin(struct ubr_hasher *hasher, enum ubr_label label, size_t len)
{
    ubr_hasher_begin_plain(hasher, len);
    ubr_hasher_add_bytes(hasher, ubr_ds(label));
}

void ubr_hasher_begin_plain(struct ubr_hasher *hasher, size_t len)
{
    hasher->len = len;
    crypto_generichash_init(&hasher->state, NULL, 0, len);
}

void ubr_hasher_add(struct ubr_hasher *hasher, const void *ptr, size_t len)
{
    if (len > 0) {
        crypto_generichash_update(&hasher->state, ptr, len);
    }
}

void ubr_hasher_add_bytes(struct ubr_hasher *hasher, struct ubr_bytes bytes)
{
    ubr_hasher_add(hasher, bytes.ptr, bytes.len);
}

void ubr_hasher_add_u8(struct ubr_hasher *hasher, uint8_t value)
{
    ubr_hasher_add(hasher, &value, 1);
}

void ubr_hasher_add_u32(struct ubr_hasher *hasher, uint32_t value)
{
    uint8_t buf[4];
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, sizeof buf);
    ubr_put_u32(&writer, value);
    ubr_hasher_add(hasher, buf, sizeof buf);
}

void ubr_hasher_add_u64(struct ubr_hasher *hasher, uint64_t value)
{
    uint8_t buf[8];
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, sizeof buf);
    ubr_put_u64(&writer, value);
    ubr_hasher_add(hasher, buf, sizeof buf);
}

void ubr_hasher_add_str8(struct ubr_hasher *hasher, struct ubr_bytes bytes)
{
    assert(bytes.len <= UINT8_MAX);
    ubr_hasher_add_u8(hasher, (uint8_t)bytes.len);
    ubr_hasher_add_bytes(hasher, bytes);
}

void ubr_hasher_end(struct ubr_hasher *hasher, uint8_t *hash_out)
{
    crypto_generichash_final(&hasher->state, hash_out, hasher->len);
}

void ubr_kdf(const uint8_t key[UBR_KDF_LEN], const char ctx[8], uint32_t id,
             uint8_t key_out[UBR_KDF_LEN])
{
    assert(id < UINT32_C(1) << 31);
    crypto_kdf_derive_from_key(key_out, UBR_KDF_LEN, id, ctx, key);
}
