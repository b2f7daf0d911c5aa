/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys as bytes: any key comes back as it was, and encoded keys sort as their segments do. */
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ubs/key.h>

#define ROUNDS 20000

/* A key of few, short segments over few bytes, so that two of them often share much. */
struct key {
    struct ub_kv_key key;
    uint8_t bytes[UB_KV_KEY_MAX];
};

static void make_key(struct key *out)
{
    static const uint8_t alphabet[] = {0, 1, 2, 'a', 0xff};
    size_t used = 0;
    out->key.count = 1 + (uint32_t)rand() % 3;
    for (uint32_t i = 0; i < out->key.count; i++) {
        size_t len = 1 + (size_t)rand() % 3;
        out->key.segments[i] = (struct ub_bytes){out->bytes + used, len};
        for (size_t j = 0; j < len; j++) {
            out->bytes[used++] = alphabet[rand() % (int)sizeof(alphabet)];
        }
    }
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static int compare_bytes(struct ub_bytes a, struct ub_bytes b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? sign(order) : (a.len > b.len) - (a.len < b.len);
}

/* What the contract says: segment by segment, a shorter key before what is below it. */
static int compare_keys(const struct ub_kv_key *a, const struct ub_kv_key *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        int order = compare_bytes(a->segments[i], b->segments[i]);
        if (order != 0) {
            return order;
        }
    }
    return (a->count > b->count) - (a->count < b->count);
}

static struct ub_bytes encode(const struct key *key, struct ubs_code *code_out)
{
    assert_int_equal(ubs_key_encode(&key->key, false, code_out, NULL), UB_OK);
    return (struct ub_bytes){code_out->bytes, code_out->len};
}

static void codes_sort_as_keys_do(void **state)
{
    (void)state;
    int seen[3] = {0};
    srand(1);
    for (int i = 0; i < ROUNDS; i++) {
        struct key a, b;
        struct ubs_code code_a, code_b;
        make_key(&a);
        make_key(&b);
        int right = compare_keys(&a.key, &b.key);
        assert_int_equal(compare_bytes(encode(&a, &code_a), encode(&b, &code_b)), right);
        seen[right + 1]++;
    }
    assert_true(seen[0] > 100 && seen[1] > 10 && seen[2] > 100);
}

static void keys_come_back(void **state)
{
    (void)state;
    srand(2);
    for (int i = 0; i < ROUNDS; i++) {
        struct key key;
        struct ubs_code code;
        struct ub_kv_key back;
        uint8_t scratch[UB_KV_KEY_MAX];
        make_key(&key);
        assert_true(ubs_key_decode(encode(&key, &code), scratch, &back));
        assert_int_equal(compare_keys(&key.key, &back), 0);
    }
}

static void the_longest_key_fits(void **state)
{
    (void)state;
    uint8_t zeros[UB_KV_SEGMENT_MAX] = {0}, scratch[UB_KV_KEY_MAX];
    struct ub_kv_key key = {.count = UB_KV_SEGMENTS_MAX}, back;
    struct ubs_code code;
    for (uint32_t i = 0; i < key.count; i++) {
        key.segments[i] = (struct ub_bytes){zeros, UB_KV_KEY_MAX / UB_KV_SEGMENTS_MAX};
    }
    assert_int_equal(ubs_key_encode(&key, false, &code, NULL), UB_OK);
    assert_int_equal(code.len, UBS_KEY_CODE_MAX);
    assert_true(ubs_key_decode((struct ub_bytes){code.bytes, code.len}, scratch, &back));
    assert_int_equal(compare_keys(&key, &back), 0);
}

static void ranges_hold_what_is_below(void **state)
{
    (void)state;
    int below = 0;
    srand(3);
    for (int i = 0; i < ROUNDS; i++) {
        struct key a, b;
        struct ubs_code prefix, last, code;
        make_key(&a);
        make_key(&b);
        struct ub_bytes start = encode(&a, &prefix), bytes = encode(&b, &code);
        ubs_key_range(&prefix, &last);
        bool is_in_range = compare_bytes(bytes, start) > 0 &&
                           compare_bytes(bytes, (struct ub_bytes){last.bytes, last.len}) < 0;
        assert_int_equal(is_in_range, ubs_key_is_below(bytes, &prefix));
        below += is_in_range;
    }
    assert_true(below > 10);
}

static void bytes_that_are_no_key_are_refused(void **state)
{
    (void)state;
    static const struct ub_bytes bad[] = {
        {(const uint8_t *)"", 0},       {(const uint8_t *)"a", 1},
        {(const uint8_t *)"\0", 1},     {(const uint8_t *)"a\0\0", 3},
        {(const uint8_t *)"\1", 1},     {(const uint8_t *)"\1\0\0", 3},
        {(const uint8_t *)"\1\3\0", 3}, {(const uint8_t *)"a\0b", 3},
    };
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_key key;
    char text[UBS_KEY_TEXT_MAX];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(ubs_key_decode(bad[i], scratch, &key));
    }
    ubs_key_text(bad[1], text);
    assert_string_equal(text, "(unreadable)");
}

static void texts_are_for_people(void **state)
{
    (void)state;
    struct ub_kv_key key = {2, {{(const uint8_t *)"room", 4}, {(const uint8_t *)"a/\x01", 3}}};
    struct ubs_code code;
    char text[UBS_KEY_TEXT_MAX];
    assert_int_equal(ubs_key_encode(&key, false, &code, NULL), UB_OK);
    ubs_key_text((struct ub_bytes){code.bytes, code.len}, text);
    assert_string_equal(text, "room/a\\x2f\\x01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_sort_as_keys_do),
        cmocka_unit_test(keys_come_back),
        cmocka_unit_test(the_longest_key_fits),
        cmocka_unit_test(ranges_hold_what_is_below),
        cmocka_unit_test(bytes_that_are_no_key_are_refused),
        cmocka_unit_test(texts_are_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
