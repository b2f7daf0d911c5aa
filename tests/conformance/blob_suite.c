/* SPDX-License-Identifier: Apache-2.0 */
#include "blob_suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sodium.h>

#include <unibus/error.h>

struct blob_test {
    const struct blob_provider *provider;
    struct blob_store store;
    struct ub_err err;
};

/* ---- tools ------------------------------------------------------------------------------------
 */

static struct ub_bytes bytes_of(const char *text)
{
    return (struct ub_bytes){(const uint8_t *)text, strlen(text)};
}

static struct ub_blob_hash hash_of(struct ub_bytes bytes)
{
    struct ub_blob_hash hash;
    crypto_generichash(hash.bytes, sizeof(hash.bytes), bytes.ptr, bytes.len, NULL, 0);
    return hash;
}

/* Bytes that differ by seed; free them. */
static uint8_t *noise(size_t len, uint32_t seed)
{
    uint8_t *bytes = malloc(len + 1);
    uint8_t key[randombytes_SEEDBYTES] = {0};
    assert_non_null(bytes);
    memcpy(key, &seed, sizeof(seed));
    randombytes_buf_deterministic(bytes, len, key);
    return bytes;
}

/* begin, append in parts, commit: the first status that is not UB_OK. No asserts: threads use it */
static enum ub_status put_in_parts(const struct blob_store *store, struct ub_bytes bytes,
                                   size_t part, const struct ub_blob_hash *hash, struct ub_err *err)
{
    struct ub_blob_writer *writer = NULL;
    enum ub_status status = store->ops->begin(store->self, (int64_t)bytes.len, &writer, err);
    for (size_t at = 0; status == UB_OK && at < bytes.len; at += part) {
        size_t len = bytes.len - at < part ? bytes.len - at : part;
        status = store->ops->append(writer, (struct ub_bytes){bytes.ptr + at, len}, err);
    }
    if (status == UB_OK) {
        return store->ops->commit(&writer, hash, err);
    }
    store->ops->abort(&writer);
    return status;
}

static struct ub_blob_hash put(struct blob_test *t, struct ub_bytes bytes)
{
    struct ub_blob_hash hash = hash_of(bytes);
    if (put_in_parts(&t->store, bytes, 65536, &hash, &t->err) != UB_OK) {
        fail_msg("put of %zu bytes: %s", bytes.len, t->err.message);
    }
    return hash;
}

static enum ub_status stat_of(struct blob_test *t, const struct ub_blob_hash *hash,
                              struct ub_blob_stat *stat)
{
    *stat = (struct ub_blob_stat){.size = sizeof(*stat)};
    return t->store.ops->stat(t->store.self, hash, stat, &t->err);
}

/* Reads everything in parts; the bytes must be these. Without asserts, for threads. */
static bool is_readable(const struct blob_store *store, const struct ub_blob_hash *hash,
                        struct ub_bytes bytes, size_t part)
{
    struct ub_blob_reader *reader = NULL;
    struct ub_blob_stat stat = {.size = sizeof(stat)};
    uint8_t *out = malloc(part);
    size_t at = 0, got = 1;
    bool is_right = out != NULL &&
                    store->ops->open(store->self, hash, &reader, &stat, NULL) == UB_OK &&
                    stat.length == (int64_t)bytes.len;
    while (is_right && got > 0) {
        is_right = store->ops->read(reader, (int64_t)at, out, part, &got, NULL) == UB_OK &&
                   got <= bytes.len - at && (got == 0 || memcmp(out, bytes.ptr + at, got) == 0);
        at += got;
    }
    if (reader != NULL) {
        store->ops->close(&reader);
    }
    free(out);
    return is_right && at == bytes.len;
}

static bool count_one(void *arg, const struct ub_blob_hash *hash, const struct ub_blob_stat *stat)
{
    (void)hash;
    *(size_t *)arg += stat->length >= 0;
    return true;
}

static size_t count_all(struct blob_test *t)
{
    size_t count = 0;
    assert_int_equal(t->store.ops->list(t->store.self, NULL, count_one, &count, &t->err), UB_OK);
    return count;
}

static void reopen(struct blob_test *t)
{
    t->provider->shut(&t->store);
    t->provider->reopen(&t->store);
}

/* ---- one blob ---------------------------------------------------------------------------------
 */

static void empty_store_lists_nothing(struct blob_test *t)
{
    assert_int_equal(count_all(t), 0);
}

static void absent_is_not_found(struct blob_test *t)
{
    struct ub_blob_hash hash = hash_of(bytes_of("nobody"));
    struct ub_blob_reader *reader = NULL;
    struct ub_blob_stat stat;
    assert_int_equal(stat_of(t, &hash, &stat), UB_ENOTFOUND);
    assert_int_equal(t->store.ops->open(t->store.self, &hash, &reader, &stat, &t->err),
                     UB_ENOTFOUND);
    assert_null(reader);
    assert_int_equal(t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
}

static void blob_is_read_back(struct blob_test *t)
{
    struct ub_bytes bytes = bytes_of("hello");
    struct ub_blob_hash hash = put(t, bytes);
    struct ub_blob_stat stat;
    assert_true(is_readable(&t->store, &hash, bytes, 100));
    assert_int_equal(stat_of(t, &hash, &stat), UB_OK);
    assert_int_equal(stat.length, 5);
    assert_true(stat.modified_ms > 1600000000000);
}

static void empty_blob(struct blob_test *t)
{
    struct ub_bytes bytes = {(const uint8_t *)"", 0};
    struct ub_blob_hash hash = put(t, bytes);
    assert_true(is_readable(&t->store, &hash, bytes, 1));
    assert_int_equal(count_all(t), 1);
}

static void blob_of_any_size_and_parts(struct blob_test *t)
{
    static const size_t sizes[] = {1, 4095, 4096, 4097, 65535, 65537, 300000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct ub_bytes bytes = {noise(sizes[i], (uint32_t)i), sizes[i]};
        struct ub_blob_hash hash = hash_of(bytes);
        assert_int_equal(put_in_parts(&t->store, bytes, 777, &hash, &t->err), UB_OK);
        assert_true(is_readable(&t->store, &hash, bytes, 1000));
        assert_true(is_readable(&t->store, &hash, bytes, 1 << 20));
        free((void *)(uintptr_t)bytes.ptr);
    }
}

static void read_of_a_range(struct blob_test *t)
{
    struct ub_blob_hash hash = put(t, bytes_of("0123456789"));
    struct ub_blob_reader *reader = NULL;
    char out[16];
    size_t got = 99;
    assert_int_equal(t->store.ops->open(t->store.self, &hash, &reader, NULL, &t->err), UB_OK);
    assert_int_equal(t->store.ops->read(reader, 3, out, 4, &got, &t->err), UB_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(out, "3456", 4);
    assert_int_equal(t->store.ops->read(reader, 8, out, 16, &got, &t->err), UB_OK);
    assert_int_equal(got, 2);
    assert_memory_equal(out, "89", 2);
    assert_int_equal(t->store.ops->read(reader, 10, out, 16, &got, &t->err), UB_OK);
    assert_int_equal(got, 0);
    assert_int_equal(t->store.ops->read(reader, INT64_MAX, out, 16, &got, &t->err), UB_OK);
    assert_int_equal(got, 0);
    assert_int_equal(t->store.ops->read(reader, -1, out, 16, &got, &t->err), UB_EINVAL);
    t->store.ops->close(&reader);
    assert_null(reader);
}

static void wrong_hash_keeps_nothing(struct blob_test *t)
{
    struct ub_blob_hash right = hash_of(bytes_of("content"));
    struct ub_blob_hash wrong = hash_of(bytes_of("other"));
    struct ub_blob_stat stat;
    assert_int_equal(put_in_parts(&t->store, bytes_of("content"), 3, &wrong, &t->err), UB_EINVAL);
    assert_int_equal(stat_of(t, &right, &stat), UB_ENOTFOUND);
    assert_int_equal(stat_of(t, &wrong, &stat), UB_ENOTFOUND);
    assert_int_equal(count_all(t), 0);
}

static void one_wrong_bit_in_the_hash(struct blob_test *t)
{
    for (size_t bit = 0; bit < 256; bit += 37) {
        struct ub_blob_hash hash = hash_of(bytes_of("content"));
        hash.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(put_in_parts(&t->store, bytes_of("content"), 7, &hash, &t->err),
                         UB_EINVAL);
    }
    assert_int_equal(count_all(t), 0);
}

static void same_blob_twice_is_ok(struct blob_test *t)
{
    struct ub_blob_hash first = put(t, bytes_of("same"));
    struct ub_blob_hash second = put(t, bytes_of("same"));
    assert_memory_equal(&first, &second, sizeof(first));
    assert_int_equal(count_all(t), 1);
    assert_true(is_readable(&t->store, &first, bytes_of("same"), 9));
}

static void nothing_is_seen_before_commit(struct blob_test *t)
{
    struct ub_bytes bytes = bytes_of("not yet");
    struct ub_blob_hash hash = hash_of(bytes);
    struct ub_blob_writer *writer = NULL;
    struct ub_blob_stat stat;
    assert_int_equal(t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
    assert_int_equal(t->store.ops->append(writer, bytes, &t->err), UB_OK);
    assert_int_equal(stat_of(t, &hash, &stat), UB_ENOTFOUND);
    assert_int_equal(count_all(t), 0);
    assert_int_equal(t->store.ops->commit(&writer, &hash, &t->err), UB_OK);
    assert_null(writer);
    assert_int_equal(stat_of(t, &hash, &stat), UB_OK);
}

static void abort_leaves_nothing(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    assert_int_equal(t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
    assert_int_equal(t->store.ops->append(writer, bytes_of("gone"), &t->err), UB_OK);
    t->store.ops->abort(&writer);
    assert_null(writer);
    assert_int_equal(count_all(t), 0);
}

static void announced_length_is_only_announced(struct blob_test *t)
{
    struct ub_bytes bytes = bytes_of("short");
    struct ub_blob_hash hash = hash_of(bytes);
    struct ub_blob_writer *writer = NULL;
    assert_int_equal(t->store.ops->begin(t->store.self, 1000, &writer, &t->err), UB_OK);
    assert_int_equal(t->store.ops->append(writer, bytes, &t->err), UB_OK);
    assert_int_equal(t->store.ops->commit(&writer, &hash, &t->err), UB_OK);
    assert_true(is_readable(&t->store, &hash, bytes, 9));
}

/* ---- limits -----------------------------------------------------------------------------------
 */

static void limit_is_checked_at_begin(struct blob_test *t)
{
    struct ub_blob_writer *writer = NULL;
    assert_int_equal(t->store.ops->begin(t->store.self, BLOB_SUITE_ITEM_MAX + 1, &writer, &t->err),
                     UB_ELIMIT);
    assert_null(writer);
    assert_non_null(strstr(t->err.message, "1048577"));
    assert_int_equal(t->store.ops->begin(t->store.self, INT64_MAX, &writer, &t->err), UB_ELIMIT);
    assert_int_equal(t->store.ops->begin(t->store.self, -2, &writer, &t->err), UB_EINVAL);
}

static void limit_is_checked_at_append(struct blob_test *t)
{
    struct ub_bytes bytes = {noise(BLOB_SUITE_ITEM_MAX, 1), BLOB_SUITE_ITEM_MAX};
    struct ub_blob_hash hash = hash_of(bytes);
    struct ub_blob_writer *writer = NULL;
    assert_int_equal(t->store.ops->begin(t->store.self, -1, &writer, &t->err), UB_OK);
    assert_int_equal(t->store.ops->append(writer, bytes, &t->err), UB_OK);
    assert_int_equal(t->store.ops->append(writer, bytes_of("x"), &t->err), UB_ELIMIT);
    assert_int_not_equal(t->store.ops->append(writer, bytes_of(""), &t->err), UB_OK);
    assert_int_not_equal(t->store.ops->commit(&writer, &hash, &t->err), UB_OK);
    assert_null(writer);
    assert_int_equal(count_all(t), 0);
    free((void *)(uintptr_t)bytes.ptr);
}

static void blob_of_the_limit(struct blob_test *t)
{
    struct ub_bytes bytes = {noise(BLOB_SUITE_ITEM_MAX, 2), BLOB_SUITE_ITEM_MAX};
    struct ub_blob_hash hash = put(t, bytes);
    assert_true(is_readable(&t->store, &hash, bytes, 65536));
    free((void *)(uintptr_t)bytes.ptr);
}

/* ---- removing and listing ---------------------------------------------------------------------
 */

static void removed_is_gone(struct blob_test *t)
{
    struct ub_blob_hash hash = put(t, bytes_of("going"));
    struct ub_blob_stat stat;
    assert_int_equal(t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    assert_int_equal(stat_of(t, &hash, &stat), UB_ENOTFOUND);
    assert_int_equal(t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    assert_int_equal(count_all(t), 0);
    put(t, bytes_of("going"));
    assert_int_equal(stat_of(t, &hash, &stat), UB_OK);
}

static void open_reader_outlives_removal(struct blob_test *t)
{
    struct ub_blob_hash hash = put(t, bytes_of("still here"));
    struct ub_blob_reader *reader = NULL;
    char out[16];
    size_t got = 0;
    assert_int_equal(t->store.ops->open(t->store.self, &hash, &reader, NULL, &t->err), UB_OK);
    assert_int_equal(t->store.ops->remove(t->store.self, &hash, &t->err), UB_OK);
    assert_int_equal(t->store.ops->read(reader, 0, out, sizeof(out), &got, &t->err), UB_OK);
    assert_int_equal(got, 10);
    assert_memory_equal(out, "still here", 10);
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
        put(t, bytes_of(text));
    }
}

static void list_is_in_order(struct blob_test *t)
{
    struct listing l = {.is_ordered = true};
    put_many(t, 60);
    assert_int_equal(t->store.ops->list(t->store.self, NULL, check_order, &l, &t->err), UB_OK);
    assert_int_equal(l.count, 60);
    assert_true(l.is_ordered);
}

static void list_pages(struct blob_test *t)
{
    struct listing l = {.is_ordered = true, .stop_at = 7};
    size_t total = 0;
    put_many(t, 60);
    assert_int_equal(t->store.ops->list(t->store.self, NULL, check_order, &l, &t->err), UB_OK);
    while (l.count > 0) {
        struct ub_blob_hash after = l.last;
        total += l.count;
        l.count = 0;
        assert_int_equal(t->store.ops->list(t->store.self, &after, check_order, &l, &t->err),
                         UB_OK);
    }
    assert_int_equal(total, 60);
    assert_true(l.is_ordered);
}

/* ---- restarts, threads, sudden death ----------------------------------------------------------
 */

static void reopen_keeps_blobs(struct blob_test *t)
{
    struct ub_blob_hash kept = put(t, bytes_of("kept"));
    struct ub_blob_hash gone = put(t, bytes_of("gone"));
    struct ub_blob_stat stat;
    assert_int_equal(t->store.ops->remove(t->store.self, &gone, &t->err), UB_OK);
    reopen(t);
    assert_true(is_readable(&t->store, &kept, bytes_of("kept"), 9));
    assert_int_equal(stat_of(t, &gone, &stat), UB_ENOTFOUND);
    assert_int_equal(count_all(t), 1);
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
        struct ub_blob_hash hash = hash_of(all);
        failed += put_in_parts(&race->t->store, all, 1000, &hash, NULL) != UB_OK;
        failed += !is_readable(&race->t->store, &hash, all, 512);
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
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_read, &race), 0);
    }
    for (size_t i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(race.failed, 0);
    assert_int_equal(count_all(t), 20);
}

/* Commits blobs and says so for each, until it is killed in the middle of one. */
static void child_main(struct blob_test *t, int pipe)
{
    t->provider->reopen(&t->store);
    for (uint32_t i = 0;; i++) {
        uint8_t *bytes = noise(20000, i);
        struct ub_bytes all = {bytes, 20000};
        struct ub_blob_hash hash = hash_of(all);
        if (put_in_parts(&t->store, all, 1000, &hash, NULL) != UB_OK ||
            write(pipe, &i, sizeof(i)) != sizeof(i)) {
            _exit(1);
        }
        free(bytes);
    }
}

static uint32_t kill_child_after(struct blob_test *t, uint32_t acks)
{
    int pipes[2], status;
    uint32_t last = 0, ack;
    assert_int_equal(pipe(pipes), 0);
    t->provider->shut(&t->store);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pipes[0]);
        child_main(t, pipes[1]);
    }
    close(pipes[1]);
    while (read(pipes[0], &ack, sizeof(ack)) == sizeof(ack)) {
        last = ack;
        if (ack + 1 == acks) {
            kill(pid, SIGKILL);
        }
    }
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    t->provider->reopen(&t->store);
    return last;
}

static void kill_9_loses_nothing_committed(struct blob_test *t)
{
    uint32_t last = kill_child_after(t, 30);
    for (uint32_t i = 0; i <= last; i++) {
        uint8_t *bytes = noise(20000, i);
        struct ub_bytes all = {bytes, 20000};
        struct ub_blob_hash hash = hash_of(all);
        assert_true(is_readable(&t->store, &hash, all, 4096));
        free(bytes);
    }
    /* The one that was under way is there as a whole or not at all. */
    size_t count = count_all(t);
    assert_true(count == last + 1 || count == last + 2);
}

/* ---- the table --------------------------------------------------------------------------------
 */

struct blob_case {
    const char *name;
    void (*run)(struct blob_test *t);
};

static const struct blob_case cases[] = {
    {"empty_store_lists_nothing", empty_store_lists_nothing},
    {"absent_is_not_found", absent_is_not_found},
    {"blob_is_read_back", blob_is_read_back},
    {"empty_blob", empty_blob},
    {"blob_of_any_size_and_parts", blob_of_any_size_and_parts},
    {"read_of_a_range", read_of_a_range},
    {"wrong_hash_keeps_nothing", wrong_hash_keeps_nothing},
    {"one_wrong_bit_in_the_hash", one_wrong_bit_in_the_hash},
    {"same_blob_twice_is_ok", same_blob_twice_is_ok},
    {"nothing_is_seen_before_commit", nothing_is_seen_before_commit},
    {"abort_leaves_nothing", abort_leaves_nothing},
    {"announced_length_is_only_announced", announced_length_is_only_announced},
    {"limit_is_checked_at_begin", limit_is_checked_at_begin},
    {"limit_is_checked_at_append", limit_is_checked_at_append},
    {"blob_of_the_limit", blob_of_the_limit},
    {"removed_is_gone", removed_is_gone},
    {"open_reader_outlives_removal", open_reader_outlives_removal},
    {"list_is_in_order", list_is_in_order},
    {"list_pages", list_pages},
    {"reopen_keeps_blobs", reopen_keeps_blobs},
    {"same_blobs_from_16_threads", same_blobs_from_16_threads},
    {"kill_9_loses_nothing_committed", kill_9_loses_nothing_committed},
};

#define CASE_COUNT (sizeof(cases) / sizeof(cases[0]))

struct slot {
    const struct blob_provider *provider;
    const struct blob_case *one;
    struct blob_test test;
};

static int setup(void **state)
{
    struct slot *slot = *state;
    slot->test = (struct blob_test){.provider = slot->provider, .err = UB_ERR_INIT};
    slot->provider->open(&slot->test.store);
    return 0;
}

static int teardown(void **state)
{
    struct slot *slot = *state;
    slot->provider->close(&slot->test.store);
    return 0;
}

static void run(void **state)
{
    struct slot *slot = *state;
    slot->one->run(&slot->test);
}

int blob_suite_run(const struct blob_provider *provider)
{
    static struct slot slots[CASE_COUNT];
    static struct CMUnitTest tests[CASE_COUNT];
    if (sodium_init() < 0) {
        return 1;
    }
    for (size_t i = 0; i < CASE_COUNT; i++) {
        slots[i] = (struct slot){.provider = provider, .one = &cases[i]};
        tests[i] = (struct CMUnitTest){cases[i].name, run, setup, teardown, &slots[i]};
    }
    return _cmocka_run_group_tests(provider->name, tests, CASE_COUNT, NULL, NULL);
}
