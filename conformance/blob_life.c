/* SPDX-License-Identifier: Apache-2.0
 *
 * Restarts, threads, sudden death. */
#include "blob_tool.h"

#include <pthread.h>
#include <unistd.h>

static void reopen_keeps_blobs(struct blob_test *t)
{
    struct ub_blob_hash kept = blob_put(t, blob_bytes_of("kept"));
    struct ub_blob_hash gone = blob_put(t, blob_bytes_of("gone"));
    struct ub_blob_stat stat;
    blob_expect_status(t, t->store.ops->remove(t->store.self, &gone, &t->err), UB_OK);
    blob_reopen(t);
    expect(blob_is_readable(&t->store, &kept, blob_bytes_of("kept"), 9));
    blob_expect_status(t, blob_stat_of(t, &gone, &stat), UB_ENOTFOUND);
    expect_int(blob_count_all(t), 1);
}

struct race {
    struct blob_test *t;
    pthread_mutex_t lock;
    int failed;
    size_t number;
};

static void *put_and_read(void *arg)
{
    struct race *race = arg;
    pthread_mutex_lock(&race->lock);
    size_t number = race->number++;
    pthread_mutex_unlock(&race->lock);
    int failed = 0;
    for (uint32_t i = 0; i < 10; i++) {
        uint8_t bytes[5000] = {(uint8_t)i, (uint8_t)(number % 2)}; /* every other one is the same */
        struct ub_bytes all = {bytes, sizeof(bytes)};
        struct ub_blob_hash hash = blob_hash_of(all);
        failed += blob_put_in_parts(&race->t->store, all, 1000, &hash, NULL) != UB_OK;
        failed += !blob_is_readable(&race->t->store, &hash, all, 512);
    }
    pthread_mutex_lock(&race->lock);
    race->failed += failed;
    pthread_mutex_unlock(&race->lock);
    return NULL;
}

static void same_blobs_from_16_threads(struct blob_test *t)
{
    struct race race = {t, PTHREAD_MUTEX_INITIALIZER, 0, 0};
    pthread_t threads[16];
    for (size_t i = 0; i < 16; i++) {
        expect_int(pthread_create(&threads[i], NULL, put_and_read, &race), 0);
    }
    for (size_t i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
    }
    expect_int(race.failed, 0);
    expect_int(blob_count_all(t), 20);
}

static void own_blobs_from_32(void *arg, size_t number)
{
    struct race *race = arg;
    for (uint32_t i = 0; i < 6; i++) {
        uint8_t *bytes = blob_noise(30000, (uint32_t)number * 100 + i);
        struct ub_bytes all = {bytes, 30000};
        struct ub_blob_hash hash = blob_hash_of(all);
        bool is_right = blob_put_in_parts(&race->t->store, all, 4000, &hash, NULL) == UB_OK &&
                        blob_is_readable(&race->t->store, &hash, all, 7000) &&
                        race->t->store.ops->remove(race->t->store.self, &hash, NULL) == UB_OK;
        free(bytes);
        if (!is_right) {
            fail("thread %zu: blob %u was not written, read and removed", number, i);
        }
    }
}

static void threads_32_with_their_own(struct blob_test *t)
{
    struct race race = {.t = t};
    case_threads(32, own_blobs_from_32, &race);
    expect_int(blob_count_all(t), 0);
}

static void list_or_write(void *arg, size_t number)
{
    struct race *race = arg;
    struct blob_test *t = race->t;
    for (uint32_t i = 0; i < 25; i++) {
        size_t count = 0;
        char text[32];
        snprintf(text, sizeof(text), "%zu-%u", number, i);
        struct ub_blob_hash hash = blob_hash_of(blob_bytes_of(text));
        if (number % 2 == 0) {
            expect_status(blob_put_in_parts(&t->store, blob_bytes_of(text), 9, &hash, NULL), UB_OK);
            expect_status(t->store.ops->remove(t->store.self, &hash, NULL), UB_OK);
        } else {
            count = blob_count_all(t);
            expect(count >= 10);
        }
    }
}

static void list_while_others_write(struct blob_test *t)
{
    struct race race = {.t = t};
    for (int i = 0; i < 10; i++) {
        char text[32];
        snprintf(text, sizeof(text), "stays %d", i);
        blob_put(t, blob_bytes_of(text));
    }
    case_threads(8, list_or_write, &race);
    expect_int(blob_count_all(t), 10);
}

static void begun_is_gone_after_a_restart(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    struct ub_blob_hash hash = blob_hash_of(blob_bytes_of("half"));
    struct ub_blob_stat stat;
    blob_expect_status(t, t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
    blob_expect_status(t, t->store.ops->append(writer, blob_bytes_of("half"), &t->err), UB_OK);
    t->store.ops->abort(&writer);
    blob_reopen(t);
    blob_expect_status(t, blob_stat_of(t, &hash, &stat), UB_ENOTFOUND);
    expect_int(blob_count_all(t), 0);
}

/* ---- kill -9 ----------------------------------------------------------------------------------
 */

#define KILL_ROOM  10000
#define KILL_BYTES 20000

/* Commits blobs and says so for each, until it is killed in the middle of one. */
static _Noreturn void commit_until_killed(struct blob_test *t, const struct case_victim *victim,
                                          uint32_t first)
{
    blob_start(t);
    for (uint32_t i = first;; i++) {
        uint8_t *bytes = blob_noise(KILL_BYTES, i);
        struct ub_bytes all = {bytes, KILL_BYTES};
        struct ub_blob_hash hash = blob_hash_of(all);
        if (blob_put_in_parts(&t->store, all, 1000, &hash, NULL) != UB_OK) {
            _exit(1);
        }
        case_tell(victim, &i, sizeof(i));
        free(bytes);
    }
}

static uint32_t kill_after(struct blob_test *t, uint32_t first, uint32_t acks_max)
{
    static uint32_t acks[KILL_ROOM];
    blob_shut(t);
    struct case_victim victim = case_fork();
    if (victim.pid == 0) {
        commit_until_killed(t, &victim, first);
    }
    size_t count = case_kill_after(&victim, acks, sizeof(acks[0]), acks_max, KILL_ROOM);
    blob_start(t);
    return acks[count - 1];
}

static void expect_committed(struct blob_test *t, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        uint8_t *bytes = blob_noise(KILL_BYTES, i);
        struct ub_bytes all = {bytes, KILL_BYTES};
        struct ub_blob_hash hash = blob_hash_of(all);
        expect(blob_is_readable(&t->store, &hash, all, 4096));
        free(bytes);
    }
}

static void kill_9_loses_nothing_committed(struct blob_test *t)
{
    uint32_t last = kill_after(t, 0, 30);
    expect_committed(t, 0, last);
    /* The one that was under way is there as a whole or not at all. */
    size_t count = blob_count_all(t);
    expect(count == last + 1 || count == last + 2);
}

static void kill_9_again_and_again(struct blob_test *t)
{
    static const uint32_t after[] = {1, 2, 5, 9};
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t last = kill_after(t, i * 1000, after[i]);
        expect_committed(t, i * 1000, last);
    }
    expect_committed(t, 0, 0);
    blob_put(t, blob_bytes_of("after"));
}

static _Noreturn void append_until_killed(struct blob_test *t, const struct case_victim *victim)
{
    struct ub_blob_writer *writer = NULL;
    uint32_t number = 0;
    blob_start(t);
    if (t->store.ops->begin(t->store.self, -1, &writer, NULL) != UB_OK) {
        _exit(1);
    }
    for (; t->store.ops->append(writer, blob_bytes_of("more"), NULL) == UB_OK; number++) {
        case_tell(victim, &number, sizeof(number));
    }
    _exit(1);
}

static void kill_9_leaves_nothing_half(struct blob_test *t)
{
    static uint32_t acks[KILL_ROOM];
    blob_shut(t);
    struct case_victim victim = case_fork();
    if (victim.pid == 0) {
        append_until_killed(t, &victim);
    }
    case_kill_after(&victim, acks, sizeof(acks[0]), 50, KILL_ROOM);
    blob_start(t);
    expect_int(blob_count_all(t), 0);
}

const struct check_case blob_life_cases[] = {
    BLOB_CASE(reopen_keeps_blobs, "blobs and removals outlive a restart"),
    BLOB_CASE(begun_is_gone_after_a_restart, "what was not committed does not"),
    BLOB_CASE(same_blobs_from_16_threads, "16 threads write the same 20 blobs"),
    BLOB_CASE(threads_32_with_their_own, "32 threads write, read and remove their own"),
    BLOB_CASE(list_while_others_write, "a listing beside writers gives all that stay"),
    BLOB_CASE(kill_9_loses_nothing_committed, "kill -9: every answered commit is there"),
    BLOB_CASE(kill_9_again_and_again, "killed after 1, 2, 5 and 9 commits, on the same store"),
    BLOB_CASE(kill_9_leaves_nothing_half, "kill -9 in the middle of a blob leaves nothing of it"),
    {.name = NULL},
};
