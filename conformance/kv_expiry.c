/* SPDX-License-Identifier: Apache-2.0
 *
 * Expiry: time belongs to the bucket, and the clock to the case. */
#include "kv_tool.h"

static void value_expires(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 60000);
    kv_put(t, bucket, "k", "v");
    kv_advance(t, 59999);
    kv_expect(t, bucket, "k", "v");
    kv_advance(t, 2);
    kv_expect(t, bucket, "k", NULL);
    kv_expect_list(t, bucket, "", "", 0, "");
}

static void expired_is_absent_for_conditions(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    struct ub_kv_key key = kv_key("k");
    int64_t revision = kv_put(t, bucket, "k", "v");
    kv_advance(t, 1001);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_CHECK, &key, kv_bytes(""), revision, NULL),
                     UB_ECONFLICT);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_CHECK, &key, kv_bytes(""), 0, NULL), UB_OK);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_UPDATE, &key, kv_bytes("w"), revision, NULL),
                     UB_ECONFLICT);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_CREATE, &key, kv_bytes("w"), 0, NULL), UB_OK);
    expect(kv_expect(t, bucket, "k", "w") > revision);
}

static void put_starts_the_time_anew(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    kv_put(t, bucket, "k", "1");
    kv_advance(t, 900);
    kv_put(t, bucket, "k", "2");
    kv_advance(t, 900);
    kv_expect(t, bucket, "k", "2");
    kv_advance(t, 101);
    kv_expect(t, bucket, "k", NULL);
}

static void expiry_is_of_its_bucket(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    kv_put(t, bucket, "k", "v");
    kv_put(t, t->bucket, "k", "v");
    kv_advance(t, 86400000);
    kv_expect(t, bucket, "k", NULL);
    kv_expect(t, t->bucket, "k", "v");
}

static void expiry_makes_no_event(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    char text[256];
    struct kv_seen *seen = kv_watch(t, bucket, "", 0);
    expect(kv_wait_revision(seen, kv_put(t, bucket, "a", "1")));
    kv_advance(t, 5000);
    expect(kv_wait_revision(seen, kv_put(t, bucket, "b", "2")));
    expect((strchr(kv_seen_text(seen, text, sizeof(text)), '-')) == NULL);
    kv_unwatch(&seen);
    seen = kv_watch(t, bucket, "", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect_text(kv_seen_text(seen, text, sizeof(text)), "+b=2 READY");
    kv_unwatch(&seen);
}

static void expiry_goes_on_over_a_restart(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 60000);
    kv_put(t, bucket, "old", "v");
    kv_advance(t, 30000);
    kv_put(t, bucket, "new", "v");
    kv_reopen(t);
    bucket = kv_bucket(t, "short", 60000);
    kv_advance(t, 30001);
    kv_expect(t, bucket, "old", NULL);
    kv_expect(t, bucket, "new", "v");
}

static void expiry_never_gives_a_revision_back(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    int64_t last = kv_put(t, bucket, "k", "v");
    kv_advance(t, 10000);
    kv_advance(t, 10000);
    expect_int(kv_revision(t, bucket), last);
    kv_reopen(t);
    bucket = kv_bucket(t, "short", 1000);
    expect_int(kv_revision(t, bucket), last);
    expect(kv_put(t, bucket, "k", "v") > last);
}

static void expired_is_in_no_read(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_key key = kv_key("p/old");
    kv_put(t, bucket, "p/old", "v");
    kv_advance(t, 600);
    kv_put(t, bucket, "p/new", "v");
    kv_advance(t, 401);
    expect_status(t->store.ops->get(bucket, &key, UB_KV_LOCAL, &value, NULL), UB_ENOTFOUND);
    expect_status(t->store.ops->get(bucket, &key, UB_KV_NEWEST, &value, NULL), UB_ENOTFOUND);
    kv_expect_list(t, bucket, "p", "", 0, "p/new");
    kv_expect_list(t, bucket, "p", "", 1, "p/new");
}

static void expired_is_absent_in_a_batch(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    int64_t revision = kv_put(t, bucket, "k", "v");
    const struct ub_kv_write late = kv_write_of(bucket, UB_KV_CHECK, "k", "", revision);
    const struct ub_kv_write writes[] = {
        kv_write_of(bucket, UB_KV_CHECK, "k", "", 0),
        kv_write_of(bucket, UB_KV_CREATE, "k", "w", 0),
    };
    kv_advance(t, 1001);
    expect_status(t->store.ops->batch(t->store.self, &late, 1, NULL, NULL, NULL), UB_ECONFLICT);
    expect_status(t->store.ops->batch(t->store.self, writes, 2, NULL, NULL, NULL), UB_OK);
    kv_expect(t, bucket, "k", "w");
}

static void expired_can_be_deleted(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    struct ub_kv_key key = kv_key("k");
    int64_t revision = kv_put(t, bucket, "k", "v");
    kv_advance(t, 1001);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_DELETE, &key, kv_bytes(""), revision, NULL),
                     UB_ECONFLICT);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_DELETE, &key, kv_bytes(""), 0, NULL), UB_OK);
    expect(kv_put(t, bucket, "k", "w") > revision);
}

static void update_starts_the_time_anew(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    struct ub_kv_key key = kv_key("k");
    int64_t revision = kv_put(t, bucket, "k", "1");
    kv_advance(t, 900);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_UPDATE, &key, kv_bytes("2"), revision, NULL),
                     UB_OK);
    kv_advance(t, 900);
    kv_expect(t, bucket, "k", "2");
}

static void check_does_not_prolong(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    struct ub_kv_key key = kv_key("k");
    int64_t revision = kv_put(t, bucket, "k", "v");
    kv_advance(t, 900);
    kv_expect_status(t, kv_try(t, bucket, UB_KV_CHECK, &key, kv_bytes(""), revision, NULL), UB_OK);
    kv_expect(t, bucket, "k", "v");
    kv_advance(t, 101);
    kv_expect(t, bucket, "k", NULL);
}

static void many_expire_together(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        kv_put(t, bucket, key, "v");
    }
    kv_expect(t, bucket, "k0", "v");
    kv_expect(t, bucket, "k199", "v");
    int64_t last = kv_revision(t, bucket);
    for (int i = 0; i < 5; i++) {
        kv_advance(t, 1001);
    }
    kv_expect_list(t, bucket, "", "", 0, "");
    expect_int(kv_revision(t, bucket), last);
    expect(kv_put(t, bucket, "k0", "v") > last);
}

const struct check_case kv_expiry_cases[] = {
    KV_CASE(value_expires, "there until its time, never after"),
    KV_CASE(expired_is_in_no_read, "neither get nor list, at its limit too, gives it"),
    KV_CASE(expired_is_absent_for_conditions, "for create, update and check it is absent"),
    KV_CASE(expired_is_absent_in_a_batch, "the same in a batch"),
    KV_CASE(expired_can_be_deleted, "deleting it is deleting what is absent"),
    KV_CASE(put_starts_the_time_anew, "a put begins the time again"),
    KV_CASE(update_starts_the_time_anew, "an update too"),
    KV_CASE(check_does_not_prolong, "neither check nor get does"),
    KV_CASE(expiry_is_of_its_bucket, "other buckets keep theirs"),
    KV_CASE(expiry_makes_no_event, "a watch hears nothing of it"),
    KV_CASE(expiry_goes_on_over_a_restart, "a restart prolongs nothing"),
    KV_CASE(expiry_never_gives_a_revision_back, "the counter goes on after all have expired"),
    KV_CASE(many_expire_together, "200 at once, swept or not"),
    {.name = NULL},
};
