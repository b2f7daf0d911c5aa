/* SPDX-License-Identifier: Apache-2.0
 *
 * Listing: order, prefixes, pages, one consistent view. */
#include "kv_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void put_all(struct kv_test *t, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        kv_put(t, t->bucket, *keys, "v");
    }
}

static const char *const some[] = {"a/b", "a", "b/x/y", "a/c", "ab/c", "b/x", "b", "c", NULL};

static void list_everything_in_order(struct kv_test *t)
{
    kv_expect_list(t, t->bucket, "", "", 0, "");
    put_all(t, some);
    kv_expect_list(t, t->bucket, "", "", 0, "a a/b a/c ab/c b b/x b/x/y c");
}

static void prefix_is_whole_segments(struct kv_test *t)
{
    put_all(t, some);
    kv_expect_list(t, t->bucket, "a", "", 0, "a/b a/c");
    kv_expect_list(t, t->bucket, "b", "", 0, "b/x b/x/y");
    kv_expect_list(t, t->bucket, "b/x", "", 0, "b/x/y");
    kv_expect_list(t, t->bucket, "c", "", 0, "");
    kv_expect_list(t, t->bucket, "nobody", "", 0, "");
}

static void list_after(struct kv_test *t)
{
    put_all(t, some);
    kv_expect_list(t, t->bucket, "", "a/c", 0, "ab/c b b/x b/x/y c");
    kv_expect_list(t, t->bucket, "b", "a", 0, "b/x b/x/y");
    kv_expect_list(t, t->bucket, "b", "b/x", 0, "b/x/y");
    kv_expect_list(t, t->bucket, "a", "z", 0, "");
    kv_expect_list(t, t->bucket, "", "a/bb", 2, "a/c ab/c");
}

static void list_without_deleted(struct kv_test *t)
{
    put_all(t, some);
    kv_delete(t, t->bucket, "a/b");
    kv_delete(t, t->bucket, "c");
    kv_expect_list(t, t->bucket, "", "", 0, "a a/c ab/c b b/x b/x/y");
    kv_expect_list(t, t->bucket, "", "a", 2, "a/c ab/c");
}

struct page {
    struct ub_kv_key last;
    uint8_t bytes[UB_KV_KEY_MAX];
    size_t count, total;
};

static bool add_to_page(void *arg, const struct ub_kv_entry *entry)
{
    struct page *page = arg;
    size_t used = 0;
    page->last.count = entry->key.count;
    for (uint32_t i = 0; i < entry->key.count; i++) {
        struct ub_bytes segment = entry->key.segments[i];
        memcpy(page->bytes + used, segment.ptr, segment.len);
        page->last.segments[i] = (struct ub_bytes){page->bytes + used, segment.len};
        used += segment.len;
    }
    page->count++;
    page->total++;
    return true;
}

static void pages_cover_everything(struct kv_test *t)
{
    struct page page = {.total = 0};
    for (int i = 0; i < 100; i++) {
        char key[32];
        snprintf(key, sizeof(key), "p/%d/%d", i % 7, i);
        kv_put(t, t->bucket, key, "v");
    }
    struct ub_kv_key prefix = kv_key("p");
    do {
        page.count = 0;
        struct ub_kv_key after = page.last;
        assert_int_equal(
            t->store.ops->list(t->bucket, &prefix, &after, 9, add_to_page, &page, &t->err), UB_OK);
        assert_true(page.count <= 9);
    } while (page.count == 9);
    assert_int_equal(page.total, 100);
}

static bool stop_at_3(void *arg, const struct ub_kv_entry *entry)
{
    (void)entry;
    return ++*(int *)arg < 3;
}

static void callback_ends_the_listing(struct kv_test *t)
{
    int count = 0;
    struct ub_kv_key all = {0};
    put_all(t, some);
    assert_int_equal(t->store.ops->list(t->bucket, &all, &all, 0, stop_at_3, &count, &t->err),
                     UB_OK);
    assert_int_equal(count, 3);
}

static void bad_prefixes_are_refused(struct kv_test *t)
{
    int count = 0;
    struct ub_kv_key all = {0}, bad = {1, {{(const uint8_t *)"", 0}}};
    assert_int_equal(t->store.ops->list(t->bucket, &bad, &all, 0, stop_at_3, &count, &t->err),
                     UB_EINVAL);
    assert_int_equal(t->store.ops->list(t->bucket, &all, &bad, 0, stop_at_3, &count, &t->err),
                     UB_EINVAL);
}

/* ---- hostile keys against an oracle -----------------------------------------------------------
 */

#define HOSTILE_COUNT 400

struct hostile_key {
    struct ub_kv_key key;
    uint8_t bytes[8][3];
};

struct hostile {
    struct hostile_key keys[HOSTILE_COUNT];
    struct hostile_key *sorted[HOSTILE_COUNT];
    size_t count, at;
    bool is_wrong;
};

static int compare_keys(const struct ub_kv_key *a, const struct ub_kv_key *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        size_t len =
            a->segments[i].len < b->segments[i].len ? a->segments[i].len : b->segments[i].len;
        int order = memcmp(a->segments[i].ptr, b->segments[i].ptr, len);
        if (order == 0) {
            order = (a->segments[i].len > len) - (b->segments[i].len > len);
        }
        if (order != 0) {
            return order;
        }
    }
    return (a->count > b->count) - (a->count < b->count);
}

static int compare_sorted(const void *a, const void *b)
{
    return compare_keys(&(*(struct hostile_key *const *)a)->key,
                        &(*(struct hostile_key *const *)b)->key);
}

/* Short keys of the bytes that encodings stumble over; doubles are left out. */
static void hostile_fill(struct kv_test *t, struct hostile *h)
{
    static const uint8_t alphabet[] = {0x00, 0x01, 0x02, 0x2f, 0x7f, 0xfe, 0xff};
    srand(4711);
    while (h->count < HOSTILE_COUNT) {
        struct hostile_key *k = &h->keys[h->count];
        k->key.count = 1 + (uint32_t)rand() % 3;
        for (uint32_t i = 0; i < k->key.count; i++) {
            size_t len = 1 + (size_t)rand() % 3;
            for (size_t j = 0; j < len; j++) {
                k->bytes[i][j] = alphabet[(size_t)rand() % sizeof(alphabet)];
            }
            k->key.segments[i] = (struct ub_bytes){k->bytes[i], len};
        }
        if (kv_try(t, t->bucket, UB_KV_CREATE, &k->key, kv_bytes("v"), 0, NULL) == UB_OK) {
            h->sorted[h->count++] = k;
        }
    }
    qsort(h->sorted, h->count, sizeof(h->sorted[0]), compare_sorted);
}

static bool is_below(const struct ub_kv_key *key, const struct ub_kv_key *prefix)
{
    struct ub_kv_key cut = *key;
    cut.count = prefix->count;
    return key->count > prefix->count && compare_keys(&cut, prefix) == 0;
}

struct hostile_listing {
    struct hostile *h;
    const struct ub_kv_key *prefix;
    size_t at; /* next of sorted */
    bool is_wrong;
};

static bool compare_listed(void *arg, const struct ub_kv_entry *entry)
{
    struct hostile_listing *l = arg;
    while (l->at < l->h->count && !is_below(&l->h->sorted[l->at]->key, l->prefix)) {
        l->at++;
    }
    l->is_wrong |= l->at == l->h->count || compare_keys(&entry->key, &l->h->sorted[l->at]->key);
    l->at++;
    return !l->is_wrong;
}

static void expect_hostile(struct kv_test *t, struct hostile *h, const struct ub_kv_key *prefix)
{
    struct hostile_listing l = {h, prefix, 0, false};
    struct ub_kv_key start = {0};
    assert_int_equal(t->store.ops->list(t->bucket, prefix, &start, 0, compare_listed, &l, &t->err),
                     UB_OK);
    assert_false(l.is_wrong);
    for (; l.at < h->count; l.at++) {
        assert_false(is_below(&h->sorted[l.at]->key, prefix));
    }
}

static void hostile_keys_sort_by_segments(struct kv_test *t)
{
    struct hostile *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    hostile_fill(t, h);
    expect_hostile(t, h, &(struct ub_kv_key){0});
    for (size_t i = 0; i < h->count; i += 3) {
        struct ub_kv_key prefix = h->keys[i].key;
        expect_hostile(t, h, &prefix);
        prefix.count = 1;
        expect_hostile(t, h, &prefix);
    }
    free(h);
}

/* ---- one view ---------------------------------------------------------------------------------
 */

struct view {
    struct kv_test *t;
    int count;
};

static void put_more(void *arg, size_t number)
{
    struct kv_test *t = arg;
    char text[32];
    snprintf(text, sizeof(text), "v/z%zu", number);
    struct ub_kv_key key = kv_key(text);
    const struct ub_kv_write write = {t->bucket, UB_KV_PUT, key, kv_bytes("late"), 0};
    (void)t->store.ops->write(t->bucket, &write, NULL, NULL);
}

static bool write_meanwhile(void *arg, const struct ub_kv_entry *entry)
{
    struct view *view = arg;
    if (view->count++ == 0) {
        kv_threads(4, put_more, view->t);
    }
    return entry->value.len == 1;
}

static void list_is_one_view(struct kv_test *t)
{
    struct view view = {t, 0};
    struct ub_kv_key prefix = kv_key("v"), start = {0};
    kv_put(t, t->bucket, "v/a", "1");
    kv_put(t, t->bucket, "v/b", "2");
    assert_int_equal(
        t->store.ops->list(t->bucket, &prefix, &start, 0, write_meanwhile, &view, &t->err), UB_OK);
    assert_int_equal(view.count, 2);
    kv_expect_list(t, t->bucket, "v", "", 0, "v/a v/b v/z0 v/z1 v/z2 v/z3");
}

const struct kv_case kv_list_cases[] = {
    {"list_everything_in_order", list_everything_in_order},
    {"prefix_is_whole_segments", prefix_is_whole_segments},
    {"list_after", list_after},
    {"list_without_deleted", list_without_deleted},
    {"pages_cover_everything", pages_cover_everything},
    {"callback_ends_the_listing", callback_ends_the_listing},
    {"bad_prefixes_are_refused", bad_prefixes_are_refused},
    {"hostile_keys_sort_by_segments", hostile_keys_sort_by_segments},
    {"list_is_one_view", list_is_one_view},
    {NULL, NULL},
};
