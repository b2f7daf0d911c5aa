/* SPDX-License-Identifier: Apache-2.0
 *
 * Expiry, restarts and sudden death. */
#include "kv_tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void value_expires(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 60000);
    kv_put(t, bucket, "k", "v");
    t->provider->advance(&t->store, 59999);
    kv_expect(t, bucket, "k", "v");
    t->provider->advance(&t->store, 2);
    kv_expect(t, bucket, "k", NULL);
    kv_expect_list(t, bucket, "", "", 0, "");
}

static void expired_is_absent_for_conditions(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    struct ub_kv_key key = kv_key("k");
    int64_t revision = kv_put(t, bucket, "k", "v");
    t->provider->advance(&t->store, 1001);
    assert_int_equal(kv_try(t, bucket, UB_KV_CHECK, &key, kv_bytes(""), revision, NULL),
                     UB_ECONFLICT);
    assert_int_equal(kv_try(t, bucket, UB_KV_CHECK, &key, kv_bytes(""), 0, NULL), UB_OK);
    assert_int_equal(kv_try(t, bucket, UB_KV_UPDATE, &key, kv_bytes("w"), revision, NULL),
                     UB_ECONFLICT);
    assert_int_equal(kv_try(t, bucket, UB_KV_CREATE, &key, kv_bytes("w"), 0, NULL), UB_OK);
    assert_true(kv_expect(t, bucket, "k", "w") > revision);
}

static void put_starts_the_time_anew(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    kv_put(t, bucket, "k", "1");
    t->provider->advance(&t->store, 900);
    kv_put(t, bucket, "k", "2");
    t->provider->advance(&t->store, 900);
    kv_expect(t, bucket, "k", "2");
    t->provider->advance(&t->store, 101);
    kv_expect(t, bucket, "k", NULL);
}

static void expiry_is_of_its_bucket(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    kv_put(t, bucket, "k", "v");
    kv_put(t, t->bucket, "k", "v");
    t->provider->advance(&t->store, 86400000);
    kv_expect(t, bucket, "k", NULL);
    kv_expect(t, t->bucket, "k", "v");
}

static void expiry_makes_no_event(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    char text[256];
    struct kv_seen *seen = kv_watch(t, bucket, "", 0);
    assert_true(kv_wait_revision(seen, kv_put(t, bucket, "a", "1")));
    t->provider->advance(&t->store, 5000);
    assert_true(kv_wait_revision(seen, kv_put(t, bucket, "b", "2")));
    assert_null(strchr(kv_seen_text(seen, text, sizeof(text)), '-'));
    kv_unwatch(&seen);
    seen = kv_watch(t, bucket, "", 0);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    assert_string_equal(kv_seen_text(seen, text, sizeof(text)), "+b=2 READY");
    kv_unwatch(&seen);
}

static void expiry_goes_on_over_a_restart(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 60000);
    kv_put(t, bucket, "old", "v");
    t->provider->advance(&t->store, 30000);
    kv_put(t, bucket, "new", "v");
    kv_reopen(t);
    bucket = kv_bucket(t, "short", 60000);
    t->provider->advance(&t->store, 30001);
    kv_expect(t, bucket, "old", NULL);
    kv_expect(t, bucket, "new", "v");
}

static void expiry_never_gives_a_revision_back(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = kv_bucket(t, "short", 1000);
    int64_t last = kv_put(t, bucket, "k", "v");
    t->provider->advance(&t->store, 10000);
    t->provider->advance(&t->store, 10000);
    assert_int_equal(kv_revision(t, bucket), last);
    kv_reopen(t);
    bucket = kv_bucket(t, "short", 1000);
    assert_int_equal(kv_revision(t, bucket), last);
    assert_true(kv_put(t, bucket, "k", "v") > last);
}

/* ---- restarts ---------------------------------------------------------------------------------
 */

static void reopen_keeps_everything(struct kv_test *t)
{
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    int64_t a = kv_put(t, t->bucket, "a/b", "1");
    int64_t c = kv_put(t, other, "c", "2");
    kv_put(t, t->bucket, "gone", "3");
    int64_t gone = kv_delete(t, t->bucket, "gone");
    kv_reopen(t);
    other = kv_bucket(t, "other", 0);
    assert_int_equal(kv_expect(t, t->bucket, "a/b", "1"), a);
    assert_int_equal(kv_expect(t, other, "c", "2"), c);
    kv_expect(t, t->bucket, "gone", NULL);
    assert_int_equal(kv_revision(t, t->bucket), gone);
    assert_int_equal(kv_revision(t, other), c);
}

static void reopen_never_gives_a_revision_back(struct kv_test *t)
{
    kv_put(t, t->bucket, "k", "v");
    int64_t last = kv_delete(t, t->bucket, "k");
    for (int i = 0; i < 3; i++) {
        kv_reopen(t);
        assert_int_equal(kv_revision(t, t->bucket), last);
        int64_t put = kv_put(t, t->bucket, "k", "v");
        assert_true(put > last);
        last = kv_delete(t, t->bucket, "k");
        assert_true(last > put);
    }
}

static void reopen_keeps_options(struct kv_test *t)
{
    struct ub_kv_bucket *bucket = NULL;
    const struct ub_kv_bucket_options other = {sizeof(other), 2000};
    kv_bucket(t, "short", 1000);
    kv_reopen(t);
    assert_int_equal(t->store.ops->bucket_open(t->store.self, "short", &other, &bucket, &t->err),
                     UB_EINVAL);
    assert_non_null(kv_bucket(t, "short", 1000));
}

/* ---- kill -9 ----------------------------------------------------------------------------------
 */

#define KILL_THREADS 4

/* What the child says for each write that was acknowledged. */
struct ack {
    uint32_t thread, number;
    int64_t revision;
};

struct kill_child {
    struct kv_test *t;
    int pipe;
};

static int write_ack(int pipe, const struct ack *ack)
{
    return write(pipe, ack, sizeof(*ack)) == sizeof(*ack) ? 0 : -1; /* atomic: < PIPE_BUF */
}

static void write_and_tell(void *arg, size_t thread)
{
    struct kill_child *child = arg;
    for (uint32_t number = 0;; number++) {
        char key[32], value[32];
        struct ack ack = {(uint32_t)thread, number, 0};
        snprintf(key, sizeof(key), "t%zu/%u", thread, number);
        snprintf(value, sizeof(value), "%zu:%u", thread, number);
        const struct ub_kv_write write = {child->t->bucket, UB_KV_CREATE, kv_key(key),
                                          kv_bytes(value), 0};
        if (child->t->store.ops->write(child->t->bucket, &write, &ack.revision, NULL) != UB_OK ||
            write_ack(child->pipe, &ack) != 0) {
            _exit(1);
        }
    }
}

static void child_main(struct kv_test *t, int pipe)
{
    struct kill_child child = {t, pipe};
    t->provider->reopen(&t->store);
    t->bucket = kv_bucket(t, "main", 0);
    kv_threads(KILL_THREADS, write_and_tell, &child);
    _exit(1);
}

/* Reads what the child said, kills it after `acks_max`, then reads the rest. */
static size_t kill_after(int pipe, pid_t pid, struct ack *acks, size_t acks_max, size_t room)
{
    size_t count = 0;
    struct ack ack;
    while (read(pipe, &ack, sizeof(ack)) == sizeof(ack) && count < room) {
        acks[count++] = ack;
        if (count == acks_max) {
            kill(pid, SIGKILL);
        }
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return count;
}

static void expect_acks(struct kv_test *t, const struct ack *acks, size_t count)
{
    int64_t last = kv_revision(t, t->bucket);
    for (size_t i = 0; i < count; i++) {
        char key[32], value[32];
        snprintf(key, sizeof(key), "t%u/%u", acks[i].thread, acks[i].number);
        snprintf(value, sizeof(value), "%u:%u", acks[i].thread, acks[i].number);
        assert_int_equal(kv_expect(t, t->bucket, key, value), acks[i].revision);
        assert_true(acks[i].revision <= last);
    }
    assert_true(kv_put(t, t->bucket, "after", "v") > last);
    kv_delete(t, t->bucket, "after");
}

static void kill_once(struct kv_test *t, size_t acks_max)
{
    enum { ROOM = 20000 };
    struct ack *acks = calloc(ROOM, sizeof(*acks));
    int pipes[2];
    assert_non_null(acks);
    assert_int_equal(pipe(pipes), 0);
    t->provider->shut(&t->store);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pipes[0]);
        child_main(t, pipes[1]);
    }
    close(pipes[1]);
    size_t count = kill_after(pipes[0], pid, acks, acks_max, ROOM);
    close(pipes[0]);
    t->provider->reopen(&t->store);
    t->bucket = kv_bucket(t, "main", 0);
    assert_true(count >= acks_max);
    expect_acks(t, acks, count);
    free(acks);
}

static void kill_9_loses_nothing_acknowledged(struct kv_test *t)
{
    kill_once(t, 137);
}

static void kill_9_again_and_again(struct kv_test *t)
{
    static const size_t acks[] = {1, 2, 63, 300};
    for (size_t i = 0; i < sizeof(acks) / sizeof(acks[0]); i++) {
        char name[16];
        t->provider->close(&t->store);
        t->provider->open(&t->store);
        snprintf(name, sizeof(name), "round-%zu", i);
        kv_bucket(t, name, 0);
        kill_once(t, acks[i]);
    }
}

const struct kv_case kv_life_cases[] = {
    {"value_expires", value_expires},
    {"expired_is_absent_for_conditions", expired_is_absent_for_conditions},
    {"put_starts_the_time_anew", put_starts_the_time_anew},
    {"expiry_is_of_its_bucket", expiry_is_of_its_bucket},
    {"expiry_makes_no_event", expiry_makes_no_event},
    {"expiry_goes_on_over_a_restart", expiry_goes_on_over_a_restart},
    {"expiry_never_gives_a_revision_back", expiry_never_gives_a_revision_back},
    {"reopen_keeps_everything", reopen_keeps_everything},
    {"reopen_never_gives_a_revision_back", reopen_never_gives_a_revision_back},
    {"reopen_keeps_options", reopen_keeps_options},
    {"kill_9_loses_nothing_acknowledged", kill_9_loses_nothing_acknowledged},
    {"kill_9_again_and_again", kill_9_again_and_again},
    {NULL, NULL},
};
