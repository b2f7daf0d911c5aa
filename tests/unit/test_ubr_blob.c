/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/blob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vectors.h"

struct object {
    uint8_t *bytes;
    size_t len;
    struct ubr_blob_ref ref;
};

static uint8_t plain_byte(size_t i)
{
    return (uint8_t)(7 * i + 3);
}

/* Encrypts the plaintext of the rules. With key and header the result is that of the vectors: real
 * blobs draw both, so the drawn ones are replaced here. */
static void seal_object(const uint8_t *room_id, size_t size, const uint8_t *key,
                        const uint8_t *header, struct object *object_out)
{
    struct ubr_blob_sealer sealer;
    uint64_t osize;
    uint8_t plain[UBR_BLOB_CHUNK];
    assert_int_equal(ubr_blob_osize(size, &osize), UBR_OK);
    object_out->bytes = malloc(osize);
    assert_non_null(object_out->bytes);
    assert_int_equal(ubr_blob_seal_init(&sealer, room_id, size, object_out->bytes), UBR_OK);
    if (key != NULL) {
        memcpy(sealer.key, key, sizeof sealer.key);
        memcpy(object_out->bytes, header, UBR_BLOB_HEADER_LEN);
        crypto_secretstream_xchacha20poly1305_init_pull(&sealer.stream, header, key);
        ubr_hasher_begin_plain(&sealer.hasher, UBR_HASH_LEN);
        ubr_hasher_add(&sealer.hasher, header, UBR_BLOB_HEADER_LEN);
    }
    size_t len = UBR_BLOB_HEADER_LEN;
    size_t at = 0;
    for (uint64_t left = ubr_blob_chunks(size); left > 0; left--) {
        size_t want = ubr_blob_seal_want(&sealer);
        for (size_t i = 0; i < want; i++) {
            plain[i] = plain_byte(at++);
        }
        assert_int_equal(
            ubr_blob_seal_push(&sealer, ubr_bytes_of(plain, want), object_out->bytes + len),
            UBR_OK);
        len += want + UBR_BLOB_CHUNK_EXTRA;
    }
    assert_int_equal(ubr_blob_seal_push(&sealer, ubr_bytes_of(plain, 0), plain), UBR_E_BLOB_SIZE);
    assert_int_equal(ubr_blob_seal_finish(&sealer, &object_out->ref), UBR_OK);
    ubr_blob_seal_fini(&sealer);
    object_out->len = len;
    assert_int_equal(len, osize);
    assert_int_equal(object_out->ref.osize, osize);
}

/* Opens the object and compares each plaintext byte; the reader's own pace is chunk by chunk. */
static enum ubr_error open_object(const uint8_t *room_id, const struct ubr_blob_ref *ref,
                                  struct ubr_bytes object)
{
    struct ubr_blob_opener opener;
    uint8_t plain[UBR_BLOB_CHUNK];
    size_t at = 0;
    enum ubr_error error = ubr_blob_open_init(&opener, ref, room_id);
    while (error == UBR_OK && object.len > 0) {
        size_t want = ubr_blob_open_want(&opener);
        size_t len;
        struct ubr_bytes piece = {object.ptr, want > 0 && want < object.len ? want : object.len};
        error = ubr_blob_open_push(&opener, piece, plain, &len);
        for (size_t i = 0; i < len && opener.failure == UBR_OK; i++) {
            assert_int_equal(plain[i], plain_byte(at++));
        }
        object.ptr += piece.len;
        object.len -= piece.len;
    }
    if (error == UBR_OK) {
        error = ubr_blob_open_finish(&opener);
    }
    assert_true(error != UBR_OK || at == ref->size);
    ubr_blob_open_fini(&opener);
    return error;
}

static void ref_of(struct vectors *vectors, const json_t *inputs, struct ubr_blob_ref *ref_out)
{
    const char *address = vectors_text(inputs, "address");
    char again[UBR_BLOB_ADDRESS_LEN + 1];
    memset(ref_out, 0, sizeof *ref_out);
    assert_true(ubr_blob_address_parse(ubr_bytes_of_text(address), ref_out->hash));
    ubr_blob_address(ref_out->hash, again);
    assert_string_equal(again, address);
    memcpy(ref_out->key, vectors_hex(vectors, inputs, "key").ptr, sizeof ref_out->key);
    ref_out->size = (uint64_t)vectors_int(inputs, "size");
    ref_out->osize = (uint64_t)vectors_int(inputs, "osize");
}

/* The refused objects that are described and not printed, made of 'two chunks and 10 bytes'. */
static void build_by_rule(const char *name, struct object *object)
{
    uint8_t *first = object->bytes + UBR_BLOB_HEADER_LEN;
    if (strcmp(name, "neg/chunks swapped") == 0) {
        uint8_t swap[UBR_BLOB_SEALED_CHUNK];
        memcpy(swap, first, sizeof swap);
        memcpy(first, first + sizeof swap, sizeof swap);
        memcpy(first + sizeof swap, swap, sizeof swap);
    } else {
        assert_string_equal(name, "neg/last chunk missing");
        object->len = UBR_BLOB_HEADER_LEN + 2 * UBR_BLOB_SEALED_CHUNK;
    }
}

static void judge_one(struct vectors *vectors, const json_t *vector)
{
    const json_t *inputs = vector_inputs(vector);
    const uint8_t *room_id = vectors_hex(vectors, inputs, "room_id").ptr;
    struct ubr_blob_ref ref;
    struct object object;
    ref_of(vectors, inputs, &ref);
    bool is_good = vector_expect(vector) == UBR_OK;
    size_t size = is_good ? (size_t)ref.size : 131082;
    seal_object(room_id, size, ref.key, vectors_hex(vectors, inputs, "header").ptr, &object);
    if (is_good) {
        assert_memory_equal(object.ref.hash, ref.hash, sizeof ref.hash);
        assert_memory_equal(object.ref.key, ref.key, sizeof ref.key);
        vector_assert_bytes(vectors, vector, "object_hash",
                            ubr_bytes_of(object.ref.hash, sizeof object.ref.hash));
    }
    bool is_printed = json_object_get(inputs, "object") != NULL;
    if (!is_good && !is_printed) {
        build_by_rule(vector_name(vector), &object);
    }
    struct ubr_bytes bytes = {object.bytes, object.len};
    if (is_printed) {
        struct ubr_bytes printed = vectors_hex(vectors, inputs, "object");
        assert_true(!is_good || ubr_bytes_are_equal(printed, bytes));
        bytes = printed;
    }
    vector_assert_code(vector, open_object(room_id, &ref, bytes));
    free(object.bytes);
}

static void test_vectors(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors, "blobs", 12, 8);
    for (size_t i = 0; i < 12; i++) {
        judge_one(&vectors, vectors_at(&vectors, i));
    }
    vectors_close(&vectors);
}

static const uint8_t room[UBR_ROOM_ID_LEN] = {7};

static void test_round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct object object;
        seal_object(room, sizes[i], NULL, NULL, &object);
        struct ubr_bytes bytes = {object.bytes, object.len};
        assert_int_equal(open_object(room, &object.ref, bytes), UBR_OK);
        bytes.len--; /* the object itself is shorter, then longer, than announced */
        assert_int_equal(open_object(room, &object.ref, bytes), UBR_E_BLOB_SIZE);
        free(object.bytes);
    }
}

static void test_object_longer_than_announced(void **state)
{
    (void)state;
    struct object object;
    seal_object(room, 65536, NULL, NULL, &object);
    uint8_t *longer = calloc(1, object.len + 1);
    assert_non_null(longer);
    memcpy(longer, object.bytes, object.len);
    assert_int_equal(open_object(room, &object.ref, ubr_bytes_of(longer, object.len + 1)),
                     UBR_E_BLOB_SIZE);
    free(longer);
    free(object.bytes);
}

static void rehash(struct object *object)
{
    ubr_hash_plain(ubr_bytes_of(object->bytes, object->len), object->ref.hash);
}

/* A stream that marks its end too early, then goes on. */
static void test_final_before_the_end(void **state)
{
    (void)state;
    struct object object;
    seal_object(room, UBR_BLOB_CHUNK + 10, NULL, NULL, &object);
    struct ubr_blob_sealer sealer;
    uint8_t plain[UBR_BLOB_CHUNK] = {0};
    assert_int_equal(ubr_blob_seal_init(&sealer, room, UBR_BLOB_CHUNK + 10, object.bytes), UBR_OK);
    uint8_t ad[64];
    struct ubr_writer writer;
    ubr_writer_init(&writer, ad, sizeof ad);
    ubr_put_bytes(&writer, ubr_ds(UBR_DS_BLOB));
    ubr_put_copy(&writer, room, sizeof room);
    ubr_put_u64(&writer, UBR_BLOB_CHUNK + 10);
    crypto_secretstream_xchacha20poly1305_push(&sealer.stream, object.bytes + UBR_BLOB_HEADER_LEN,
                                               NULL, plain, sizeof plain, ad, writer.len,
                                               crypto_secretstream_xchacha20poly1305_TAG_FINAL);
    memcpy(object.ref.key, sealer.key, sizeof sealer.key);
    ubr_blob_seal_fini(&sealer);
    rehash(&object);
    struct ubr_blob_opener opener;
    size_t len;
    assert_int_equal(ubr_blob_open_init(&opener, &object.ref, room), UBR_OK);
    struct ubr_bytes rest = {object.bytes, object.len};
    for (size_t want; (want = ubr_blob_open_want(&opener)) > 0;) {
        assert_int_equal(ubr_blob_open_push(&opener, ubr_bytes_of(rest.ptr, want), plain, &len),
                         UBR_OK);
        rest.ptr += want;
        assert_true(len == 0 || sodium_is_zero(plain, len));
    }
    assert_int_equal(ubr_blob_open_finish(&opener), UBR_E_BLOB_TRUNCATED);
    ubr_blob_open_fini(&opener);
    free(object.bytes);
}

static void test_size_rule(void **state)
{
    (void)state;
    uint64_t osize;
    uint8_t header[UBR_BLOB_HEADER_LEN];
    struct ubr_blob_sealer sealer;
    struct ubr_blob_ref ref;
    assert_int_equal(ubr_blob_osize(0, &osize), UBR_OK);
    assert_int_equal(osize, 41);
    assert_int_equal(ubr_blob_osize(65537, &osize), UBR_OK);
    assert_int_equal(osize, 24 + 65537 + 34);
    assert_int_equal(ubr_blob_osize(UBR_U53_END, &osize), UBR_E_BLOB_SIZE);
    assert_int_equal(ubr_blob_osize(UINT64_MAX, &osize), UBR_E_BLOB_SIZE);
    assert_int_equal(ubr_blob_seal_init(&sealer, room, UBR_U53_END, header), UBR_E_BLOB_SIZE);

    assert_int_equal(ubr_blob_seal_init(&sealer, room, 5, header), UBR_OK);
    assert_int_equal(ubr_blob_seal_push(&sealer, ubr_bytes_of_text("four"), header),
                     UBR_E_BLOB_SIZE);
    assert_int_equal(ubr_blob_seal_finish(&sealer, &ref), UBR_E_BLOB_SIZE);
    ubr_blob_seal_fini(&sealer);
}

static bool is_safe(const char *name)
{
    return ubr_blob_name_is_safe(ubr_bytes_of_text(name));
}

static void test_names(void **state)
{
    (void)state;
    char longest[257];
    memset(longest, 'a', 256);
    longest[256] = '\0';
    assert_false(is_safe(longest));
    longest[255] = '\0';
    assert_true(is_safe(longest));
    assert_true(is_safe("report 2.pdf"));
    assert_true(is_safe("größe.txt"));
    static const char *const unsafe[] = {
        "",        ".",      "..",    ".bashrc",      "a/b",           "/etc/passwd",
        "..\\x",   "a\nb",   "a\x7f", "\xc2\x85",     "gpj\u202e.exe", "\u200f",
        "\u2066x", "\u061c", "\xff",  "\xed\xa0\x80",
    };
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
        assert_false(is_safe(unsafe[i]));
    }
}

static void test_address_has_one_spelling(void **state)
{
    (void)state;
    uint8_t hash[UBR_HASH_LEN] = {0xab};
    char text[UBR_BLOB_ADDRESS_LEN + 1];
    ubr_blob_address(hash, text);
    assert_true(ubr_blob_address_parse(ubr_bytes_of_text(text), hash));
    text[3] = 'A';
    assert_false(ubr_blob_address_parse(ubr_bytes_of_text(text), hash));
    assert_false(ubr_blob_address_parse(ubr_bytes_of_text("b2-"), hash));
    assert_false(ubr_blob_address_parse(ubr_bytes_of(NULL, 0), hash));
    text[3] = 'a';
    text[1] = '3';
    assert_false(ubr_blob_address_parse(ubr_bytes_of_text(text), hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_object_longer_than_announced),
        cmocka_unit_test(test_final_before_the_end),
        cmocka_unit_test(test_size_rule),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_address_has_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
