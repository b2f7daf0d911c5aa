/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: whole, in parts, in ranges; what is not there. */
#include "blob_tool.h"

static void empty_store_lists_nothing(struct blob_test *t)
{
    expect_int(blob_count_all(t), 0);
}

static void absent_is_not_found(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_hash_of(blob_bytes_of("nobody"));
    struct ub_blob_reader *reader = NULL;
    struct ub_blob_stat stat;
    blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_ENOTFOUND);
    blob_expect_status(t, t->store.ops->open(t->store.self, &hash, &reader, &stat, &t->err),
                       UB_ENOTFOUND);
    expect(reader == NULL);
    blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
}

static void blob_is_read_back(struct blob_test *t)
{
    struct ub_bytes bytes = blob_bytes_of("hello");
    struct ub_blob_hash hash = blob_put(t, bytes);
    struct ub_blob_stat stat;
    expect(blob_is_readable(&t->store, &hash, bytes, 100));
    blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_OK);
    expect_int(stat.length, 5);
    expect(stat.modified_ms > 1600000000000);
}

static void empty_blob(struct blob_test *t)
{
    struct ub_bytes bytes = {(const uint8_t *)"", 0};
    struct ub_blob_hash hash = blob_put(t, bytes);
    expect(blob_is_readable(&t->store, &hash, bytes, 1));
    expect_int(blob_count_all(t), 1);
}

static void blob_of_any_size_and_parts(struct blob_test *t)
{
    static const size_t sizes[] = {1, 4095, 4096, 4097, 65535, 65537, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ub_bytes bytes = {blob_noise(sizes[i], (uint32_t)i), sizes[i]};
        struct ub_blob_hash hash = blob_hash_of(bytes);
        blob_expect_status(t, blob_put_in_parts(&t->store, bytes, 777, &hash, &t->err), UB_OK);
        expect(blob_is_readable(&t->store, &hash, bytes, 1000));
        expect(blob_is_readable(&t->store, &hash, bytes, 1 << 20));
        free((void *)(uintptr_t)bytes.ptr);
    }
}

static void read_of_a_range(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("0123456789"));
    struct ub_blob_reader *reader = NULL;
    char out[16];
    size_t got = 99;
    blob_expect_status(t, t->store.ops->open(t->store.self, &hash, &reader, NULL, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->read(reader, 3, out, 4, &got, &t->err), UB_OK);
    expect_int(got, 4);
    expect_bytes(out, "3456", 4);
    blob_expect_status(t, t->store.ops->read(reader, 8, out, 16, &got, &t->err), UB_OK);
    expect_int(got, 2);
    expect_bytes(out, "89", 2);
    blob_expect_status(t, t->store.ops->read(reader, 10, out, 16, &got, &t->err), UB_OK);
    expect_int(got, 0);
    blob_expect_status(t, t->store.ops->read(reader, INT64_MAX, out, 16, &got, &t->err), UB_OK);
    expect_int(got, 0);
    blob_expect_status(t, t->store.ops->read(reader, -1, out, 16, &got, &t->err), UB_EINVAL);
    t->store.ops->close(&reader);
    expect(reader == NULL);
}

static void ranges_at_the_edges(struct blob_test *t)
{
    static const struct {
        int64_t offset;
        size_t size, wanted;
    } ranges[] = {{0, 0, 0},
                  {0, 1, 1},
                  {0, 10, 10},
                  {0, 11, 10},
                  {9, 1, 1},
                  {9, 2, 1},
                  {10, 0, 0},
                  {10, 1, 0},
                  {11, 1, 0},
                  {5, 5, 5},
                  {5, 6, 5},
                  {1, 8, 8},
                  {INT64_MAX - 1, 16, 0}};
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("0123456789"));
    struct ub_blob_reader *reader = blob_open(t, &hash);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        char out[17];
        size_t got = 99;
        memset(out, '#', sizeof(out));
        blob_expect_status(
            t, t->store.ops->read(reader, ranges[i].offset, out, ranges[i].size, &got, &t->err),
            UB_OK);
        expect_int(got, ranges[i].wanted);
        expect(got == 0 || memcmp(out, &"0123456789"[ranges[i].offset], got) == 0);
        for (size_t j = ranges[i].size; j < sizeof(out); j++) {
            expect(out[j] == '#'); /* not behind the caller's buffer */
        }
    }
    t->store.ops->close(&reader);
}

static void ranges_of_a_large_blob(struct blob_test *t)
{
    struct ub_bytes bytes = {blob_noise(200000, 5), 200000};
    struct ub_blob_hash hash = blob_put(t, bytes);
    struct ub_blob_reader *reader = blob_open(t, &hash);
    static uint8_t out[70000];
    for (size_t offset = 0; offset < bytes.len; offset += 9973) {
        size_t got = 0,
               wanted = bytes.len - offset < sizeof(out) ? bytes.len - offset : sizeof(out);
        blob_expect_status(
            t, t->store.ops->read(reader, (int64_t)offset, out, sizeof(out), &got, &t->err), UB_OK);
        expect_int(got, wanted);
        expect_bytes(out, bytes.ptr + offset, got);
    }
    t->store.ops->close(&reader);
    free((void *)(uintptr_t)bytes.ptr);
}

static void read_backwards(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("0123456789"));
    struct ub_blob_reader *reader = blob_open(t, &hash);
    for (int64_t offset = 9; offset >= 0; offset--) {
        char out;
        size_t got = 0;
        blob_expect_status(t, t->store.ops->read(reader, offset, &out, 1, &got, &t->err), UB_OK);
        expect(got == 1 && out == '0' + (char)offset);
    }
    t->store.ops->close(&reader);
}

static void two_readers_do_not_share_a_place(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("0123456789"));
    struct ub_blob_reader *a = blob_open(t, &hash), *b = blob_open(t, &hash);
    char out[4];
    size_t got = 0;
    blob_expect_status(t, t->store.ops->read(a, 0, out, 4, &got, &t->err), UB_OK);
    expect_bytes(out, "0123", 4);
    blob_expect_status(t, t->store.ops->read(b, 6, out, 4, &got, &t->err), UB_OK);
    expect_bytes(out, "6789", 4);
    t->store.ops->close(&a);
    blob_expect_status(t, t->store.ops->read(b, 0, out, 4, &got, &t->err), UB_OK);
    expect_bytes(out, "0123", 4);
    t->store.ops->close(&b);
}

static void stat_tells_the_truth(struct blob_test *t)
{
    static const size_t sizes[] = {0, 1, 4096, 100001};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ub_bytes bytes = {blob_noise(sizes[i], (uint32_t)i), sizes[i]};
        struct ub_blob_hash hash = blob_put(t, bytes);
        struct ub_blob_stat stat, opened = {.size = sizeof(opened)};
        struct ub_blob_reader *reader = NULL;
        blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_OK);
        expect_int(stat.length, sizes[i]);
        int64_t age_ms = t->subject->host->clock->now_ms(t->subject->host) - stat.modified_ms;
        expect(age_ms > -60000 && age_ms < 600000);
        blob_expect_status(t, t->store.ops->open(t->store.self, &hash, &reader, &opened, &t->err),
                           UB_OK);
        expect_int(opened.length, sizes[i]);
        expect_int(opened.modified_ms, stat.modified_ms);
        t->store.ops->close(&reader);
        free((void *)(uintptr_t)bytes.ptr);
    }
}

static void hostile_addresses(struct blob_test *t)
{
    static const uint8_t fills[] = {0x00, 0xff, 0x2f, 0x2e, 0x25, 0x0a};
    blob_put(t, blob_bytes_of("there"));
    for (size_t i = 0; i < sizeof(fills); i++) {
        struct ub_blob_hash hash;
        struct ub_blob_stat stat;
        struct ub_blob_reader *reader = NULL;
        memset(hash.bytes, fills[i], sizeof(hash.bytes));
        blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_ENOTFOUND);
        blob_expect_status(t, t->store.ops->open(t->store.self, &hash, &reader, NULL, &t->err),
                           UB_ENOTFOUND);
        blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
        blob_expect_status(
            t, blob_put_in_parts(&t->store, blob_bytes_of("evil"), 4, &hash, &t->err), UB_EINVAL);
    }
    expect_int(blob_count_all(t), 1);
}

static void near_addresses_are_others(struct blob_test *t)
{
    struct ub_blob_hash there = blob_put(t, blob_bytes_of("there"));
    for (size_t bit = 0; bit < 256; bit++) {
        struct ub_blob_hash hash = there;
        struct ub_blob_stat stat;
        hash.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_ENOTFOUND);
    }
    expect(blob_is_readable(&t->store, &there, blob_bytes_of("there"), 5));
}

const struct check_case blob_basic_cases[] = {
    BLOB_CASE(empty_store_lists_nothing, "a new store is empty"),
    BLOB_CASE(absent_is_not_found, "stat and open say \"not found\"; removing it is ok"),
    BLOB_CASE(blob_is_read_back, "what was committed is what is read"),
    BLOB_CASE(empty_blob, "a blob of no bytes is a blob"),
    BLOB_CASE(blob_of_any_size_and_parts, "sizes around pages, written and read in odd parts"),
    BLOB_CASE(read_of_a_range, "a range, the end, far behind it, before the start"),
    BLOB_CASE(ranges_at_the_edges, "each edge of a range; nothing behind the buffer"),
    BLOB_CASE(ranges_of_a_large_blob, "ranges of 70 KB all over 200 KB"),
    BLOB_CASE(read_backwards, "byte by byte from the end"),
    BLOB_CASE(two_readers_do_not_share_a_place, "two readers of one blob"),
    BLOB_CASE(stat_tells_the_truth, "length and time, from stat and from open alike"),
    BLOB_CASE(hostile_addresses, "hashes of one byte all over are not there and not accepted"),
    BLOB_CASE(near_addresses_are_others, "an address that differs in one bit is another"),
    {.name = NULL},
};
