/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes of keys and values, and keys that encodings stumble over. */
#include "kv_tool.h"

/* ---- sizes ------------------------------------------------------------------------------------
 */

static enum ub_status put_of_size(struct kv_test *t, size_t size)
{
    struct ub_kv_key key = kv_key("k");
    uint8_t *bytes = malloc(size + 1);
    expect((bytes) != NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    }
    enum ub_status status =
        kv_try(t, t->bucket, UB_KV_PUT, &key, (struct ub_bytes){bytes, size}, 0, NULL);
    if (status == UB_OK) {
        struct ub_kv_value value = {.size = sizeof(value)};
        kv_expect_status(t, t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, &t->err),
                         UB_OK);
        expect_int(value.bytes.len, size);
        expect(size == 0 || memcmp(value.bytes.ptr, bytes, size) == 0);
        t->store.ops->value_free(t->store.self, &value);
    }
    free(bytes);
    return status;
}

static void value_of_0_bytes(struct kv_test *t)
{
    kv_expect_status(t, put_of_size(t, 0), UB_OK);
    kv_expect(t, t->bucket, "k", "");
}

static void value_of_512_kib(struct kv_test *t)
{
    kv_expect_status(t, put_of_size(t, UB_KV_VALUE_MAX), UB_OK);
    kv_expect_status(t, put_of_size(t, UB_KV_VALUE_MAX - 1), UB_OK);
    kv_expect_status(t, put_of_size(t, 1), UB_OK);
}

static void value_of_512_kib_and_1(struct kv_test *t)
{
    kv_expect_status(t, put_of_size(t, UB_KV_VALUE_MAX + 1), UB_ELIMIT);
    expect((strstr(t->err.message, "524289")) != NULL);
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
    expect_status(read, status);
    t->store.ops->value_free(t->store.self, &value);
    return status;
}

static void key_without_segments(struct kv_test *t)
{
    kv_expect_status(t, put_key_of(t, (int[]){0}), UB_EINVAL);
}

static void key_with_empty_segment(struct kv_test *t)
{
    kv_expect_status(t, put_key_of(t, (int[]){-1, 0}), UB_EINVAL);
    kv_expect_status(t, put_key_of(t, (int[]){1, -1, 0}), UB_EINVAL);
    kv_expect_status(t, put_key_of(t, (int[]){-1, 1, 0}), UB_EINVAL);
}

static void key_with_long_segment(struct kv_test *t)
{
    kv_expect_status(t, put_key_of(t, (int[]){64, 0}), UB_OK);
    kv_expect_status(t, put_key_of(t, (int[]){65, 0}), UB_EINVAL);
    expect((strstr(t->err.message, "65")) != NULL);
    kv_expect_status(t, put_key_of(t, (int[]){1, 65, 0}), UB_EINVAL);
}

static void key_of_240_bytes(struct kv_test *t)
{
    kv_expect_status(t, put_key_of(t, (int[]){60, 60, 60, 60, 0}), UB_OK);
    kv_expect_status(t, put_key_of(t, (int[]){60, 60, 60, 61, 0}), UB_EINVAL);
    expect((strstr(t->err.message, "241")) != NULL);
}

static void key_of_8_segments(struct kv_test *t)
{
    kv_expect_status(t, put_key_of(t, (int[]){1, 1, 1, 1, 1, 1, 1, 1, 0}), UB_OK);
    kv_expect_status(t, put_key_of(t, (int[]){30, 30, 30, 30, 30, 30, 30, 30, 0}), UB_OK);
    struct ub_kv_key key = kv_key("1/2/3/4/5/6/7/8");
    key.count = 9;
    kv_expect_status(t, kv_try(t, t->bucket, UB_KV_PUT, &key, kv_bytes("v"), 0, NULL), UB_EINVAL);
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
        kv_expect_status(t, kv_try(t, t->bucket, UB_KV_CREATE, &key, kv_bytes("v"), 0, NULL),
                         UB_OK);
        kv_expect_status(t, t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, &t->err),
                         UB_OK);
        t->store.ops->value_free(t->store.self, &value);
    }
}

#define ONE(text)                                                                                  \
    {                                                                                              \
        1,                                                                                         \
        {                                                                                          \
            {                                                                                      \
                (const uint8_t *)(text), sizeof(text) - 1                                          \
            }                                                                                      \
        }                                                                                          \
    }
#define TWO(a, b)                                                                                  \
    {                                                                                              \
        2,                                                                                         \
        {                                                                                          \
            {(const uint8_t *)(a), sizeof(a) - 1},                                                 \
            {                                                                                      \
                (const uint8_t *)(b), sizeof(b) - 1                                                \
            }                                                                                      \
        }                                                                                          \
    }

/* ---- keys that must not be each other ----------------------------------------------------------
 */

/* Keys with a value each that says whose it is. */
struct own {
    const struct ub_kv_key *keys;
    size_t count, listed;
};

#define OWN_MAX 64

static struct ub_bytes own_value(size_t number, char out[24])
{
    snprintf(out, 24, "value of %zu", number);
    return kv_bytes(out);
}

static bool is_same_key(const struct ub_kv_key *a, const struct ub_kv_key *b)
{
    bool is_same = a->count == b->count;
    for (size_t i = 0; is_same && i < a->count; i++) {
        is_same = a->segments[i].len == b->segments[i].len &&
                  memcmp(a->segments[i].ptr, b->segments[i].ptr, a->segments[i].len) == 0;
    }
    return is_same;
}

static bool take_own(void *arg, const struct ub_kv_entry *entry)
{
    struct own *own = arg;
    char text[24];
    for (size_t i = 0; i < own->count; i++) {
        struct ub_bytes value = own_value(i, text);
        if (is_same_key(&own->keys[i], &entry->key) && value.len == entry->value.len &&
            memcmp(value.ptr, entry->value.ptr, value.len) == 0) {
            own->listed++;
        }
    }
    return true;
}

/* From key number `first` on each has its own value, before it there is nothing. */
static void expect_own(struct kv_test *t, const struct own *own, size_t first)
{
    for (size_t i = 0; i < own->count; i++) {
        struct ub_kv_value value = {.size = sizeof(value)};
        char text[24];
        struct ub_bytes wanted = own_value(i, text);
        enum ub_status status =
            t->store.ops->get(t->bucket, &own->keys[i], UB_KV_NEWEST, &value, &t->err);
        kv_expect_status(t, status, i < first ? UB_ENOTFOUND : UB_OK);
        expect(i < first || (value.bytes.len == wanted.len &&
                             memcmp(value.bytes.ptr, wanted.ptr, wanted.len) == 0));
        t->store.ops->value_free(t->store.self, &value);
    }
}

/* Each is created, updated, read, listed by its own bytes and deleted; none is another. */
static void expect_all_apart(struct kv_test *t, const struct ub_kv_key *keys, size_t count)
{
    const struct ub_kv_key all = {0};
    struct own own = {keys, count, 0};
    int64_t revisions[OWN_MAX];
    char text[24];
    expect(count <= OWN_MAX);
    for (size_t i = 0; i < count; i++) {
        kv_expect_status(
            t, kv_try(t, t->bucket, UB_KV_CREATE, &keys[i], kv_bytes("1"), 0, &revisions[i]),
            UB_OK);
    }
    for (size_t i = 0; i < count; i++) {
        kv_expect_status(t,
                         kv_try(t, t->bucket, UB_KV_UPDATE, &keys[i], own_value(i, text),
                                revisions[i], &revisions[i]),
                         UB_OK);
    }
    expect_own(t, &own, 0);
    kv_expect_status(t, t->store.ops->list(t->bucket, &all, &all, 0, take_own, &own, &t->err),
                     UB_OK);
    expect_int(own.listed, count);
    for (size_t i = 0; i < count; i++) {
        kv_expect_status(
            t, kv_try(t, t->bucket, UB_KV_DELETE, &keys[i], kv_bytes(""), revisions[i], NULL),
            UB_OK);
        expect_own(t, &own, i + 1);
    }
    kv_expect_list(t, t->bucket, "", "", 0, "");
}

/* ---- hostile keys that have a meaning elsewhere ------------------------------------------------
 */

static void keys_that_look_alike_differ(struct kv_test *t)
{
    static const struct ub_kv_key keys[] = {
        ONE("a/b"),   TWO("a", "b"), ONE("a\0b"),     ONE("a\0"),       ONE("a"), ONE("a\1"),
        ONE("a\1\1"), ONE("a\1\2"),  TWO("a\0", "b"), TWO("a", "\0b"),  ONE("A"), ONE("a.b"),
        ONE("a\xff"), ONE("a%2Fb"),  ONE("\xc3\xa4"), ONE("a\xcc\x88"),
    };
    expect_all_apart(t, keys, sizeof(keys) / sizeof(keys[0]));
}

static void keys_like_paths(struct kv_test *t)
{
    static const struct ub_kv_key keys[] = {
        ONE("."),      ONE(".."),   ONE("/"),       ONE("//"),      ONE("../../etc/passwd"),
        ONE("a/../b"), ONE("./a"),  TWO("..", "a"), TWO("a", ".."), ONE("C:\\x"),
        TWO("a", "/"), ONE("a/"),   ONE("~"),       ONE("%2e%2e"),  ONE("%"),
        ONE("%00"),    ONE("%s%n"), ONE("\\"),      ONE("-rf"),     ONE(" "),
    };
    expect_all_apart(t, keys, sizeof(keys) / sizeof(keys[0]));
}

static void keys_like_programs(struct kv_test *t)
{
    static const struct ub_kv_key keys[] = {
        ONE("'; DROP TABLE records; --"),
        ONE("\" OR 1=1"),
        ONE("?1"),
        ONE(":a"),
        ONE("x'00'"),
        ONE("os.exit()"),
        ONE("]]--[["),
        ONE("${HOME}"),
        ONE("`id`"),
        ONE("$KV.a.>"),
        ONE("a.*.b"),
        ONE(">"),
        ONE("*"),
        ONE("_%"),
        ONE("a\r\nPUB x"),
        ONE("{\"a\":1}"),
    };
    expect_all_apart(t, keys, sizeof(keys) / sizeof(keys[0]));
}

static void keys_that_are_no_utf8(struct kv_test *t)
{
    static const struct ub_kv_key keys[] = {
        ONE("\xff"),
        ONE("\xfe\xff"),
        ONE("\xc0\x80"),
        ONE("\xed\xa0\x80"),
        ONE("\xe2\x82"),
        ONE("\x80"),
        ONE("\xc3\x28"),
        ONE("\xf5\x80\x80\x80"),
        ONE("\xef\xbf\xbd"),
        ONE("\xe2\x80\xae"
            "a"),
        ONE("\x1b[2J"),
        ONE("\x7f"),
    };
    expect_all_apart(t, keys, sizeof(keys) / sizeof(keys[0]));
}

static void keys_with_nul_bytes(struct kv_test *t)
{
    static const struct ub_kv_key keys[] = {
        ONE("\0"),       ONE("\0\0"),     ONE("a\0"),     ONE("\0a"),
        ONE("a\0b"),     TWO("\0", "\0"), TWO("a", "\0"), TWO("\0", "a"),
        TWO("a\0", "b"), TWO("a", "\0b"), ONE("a"),       TWO("a", "b"),
    };
    expect_all_apart(t, keys, sizeof(keys) / sizeof(keys[0]));
}

static void keys_that_begin_each_other(struct kv_test *t)
{
    char text[80] = "";
    for (size_t i = 1; i <= 64; i++) {
        memset(text, 'a', i);
        kv_put(t, t->bucket, text, "v");
    }
    kv_delete(t, t->bucket, "a");
    kv_expect(t, t->bucket, "a", NULL);
    for (size_t i = 2; i <= 64; i++) {
        text[i] = '\0';
        memset(text, 'a', i);
        kv_expect(t, t->bucket, text, "v");
    }
}

static void key_is_also_a_prefix(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    kv_put(t, t->bucket, "a/b", "2");
    kv_put(t, t->bucket, "a/b/c", "3");
    kv_delete(t, t->bucket, "a/b");
    kv_expect(t, t->bucket, "a", "1");
    kv_expect(t, t->bucket, "a/b", NULL);
    kv_expect(t, t->bucket, "a/b/c", "3");
}

static void every_byte_is_a_segment(struct kv_test *t)
{
    uint8_t byte;
    struct ub_kv_key key = {2, {{&byte, 1}, {&byte, 1}}};
    for (unsigned i = 0; i < 256; i++) {
        byte = (uint8_t)i;
        kv_expect_status(
            t, kv_try(t, t->bucket, UB_KV_CREATE, &key, (struct ub_bytes){&byte, 1}, 0, NULL),
            UB_OK);
    }
    for (unsigned i = 0; i < 256; i++) {
        struct ub_kv_value value = {.size = sizeof(value)};
        byte = (uint8_t)i;
        kv_expect_status(t, t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, &t->err),
                         UB_OK);
        expect(value.bytes.len == 1 && value.bytes.ptr[0] == byte);
        t->store.ops->value_free(t->store.self, &value);
    }
}

static void keys_of_1_to_8_segments(struct kv_test *t)
{
    static const char *const keys[] = {
        "1",         "1/2",         "1/2/3",         "1/2/3/4",
        "1/2/3/4/5", "1/2/3/4/5/6", "1/2/3/4/5/6/7", "1/2/3/4/5/6/7/8"};
    for (size_t i = 0; i < 8; i++) {
        kv_put(t, t->bucket, keys[i], keys[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        kv_expect(t, t->bucket, keys[i], keys[i]);
    }
    kv_expect_list(t, t->bucket, "1/2/3/4/5/6/7", "", 0, "1/2/3/4/5/6/7/8");
}

static void longest_keys_differ_in_the_last_byte(struct kv_test *t)
{
    static uint8_t bytes[18][UB_KV_KEY_MAX];
    struct ub_kv_key keys[18];
    memset(bytes, 0xff, sizeof(bytes));
    for (size_t i = 0; i < 18; i++) {
        uint8_t *at = bytes[i];
        at[UB_KV_KEY_MAX - 1] = (uint8_t)(i * 15);
        keys[i] = (struct ub_kv_key){4, {{at, 64}, {at + 64, 64}, {at + 128, 64}, {at + 192, 48}}};
    }
    expect_all_apart(t, keys, 18);
}

static void values_around_pages(struct kv_test *t)
{
    static const size_t sizes[] = {1,    2,     127,   128,   255,   256,   511,
                                   1023, 2047,  2048,  4000,  4095,  4096,  4097,
                                   8191, 16385, 32768, 65535, 65536, 65537, 262144};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        kv_expect_status(t, put_of_size(t, sizes[i]), UB_OK);
    }
}

static void value_shrinks_and_grows(struct kv_test *t)
{
    static const size_t sizes[] = {100000, 10, 200000, 0, 5000, UB_KV_VALUE_MAX, 1};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        kv_expect_status(t, put_of_size(t, sizes[i]), UB_OK);
    }
}

const struct check_case kv_key_cases[] = {
    KV_CASE(value_of_0_bytes, "an empty value is a value"),
    KV_CASE(value_of_512_kib, "the largest value, one byte less, and one byte"),
    KV_CASE(value_of_512_kib_and_1,
            "one byte more is \"limit\" with its size, and nothing is kept"),
    KV_CASE(values_around_pages, "sizes around those of pages and records"),
    KV_CASE(value_shrinks_and_grows, "a key's value may have any size after any other"),
    KV_CASE(key_without_segments, "the empty prefix is no key"),
    KV_CASE(key_with_empty_segment, "no segment is empty"),
    KV_CASE(key_with_long_segment, "a segment of 64 bytes, not of 65"),
    KV_CASE(key_of_240_bytes, "240 bytes in all, not 241"),
    KV_CASE(key_of_8_segments, "8 segments, not 9"),
    KV_CASE(keys_of_1_to_8_segments, "keys of every depth beside each other"),
    KV_CASE(longest_keys_differ_in_the_last_byte, "nothing of a key is cut off"),
    KV_CASE(key_of_only_hostile_bytes, "240 times the same byte, for bytes that encodings escape"),
    KV_CASE(keys_that_look_alike_differ, "segments are neither joined, cut, folded nor decoded"),
    KV_CASE(keys_like_paths, "'.', '..', '/', '%': no path is made of a key"),
    KV_CASE(keys_like_programs, "SQL, Lua, shell and subjects are bytes"),
    KV_CASE(keys_that_are_no_utf8, "invalid, overlong and turned text is bytes"),
    KV_CASE(keys_with_nul_bytes, "NUL ends nothing"),
    KV_CASE(keys_that_begin_each_other, "a to a…a with 64 bytes are 64 keys"),
    KV_CASE(key_is_also_a_prefix, "deleting a/b leaves a and a/b/c"),
    KV_CASE(every_byte_is_a_segment, "each of the 256 bytes, as a segment and as a value"),
    {.name = NULL},
};
