/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets, keys, values, revisions, conditions. */
#include "kv_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void caps_are_told(struct kv_test *t)
{
    struct ub_kv_caps caps = {.size = sizeof(caps)};
    t->store.ops->caps(t->store.self, &caps);
    assert_true(caps.flags & UB_KV_BATCH_BUCKET);
    assert_true(caps.replicas >= 1);
    assert_non_null(caps.durability);
}

static void bucket_names_are_checked(struct kv_test *t)
{
    static const char *const bad[] = {
        "",     "Main", "a_b",      "a.b", "a/b",
        "../x", "a b",  "\xc3\xa4", "a\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ub_kv_bucket *bucket = NULL;
        const struct ub_kv_bucket_options options = {sizeof(options), 0};
        assert_int_equal(
            t->store.ops->bucket_open(t->store.self, bad[i], &options, &bucket, &t->err),
            UB_EINVAL);
        assert_null(bucket);
    }
    assert_non_null(kv_bucket(t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0));
    assert_non_null(kv_bucket(t, "0-9", 0));
}

static void bucket_opens_twice(struct kv_test *t)
{
    struct ub_kv_bucket *again = kv_bucket(t, "main", 0);
    kv_put(t, t->bucket, "k", "v");
    kv_expect(t, again, "k", "v");
    t->store.ops->bucket_close(t->store.self, &again);
    assert_null(again);
    kv_expect(t, t->bucket, "k", "v");
}

static void bucket_keeps_its_options(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = NULL;
    const struct ub_kv_bucket_options options = {sizeof(options), 5000};
    assert_int_equal(t->store.ops->bucket_open(t->store.self, "main", &options, &bucket, &t->err),
                     UB_EINVAL);
    assert_non_null(strstr(t->err.message, "main"));
    const struct ub_kv_bucket_options negative = {sizeof(negative), -1};
    assert_int_equal(t->store.ops->bucket_open(t->store.self, "new", &negative, &bucket, &t->err),
                     UB_EINVAL);
}

static void buckets_are_apart(struct kv_test *t)
{
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    kv_put(t, t->bucket, "k", "main");
    kv_put(t, other, "k", "other");
    kv_put(t, other, "l", "other");
    kv_expect(t, t->bucket, "k", "main");
    kv_expect(t, other, "k", "other");
    kv_expect(t, t->bucket, "l", NULL);
    assert_int_equal(kv_revision(t, t->bucket), 1);
    assert_int_equal(kv_revision(t, other), 2);
}

static void absent_is_not_found(struct kv_test *t)
{
    kv_expect(t, t->bucket, "nobody", NULL);
    assert_non_null(strstr(t->err.message, "nobody"));
    assert_int_equal(kv_revision(t, t->bucket), 0);
}

static void put_is_read_back(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "a/b/c", "value");
    assert_true(revision > 0);
    assert_int_equal(kv_expect(t, t->bucket, "a/b/c", "value"), revision);
    kv_expect(t, t->bucket, "a/b", NULL);
}

static void local_read_sees_own_write(struct kv_test *t)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_key key = kv_key("k");
    kv_put(t, t->bucket, "k", "v");
    assert_int_equal(t->store.ops->get(t->bucket, &key, UB_KV_LOCAL, &value, &t->err), UB_OK);
    t->store.ops->value_free(t->store.self, &value);
    assert_null(value.bytes.ptr);
}

static void revisions_grow_by_bucket(struct kv_test *t)
{
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        int64_t revision = kv_put(t, t->bucket, i % 2 ? "a" : "b", "v");
        assert_true(revision > last);
        last = revision;
        assert_int_equal(kv_revision(t, t->bucket), revision);
    }
}

static void create_only_once(struct kv_test *t)
{
    assert_int_equal(kv_try_text(t, UB_KV_CREATE, "k", "first", 0), UB_OK);
    assert_int_equal(kv_try_text(t, UB_KV_CREATE, "k", "second", 0), UB_EEXISTS);
    assert_non_null(strstr(t->err.message, "k"));
    kv_expect(t, t->bucket, "k", "first");
    assert_int_equal(kv_revision(t, t->bucket), 1);
}

static void create_after_delete(struct kv_test *t)
{
    int64_t first = kv_put(t, t->bucket, "k", "v");
    kv_delete(t, t->bucket, "k");
    assert_int_equal(kv_try_text(t, UB_KV_CREATE, "k", "again", 0), UB_OK);
    assert_true(kv_expect(t, t->bucket, "k", "again") > first + 1);
}

static void update_needs_the_revision(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "1");
    assert_int_equal(kv_try_text(t, UB_KV_UPDATE, "k", "x", revision + 1), UB_ECONFLICT);
    assert_int_equal(kv_try_text(t, UB_KV_UPDATE, "k", "x", 0), UB_ECONFLICT);
    kv_expect(t, t->bucket, "k", "1");
    assert_int_equal(kv_try_text(t, UB_KV_UPDATE, "k", "2", revision), UB_OK);
    assert_int_equal(kv_try_text(t, UB_KV_UPDATE, "k", "3", revision), UB_ECONFLICT);
    kv_expect(t, t->bucket, "k", "2");
}

static void update_of_absent(struct kv_test *t)
{
    assert_int_equal(kv_try_text(t, UB_KV_UPDATE, "k", "v", 1), UB_ECONFLICT);
    assert_int_equal(kv_try_text(t, UB_KV_UPDATE, "k", "v", 0), UB_OK);
    kv_expect(t, t->bucket, "k", "v");
}

static void delete_removes(struct kv_test *t)
{
    int64_t put = kv_put(t, t->bucket, "k", "v");
    int64_t deletion = kv_delete(t, t->bucket, "k");
    assert_true(deletion > put);
    assert_int_equal(kv_revision(t, t->bucket), deletion);
    kv_expect(t, t->bucket, "k", NULL);
}

static void delete_of_absent_changes_nothing(struct kv_test *t)
{
    kv_put(t, t->bucket, "other", "v");
    int64_t before = kv_revision(t, t->bucket);
    assert_int_equal(kv_delete(t, t->bucket, "k"), 0);
    assert_int_equal(kv_revision(t, t->bucket), before);
    assert_int_equal(kv_try_text(t, UB_KV_DELETE, "k", "", before), UB_ECONFLICT);
}

static void delete_with_revision(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "v");
    assert_int_equal(kv_try_text(t, UB_KV_DELETE, "k", "", revision + 1), UB_ECONFLICT);
    kv_expect(t, t->bucket, "k", "v");
    assert_int_equal(kv_try_text(t, UB_KV_DELETE, "k", "", revision), UB_OK);
    kv_expect(t, t->bucket, "k", NULL);
}

static void check_writes_nothing(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "v");
    assert_int_equal(kv_try_text(t, UB_KV_CHECK, "k", "", revision), UB_OK);
    assert_int_equal(kv_try_text(t, UB_KV_CHECK, "k", "", revision + 1), UB_ECONFLICT);
    assert_int_equal(kv_try_text(t, UB_KV_CHECK, "k", "", 0), UB_ECONFLICT);
    assert_int_equal(kv_try_text(t, UB_KV_CHECK, "absent", "", 0), UB_OK);
    assert_int_equal(kv_revision(t, t->bucket), revision);
    kv_expect(t, t->bucket, "k", "v");
}

static void unknown_verbs_are_refused(struct kv_test *t)
{
    assert_int_equal(kv_try_text(t, (enum ub_kv_verb)0, "k", "v", 0), UB_EINVAL);
    assert_int_equal(kv_try_text(t, (enum ub_kv_verb)6, "k", "v", 0), UB_EINVAL);
    assert_int_equal(kv_try_text(t, UB_KV_UPDATE, "k", "v", -1), UB_EINVAL);
}

/* ---- sizes ------------------------------------------------------------------------------------
 */

static enum ub_status put_of_size(struct kv_test *t, size_t size)
{
    struct ub_kv_key key = kv_key("k");
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    }
    enum ub_status status =
        kv_try(t, t->bucket, UB_KV_PUT, &key, (struct ub_bytes){bytes, size}, 0, NULL);
    if (status == UB_OK) {
        struct ub_kv_value value = {.size = sizeof(value)};
        assert_int_equal(t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, &t->err), UB_OK);
        assert_int_equal(value.bytes.len, size);
        assert_true(size == 0 || memcmp(value.bytes.ptr, bytes, size) == 0);
        t->store.ops->value_free(t->store.self, &value);
    }
    free(bytes);
    return status;
}

static void value_of_0_bytes(struct kv_test *t)
{
    assert_int_equal(put_of_size(t, 0), UB_OK);
    kv_expect(t, t->bucket, "k", "");
}

static void value_of_512_kib(struct kv_test *t)
{
    assert_int_equal(put_of_size(t, UB_KV_VALUE_MAX), UB_OK);
    assert_int_equal(put_of_size(t, UB_KV_VALUE_MAX - 1), UB_OK);
    assert_int_equal(put_of_size(t, 1), UB_OK);
}

static void value_of_512_kib_and_1(struct kv_test *t)
{
    assert_int_equal(put_of_size(t, UB_KV_VALUE_MAX + 1), UB_ELIMIT);
    assert_non_null(strstr(t->err.message, "524289"));
    kv_expect(t, t->bucket, "k", NULL);
}

/* A key of segments with these lengths (0 ends the list, -1 is an empty segment). */
static enum ub_status put_key_of(struct kv_test *t, const int *lengths)
{
    static uint8_t bytes[256];
    struct ub_kv_key key = {0};
    memset(bytes, 'x', sizeof(bytes));
    for (; *lengths != 0; lengths++) {
        size_t len = *lengths > 0 ? (size_t)*lengths : 0;
        key.segments[key.count++] = (struct ub_bytes){bytes, len};
    }
    enum ub_status status = kv_try(t, t->bucket, UB_KV_PUT, &key, kv_bytes("v"), 0, NULL);
    struct ub_kv_value value = {.size = sizeof(value)};
    enum ub_status read = t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, NULL);
    assert_int_equal(read, status);
    t->store.ops->value_free(t->store.self, &value);
    return status;
}

static void key_without_segments(struct kv_test *t)
{
    assert_int_equal(put_key_of(t, (int[]){0}), UB_EINVAL);
}

static void key_with_empty_segment(struct kv_test *t)
{
    assert_int_equal(put_key_of(t, (int[]){-1, 0}), UB_EINVAL);
    assert_int_equal(put_key_of(t, (int[]){1, -1, 0}), UB_EINVAL);
    assert_int_equal(put_key_of(t, (int[]){-1, 1, 0}), UB_EINVAL);
}

static void key_with_long_segment(struct kv_test *t)
{
    assert_int_equal(put_key_of(t, (int[]){64, 0}), UB_OK);
    assert_int_equal(put_key_of(t, (int[]){65, 0}), UB_EINVAL);
    assert_non_null(strstr(t->err.message, "65"));
    assert_int_equal(put_key_of(t, (int[]){1, 65, 0}), UB_EINVAL);
}

static void key_of_240_bytes(struct kv_test *t)
{
    assert_int_equal(put_key_of(t, (int[]){60, 60, 60, 60, 0}), UB_OK);
    assert_int_equal(put_key_of(t, (int[]){60, 60, 60, 61, 0}), UB_EINVAL);
    assert_non_null(strstr(t->err.message, "241"));
}

static void key_of_8_segments(struct kv_test *t)
{
    assert_int_equal(put_key_of(t, (int[]){1, 1, 1, 1, 1, 1, 1, 1, 0}), UB_OK);
    assert_int_equal(put_key_of(t, (int[]){30, 30, 30, 30, 30, 30, 30, 30, 0}), UB_OK);
    struct ub_kv_key key = kv_key("1/2/3/4/5/6/7/8");
    key.count = 9;
    assert_int_equal(kv_try(t, t->bucket, UB_KV_PUT, &key, kv_bytes("v"), 0, NULL), UB_EINVAL);
}

static void key_of_only_hostile_bytes(struct kv_test *t)
{
    static const uint8_t fills[] = {0x00, 0x01, 0x02, 0x2f, 0x2a, 0x3e, 0xff};
    uint8_t bytes[60];
    for (size_t i = 0; i < sizeof(fills); i++) {
        struct ub_bytes segment = {bytes, sizeof(bytes)};
        struct ub_kv_key key = {4, {segment, segment, segment, segment}};
        struct ub_kv_value value = {.size = sizeof(value)};
        memset(bytes, fills[i], sizeof(bytes));
        assert_int_equal(kv_try(t, t->bucket, UB_KV_CREATE, &key, kv_bytes("v"), 0, NULL), UB_OK);
        assert_int_equal(t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, &t->err), UB_OK);
        t->store.ops->value_free(t->store.self, &value);
    }
}

/* Every one of these is another key than every other. */
static void keys_that_look_alike_differ(struct kv_test *t)
{
#define SEGMENT(text)                                                                              \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
    static const struct ub_kv_key keys[] = {
        {1, {SEGMENT("a/b")}},
        {2, {SEGMENT("a"), SEGMENT("b")}},
        {1, {SEGMENT("a\0b")}},
        {1, {SEGMENT("a\0")}},
        {1, {SEGMENT("a")}},
        {1, {SEGMENT("a\1")}},
        {1, {SEGMENT("a\1\1")}},
        {1, {SEGMENT("a\1\2")}},
        {2, {SEGMENT("a\0"), SEGMENT("b")}},
        {2, {SEGMENT("a"), SEGMENT("\0b")}},
        {1, {SEGMENT("A")}},
        {1, {SEGMENT("a.b")}},
        {1, {SEGMENT("a\xff")}},
        {1, {SEGMENT("a%2Fb")}},
        {1, {SEGMENT("\xc3\xa4")}},
        {1, {SEGMENT("a\xcc\x88")}},
    };
#undef SEGMENT
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        int64_t revision;
        assert_int_equal(kv_try(t, t->bucket, UB_KV_CREATE, &keys[i], kv_bytes("v"), 0, &revision),
                         UB_OK);
        assert_int_equal(revision, (int64_t)i + 1);
    }
}

const struct kv_case kv_basic_cases[] = {
    {"caps_are_told", caps_are_told},
    {"bucket_names_are_checked", bucket_names_are_checked},
    {"bucket_opens_twice", bucket_opens_twice},
    {"bucket_keeps_its_options", bucket_keeps_its_options},
    {"buckets_are_apart", buckets_are_apart},
    {"absent_is_not_found", absent_is_not_found},
    {"put_is_read_back", put_is_read_back},
    {"local_read_sees_own_write", local_read_sees_own_write},
    {"revisions_grow_by_bucket", revisions_grow_by_bucket},
    {"create_only_once", create_only_once},
    {"create_after_delete", create_after_delete},
    {"update_needs_the_revision", update_needs_the_revision},
    {"update_of_absent", update_of_absent},
    {"delete_removes", delete_removes},
    {"delete_of_absent_changes_nothing", delete_of_absent_changes_nothing},
    {"delete_with_revision", delete_with_revision},
    {"check_writes_nothing", check_writes_nothing},
    {"unknown_verbs_are_refused", unknown_verbs_are_refused},
    {"value_of_0_bytes", value_of_0_bytes},
    {"value_of_512_kib", value_of_512_kib},
    {"value_of_512_kib_and_1", value_of_512_kib_and_1},
    {"key_without_segments", key_without_segments},
    {"key_with_empty_segment", key_with_empty_segment},
    {"key_with_long_segment", key_with_long_segment},
    {"key_of_240_bytes", key_of_240_bytes},
    {"key_of_8_segments", key_of_8_segments},
    {"key_of_only_hostile_bytes", key_of_only_hostile_bytes},
    {"keys_that_look_alike_differ", keys_that_look_alike_differ},
    {NULL, NULL},
};
