/* SPDX-License-Identifier: Apache-2.0
 *
 * Removing and listing. */
#include "blob_tool.h"

static void removed_is_gone(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("going"));
    struct ub_blob_stat stat;
    blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_ENOTFOUND);
    blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    expect_int(blob_count_all(t), 0);
    blob_put(t, blob_bytes_of("going"));
    blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_OK);
}

static void open_reader_outlives_removal(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("still here"));
    struct ub_blob_reader *reader = NULL;
    char out[16];
    size_t got = 0;
    blob_expect_status(t, t->store.ops->open(t->store.self, &hash, &reader, NULL, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->read(reader, 0, out, sizeof(out), &got, &t->err), UB_OK);
    expect_int(got, 10);
    expect_bytes(out, "still here", 10);
    t->store.ops->close(&reader);
}

struct listing {
    struct ub_blob_hash last;
    size_t count, stop_at;
    bool is_ordered;
};

static bool check_order(void *arg, const struct ub_blob_hash *hash, const struct ub_blob_stat *stat)
{
    struct listing *l = arg;
    bool is_after = memcmp(hash->bytes, l->last.bytes, sizeof(hash->bytes)) > 0;
    l->is_ordered &= (is_after || l->count == 0) && stat->length == 4;
    l->last = *hash;
    return ++l->count != l->stop_at;
}

static void put_many(struct blob_test *t, int count)
{
    for (int i = 0; i < count; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%04d", i);
        blob_put(t, blob_bytes_of(text));
    }
}

static void list_is_in_order(struct blob_test *t)
{
    struct listing l = {.is_ordered = true};
    put_many(t, 60);
    blob_expect_status(t, t->store.ops->list(t->store.self, NULL, check_order, &l, &t->err), UB_OK);
    expect_int(l.count, 60);
    expect(l.is_ordered);
}

static void list_pages(struct blob_test *t)
{
    struct listing l = {.is_ordered = true, .stop_at = 7};
    size_t total = 0;
    put_many(t, 60);
    blob_expect_status(t, t->store.ops->list(t->store.self, NULL, check_order, &l, &t->err), UB_OK);
    while (l.count > 0) {
        struct ub_blob_hash after = l.last;
        expect(l.count <= l.stop_at); /* false ends a listing */
        total += l.count;
        l.count = 0;
        blob_expect_status(t, t->store.ops->list(t->store.self, &after, check_order, &l, &t->err),
                           UB_OK);
    }
    expect_int(total, 60);
    expect(l.is_ordered);
}

static void removed_can_be_put_again(struct blob_test *t)
{
    for (int i = 0; i < 5; i++) {
        struct ub_blob_hash hash = blob_put(t, blob_bytes_of("again"));
        expect(blob_is_readable(&t->store, &hash, blob_bytes_of("again"), 9));
        blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    }
    expect_int(blob_count_all(t), 0);
}

static void removal_harms_no_other(struct blob_test *t)
{
    struct ub_blob_hash kept = blob_put(t, blob_bytes_of("kept"));
    for (int i = 0; i < 20; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%d", i);
        struct ub_blob_hash hash = blob_put(t, blob_bytes_of(text));
        blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    }
    expect(blob_is_readable(&t->store, &kept, blob_bytes_of("kept"), 9));
    expect_int(blob_count_all(t), 1);
}

static void open_reader_outlives_replacement(struct blob_test *t)
{
    struct ub_blob_hash hash = blob_put(t, blob_bytes_of("0123456789"));
    struct ub_blob_reader *reader = blob_open(t, &hash);
    char out[10];
    size_t got = 0;
    blob_expect_status(t, t->store.ops->read(reader, 0, out, 5, &got, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    blob_put(t, blob_bytes_of("0123456789"));
    blob_expect_status(t, t->store.ops->read(reader, 5, out + 5, 5, &got, &t->err), UB_OK);
    expect_bytes(out, "0123456789", 10);
    t->store.ops->close(&reader);
}

static void list_tells_stat(struct blob_test *t)
{
    struct listing l = {.is_ordered = true};
    put_many(t, 1);
    blob_expect_status(t, t->store.ops->list(t->store.self, NULL, check_order, &l, &t->err), UB_OK);
    struct ub_blob_stat stat;
    blob_expect_status(t, blob_stat_of(t, &l.last, &stat), UB_OK);
    expect(l.is_ordered); /* the length that the listing told was 4 */
    expect_int(stat.length, 4);
}

static void list_after_the_edges(struct blob_test *t)
{
    struct ub_blob_hash first, last;
    size_t count = 0;
    put_many(t, 30);
    memset(first.bytes, 0x00, sizeof(first.bytes));
    memset(last.bytes, 0xff, sizeof(last.bytes));
    struct listing l = {.is_ordered = true};
    blob_expect_status(t, t->store.ops->list(t->store.self, &first, check_order, &l, &t->err),
                       UB_OK);
    expect_int(l.count, 30);
    struct listing none = {.is_ordered = true};
    blob_expect_status(t, t->store.ops->list(t->store.self, &last, check_order, &none, &t->err),
                       UB_OK);
    expect_int(none.count, 0);
    blob_expect_status(t, t->store.ops->list(t->store.self, &l.last, check_order, &none, &t->err),
                       UB_OK);
    expect_int(none.count, 0);
    count = blob_count_all(t);
    expect_int(count, 30);
}

static void list_goes_on_behind_a_removed_one(struct blob_test *t)
{
    struct listing l = {.is_ordered = true, .stop_at = 10};
    put_many(t, 30);
    blob_expect_status(t, t->store.ops->list(t->store.self, NULL, check_order, &l, &t->err), UB_OK);
    struct ub_blob_hash after = l.last;
    blob_expect_status(t, t->store.ops->remove(t->store.self, &after, &t->err), UB_OK);
    l.count = 0;
    l.stop_at = 0;
    blob_expect_status(t, t->store.ops->list(t->store.self, &after, check_order, &l, &t->err),
                       UB_OK);
    expect_int(l.count, 20);
    expect(l.is_ordered);
}

static void list_without_what_is_begun(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    blob_put(t, blob_bytes_of("there"));
    blob_expect_status(t, t->store.ops->begin(t->store.self, 100, &writer, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of("half"), &t->err), UB_OK);
    expect_int(blob_count_all(t), 1);
    t->store.ops->abort(&writer);
    expect_int(blob_count_all(t), 1);
}

const struct check_case blob_list_cases[] = {
    BLOB_CASE(removed_is_gone, "stat, open and list know it no more"),
    BLOB_CASE(removed_can_be_put_again, "put and removed five times"),
    BLOB_CASE(removal_harms_no_other, "the others stay"),
    BLOB_CASE(open_reader_outlives_removal, "a reader that is open reads on"),
    BLOB_CASE(open_reader_outlives_replacement, "also when the blob has come again"),
    BLOB_CASE(list_is_in_order, "60 blobs in the order of their hashes"),
    BLOB_CASE(list_pages, "page after page gives each once"),
    BLOB_CASE(list_tells_stat, "the listing's length is stat's"),
    BLOB_CASE(list_after_the_edges, "after the lowest, the highest and the last hash"),
    BLOB_CASE(list_goes_on_behind_a_removed_one, "the page token may be gone"),
    BLOB_CASE(list_without_what_is_begun, "what is not committed is not listed"),
    {.name = NULL},
};
