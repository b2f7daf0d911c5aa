/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches, and races of many threads. */
#include "kv_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct ub_kv_write write_of(struct ub_kv_bucket *bucket, enum ub_kv_verb verb,
                                   const char *key, const char *value, int64_t expected)
{
    return (struct ub_kv_write){bucket, verb, kv_key(key), kv_bytes(value), expected};
}

static enum ub_status try_batch(struct kv_test *t, const struct ub_kv_write *writes, size_t count,
                                int64_t *revisions, size_t *failed)
{
    t->err = (struct ub_err)UB_ERR_INIT;
    return t->store.ops->batch(t->store.self, writes, count, revisions, failed, &t->err);
}

static bool can_cross_buckets(struct kv_test *t)
{
    struct ub_kv_caps caps = {.size = sizeof(caps)};
    t->store.ops->caps(t->store.self, &caps);
    return (caps.flags & UB_KV_BATCH_STORE) != 0;
}

static void batch_is_applied_in_order(struct kv_test *t)
{
    int64_t revisions[4] = {-1, -1, -1, -1};
    const struct ub_kv_write writes[] = {
        write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        write_of(t->bucket, UB_KV_CREATE, "b", "2", 0),
        write_of(t->bucket, UB_KV_CHECK, "c", "", 0),
        write_of(t->bucket, UB_KV_DELETE, "a", "", 0),
    };
    assert_int_equal(try_batch(t, writes, 4, revisions, NULL), UB_OK);
    assert_true(revisions[0] > 0 && revisions[1] > revisions[0] && revisions[3] > revisions[1]);
    assert_int_equal(revisions[2], 0);
    kv_expect(t, t->bucket, "a", NULL);
    assert_int_equal(kv_expect(t, t->bucket, "b", "2"), revisions[1]);
}

static void batch_sees_its_own_writes(struct kv_test *t)
{
    const struct ub_kv_write good[] = {
        write_of(t->bucket, UB_KV_CREATE, "k", "1", 0),
        write_of(t->bucket, UB_KV_DELETE, "k", "", 0),
        write_of(t->bucket, UB_KV_CREATE, "k", "2", 0),
    };
    assert_int_equal(try_batch(t, good, 3, NULL, NULL), UB_OK);
    kv_expect(t, t->bucket, "k", "2");
    const struct ub_kv_write bad[] = {
        write_of(t->bucket, UB_KV_CREATE, "l", "1", 0),
        write_of(t->bucket, UB_KV_CREATE, "l", "2", 0),
    };
    size_t failed = 99;
    assert_int_equal(try_batch(t, bad, 2, NULL, &failed), UB_EEXISTS);
    assert_int_equal(failed, 1);
    kv_expect(t, t->bucket, "l", NULL);
}

static void failed_batch_changes_nothing(struct kv_test *t)
{
    size_t failed = 99;
    int64_t revision = kv_put(t, t->bucket, "present", "old");
    const struct ub_kv_write writes[] = {
        write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        write_of(t->bucket, UB_KV_PUT, "present", "new", 0),
        write_of(t->bucket, UB_KV_DELETE, "present", "", 0),
        write_of(t->bucket, UB_KV_UPDATE, "b", "2", 77),
        write_of(t->bucket, UB_KV_PUT, "c", "3", 0),
    };
    assert_int_equal(try_batch(t, writes, 5, NULL, &failed), UB_ECONFLICT);
    assert_int_equal(failed, 3);
    assert_int_equal(kv_expect(t, t->bucket, "present", "old"), revision);
    kv_expect_list(t, t->bucket, "", "", 0, "present");
    assert_int_equal(kv_revision(t, t->bucket), revision);
}

static void batch_across_buckets(struct kv_test *t)
{
    size_t failed = 99;
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    struct ub_kv_write writes[] = {
        write_of(t->bucket, UB_KV_PUT, "k", "1", 0),
        write_of(other, UB_KV_CREATE, "k", "2", 0),
    };
    if (!can_cross_buckets(t)) {
        assert_int_equal(try_batch(t, writes, 2, NULL, &failed), UB_EUNSUPPORTED);
        return;
    }
    assert_int_equal(try_batch(t, writes, 2, NULL, &failed), UB_OK);
    writes[0].value = kv_bytes("3");
    assert_int_equal(try_batch(t, writes, 2, NULL, &failed), UB_EEXISTS);
    assert_int_equal(failed, 1);
    kv_expect(t, t->bucket, "k", "1");
    kv_expect(t, other, "k", "2");
    assert_int_equal(kv_revision(t, t->bucket), 1);
    assert_int_equal(kv_revision(t, other), 1);
}

static void check_guards_a_batch(struct kv_test *t)
{
    size_t failed = 99;
    int64_t revision = kv_put(t, t->bucket, "guard", "v");
    struct ub_kv_write writes[] = {
        write_of(t->bucket, UB_KV_PUT, "k", "1", 0),
        write_of(t->bucket, UB_KV_CHECK, "guard", "", revision),
    };
    assert_int_equal(try_batch(t, writes, 2, NULL, &failed), UB_OK);
    kv_put(t, t->bucket, "guard", "moved");
    writes[0].value = kv_bytes("2");
    assert_int_equal(try_batch(t, writes, 2, NULL, &failed), UB_ECONFLICT);
    assert_int_equal(failed, 1);
    kv_expect(t, t->bucket, "k", "1");
}

static void batch_sizes(struct kv_test *t)
{
    static struct ub_kv_write writes[UB_KV_BATCH_MAX + 1];
    static char keys[UB_KV_BATCH_MAX + 1][8];
    for (size_t i = 0; i <= UB_KV_BATCH_MAX; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        writes[i] = write_of(t->bucket, UB_KV_PUT, keys[i], "v", 0);
    }
    assert_int_equal(try_batch(t, writes, 0, NULL, NULL), UB_EINVAL);
    assert_int_equal(try_batch(t, writes, UB_KV_BATCH_MAX + 1, NULL, NULL), UB_EINVAL);
    assert_int_equal(kv_revision(t, t->bucket), 0);
    assert_int_equal(try_batch(t, writes, UB_KV_BATCH_MAX, NULL, NULL), UB_OK);
    assert_int_equal(kv_revision(t, t->bucket), UB_KV_BATCH_MAX);
}

static void illegal_write_in_a_batch(struct kv_test *t)
{
    size_t failed = 99;
    struct ub_kv_write writes[] = {
        write_of(t->bucket, UB_KV_PUT, "a", "1", 0),
        write_of(t->bucket, UB_KV_PUT, "b", "2", 0),
        write_of(t->bucket, UB_KV_PUT, "", "3", 0),
    };
    assert_int_equal(try_batch(t, writes, 3, NULL, &failed), UB_EINVAL);
    assert_int_equal(failed, 2);
    writes[2] = write_of(NULL, UB_KV_PUT, "c", "3", 0);
    assert_int_equal(try_batch(t, writes, 3, NULL, &failed), UB_EINVAL);
    kv_expect_list(t, t->bucket, "", "", 0, "");
}

/* ---- races: threads must not assert, they count -----------------------------------------------
 */

#define RACE_THREADS 16
#define RACE_ROUNDS  25

static void race_count(struct kv_race *race, enum ub_status status, enum ub_status refused)
{
    pthread_mutex_lock(&race->lock);
    race->ok += status == UB_OK;
    race->refused += status == refused;
    race->failed += status != UB_OK && status != refused;
    pthread_mutex_unlock(&race->lock);
}

static int64_t read_number(struct kv_race *race, struct ub_kv_bucket *bucket, const char *key,
                           int64_t *revision_out)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_key k = kv_key(key);
    char text[32] = {0};
    *revision_out = 0;
    if (race->t->store.ops->get(bucket, &k, UB_KV_NEWEST, &value, NULL) == UB_OK) {
        memcpy(text, value.bytes.ptr, value.bytes.len < 31 ? value.bytes.len : 31);
        *revision_out = value.revision;
        race->t->store.ops->value_free(race->t->store.self, &value);
    }
    return strtoll(text, NULL, 10);
}

static enum ub_status race_write(struct kv_race *race, enum ub_kv_verb verb, const char *key,
                                 int64_t number, int64_t expected)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    const struct ub_kv_write write = write_of(race->bucket, verb, key, text, expected);
    return race->t->store.ops->write(race->bucket, &write, NULL, NULL);
}

static void add_ones(void *arg, size_t number)
{
    struct kv_race *race = arg;
    (void)number;
    for (int done = 0; done < RACE_ROUNDS;) {
        int64_t revision;
        int64_t count = read_number(race, race->bucket, "count", &revision);
        enum ub_status status = race_write(race, UB_KV_UPDATE, "count", count + 1, revision);
        race_count(race, status, UB_ECONFLICT);
        if (status != UB_OK && status != UB_ECONFLICT) {
            return;
        }
        done += status == UB_OK;
    }
}

static void cas_race_of_16_threads(struct kv_test *t)
{
    int64_t revision;
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    kv_threads(RACE_THREADS, add_ones, &race);
    assert_int_equal(race.failed, 0);
    assert_int_equal(race.ok, RACE_THREADS * RACE_ROUNDS);
    assert_int_equal(read_number(&race, t->bucket, "count", &revision), race.ok);
    assert_int_equal(kv_revision(t, t->bucket), race.ok);
}

static void create_each(void *arg, size_t number)
{
    struct kv_race *race = arg;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        race_count(race, race_write(race, UB_KV_CREATE, key, (int64_t)number, 0), UB_EEXISTS);
    }
}

static void create_race_of_16_threads(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    kv_threads(RACE_THREADS, create_each, &race);
    assert_int_equal(race.failed, 0);
    assert_int_equal(race.ok, RACE_ROUNDS);
    assert_int_equal(race.refused, (RACE_THREADS - 1) * RACE_ROUNDS);
}

/* Moves one from a to b, which lie in two buckets, when both are as they were read. */
static void move_ones(void *arg, size_t number)
{
    struct kv_race *race = arg;
    (void)number;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        int64_t revisions[2];
        char texts[2][32];
        int64_t a = read_number(race, race->bucket, "a", &revisions[0]);
        int64_t b = read_number(race, race->other, "b", &revisions[1]);
        snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)a - 1);
        snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)b + 1);
        const struct ub_kv_write writes[] = {
            write_of(race->bucket, UB_KV_UPDATE, "a", texts[0], revisions[0]),
            write_of(race->other, UB_KV_UPDATE, "b", texts[1], revisions[1]),
        };
        race_count(race,
                   race->t->store.ops->batch(race->t->store.self, writes, 2, NULL, NULL, NULL),
                   UB_ECONFLICT);
    }
}

static void batch_race_keeps_the_sum(struct kv_test *t)
{
    int64_t revision;
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    race.other = can_cross_buckets(t) ? kv_bucket(t, "other", 0) : t->bucket;
    kv_put(t, race.bucket, "a", "1000");
    kv_put(t, race.other, "b", "0");
    kv_threads(8, move_ones, &race);
    assert_int_equal(race.failed, 0);
    assert_true(race.ok > 0);
    int64_t a = read_number(&race, race.bucket, "a", &revision);
    int64_t b = read_number(&race, race.other, "b", &revision);
    assert_int_equal(a + b, 1000);
    assert_int_equal(b, race.ok);
}

/* Values say which key they belong to; readers look while writers write. */
static void read_or_write(void *arg, size_t number)
{
    struct kv_race *race = arg;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char key[16];
        int64_t revision, own = i % 5;
        snprintf(key, sizeof(key), "k%lld", (long long)own);
        if (number % 2 == 0) {
            race_count(race, race_write(race, UB_KV_PUT, key, own + 10 * i, 0), UB_OK);
        } else {
            int64_t seen = read_number(race, race->bucket, key, &revision);
            race_count(race, seen % 5 == own || revision == 0 ? UB_OK : UB_EINTERNAL, UB_OK);
        }
    }
}

static void readers_beside_writers(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    kv_threads(RACE_THREADS, read_or_write, &race);
    assert_int_equal(race.failed, 0);
}

const struct kv_case kv_batch_cases[] = {
    {"batch_is_applied_in_order", batch_is_applied_in_order},
    {"batch_sees_its_own_writes", batch_sees_its_own_writes},
    {"failed_batch_changes_nothing", failed_batch_changes_nothing},
    {"batch_across_buckets", batch_across_buckets},
    {"check_guards_a_batch", check_guards_a_batch},
    {"batch_sizes", batch_sizes},
    {"illegal_write_in_a_batch", illegal_write_in_a_batch},
    {"cas_race_of_16_threads", cas_race_of_16_threads},
    {"create_race_of_16_threads", create_race_of_16_threads},
    {"batch_race_keeps_the_sum", batch_race_keeps_the_sum},
    {"readers_beside_writers", readers_beside_writers},
    {NULL, NULL},
};
