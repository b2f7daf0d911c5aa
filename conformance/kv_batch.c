/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches, and races of many threads. */
#include "kv_tool.h"

static enum ub_status try_batch(struct kv_test *t, const struct ub_kv_write *writes, size_t count,
                                int64_t *revisions, size_t *failed)
{
    t->err = (struct ub_err)UB_ERR_INIT;
    return t->store.ops->batch(t->store.self, writes, count, revisions, failed, &t->err);
}

static void batch_is_applied_in_order(struct kv_test *t)
{
    int64_t revisions[4] = {-1, -1, -1, -1};
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        kv_write_of(t->bucket, UB_KV_CREATE, "b", "2", 0),
        kv_write_of(t->bucket, UB_KV_CHECK, "c", "", 0),
        kv_write_of(t->bucket, UB_KV_DELETE, "a", "", 0),
    };
    kv_expect_status(t, try_batch(t, writes, 4, revisions, NULL), UB_OK);
    expect(revisions[0] > 0 && revisions[1] > revisions[0] && revisions[3] > revisions[1]);
    expect_int(revisions[2], 0);
    kv_expect(t, t->bucket, "a", NULL);
    expect_int(kv_expect(t, t->bucket, "b", "2"), revisions[1]);
}

static void batch_sees_its_own_writes(struct kv_test *t)
{
    const struct ub_kv_write good[] = {
        kv_write_of(t->bucket, UB_KV_CREATE, "k", "1", 0),
        kv_write_of(t->bucket, UB_KV_DELETE, "k", "", 0),
        kv_write_of(t->bucket, UB_KV_CREATE, "k", "2", 0),
    };
    kv_expect_status(t, try_batch(t, good, 3, NULL, NULL), UB_OK);
    kv_expect(t, t->bucket, "k", "2");
    const struct ub_kv_write bad[] = {
        kv_write_of(t->bucket, UB_KV_CREATE, "l", "1", 0),
        kv_write_of(t->bucket, UB_KV_CREATE, "l", "2", 0),
    };
    size_t failed = 99;
    kv_expect_status(t, try_batch(t, bad, 2, NULL, &failed), UB_EEXISTS);
    expect_int(failed, 1);
    kv_expect(t, t->bucket, "l", NULL);
}

static void failed_batch_changes_nothing(struct kv_test *t)
{
    size_t failed = 99;
    int64_t revision = kv_put(t, t->bucket, "present", "old");
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "present", "new", 0),
        kv_write_of(t->bucket, UB_KV_DELETE, "present", "", 0),
        kv_write_of(t->bucket, UB_KV_UPDATE, "b", "2", 77),
        kv_write_of(t->bucket, UB_KV_PUT, "c", "3", 0),
    };
    kv_expect_status(t, try_batch(t, writes, 5, NULL, &failed), UB_ECONFLICT);
    expect_int(failed, 3);
    expect_int(kv_expect(t, t->bucket, "present", "old"), revision);
    kv_expect_list(t, t->bucket, "", "", 0, "present");
    expect_int(kv_revision(t, t->bucket), revision);
}

static void batch_across_buckets(struct kv_test *t)
{
    size_t failed = 99;
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "k", "1", 0),
        kv_write_of(other, UB_KV_CREATE, "k", "2", 0),
    };
    int64_t revisions[2];
    if (!kv_can_cross(t)) {
        case_skip("it does not say that it can (UB_KV_BATCH_STORE)");
    }
    kv_expect_status(t, try_batch(t, writes, 2, revisions, &failed), UB_OK);
    writes[0].value = kv_bytes("3");
    kv_expect_status(t, try_batch(t, writes, 2, NULL, &failed), UB_EEXISTS);
    expect_int(failed, 1);
    kv_expect(t, t->bucket, "k", "1");
    kv_expect(t, other, "k", "2");
    expect_int(kv_revision(t, t->bucket), revisions[0]);
    expect_int(kv_revision(t, other), revisions[1]);
}

static void check_guards_a_batch(struct kv_test *t)
{
    size_t failed = 99;
    int64_t revision = kv_put(t, t->bucket, "guard", "v");
    struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "k", "1", 0),
        kv_write_of(t->bucket, UB_KV_CHECK, "guard", "", revision),
    };
    kv_expect_status(t, try_batch(t, writes, 2, NULL, &failed), UB_OK);
    kv_put(t, t->bucket, "guard", "moved");
    writes[0].value = kv_bytes("2");
    kv_expect_status(t, try_batch(t, writes, 2, NULL, &failed), UB_ECONFLICT);
    expect_int(failed, 1);
    kv_expect(t, t->bucket, "k", "1");
}

static void batch_sizes(struct kv_test *t)
{
    static struct ub_kv_write writes[UB_KV_BATCH_MAX + 1];
    static char keys[UB_KV_BATCH_MAX + 1][8];
    for (size_t i = 0; i <= UB_KV_BATCH_MAX; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        writes[i] = kv_write_of(t->bucket, UB_KV_PUT, keys[i], "v", 0);
    }
    kv_expect_status(t, try_batch(t, writes, 0, NULL, NULL), UB_EINVAL);
    kv_expect_status(t, try_batch(t, writes, UB_KV_BATCH_MAX + 1, NULL, NULL), UB_EINVAL);
    kv_expect_list(t, t->bucket, "", "", 0, "");
    kv_expect_status(t, try_batch(t, writes, UB_KV_BATCH_MAX, NULL, NULL), UB_OK);
    kv_expect(t, t->bucket, "k0", "v");
    kv_expect(t, t->bucket, "k255", "v");
    kv_expect(t, t->bucket, "k256", NULL);
}

static void illegal_write_in_a_batch(struct kv_test *t)
{
    size_t failed = 99;
    struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "b", "2", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "", "3", 0),
    };
    kv_expect_status(t, try_batch(t, writes, 3, NULL, &failed), UB_EINVAL);
    expect_int(failed, 2);
    writes[2] = kv_write_of(NULL, UB_KV_PUT, "c", "3", 0);
    kv_expect_status(t, try_batch(t, writes, 3, NULL, &failed), UB_EINVAL);
    kv_expect_list(t, t->bucket, "", "", 0, "");
}

/* ---- the flags are told truly -----------------------------------------------------------------
 */

static void batch_bucket_flag_is_true(struct kv_test *t)
{
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "b", "2", 0),
    };
    bool is_told = (kv_caps(t).flags & UB_KV_BATCH_BUCKET) != 0;
    kv_expect_status(t, try_batch(t, writes, 2, NULL, NULL), is_told ? UB_OK : UB_EUNSUPPORTED);
    kv_expect(t, t->bucket, "a", is_told ? "1" : NULL);
    kv_expect(t, t->bucket, "b", is_told ? "2" : NULL);
}

static void batch_store_flag_is_true(struct kv_test *t)
{
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "k", "1", 0),
        kv_write_of(other, UB_KV_PUT, "k", "2", 0),
    };
    bool is_told = kv_can_cross(t);
    kv_expect_status(t, try_batch(t, writes, 2, NULL, NULL), is_told ? UB_OK : UB_EUNSUPPORTED);
    kv_expect(t, t->bucket, "k", is_told ? "1" : NULL);
    kv_expect(t, other, "k", is_told ? "2" : NULL);
}

static void durability_is_true(struct kv_test *t)
{
    bool is_kept = strcmp(kv_caps(t).durability, "memory") != 0;
    kv_put(t, t->bucket, "k", "v");
    kv_reopen(t);
    if (is_kept) {
        kv_expect(t, t->bucket, "k", "v");
    }
}

/* ---- more of batches --------------------------------------------------------------------------
 */

static void batch_of_one(struct kv_test *t)
{
    int64_t revision = 0;
    size_t failed = 99;
    struct ub_kv_write write = kv_write_of(t->bucket, UB_KV_CREATE, "k", "v", 0);
    kv_expect_status(t, try_batch(t, &write, 1, &revision, &failed), UB_OK);
    expect_int(kv_expect(t, t->bucket, "k", "v"), revision);
    kv_expect_status(t, try_batch(t, &write, 1, &revision, &failed), UB_EEXISTS);
    expect_int(failed, 0);
}

static void batch_tells_revisions(struct kv_test *t)
{
    int64_t there = kv_put(t, t->bucket, "there", "v");
    int64_t revisions[4] = {-1, -1, -1, -1};
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_CHECK, "there", "", there),
        kv_write_of(t->bucket, UB_KV_DELETE, "nobody", "", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "k", "v", 0),
        kv_write_of(t->bucket, UB_KV_DELETE, "there", "", there),
    };
    kv_expect_status(t, try_batch(t, writes, 4, revisions, NULL), UB_OK);
    expect_int(revisions[0], there);
    expect_int(revisions[1], 0);
    expect_int(kv_expect(t, t->bucket, "k", "v"), revisions[2]);
    expect(revisions[3] > revisions[2]);
    expect_int(kv_revision(t, t->bucket), revisions[3]);
}

static void batch_names_the_first_that_fails(struct kv_test *t)
{
    kv_put(t, t->bucket, "there", "v");
    for (size_t bad = 0; bad < 6; bad++) {
        struct ub_kv_write writes[6];
        char keys[6][8];
        size_t failed = 99;
        for (size_t i = 0; i < 6; i++) {
            snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
            writes[i] = kv_write_of(t->bucket, UB_KV_PUT, keys[i], "v", 0);
        }
        writes[bad] = kv_write_of(t->bucket, UB_KV_CREATE, "there", "x", 0);
        kv_expect_status(t, try_batch(t, writes, 6, NULL, &failed), UB_EEXISTS);
        expect_int(failed, bad);
        kv_expect_list(t, t->bucket, "", "", 0, "there");
    }
}

static void batch_counts_no_refused_revision(struct kv_test *t)
{
    int64_t before = kv_put(t, t->bucket, "k", "v");
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        kv_write_of(t->bucket, UB_KV_CHECK, "k", "", before + 1),
    };
    kv_expect_status(t, try_batch(t, writes, 2, NULL, NULL), UB_ECONFLICT);
    expect_int(kv_revision(t, t->bucket), before);
}

static void batch_of_large_values(struct kv_test *t)
{
    static uint8_t bytes[UB_KV_VALUE_MAX + 1];
    struct ub_kv_write writes[4];
    static const char *const keys[] = {"a", "b", "c", "d"};
    size_t failed = 99;
    memset(bytes, 'x', sizeof(bytes));
    for (size_t i = 0; i < 4; i++) {
        writes[i] = kv_write_of(t->bucket, UB_KV_PUT, keys[i], "", 0);
        writes[i].value = (struct ub_bytes){bytes, UB_KV_VALUE_MAX};
    }
    kv_expect_status(t, try_batch(t, writes, 4, NULL, &failed), UB_OK);
    kv_expect_list(t, t->bucket, "", "", 0, "a b c d");
    writes[2].value.len++;
    kv_expect_status(t, try_batch(t, writes, 4, NULL, &failed), UB_ELIMIT);
    expect_int(failed, 2);
}

static void batch_survives_a_restart(struct kv_test *t)
{
    int64_t revisions[2];
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "b", "2", 0),
    };
    kv_expect_status(t, try_batch(t, writes, 2, revisions, NULL), UB_OK);
    kv_reopen(t);
    expect_int(kv_expect(t, t->bucket, "a", "1"), revisions[0]);
    expect_int(kv_expect(t, t->bucket, "b", "2"), revisions[1]);
}

static void batch_is_watched_in_order(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    int64_t revisions[3];
    const struct ub_kv_write writes[] = {
        kv_write_of(t->bucket, UB_KV_PUT, "c", "1", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "a", "2", 0),
        kv_write_of(t->bucket, UB_KV_PUT, "b", "3", 0),
    };
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_status(t, try_batch(t, writes, 3, revisions, NULL), UB_OK);
    expect(kv_wait_revision(seen, revisions[2]));
    kv_expect_seen(seen, "READY +c=1 +a=2 +b=3");
    kv_unwatch(&seen);
}

const struct check_case kv_batch_cases[] = {
    KV_CASE(batch_bucket_flag_is_true, "BATCH_BUCKET set: it works; not set: \"unsupported\""),
    KV_CASE(batch_store_flag_is_true, "BATCH_STORE set: it works; not set: \"unsupported\""),
    KV_CASE(durability_is_true, "but for \"memory\" a write outlives a restart"),
    KV_CASE(batch_of_one, "a batch may be one write"),
    KV_CASE(batch_is_applied_in_order, "writes take revisions in their order"),
    KV_CASE(batch_tells_revisions, "a check tells what it expected, deleting nothing tells 0"),
    KV_CASE(batch_sees_its_own_writes, "a later write of a batch sees the earlier"),
    KV_CASE(failed_batch_changes_nothing, "one that fails undoes all, also overwrites"),
    KV_CASE(batch_names_the_first_that_fails, "failed_out is the index, wherever it stands"),
    KV_CASE(batch_counts_no_refused_revision, "a refused batch takes no revision"),
    KV_CASE(batch_across_buckets, "two buckets change together or not at all"),
    KV_CASE(check_guards_a_batch, "a check that fails refuses the batch"),
    KV_CASE(batch_sizes, "1 to 256 writes, neither 0 nor 257"),
    KV_CASE(batch_of_large_values, "four of 512 KiB; one byte more is \"limit\" with its index"),
    KV_CASE(illegal_write_in_a_batch, "a bad key or no bucket refuses the batch"),
    KV_CASE(batch_survives_a_restart, "values and revisions are the same after a restart"),
    KV_CASE(batch_is_watched_in_order, "a watch gives a batch in the order of its writes"),
    {.name = NULL},
};
