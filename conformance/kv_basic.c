/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets, keys, values, revisions, conditions. */
#include "kv_tool.h"

static void caps_are_told(struct kv_test *t)
{
    struct ub_kv_caps caps = kv_caps(t);
    const uint32_t known = UB_KV_BATCH_BUCKET | UB_KV_BATCH_STORE | UB_KV_SHARED;
    expect((caps.flags & ~known) == 0);
    expect(caps.replicas >= 1);
    expect(caps.durability != NULL);
    expect(strcmp(caps.durability, "disk") == 0 || strcmp(caps.durability, "quorum") == 0 ||
           strcmp(caps.durability, "memory") == 0);
}

static void bucket_names_are_checked(struct kv_test *t)
{
    static const char *const bad[] = {
        "",     "Main", "a_b",      "a.b", "a/b",
        "../x", "a b",  "\xc3\xa4", "a\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ub_kv_bucket *bucket = NULL;
        const struct ub_kv_bucket_options options = {sizeof(options), 0};
        kv_expect_status(
            t, t->store.ops->bucket_open(t->store.self, bad[i], &options, &bucket, &t->err),
            UB_EINVAL);
        expect((bucket) == NULL);
    }
    expect(kv_bucket(t, "aaaaaaaaaaaaaaaaaaaaaaa", 0) != NULL); /* 32 with its salt */
    expect(kv_bucket(t, "0-9", 0) != NULL);
}

static void bucket_opens_twice(struct kv_test *t)
{
    struct ub_kv_bucket *again = kv_bucket(t, "main", 0);
    kv_put(t, t->bucket, "k", "v");
    kv_expect(t, again, "k", "v");
    t->store.ops->bucket_close(t->store.self, &again);
    expect((again) == NULL);
    kv_expect(t, t->bucket, "k", "v");
}

static void bucket_keeps_its_options(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = NULL;
    kv_expect_status(t, kv_try_bucket(t, "main", 5000, &bucket), UB_EINVAL);
    expect(bucket == NULL);
    expect(strstr(t->err.message, "main") != NULL);
    kv_expect_status(t, kv_try_bucket(t, "new", -1, &bucket), UB_EINVAL);
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
    int64_t before = kv_revision(t, t->bucket);
    kv_put(t, other, "l", "more");
    expect_int(kv_revision(t, t->bucket), before);
}

static void absent_is_not_found(struct kv_test *t)
{
    kv_expect(t, t->bucket, "nobody", NULL);
    expect((strstr(t->err.message, "nobody")) != NULL);
}

static void put_is_read_back(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "a/b/c", "value");
    expect(revision > 0);
    expect_int(kv_expect(t, t->bucket, "a/b/c", "value"), revision);
    kv_expect(t, t->bucket, "a/b", NULL);
}

static void local_read_sees_own_write(struct kv_test *t)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_key key = kv_key("k");
    kv_put(t, t->bucket, "k", "v");
    kv_expect_status(t, t->store.ops->get(t->bucket, &key, UB_KV_LOCAL, &value, &t->err), UB_OK);
    t->store.ops->value_free(t->store.self, &value);
    expect((value.bytes.ptr) == NULL);
}

static void revisions_grow_by_bucket(struct kv_test *t)
{
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        int64_t revision = kv_put(t, t->bucket, i % 2 ? "a" : "b", "v");
        expect(revision > last);
        last = revision;
        expect_int(kv_revision(t, t->bucket), revision);
    }
}

static void create_only_once(struct kv_test *t)
{
    kv_expect_status(t, kv_try_text(t, UB_KV_CREATE, "k", "first", 0), UB_OK);
    kv_expect_status(t, kv_try_text(t, UB_KV_CREATE, "k", "second", 0), UB_EEXISTS);
    expect(strstr(t->err.message, "k") != NULL);
    expect_int(kv_expect(t, t->bucket, "k", "first"), kv_revision(t, t->bucket));
}

static void create_after_delete(struct kv_test *t)
{
    int64_t first = kv_put(t, t->bucket, "k", "v");
    kv_delete(t, t->bucket, "k");
    kv_expect_status(t, kv_try_text(t, UB_KV_CREATE, "k", "again", 0), UB_OK);
    expect(kv_expect(t, t->bucket, "k", "again") > first + 1);
}

static void update_needs_the_revision(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "1");
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "x", revision + 1), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "x", 0), UB_ECONFLICT);
    kv_expect(t, t->bucket, "k", "1");
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "2", revision), UB_OK);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "3", revision), UB_ECONFLICT);
    kv_expect(t, t->bucket, "k", "2");
}

static void update_of_absent(struct kv_test *t)
{
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "v", 1), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "v", 0), UB_OK);
    kv_expect(t, t->bucket, "k", "v");
}

static void delete_removes(struct kv_test *t)
{
    int64_t put = kv_put(t, t->bucket, "k", "v");
    int64_t deletion = kv_delete(t, t->bucket, "k");
    expect(deletion > put);
    expect_int(kv_revision(t, t->bucket), deletion);
    kv_expect(t, t->bucket, "k", NULL);
}

static void delete_of_absent_changes_nothing(struct kv_test *t)
{
    kv_put(t, t->bucket, "other", "v");
    int64_t before = kv_revision(t, t->bucket);
    expect_int(kv_delete(t, t->bucket, "k"), 0);
    expect_int(kv_revision(t, t->bucket), before);
    kv_expect_status(t, kv_try_text(t, UB_KV_DELETE, "k", "", before), UB_ECONFLICT);
}

static void delete_with_revision(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "v");
    kv_expect_status(t, kv_try_text(t, UB_KV_DELETE, "k", "", revision + 1), UB_ECONFLICT);
    kv_expect(t, t->bucket, "k", "v");
    kv_expect_status(t, kv_try_text(t, UB_KV_DELETE, "k", "", revision), UB_OK);
    kv_expect(t, t->bucket, "k", NULL);
    kv_expect_status(t, kv_try_text(t, UB_KV_DELETE, "k", "", revision), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_DELETE, "never", "", revision), UB_ECONFLICT);
}

static void check_writes_nothing(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "v");
    kv_expect_status(t, kv_try_text(t, UB_KV_CHECK, "k", "", revision), UB_OK);
    kv_expect_status(t, kv_try_text(t, UB_KV_CHECK, "k", "", revision + 1), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_CHECK, "k", "", 0), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_CHECK, "absent", "", 0), UB_OK);
    expect_int(kv_revision(t, t->bucket), revision);
    kv_expect(t, t->bucket, "k", "v");
}

static void unknown_verbs_are_refused(struct kv_test *t)
{
    kv_expect_status(t, kv_try_text(t, (enum ub_kv_verb)0, "k", "v", 0), UB_EINVAL);
    kv_expect_status(t, kv_try_text(t, (enum ub_kv_verb)6, "k", "v", 0), UB_EINVAL);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "v", -1), UB_EINVAL);
}

/* ---- whose memory it is, what may be left out --------------------------------------------------
 */

static void value_is_the_callers(struct kv_test *t)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_key key = kv_key("k");
    kv_put(t, t->bucket, "k", "first");
    kv_expect_status(t, t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, &t->err), UB_OK);
    kv_put(t, t->bucket, "k", "second");
    kv_delete(t, t->bucket, "k");
    expect_int(value.bytes.len, 5);
    expect_bytes(value.bytes.ptr, "first", 5);
    t->store.ops->value_free(t->store.self, &value);
    expect(value.bytes.ptr == NULL && value.owner == NULL);
    t->store.ops->value_free(t->store.self, &value); /* twice does no harm */
}

static void absent_fills_no_value(struct kv_test *t)
{
    struct ub_kv_value value = {sizeof(value), 77, {(const uint8_t *)"x", 1}, NULL};
    struct ub_kv_key key = kv_key("nobody");
    kv_expect_status(t, t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &value, &t->err),
                     UB_ENOTFOUND);
    expect(value.bytes.ptr == NULL && value.bytes.len == 0);
    t->store.ops->value_free(t->store.self, &value);
}

static void outputs_may_be_left_out(struct kv_test *t)
{
    struct ub_kv_key key = kv_key("k");
    struct ub_kv_write write = {t->bucket, UB_KV_CREATE, key, kv_bytes("v"), 0};
    expect_status(t->store.ops->write(t->bucket, &write, NULL, NULL), UB_OK);
    expect_status(t->store.ops->write(t->bucket, &write, NULL, NULL), UB_EEXISTS);
    write.key.count = 0;
    expect_status(t->store.ops->write(t->bucket, &write, NULL, NULL), UB_EINVAL);
}

static void errors_name_the_value(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "the-key", "v");
    char text[32];
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "the-key", "w", revision + 4711),
                     UB_ECONFLICT);
    snprintf(text, sizeof(text), "%" PRId64, revision);
    expect_int(t->err.status, UB_ECONFLICT);
    expect(strstr(t->err.message, "the-key") != NULL);
    expect(strstr(t->err.message, text) != NULL);
}

/* ---- revisions --------------------------------------------------------------------------------
 */

static void put_of_the_same_value_grows(struct kv_test *t)
{
    int64_t first = kv_put(t, t->bucket, "k", "same");
    int64_t second = kv_put(t, t->bucket, "k", "same");
    expect(second > first);
    expect_int(kv_expect(t, t->bucket, "k", "same"), second);
}

static void deletions_take_revisions(struct kv_test *t)
{
    int64_t last = 0;
    for (int i = 0; i < 20; i++) {
        int64_t put = kv_put(t, t->bucket, "k", "v");
        int64_t deletion = kv_delete(t, t->bucket, "k");
        expect(put > last && deletion > put);
        last = deletion;
    }
}

static void refused_writes_leave_the_revision(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "v");
    kv_expect_status(t, kv_try_text(t, UB_KV_CREATE, "k", "x", 0), UB_EEXISTS);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "x", revision + 1), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_DELETE, "k", "", revision + 1), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_PUT, "", "x", 0), UB_EINVAL);
    expect_int(kv_revision(t, t->bucket), revision);
    expect_int(kv_expect(t, t->bucket, "k", "v"), revision);
}

static void revision_belongs_to_the_key(struct kv_test *t)
{
    int64_t a = kv_put(t, t->bucket, "a", "1");
    int64_t b = kv_put(t, t->bucket, "b", "2");
    kv_delete(t, t->bucket, "b");
    expect_int(kv_expect(t, t->bucket, "a", "1"), a);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "a", "3", b), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "a", "3", a), UB_OK);
}

static void deleted_revision_is_no_condition(struct kv_test *t)
{
    int64_t revision = kv_put(t, t->bucket, "k", "v");
    int64_t deletion = kv_delete(t, t->bucket, "k");
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "w", revision), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "w", deletion), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_DELETE, "k", "", revision), UB_ECONFLICT);
    kv_expect_status(t, kv_try_text(t, UB_KV_CHECK, "k", "", 0), UB_OK);
    kv_expect(t, t->bucket, "k", NULL);
}

static void old_revision_never_fits_again(struct kv_test *t)
{
    int64_t old = kv_put(t, t->bucket, "k", "v");
    for (int i = 0; i < 5; i++) {
        kv_delete(t, t->bucket, "k");
        kv_put(t, t->bucket, "k", "v"); /* the same bytes: only the revision tells them apart */
        kv_expect_status(t, kv_try_text(t, UB_KV_UPDATE, "k", "w", old), UB_ECONFLICT);
    }
}

static void delete_twice(struct kv_test *t)
{
    kv_put(t, t->bucket, "k", "v");
    int64_t deletion = kv_delete(t, t->bucket, "k");
    expect(deletion > 0);
    expect_int(kv_delete(t, t->bucket, "k"), 0);
    expect_int(kv_revision(t, t->bucket), deletion);
}

static void bucket_closed_and_opened(struct kv_test *t)
{
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    int64_t revision = kv_put(t, other, "k", "v");
    t->store.ops->bucket_close(t->store.self, &other);
    expect(other == NULL);
    other = kv_bucket(t, "other", 0);
    expect_int(kv_expect(t, other, "k", "v"), revision);
    expect(kv_put(t, other, "k", "w") > revision);
}

static void many_buckets(struct kv_test *t)
{
    struct ub_kv_bucket *buckets[40];
    char name[16];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "many-%d", i);
        buckets[i] = kv_bucket(t, name, 0);
        kv_put(t, buckets[i], "k", name);
    }
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "many-%d", i);
        kv_expect(t, buckets[i], "k", name);
        kv_expect_list(t, buckets[i], "", "", 0, "k");
    }
}

static void bucket_names_are_whole(struct kv_test *t)
{
    static const char *const names[] = {"a", "ab", "a-b", "a-", "0"};
    struct ub_kv_bucket *buckets[5];
    for (size_t i = 0; i < 5; i++) {
        buckets[i] = kv_bucket(t, names[i], 0);
        kv_put(t, buckets[i], names[i], "v");
    }
    for (size_t i = 0; i < 5; i++) {
        kv_expect_list(t, buckets[i], "", "", 0, names[i]);
    }
}

const struct check_case kv_basic_cases[] = {
    KV_CASE(caps_are_told, "flags that are known, replicas, a durability of three"),
    KV_CASE(bucket_names_are_checked, "only [a-z0-9-]{1,32} names a bucket"),
    KV_CASE(bucket_names_are_whole, "a bucket whose name begins another's is another"),
    KV_CASE(bucket_opens_twice, "two handles show one bucket; closing one leaves the other"),
    KV_CASE(bucket_closed_and_opened, "a bucket that was closed is as it was"),
    KV_CASE(bucket_keeps_its_options, "another TTL than the bucket has is refused, so is -1"),
    KV_CASE(buckets_are_apart, "equal keys of two buckets are two keys with two counters"),
    KV_CASE(many_buckets, "40 buckets at a time"),
    KV_CASE(absent_is_not_found, "a key that is not there is \"not found\" by its name"),
    KV_CASE(absent_fills_no_value, "an absent key leaves the value empty"),
    KV_CASE(put_is_read_back, "get answers the bytes and the revision of the put"),
    KV_CASE(local_read_sees_own_write, "a local read after a write sees it on this node"),
    KV_CASE(value_is_the_callers, "a value stays as it was read until value_free, which nulls"),
    KV_CASE(outputs_may_be_left_out, "revision_out and err may be NULL"),
    KV_CASE(errors_name_the_value, "a conflict names the key and its revision"),
    KV_CASE(revisions_grow_by_bucket, "each put has a greater revision than all before"),
    KV_CASE(put_of_the_same_value_grows, "equal bytes are a new revision"),
    KV_CASE(deletions_take_revisions, "put and delete count up alike"),
    KV_CASE(refused_writes_leave_the_revision, "what was refused takes no revision"),
    KV_CASE(revision_belongs_to_the_key, "another key's revision is no condition for this one"),
    KV_CASE(deleted_revision_is_no_condition, "after a delete neither old revision fits"),
    KV_CASE(old_revision_never_fits_again, "delete and put again: the first revision never fits"),
    KV_CASE(create_only_once, "create of a present key is \"exists\" and changes nothing"),
    KV_CASE(create_after_delete, "create works after a delete, with a greater revision"),
    KV_CASE(update_needs_the_revision, "update writes only over the revision that is expected"),
    KV_CASE(update_of_absent, "update with expected 0 creates, any other conflicts"),
    KV_CASE(delete_removes, "delete takes a revision and the value"),
    KV_CASE(delete_twice, "the second delete is ok, revision 0, and counts nothing"),
    KV_CASE(delete_of_absent_changes_nothing, "deleting what is not there writes nothing"),
    KV_CASE(delete_with_revision, "delete with an expected revision needs exactly it"),
    KV_CASE(check_writes_nothing,
            "check answers for a revision or for absence, and writes nothing"),
    KV_CASE(unknown_verbs_are_refused, "a verb or an expected revision that is none is invalid"),
    {.name = NULL},
};
