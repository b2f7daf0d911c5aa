/* SPDX-License-Identifier: Apache-2.0
 *
 * The border itself: structs of another size than the provider's own. */
#include "blob_tool.h"

#define CANARY 0xa5

/* A stat of an older caller, with what lies behind it. */
union older {
    struct ub_blob_stat stat;
    uint8_t bytes[128];
};

static void expect_untouched(const union older *older, size_t from)
{
    for (size_t i = from; i < sizeof(older->bytes); i++) {
        if (older->bytes[i] != CANARY) {
            fail("byte %zu is written, but the caller's struct has %zu bytes", i, from);
        }
    }
}

static const size_t sizes[] = {offsetof(struct ub_blob_stat, length),
                               offsetof(struct ub_blob_stat, modified_ms),
                               sizeof(struct ub_blob_stat), sizeof(union older)};
#define SIZE_COUNT (sizeof(sizes) / sizeof(sizes[0]))

static void expect_filled(const union older *older, size_t size)
{
    size_t known = size < sizeof(older->stat) ? size : sizeof(older->stat);
    expect_int(older->stat.size, size);
    expect_untouched(older, known);
    expect(known < offsetof(struct ub_blob_stat, modified_ms) || older->stat.length == 5);
}

static void stat_of_another_size(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("hello"));
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        union older older;
        memset(&older, CANARY, sizeof(older));
        older.stat.size = (uint32_t)sizes[i];
        blob_expect_status(t, t->store.ops->stat(t->store.self, &hash, &older.stat, &t->err),
                           UB_OK);
        expect_filled(&older, sizes[i]);
    }
}

static void opened_stat_of_another_size(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("hello"));
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        struct ub_blob_reader *reader = NULL;
        union older older;
        memset(&older, CANARY, sizeof(older));
        older.stat.size = (uint32_t)sizes[i];
        blob_expect_status(
            t, t->store.ops->open(t->store.self, &hash, &reader, &older.stat, &t->err), UB_OK);
        expect_filled(&older, sizes[i]);
        t->store.ops->close(&reader);
    }
}

static void absent_stat_is_untouched(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_hash_of(blob_bytes_of("nobody"));
    union older older;
    memset(&older, CANARY, sizeof(older));
    older.stat.size = 4;
    blob_expect_status(t, t->store.ops->stat(t->store.self, &hash, &older.stat, &t->err),
                       UB_ENOTFOUND);
    expect_untouched(&older, 4);
}

const struct check_case blob_border_cases[] = {
    BLOB_CASE(stat_of_another_size, "stat writes no further than the caller's struct"),
    BLOB_CASE(opened_stat_of_another_size, "neither does open"),
    BLOB_CASE(absent_stat_is_untouched, "nor when there is nothing"),
    {.name = NULL},
};
