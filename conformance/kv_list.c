/* SPDX-License-Identifier: Apache-2.0
 *
 * Listing: order, prefixes, pages, one consistent view. */
#include "kv_tool.h"

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
        kv_expect_status(
            t, t->store.ops->list(t->bucket, &prefix, &after, 9, add_to_page, &page, &t->err),
            UB_OK);
        expect(page.count <= 9);
    } while (page.count == 9);
    expect_int(page.total, 100);
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
    kv_expect_status(t, t->store.ops->list(t->bucket, &all, &all, 0, stop_at_3, &count, &t->err),
                     UB_OK);
    expect_int(count, 3);
}

static void bad_prefixes_are_refused(struct kv_test *t)
{
    int count = 0;
    struct ub_kv_key all = {0}, bad = {1, {{(const uint8_t *)"", 0}}};
    kv_expect_status(t, t->store.ops->list(t->bucket, &bad, &all, 0, stop_at_3, &count, &t->err),
                     UB_EINVAL);
    kv_expect_status(t, t->store.ops->list(t->bucket, &all, &bad, 0, stop_at_3, &count, &t->err),
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
    kv_expect_status(
        t, t->store.ops->list(t->bucket, prefix, &start, 0, compare_listed, &l, &t->err), UB_OK);
    expect(!(l.is_wrong));
    for (; l.at < h->count; l.at++) {
        expect(!(is_below(&h->sorted[l.at]->key, prefix)));
    }
}

static void hostile_keys_sort_by_segments(struct kv_test *t)
{
    struct hostile *h = calloc(1, sizeof(*h));
    expect((h) != NULL);
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
        case_threads(4, put_more, view->t);
    }
    return entry->value.len == 1;
}

static void list_is_one_view(struct kv_test *t)
{
    struct view view = {t, 0};
    struct ub_kv_key prefix = kv_key("v"), start = {0};
    kv_put(t, t->bucket, "v/a", "1");
    kv_put(t, t->bucket, "v/b", "2");
    kv_expect_status(
        t, t->store.ops->list(t->bucket, &prefix, &start, 0, write_meanwhile, &view, &t->err),
        UB_OK);
    expect_int(view.count, 2);
    kv_expect_list(t, t->bucket, "v", "", 0, "v/a v/b v/z0 v/z1 v/z2 v/z3");
}

/* ---- pages while others write -----------------------------------------------------------------
 */

struct paging {
    struct kv_test *t;
    struct page page;
    bool seen[60];
};

static bool mark_and_add(void *arg, const struct ub_kv_entry *entry)
{
    struct paging *paging = arg;
    char text[64], *end;
    kv_key_text(&entry->key, text, sizeof(text));
    unsigned long number = strncmp(text, "p/s", 3) == 0 ? strtoul(text + 3, &end, 10) : 60;
    if (number < 60 && *end == '\0') {
        expect(!paging->seen[number]); /* none is given twice */
        paging->seen[number] = true;
    }
    return add_to_page(&paging->page, entry);
}

/* Before, between and behind what is there; and some of it is overwritten. */
static void write_between(struct kv_test *t, int round)
{
    char key[32];
    snprintf(key, sizeof(key), "p/a%d", round);
    kv_put(t, t->bucket, key, "v");
    snprintf(key, sizeof(key), "p/s%02d/x", round * 5);
    kv_put(t, t->bucket, key, "v");
    snprintf(key, sizeof(key), "p/s%02d", round * 7 % 60);
    kv_put(t, t->bucket, key, "again");
    snprintf(key, sizeof(key), "p/a%d", round - 2);
    kv_delete(t, t->bucket, key);
    snprintf(key, sizeof(key), "p/z%d", round);
    kv_put(t, t->bucket, key, "v");
}

static void pages_are_stable_under_writes(struct kv_test *t)
{
    struct paging paging = {.t = t};
    struct ub_kv_key prefix = kv_key("p");
    for (int i = 0; i < 60; i++) {
        char key[32];
        snprintf(key, sizeof(key), "p/s%02d", i);
        kv_put(t, t->bucket, key, "v");
    }
    for (int round = 0; round == 0 || paging.page.count == 7; round++) {
        struct ub_kv_key after = paging.page.last;
        paging.page.count = 0;
        kv_expect_status(
            t, t->store.ops->list(t->bucket, &prefix, &after, 7, mark_and_add, &paging, &t->err),
            UB_OK);
        write_between(t, round % 12);
        expect(round < 100);
    }
    for (int i = 0; i < 60; i++) {
        expect(paging.seen[i]); /* none that was there all the time is missing */
    }
}

static void page_token_may_be_deleted(struct kv_test *t)
{
    put_all(t, some);
    kv_delete(t, t->bucket, "a/c");
    kv_expect_list(t, t->bucket, "", "a/c", 2, "ab/c b");
    kv_expect_list(t, t->bucket, "a", "a/b", 0, "");
}

static void page_token_outside_the_prefix(struct kv_test *t)
{
    put_all(t, some);
    kv_expect_list(t, t->bucket, "b", "", 0, "b/x b/x/y");
    kv_expect_list(t, t->bucket, "b", "a/zzz", 0, "b/x b/x/y");
    kv_expect_list(t, t->bucket, "b", "b", 0, "b/x b/x/y");
    kv_expect_list(t, t->bucket, "b", "c", 0, "");
    kv_expect_list(t, t->bucket, "a", "ab/c", 0, "");
}

static void limit_is_kept(struct kv_test *t)
{
    put_all(t, some);
    kv_expect_list(t, t->bucket, "", "", 1, "a");
    kv_expect_list(t, t->bucket, "", "", 3, "a a/b a/c");
    kv_expect_list(t, t->bucket, "", "", 8, "a a/b a/c ab/c b b/x b/x/y c");
    kv_expect_list(t, t->bucket, "", "", 1000000, "a a/b a/c ab/c b b/x b/x/y c");
    kv_expect_list(t, t->bucket, "b", "", 1, "b/x");
}

struct entry_wanted {
    const char *value;
    int64_t revision;
    size_t count;
};

static bool compare_entry(void *arg, const struct ub_kv_entry *entry)
{
    struct entry_wanted *wanted = arg;
    expect_int(entry->value.len, strlen(wanted->value));
    expect(entry->value.len == 0 || memcmp(entry->value.ptr, wanted->value, entry->value.len) == 0);
    expect_int(entry->revision, wanted->revision);
    expect(!entry->is_deletion);
    wanted->count++;
    return true;
}

static void list_gives_values_and_revisions(struct kv_test *t)
{
    static const char *const values[] = {"one", "", "three"};
    struct ub_kv_key all = {0};
    for (size_t i = 0; i < 3; i++) {
        struct entry_wanted wanted = {values[i], 0, 0};
        kv_put(t, t->bucket, "k", "before");
        wanted.revision = kv_put(t, t->bucket, "k", values[i]);
        kv_expect_status(
            t, t->store.ops->list(t->bucket, &all, &all, 0, compare_entry, &wanted, &t->err),
            UB_OK);
        expect_int(wanted.count, 1);
    }
}

static void deepest_prefix(struct kv_test *t)
{
    kv_put(t, t->bucket, "1/2/3/4/5/6/7/8", "v");
    kv_expect_list(t, t->bucket, "1/2/3/4/5/6/7/8", "", 0, "");
    kv_expect_list(t, t->bucket, "1/2/3/4/5/6/7", "", 0, "1/2/3/4/5/6/7/8");
    kv_expect_list(t, t->bucket, "1", "1/2/3/4/5/6/7/7", 0, "1/2/3/4/5/6/7/8");
}

static void list_of_1000(struct kv_test *t)
{
    struct page page = {.total = 0};
    struct ub_kv_key prefix = kv_key("p");
    static struct ub_kv_write writes[250];
    static char texts[250][16];
    for (int i = 0; i < 1000; i++) {
        snprintf(texts[i % 250], sizeof(texts[0]), "p/%d", i);
        writes[i % 250] =
            (struct ub_kv_write){t->bucket, UB_KV_PUT, kv_key(texts[i % 250]), kv_bytes("v"), 0};
        if (i % 250 == 249) {
            kv_expect_status(
                t, t->store.ops->batch(t->store.self, writes, 250, NULL, NULL, &t->err), UB_OK);
        }
    }
    do {
        struct ub_kv_key after = page.last;
        page.count = 0;
        kv_expect_status(
            t, t->store.ops->list(t->bucket, &prefix, &after, 300, add_to_page, &page, &t->err),
            UB_OK);
    } while (page.count == 300);
    expect_int(page.total, 1000);
}

const struct check_case kv_list_cases[] = {
    KV_CASE(list_everything_in_order, "all keys in the order of their segments"),
    KV_CASE(prefix_is_whole_segments, "prefix a gives a/b, neither a nor ab/c"),
    KV_CASE(deepest_prefix, "a prefix of 8 segments has nothing below"),
    KV_CASE(list_after, "strictly behind the key that is named, which need not exist"),
    KV_CASE(list_without_deleted, "what was deleted is not listed"),
    KV_CASE(limit_is_kept, "at most so many; 0 is no limit"),
    KV_CASE(list_gives_values_and_revisions, "entries carry the latest value and its revision"),
    KV_CASE(pages_cover_everything, "page after page gives each key once"),
    KV_CASE(list_of_1000, "1000 keys in pages of 300"),
    KV_CASE(pages_are_stable_under_writes, "writes between pages neither hide nor double a key"),
    KV_CASE(page_token_may_be_deleted, "a page goes on behind a key that is gone"),
    KV_CASE(page_token_outside_the_prefix, "a token before the prefix starts it, behind ends it"),
    KV_CASE(callback_ends_the_listing, "false from the callback ends it"),
    KV_CASE(bad_prefixes_are_refused, "a prefix or token that no key can have is invalid"),
    KV_CASE(hostile_keys_sort_by_segments, "400 hostile keys against an oracle, with prefixes"),
    KV_CASE(list_is_one_view, "what others write meanwhile is not in it"),
    {.name = NULL},
};
