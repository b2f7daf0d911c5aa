/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ubr/batch.h"
#include "ubr/extension.h"
#include "ubr/kv.h"
#include "ubr/padding.h"

/* Padding, batch, extensions and KV rules without any cryptography; their vectors are in
 * test_ubr_message. */

static void test_padme(void **state)
{
    (void)state;
    static const uint64_t pairs[][2] = {
        {4, 4},
        {5, 5},
        {7, 7},
        {8, 8},
        {9, 10},
        {31, 32},
        {33, 36},
        {105, 112},
        {1004, 1024},
        {1025, 1088},
        {4096, 4096},
        {4097, 4352},
        {65537, 67584},
        {8000000, 8126464},
        {8388608, 8388608},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(ubr_padme(pairs[i][0]), pairs[i][1]);
    }
    for (uint64_t len = 4; len < 70000; len++) {
        uint64_t padded = ubr_padme(len);
        assert_true(padded >= len && padded - len <= len * 12 / 100);
        assert_int_equal(ubr_padme(padded), padded);
    }
}

static void test_padding_round_trip(void **state)
{
    (void)state;
    uint8_t data[300];
    uint8_t buf[400];
    memset(data, 0xee, sizeof data);
    for (size_t n = 0; n <= sizeof data; n++) {
        struct ubr_writer writer;
        struct ubr_bytes opened;
        ubr_writer_init(&writer, buf, ubr_padding_len(n));
        ubr_padding_put(&writer, ubr_bytes_of(data, n));
        assert_int_equal(writer.len, ubr_padding_len(n));
        assert_int_equal(ubr_padding_open(ubr_writer_bytes(&writer), &opened), UBR_OK);
        assert_true(ubr_bytes_are_equal(opened, ubr_bytes_of(data, n)));
        if (writer.len > 4 + n) {
            buf[writer.len - 1] = 1;
            assert_int_equal(ubr_padding_open(ubr_writer_bytes(&writer), &opened), UBR_E_PARSE);
        }
    }
    struct ubr_bytes opened;
    assert_int_equal(ubr_padding_open(ubr_bytes_of(buf, 3), &opened), UBR_E_PARSE);
    assert_int_equal(ubr_padding_open(ubr_bytes_of("\xff\xff\xff\xff", 4), &opened), UBR_E_PARSE);
}

static void test_batch_limits(void **state)
{
    (void)state;
    size_t cap = 4 * (UBR_BATCH_RECORDS_MAX + 1);
    uint8_t *zeros = calloc(1, cap); /* as many empty records */
    size_t records;
    assert_non_null(zeros);
    assert_int_equal(ubr_batch_check(ubr_bytes_of(zeros, cap - 4), &records), UBR_OK);
    assert_int_equal(records, UBR_BATCH_RECORDS_MAX);
    assert_int_equal(ubr_batch_check(ubr_bytes_of(zeros, cap), &records), UBR_E_PARSE);
    assert_int_equal(ubr_batch_check(ubr_bytes_of(zeros, 5), &records), UBR_E_PARSE);
    assert_int_equal(ubr_batch_check(ubr_bytes_of(NULL, 0), &records), UBR_E_PARSE);
    assert_int_equal(ubr_batch_check(ubr_bytes_of("\xff\xff\xff\xff", 4), &records), UBR_E_PARSE);
    free(zeros);
}

static void test_batch_records(void **state)
{
    (void)state;
    static const char *const texts[] = {"one", "", "three"};
    uint8_t buf[32];
    struct ubr_writer writer;
    ubr_writer_init(&writer, buf, sizeof buf);
    for (size_t i = 0; i < 3; i++) {
        ubr_batch_put(&writer, ubr_bytes_of_text(texts[i]));
    }
    size_t i = 0;
    struct ubr_bytes rest = ubr_writer_bytes(&writer);
    for (struct ubr_bytes record; ubr_batch_next(&rest, &record);) {
        assert_true(ubr_bytes_are_equal(record, ubr_bytes_of_text(texts[i++])));
    }
    assert_int_equal(i, 3);
}

static struct ubr_extensions all_extensions(void)
{
    struct ubr_extensions ext = {
        .media_type = ubr_bytes_of_text("text/plain"),
        .reply_to = {.kid = {1, 2, 3}, .counter = 7},
        .expected_revision = 0x29,
        .expires_ms = 1700000009500,
        .kv_operation = UBR_KV_PUT,
        .previous_counter = 3,
    };
    for (enum ubr_ext_type type = UBR_EXT_MEDIA_TYPE; type <= UBR_EXT_PREVIOUS_COUNTER; type++) {
        ubr_ext_set(&ext, type);
    }
    return ext;
}

static void test_extensions_round_trip(void **state)
{
    (void)state;
    uint8_t buf[UBR_EXT_LEN_MAX];
    struct ubr_writer writer;
    struct ubr_extensions ext = all_extensions();
    struct ubr_extensions back;
    ubr_writer_init(&writer, buf, sizeof buf);
    assert_int_equal(ubr_ext_put(&writer, &ext), UBR_OK);
    assert_int_equal(ubr_ext_parse(ubr_writer_bytes(&writer), &back), UBR_OK);
    assert_int_equal(back.types, ext.types);
    assert_true(ubr_bytes_are_equal(back.media_type, ext.media_type));
    assert_memory_equal(&back.reply_to, &ext.reply_to, sizeof ext.reply_to);
    assert_int_equal(back.expected_revision, ext.expected_revision);
    assert_int_equal(back.expires_ms, ext.expires_ms);
    assert_int_equal(back.kv_operation, ext.kv_operation);
    assert_int_equal(back.previous_counter, ext.previous_counter);
}

static void test_a_sender_cannot_write_what_is_refused(void **state)
{
    (void)state;
    char long_text[257] = {0};
    memset(long_text, 'x', 256);
    struct ubr_extensions bad[] = {
        {.types = 1 << UBR_EXT_MEDIA_TYPE},
        {.types = 1 << UBR_EXT_MEDIA_TYPE, .media_type = ubr_bytes_of_text(long_text)},
        {.types = 1 << UBR_EXT_MEDIA_TYPE, .media_type = ubr_bytes_of_text("a\nb")},
        {.types = 1 << UBR_EXT_KV_OPERATION, .kv_operation = 0},
        {.types = 1 << UBR_EXT_KV_OPERATION, .kv_operation = 4},
        {.types = 1 << UBR_EXT_EXPIRES, .expires_ms = UBR_U53_END},
        {.types = 1 << UBR_EXT_REPLY_TO, .reply_to.counter = UBR_U53_END},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t buf[UBR_EXT_LEN_MAX];
        struct ubr_writer writer;
        ubr_writer_init(&writer, buf, sizeof buf);
        assert_int_equal(ubr_ext_put(&writer, &bad[i]), UBR_E_EXT);
    }
}

static enum ubr_error parse(const char *block, size_t len)
{
    struct ubr_extensions ext;
    return ubr_ext_parse(ubr_bytes_of(block, len), &ext);
}
#define PARSE(literal) parse(literal, sizeof(literal) - 1)

static void test_extension_forms(void **state)
{
    (void)state;
    assert_int_equal(PARSE(""), UBR_OK);
    assert_int_equal(PARSE("\x05\x00\x01\x01"), UBR_OK);
    assert_int_equal(PARSE("\x80\x00\x00\xff\x00\x01x"), UBR_OK);
    assert_int_equal(PARSE("\xff\x00\x01x\x80\x00\x00"), UBR_E_EXT); /* also ignored ones ascend */
    assert_int_equal(PARSE("\x80\x00\x00\x80\x00\x00"), UBR_E_EXT);
    assert_int_equal(PARSE("\x00\x00\x00"), UBR_E_EXT);
    assert_int_equal(PARSE("\x07\x00\x00"), UBR_E_EXT);
    assert_int_equal(PARSE("\x7f\x00\x00"), UBR_E_EXT);
    assert_int_equal(PARSE("\x05"), UBR_E_EXT);
    assert_int_equal(PARSE("\x05\x00\x02\x01\x01"), UBR_E_EXT);
    assert_int_equal(PARSE("\x05\x00\x02\x01"), UBR_E_EXT);
    assert_int_equal(PARSE("\x05\x00\x01\x00"), UBR_E_EXT);
    assert_int_equal(PARSE("\x01\x00\x00"), UBR_E_EXT);
    assert_int_equal(PARSE("\x01\x00\x01\x07"), UBR_E_EXT);
    assert_int_equal(PARSE("\x04\x00\x08\x00\x20\x00\x00\x00\x00\x00\x00"), UBR_E_EXT); /* 2^53 */
    assert_int_equal(PARSE("\x04\x00\x08\x00\x1f\xff\xff\xff\xff\xff\xff"), UBR_OK);
}

static void test_kv_markers(void **state)
{
    (void)state;
    struct ubr_bytes del = ubr_bytes_of_text("DEL");
    struct ubr_bytes purge = ubr_bytes_of_text("PURGE");
    struct ubr_bytes other = ubr_bytes_of_text("del");
    assert_int_equal(ubr_kv_marker_of(NULL, false), UBR_KV_MARKER_NONE);
    assert_int_equal(ubr_kv_marker_of(NULL, true), UBR_KV_MARKER_PURGE);
    assert_int_equal(ubr_kv_marker_of(&del, false), UBR_KV_MARKER_DELETE);
    assert_int_equal(ubr_kv_marker_of(&purge, true), UBR_KV_MARKER_PURGE);
    assert_int_equal(ubr_kv_marker_of(&other, false), UBR_KV_MARKER_OTHER);
}

static void test_kv_envelopes(void **state)
{
    (void)state;
    struct ubr_bytes empty = {NULL, 0};
    struct ubr_extensions ext = {0};
    assert_int_equal(ubr_kv_check_payload(UBR_KV_MARKER_NONE, empty), UBR_OK);
    assert_int_equal(ubr_kv_check_payload(UBR_KV_MARKER_DELETE, empty), UBR_E_KV_UNSIGNED_DELETE);
    assert_int_equal(ubr_kv_check_payload(UBR_KV_MARKER_OTHER, empty), UBR_E_KV_UNSIGNED_DELETE);
    assert_int_equal(ubr_kv_check_payload(UBR_KV_MARKER_PURGE, ubr_bytes_of_text("x")), UBR_OK);

    assert_int_equal(ubr_kv_operation_of(&ext), UBR_KV_PUT);
    assert_int_equal(ubr_kv_check_envelope(UBR_KV_MARKER_NONE, &ext), UBR_OK);
    assert_int_equal(ubr_kv_check_envelope(UBR_KV_MARKER_DELETE, &ext), UBR_E_KV_UNSIGNED_DELETE);
    ubr_ext_set(&ext, UBR_EXT_KV_OPERATION);
    ext.kv_operation = UBR_KV_DELETE;
    assert_int_equal(ubr_kv_operation_of(&ext), UBR_KV_DELETE);
    assert_int_equal(ubr_kv_check_envelope(UBR_KV_MARKER_NONE, &ext), UBR_OK);
    assert_int_equal(ubr_kv_check_envelope(UBR_KV_MARKER_DELETE, &ext), UBR_OK);
    assert_int_equal(ubr_kv_check_envelope(UBR_KV_MARKER_PURGE, &ext), UBR_E_KV_UNSIGNED_DELETE);
    assert_int_equal(ubr_kv_check_envelope(UBR_KV_MARKER_OTHER, &ext), UBR_E_KV_UNSIGNED_DELETE);
}

static void test_kv_rollback(void **state)
{
    (void)state;
    uint64_t highest = 0;
    assert_int_equal(ubr_kv_advance(&highest, 5), UBR_OK);
    assert_int_equal(ubr_kv_advance(&highest, 5), UBR_OK); /* read again */
    assert_int_equal(ubr_kv_advance(&highest, 4), UBR_E_MSG_REPLAY);
    assert_int_equal(highest, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padme),
        cmocka_unit_test(test_padding_round_trip),
        cmocka_unit_test(test_batch_limits),
        cmocka_unit_test(test_batch_records),
        cmocka_unit_test(test_extensions_round_trip),
        cmocka_unit_test(test_a_sender_cannot_write_what_is_refused),
        cmocka_unit_test(test_extension_forms),
        cmocka_unit_test(test_kv_markers),
        cmocka_unit_test(test_kv_envelopes),
        cmocka_unit_test(test_kv_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
