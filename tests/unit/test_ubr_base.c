/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/hash.h"
#include "ubr/key.h"
#include "ubr/name.h"
#include "ubr/text.h"

static void test_error_names_are_one_to_one(void **state)
{
    (void)state;
    for (int code = UBR_OK; code < UBR_ERROR_COUNT; code++) {
        const char *name = ubr_error_name((enum ubr_error)code);
        assert_int_equal(ubr_error_from_name(name), code);
        assert_true(strlen(ubr_error_meaning((enum ubr_error)code)) > 0);
    }
    assert_string_equal(ubr_error_name(UBR_E_KV_UNSIGNED_DELETE), "E-KV-UNSIGNED-DELETE");
    assert_string_equal(ubr_error_name(UBR_ERROR_COUNT), "E-?");
    assert_int_equal(ubr_error_from_name("E-NONE"), UBR_ERROR_COUNT);
}

static void test_reader_fails_for_good(void **state)
{
    (void)state;
    const uint8_t input[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 2, 'h', 'i'};
    struct ubr_reader reader;
    ubr_reader_init(&reader, ubr_bytes_of(input, sizeof input));
    assert_int_equal(ubr_get_u8(&reader), 0x01);
    assert_int_equal(ubr_get_u16(&reader), 0x0203);
    assert_int_equal(ubr_get_u32(&reader), 0x04050607);
    assert_true(ubr_get_u64(&reader) == UINT64_C(0x08090a0b0c0d0e0f));
    struct ubr_bytes text = ubr_get_str8(&reader);
    assert_true(ubr_bytes_are_equal(text, ubr_bytes_of_text("hi")));
    assert_true(ubr_reader_is_done(&reader));
    uint8_t copy[2] = {9, 9};
    ubr_get_copy(&reader, copy, sizeof copy);
    assert_true(copy[0] == 0 && copy[1] == 0);
    assert_true(reader.failed);
    ubr_reader_init(&reader, ubr_bytes_of(input, 3));
    assert_int_equal(ubr_get_u32(&reader), 0);
    assert_int_equal(ubr_get_u8(&reader), 0);
    assert_int_equal(ubr_get_rest(&reader).len, 0);
    assert_false(ubr_reader_is_done(&reader));
}

static void test_writer_stays_in_its_buffer(void **state)
{
    (void)state;
    uint8_t buf[20];
    uint8_t long_text[256] = {0};
    struct ubr_writer writer;
    memset(buf, 0xee, sizeof buf);
    ubr_writer_init(&writer, buf, 16);
    ubr_put_u8(&writer, 1);
    ubr_put_u16(&writer, 0x0203);
    ubr_put_u32(&writer, 0x04050607);
    ubr_put_u64(&writer, UINT64_C(0x08090a0b0c0d0e0f));
    ubr_put_u16(&writer, 7);
    assert_true(writer.failed);
    ubr_put_zeros(&writer, 1);
    assert_int_equal(ubr_writer_bytes(&writer).len, 0);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(buf[i], i + 1);
    }
    assert_int_equal(buf[15], 0xee);
    ubr_writer_init(&writer, buf, sizeof buf);
    ubr_put_str8(&writer, ubr_bytes_of(long_text, sizeof long_text));
    assert_true(writer.failed);
}

struct text_case {
    const char *text;
    bool is_valid;
};

static void test_base64_is_strict(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"", true},      {"Zg", true},     {"Zm8", true},         {"Zm9v", true},
        {"_-8", true},   {"Zh", false},    {"Zm9", false},        {"Zg==", false},
        {"Z", false},    {"Zm9vY", false}, {"/+8", false},        {"Zm 8", false},
        {"Zg\n", false}, {"Zm8=", false},  {"AA\xbb\xbb", false}, {"\xff\xff\xff\xff", false},
    };
    uint8_t out[8];
    char text[16];
    size_t len;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ubr_bytes input = ubr_bytes_of_text(cases[i].text);
        assert_int_equal(ubr_base64_decode(input, out, sizeof out, &len), cases[i].is_valid);
        if (cases[i].is_valid) {
            ubr_base64_encode(ubr_bytes_of(out, len), text);
            assert_string_equal(text, cases[i].text);
            assert_int_equal(strlen(text), UBR_BASE64_LEN(len));
        }
    }
    assert_false(ubr_base64_decode(ubr_bytes_of_text("Zm9v"), out, 2, &len));
    assert_false(ubr_base64_decode_exact(ubr_bytes_of_text("Zm9v"), out, 4));
    assert_true(ubr_base64_decode_exact(ubr_bytes_of_text("Zm9v"), out, 3));
}

static void test_base32_is_strict(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"", true},         {"my", true},        {"mzxq", true}, {"mzxw6", true}, {"mzxw6yq", true},
        {"mzxw6ytb", true}, {"mz", false},       {"m", false},   {"mzx", false},  {"mzxr", false},
        {"MY", false},      {"my======", false}, {"m1", false},  {"m8", false},   {"mzxw6y", false},
        {"m\xff", false},   {"m{", false},       {"m`", false},
    };
    uint8_t out[8];
    char text[32];
    size_t len;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ubr_bytes input = ubr_bytes_of_text(cases[i].text);
        assert_int_equal(ubr_base32_decode(input, out, sizeof out, &len), cases[i].is_valid);
        if (cases[i].is_valid) {
            ubr_base32_encode(ubr_bytes_of(out, len), text);
            assert_string_equal(text, cases[i].text);
            assert_int_equal(strlen(text), UBR_BASE32_LEN(len));
        }
    }
    assert_false(ubr_base32_decode(ubr_bytes_of_text("mzxw6"), out, 2, &len));
}

static void test_hex_is_lower_case(void **state)
{
    (void)state;
    uint8_t out[4];
    char text[9];
    size_t len;
    assert_true(ubr_hex_decode(ubr_bytes_of_text("00ff7f"), out, sizeof out, &len));
    ubr_hex_encode(ubr_bytes_of(out, len), text);
    assert_string_equal(text, "00ff7f");
    assert_false(ubr_hex_decode(ubr_bytes_of_text("00FF"), out, sizeof out, &len));
    assert_false(ubr_hex_decode(ubr_bytes_of_text("0"), out, sizeof out, &len));
    assert_false(ubr_hex_decode(ubr_bytes_of_text("0g"), out, sizeof out, &len));
    assert_false(ubr_hex_decode(ubr_bytes_of_text("0011223344"), out, sizeof out, &len));
    assert_false(ubr_hex_decode_exact(ubr_bytes_of_text("0011"), out, 3));
}

static void test_text_is_utf8_without_controls(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"", true},
        {"plain ~", true},
        {"w\xc3\xb6rld", true},
        {"\xc2\xa0", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf\xee\x80\x80", true},
        {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true},
        {"\x1f", false},
        {"\x7f", false},
        {"\xc2\x80", false},         /* U+0080 */
        {"\xc2\x9f", false},         /* U+009F */
        {"\xc0\xaf", false},         /* overlong */
        {"\xc1\xbf", false},         /* overlong */
        {"\xe0\x9f\xbf", false},     /* overlong */
        {"\xf0\x8f\xbf\xbf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xf4\x90\x80\x80", false}, /* U+110000 */
        {"\xf5\x80\x80\x80", false},
        {"\x80", false},
        {"a\xc3", false},
        {"\xe2\x82", false},
        {"\xe2\x28\xa1", false},
        {"\xf0\x9f\x98", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ubr_text_is_valid(ubr_bytes_of_text(cases[i].text)), cases[i].is_valid);
    }
    assert_false(ubr_text_is_valid(ubr_bytes_of("a\0b", 3)));
}

static void test_handles_and_names(void **state)
{
    (void)state;
    static const struct text_case handles[] = {
        {"a", true},   {"0", true},   {"a.b_c-d9", true}, {"", false},    {".a", false},
        {"-a", false}, {"_a", false}, {"Alice", false},   {"a b", false}, {"a\xc3\xb6", false},
    };
    char text[66];
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++) {
        assert_int_equal(ubr_handle_is_valid(ubr_bytes_of_text(handles[i].text)),
                         handles[i].is_valid);
    }
    memset(text, 'a', sizeof text);
    assert_true(ubr_handle_is_valid(ubr_bytes_of(text, 63)));
    assert_false(ubr_handle_is_valid(ubr_bytes_of(text, 64)));
    assert_true(ubr_room_name_is_valid(ubr_bytes_of(text, 0)));
    assert_true(ubr_room_name_is_valid(ubr_bytes_of(text, 64)));
    assert_false(ubr_room_name_is_valid(ubr_bytes_of(text, 65)));
    assert_false(ubr_room_name_is_valid(ubr_bytes_of_text("a\n")));
}

/* DS begins with 0xFF and ends with 0x00, and no label is another's beginning. */
static void test_labels(void **state)
{
    (void)state;
    for (int a = 0; a < UBR_LABEL_COUNT; a++) {
        struct ubr_bytes ds = ubr_ds((enum ubr_label)a);
        assert_true(ds.len <= UBR_DS_MAX);
        assert_memory_equal(ds.ptr, "\xffunibus/1/", 10);
        assert_ptr_equal(memchr(ds.ptr, 0, ds.len), ds.ptr + ds.len - 1);
        for (int b = 0; b < a; b++) {
            assert_false(ubr_bytes_are_equal(ds, ubr_ds((enum ubr_label)b)));
        }
    }
}

static void test_hasher_equals_hash(void **state)
{
    (void)state;
    const uint8_t pieces[] = {7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 2, 'h', 'i'};
    uint8_t whole[UBR_HASH_LEN];
    uint8_t piecewise[UBR_HASH_LEN];
    struct ubr_hasher hasher;
    ubr_hash(UBR_DS_MSG, ubr_bytes_of(pieces, sizeof pieces), whole);
    ubr_hasher_begin(&hasher, UBR_DS_MSG, sizeof piecewise);
    ubr_hasher_add_u8(&hasher, 7);
    ubr_hasher_add_u32(&hasher, 8);
    ubr_hasher_add_u64(&hasher, 9);
    ubr_hasher_add_str8(&hasher, ubr_bytes_of_text("hi"));
    ubr_hasher_end(&hasher, piecewise);
    assert_memory_equal(whole, piecewise, sizeof whole);
}

static void test_signatures_are_bound_to_their_label(void **state)
{
    (void)state;
    static const uint8_t zeros[UBR_SIG_LEN];
    uint8_t seed[UBR_SEED_LEN] = {1};
    uint8_t body[UBR_SIGNED_MAX + 1] = {0};
    uint8_t sig[UBR_SIG_LEN];
    struct ubr_sign_key key;
    ubr_sign_key_from_seed(seed, &key);
    struct ubr_bytes longest = ubr_bytes_of(body, UBR_SIGNED_MAX);
    struct ubr_bytes too_long = ubr_bytes_of(body, UBR_SIGNED_MAX + 1);
    ubr_sign(&key, UBR_DS_DEVICE, longest, sig);
    assert_true(ubr_signature_is_good(key.pk, UBR_DS_DEVICE, longest, sig));
    assert_false(ubr_signature_is_good(key.pk, UBR_DS_DEVICE_POP, longest, sig));
    assert_false(ubr_signature_is_good(key.pk, UBR_DS_DEVICE, too_long, sig));
    ubr_sign(&key, UBR_DS_DEVICE, too_long, sig);
    assert_memory_equal(sig, zeros, sizeof sig);
}

static void test_room32_has_one_spelling(void **state)
{
    (void)state;
    uint8_t room_id[UBR_ROOM_ID_LEN];
    char text[UBR_ROOM32_LEN + 1];
    const char *room32 = "ap7f3qzlbiwvi7s6gbwm7e6ps4xm7nxw";
    assert_true(ubr_room32_parse(ubr_bytes_of_text(room32), room_id));
    ubr_room32(room_id, text);
    assert_string_equal(text, room32);
    assert_false(ubr_room32_parse(ubr_bytes_of(room32, 31), room_id));
    assert_false(ubr_room32_parse(ubr_bytes_of_text("AP7F3QZLBIWVI7S6GBWM7E6PS4XM7NXW"), room_id));
}

static int setup(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_names_are_one_to_one),
        cmocka_unit_test(test_reader_fails_for_good),
        cmocka_unit_test(test_writer_stays_in_its_buffer),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_base32_is_strict),
        cmocka_unit_test(test_hex_is_lower_case),
        cmocka_unit_test(test_text_is_utf8_without_controls),
        cmocka_unit_test(test_handles_and_names),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_hasher_equals_hash),
        cmocka_unit_test(test_signatures_are_bound_to_their_label),
        cmocka_unit_test(test_room32_has_one_spelling),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
