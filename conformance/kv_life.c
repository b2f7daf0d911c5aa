/* SPDX-License-Identifier: Apache-2.0
 *
 * Restarts and sudden death. */
#include "kv_tool.h"

#include <unistd.h>

static void reopen_keeps_everything(struct kv_test *t)
{
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    int64_t a = kv_put(t, t->bucket, "a/b", "1");
    int64_t c = kv_put(t, other, "c", "2");
    kv_put(t, t->bucket, "gone", "3");
    int64_t gone = kv_delete(t, t->bucket, "gone");
    kv_reopen(t);
    other = kv_bucket(t, "other", 0);
    expect_int(kv_expect(t, t->bucket, "a/b", "1"), a);
    expect_int(kv_expect(t, other, "c", "2"), c);
    kv_expect(t, t->bucket, "gone", NULL);
    expect_int(kv_revision(t, t->bucket), gone);
    expect_int(kv_revision(t, other), c);
}

static void reopen_never_gives_a_revision_back(struct kv_test *t)
{
    kv_put(t, t->bucket, "k", "v");
    int64_t last = kv_delete(t, t->bucket, "k");
    for (int i = 0; i < 3; i++) {
        kv_reopen(t);
        expect_int(kv_revision(t, t->bucket), last);
        int64_t put = kv_put(t, t->bucket, "k", "v");
        expect(put > last);
        last = kv_delete(t, t->bucket, "k");
        expect(last > put);
    }
}

static void reopen_keeps_options(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = NULL;
    kv_bucket(t, "short", 1000);
    kv_reopen(t);
    kv_expect_status(t, kv_try_bucket(t, "short", 2000, &bucket), UB_EINVAL);
    expect((kv_bucket(t, "short", 1000)) != NULL);
}

static void reopen_many_times(struct kv_test *t)
{
    int64_t last = 0;
    for (int i = 0; i < 8; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        int64_t revision = kv_put(t, t->bucket, key, key);
        expect(revision > last);
        last = revision;
        kv_reopen(t);
    }
    kv_expect_list(t, t->bucket, "", "", 0, "k0 k1 k2 k3 k4 k5 k6 k7");
}

static void reopen_of_an_empty_bucket(struct kv_test *t)
{
    int64_t revision = kv_revision(t, t->bucket);
    kv_reopen(t);
    expect_int(kv_revision(t, t->bucket), revision);
    kv_expect_list(t, t->bucket, "", "", 0, "");
}

static void watch_before_and_after_a_restart(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "k", "v")));
    kv_unwatch(&seen);
    kv_reopen(t);
    seen = kv_watch(t, t->bucket, "", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "+k=v READY");
    kv_unwatch(&seen);
}

/* ---- kill -9 ----------------------------------------------------------------------------------
 */

#define KILL_THREADS 4
#define KILL_ROOM    20000

/* What the child says for each write that was acknowledged. */
struct ack {
    uint32_t thread, number;
    int64_t revision;
};

struct killed {
    struct kv_test *t;
    struct case_victim victim;
};

/* Ends a child that cannot write; a kill comes while it writes. */
static void die_unless(bool is_ok)
{
    if (!is_ok) {
        _exit(1);
    }
}

static void write_and_tell(void *arg, size_t thread)
{
    struct killed *child = arg;
    for (uint32_t number = 0;; number++) {
        char key[32], value[32];
        struct ack ack = {(uint32_t)thread, number, 0};
        snprintf(key, sizeof(key), "t%zu/%u", thread, number);
        snprintf(value, sizeof(value), "%zu:%u", thread, number);
        const struct ub_kv_write write = kv_write_of(child->t->bucket, UB_KV_CREATE, key, value, 0);
        die_unless(child->t->store.ops->write(child->t->bucket, &write, &ack.revision, NULL) ==
                   UB_OK);
        case_tell(&child->victim, &ack, sizeof(ack));
    }
}

/* Forks a child that starts the module and writes with fn on some threads, kills it, and starts the
 * module here. */
static size_t kill_writers(struct kv_test *t, void (*fn)(void *arg, size_t thread), size_t threads,
                           struct ack *acks, size_t acks_max)
{
    kv_shut(t);
    struct killed killed = {t, case_fork()};
    if (killed.victim.pid == 0) {
        kv_open(t);
        case_threads(threads, fn, &killed);
        _exit(1);
    }
    size_t count = case_kill_after(&killed.victim, acks, sizeof(*acks), acks_max, KILL_ROOM);
    kv_open(t);
    return count;
}

static void expect_acks(struct kv_test *t, const struct ack *acks, size_t count)
{
    int64_t last = kv_revision(t, t->bucket);
    for (size_t i = 0; i < count; i++) {
        char key[32], value[32];
        snprintf(key, sizeof(key), "t%u/%u", acks[i].thread, acks[i].number);
        snprintf(value, sizeof(value), "%u:%u", acks[i].thread, acks[i].number);
        expect_int(kv_expect(t, t->bucket, key, value), acks[i].revision);
        expect(acks[i].revision <= last);
    }
    expect(kv_put(t, t->bucket, "after", "v") > last);
    kv_delete(t, t->bucket, "after");
}

static void kill_9_loses_nothing_acknowledged(struct kv_test *t)
{
    struct ack *acks = case_alloc(KILL_ROOM, sizeof(*acks));
    expect_acks(t, acks, kill_writers(t, write_and_tell, KILL_THREADS, acks, 137));
    free(acks);
}

static void kill_9_again_and_again(struct kv_test *t)
{
    static const size_t after[] = {1, 2, 63, 300};
    struct ack *acks = case_alloc(KILL_ROOM, sizeof(*acks));
    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        t->salt++; /* another bucket on the same store */
        expect_acks(t, acks, kill_writers(t, write_and_tell, KILL_THREADS, acks, after[i]));
    }
    free(acks);
}

static void batch_and_tell(void *arg, size_t thread)
{
    struct killed *child = arg;
    for (uint32_t number = 0;; number++) {
        char keys[8][32];
        struct ub_kv_write writes[8];
        struct ack ack = {(uint32_t)thread, number, 0};
        int64_t revisions[8];
        for (size_t i = 0; i < 8; i++) {
            snprintf(keys[i], sizeof(keys[i]), "b%zu/%u/%zu", thread, number, i);
            writes[i] = kv_write_of(child->t->bucket, UB_KV_CREATE, keys[i], "v", 0);
        }
        die_unless(child->t->store.ops->batch(child->t->store.self, writes, 8, revisions, NULL,
                                              NULL) == UB_OK);
        ack.revision = revisions[7];
        case_tell(&child->victim, &ack, sizeof(ack));
    }
}

struct batches {
    size_t counts[KILL_THREADS][KILL_ROOM];
};

static bool count_in_batch(void *arg, const struct ub_kv_entry *entry)
{
    struct batches *batches = arg;
    char text[64], *slash;
    kv_key_text(&entry->key, text, sizeof(text)); /* "bTHREAD/NUMBER/PLACE" */
    unsigned long thread = strtoul(text + 1, &slash, 10);
    unsigned long number = *slash == '/' ? strtoul(slash + 1, NULL, 10) : KILL_ROOM;
    if (thread < KILL_THREADS && number < KILL_ROOM) {
        batches->counts[thread][number]++;
    }
    return true;
}

static void kill_9_tears_no_batch(struct kv_test *t)
{
    struct ack *acks = case_alloc(KILL_ROOM, sizeof(*acks));
    struct batches *batches = case_alloc(1, sizeof(*batches));
    struct ub_kv_key all = {0};
    if ((kv_caps(t).flags & UB_KV_BATCH_BUCKET) == 0) {
        case_skip("it has no batches");
    }
    size_t count = kill_writers(t, batch_and_tell, KILL_THREADS, acks, 60);
    kv_expect_status(
        t, t->store.ops->list(t->bucket, &all, &all, 0, count_in_batch, batches, &t->err), UB_OK);
    for (size_t i = 0; i < count; i++) {
        expect_int(batches->counts[acks[i].thread][acks[i].number], 8);
    }
    for (size_t i = 0; i < KILL_THREADS; i++) {
        for (size_t j = 0; j < KILL_ROOM; j++) {
            expect(batches->counts[i][j] == 0 || batches->counts[i][j] == 8);
        }
    }
    free(batches);
    free(acks);
}

static void delete_and_tell(void *arg, size_t thread)
{
    struct killed *child = arg;
    for (uint32_t number = 0; number < 100; number++) {
        char key[32];
        struct ack ack = {(uint32_t)thread, number, 0};
        snprintf(key, sizeof(key), "d%zu/%u", thread, number);
        const struct ub_kv_write write = kv_write_of(child->t->bucket, UB_KV_DELETE, key, "", 0);
        die_unless(child->t->store.ops->write(child->t->bucket, &write, &ack.revision, NULL) ==
                   UB_OK);
        case_tell(&child->victim, &ack, sizeof(ack));
    }
    pause();
}

static void kill_9_brings_nothing_deleted_back(struct kv_test *t)
{
    struct ack *acks = case_alloc(KILL_ROOM, sizeof(*acks));
    struct ub_kv_write writes[100];
    char keys[100][32];
    for (size_t i = 0; i < 100; i++) {
        snprintf(keys[i], sizeof(keys[i]), "d0/%zu", i);
        writes[i] = kv_write_of(t->bucket, UB_KV_PUT, keys[i], "v", 0);
        kv_expect_status(t, t->store.ops->write(t->bucket, &writes[i], NULL, &t->err), UB_OK);
    }
    size_t count = kill_writers(t, delete_and_tell, 1, acks, 40);
    for (size_t i = 0; i < count; i++) {
        kv_expect(t, t->bucket, keys[acks[i].number], NULL);
        expect(acks[i].revision <= kv_revision(t, t->bucket));
    }
    free(acks);
}

const struct check_case kv_life_cases[] = {
    KV_CASE(reopen_keeps_everything, "values, deletions and revisions outlive a restart"),
    KV_CASE(reopen_never_gives_a_revision_back, "three restarts: no revision comes again"),
    KV_CASE(reopen_many_times, "eight restarts with a write each"),
    KV_CASE(reopen_of_an_empty_bucket, "an empty bucket stays one"),
    KV_CASE(reopen_keeps_options, "the TTL of a bucket outlives a restart"),
    KV_CASE(watch_before_and_after_a_restart, "a watch ended before a restart, another after it"),
    KV_CASE(kill_9_loses_nothing_acknowledged,
            "kill -9 under 4 writers: every answered write is there"),
    KV_CASE(kill_9_again_and_again, "killed after 1, 2, 63 and 300 answers, on the same store"),
    KV_CASE(kill_9_tears_no_batch, "kill -9 under batches: whole or not at all"),
    KV_CASE(kill_9_brings_nothing_deleted_back, "kill -9 under deletions"),
    {.name = NULL},
};
