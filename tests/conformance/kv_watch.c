/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches: order, READY, RESET, prefixes. */
#include "kv_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void expect_seen(struct kv_seen *seen, const char *text)
{
    char got[4096];
    assert_string_equal(kv_seen_text(seen, got, sizeof(got)), text);
}

static void watch_of_nothing_is_ready(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect_seen(seen, "READY");
    kv_unwatch(&seen);
}

static void watch_gives_what_is_there(struct kv_test *t)
{
    kv_put(t, t->bucket, "c", "1");
    kv_put(t, t->bucket, "a", "2");
    kv_put(t, t->bucket, "b", "3");
    kv_put(t, t->bucket, "c", "4");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect_seen(seen, "+a=2 +b=3 +c=4 READY");
    kv_unwatch(&seen);
}

static void watch_gives_what_comes(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    assert_true(kv_wait_revision(seen, kv_put(t, t->bucket, "a/b", "1")));
    assert_true(kv_wait_revision(seen, kv_put(t, t->bucket, "a/b", "2")));
    assert_true(kv_wait_revision(seen, kv_delete(t, t->bucket, "a/b")));
    assert_true(kv_wait_revision(seen, kv_put(t, t->bucket, "c", "")));
    expect_seen(seen, "READY +a/b=1 +a/b=2 -a/b +c=");
    kv_unwatch(&seen);
}

static void watch_of_a_prefix(struct kv_test *t)
{
    kv_put(t, t->bucket, "a/1", "x");
    kv_put(t, t->bucket, "ab/1", "x");
    kv_put(t, t->bucket, "a", "x");
    struct kv_seen *seen = kv_watch(t, t->bucket, "a", 0);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_put(t, t->bucket, "ab/2", "y");
    kv_put(t, t->bucket, "b", "y");
    kv_delete(t, t->bucket, "ab/1");
    assert_true(kv_wait_revision(seen, kv_put(t, t->bucket, "a/2/z", "y")));
    assert_true(kv_wait_revision(seen, kv_delete(t, t->bucket, "a/1")));
    expect_seen(seen, "+a/1=x READY +a/2/z=y -a/1");
    kv_unwatch(&seen);
}

static void watch_of_one_bucket(struct kv_test *t)
{
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    kv_put(t, other, "k", "other");
    assert_true(kv_wait_revision(seen, kv_put(t, t->bucket, "k", "main")));
    char text[256];
    assert_null(strstr(kv_seen_text(seen, text, sizeof(text)), "other"));
    kv_unwatch(&seen);
}

static void watch_from_a_revision(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    kv_put(t, t->bucket, "b", "2");
    int64_t from = kv_put(t, t->bucket, "c", "3");
    kv_put(t, t->bucket, "b", "4");
    kv_delete(t, t->bucket, "a");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", from);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect_seen(seen, "+b=4 -a READY");
    kv_unwatch(&seen);
}

static void watch_from_now(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    kv_delete(t, t->bucket, "a");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", kv_revision(t, t->bucket));
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect_seen(seen, "READY");
    kv_unwatch(&seen);
}

static void watch_from_the_future_is_reset(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 1000);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect_seen(seen, "RESET +a=1 READY");
    kv_unwatch(&seen);
}

static void watch_from_below_zero_is_refused(struct kv_test *t)
{
    struct ub_kv_watch *watch = NULL;
    struct ub_kv_key all = {0}, bad = {1, {{(const uint8_t *)"", 0}}};
    assert_int_equal(t->store.ops->watch(t->bucket, &all, -1, NULL, NULL, &watch, &t->err),
                     UB_EINVAL);
    assert_int_equal(t->store.ops->watch(t->bucket, &bad, 0, NULL, NULL, &watch, &t->err),
                     UB_EINVAL);
    assert_null(watch);
}

static void delete_many(struct kv_test *t, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        kv_put(t, t->bucket, "gone", "x");
        kv_delete(t, t->bucket, "gone");
    }
}

static void watch_is_reset_when_too_old(struct kv_test *t)
{
    kv_put(t, t->bucket, "stays", "1");
    int64_t from = kv_put(t, t->bucket, "goes", "2");
    kv_delete(t, t->bucket, "goes");
    delete_many(t, t->provider->deletions_max + 1);
    struct kv_seen *seen = kv_watch(t, t->bucket, "", from);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect_seen(seen, "RESET +stays=1 READY");
    assert_true(kv_wait_revision(seen, kv_delete(t, t->bucket, "stays")));
    kv_unwatch(&seen);
}

static void watch_keeps_up_with_many_deletions(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    delete_many(t, t->provider->deletions_max / 2);
    assert_true(kv_wait_revision(seen, kv_put(t, t->bucket, "end", "")));
    assert_false(seen->events[seen->count - 1].is_deletion);
    for (size_t i = 1; i < seen->count; i++) {
        assert_int_equal(seen->events[i].event, UB_KV_EVENT_ENTRY);
    }
    kv_unwatch(&seen);
}

static void put_some(void *arg, size_t number)
{
    struct kv_race *race = arg;
    for (int i = 0; i < 50; i++) {
        char text[32];
        snprintf(text, sizeof(text), "k%zu/%d", number, i % 10);
        struct ub_kv_key key = kv_key(text);
        enum ub_kv_verb verb = i % 7 == 6 ? UB_KV_DELETE : UB_KV_PUT;
        const struct ub_kv_write write = {race->bucket, verb, key, kv_bytes("v"), 0};
        (void)race->t->store.ops->write(race->bucket, &write, NULL, NULL);
    }
}

/* The order of revisions, and at the end exactly the state of the bucket. */
static void expect_replay(struct kv_test *t, struct kv_seen *seen)
{
    int64_t last = 0;
    for (size_t i = 0; i < seen->count; i++) {
        const struct kv_seen_event *e = &seen->events[i];
        if (e->event == UB_KV_EVENT_RESET) {
            last = 0;
        } else if (e->event == UB_KV_EVENT_ENTRY) {
            assert_true(e->revision > last);
            last = e->revision;
        }
    }
    for (size_t i = 0; i < seen->count; i++) {
        const struct kv_seen_event *latest = &seen->events[i];
        if (latest->event != UB_KV_EVENT_ENTRY) {
            continue;
        }
        for (size_t j = i + 1; j < seen->count; j++) {
            if (strcmp(seen->events[j].key, latest->key) == 0) {
                latest = &seen->events[j];
            }
        }
        kv_expect(t, t->bucket, latest->key, latest->is_deletion ? NULL : "v");
    }
}

static void watch_while_many_write(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    kv_threads(8, put_some, &race);
    assert_true(kv_wait_revision(seen, kv_put(t, t->bucket, "end", "v")));
    expect_replay(t, seen);
    kv_unwatch(&seen);
}

static void slow_watch_loses_nothing(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct kv_seen *slow = kv_watch(t, t->bucket, "", 0);
    struct kv_seen *fast = kv_watch(t, t->bucket, "", 0);
    atomic_store(&slow->delay_ms, 1);
    kv_threads(4, put_some, &race);
    int64_t end = kv_put(t, t->bucket, "end", "v");
    assert_true(kv_wait_revision(fast, end));
    assert_true(kv_wait_revision(slow, end));
    expect_replay(t, slow);
    kv_unwatch(&slow);
    kv_unwatch(&fast);
}

static void no_event_after_unwatch(struct kv_test *t)
{
    for (int i = 0; i < 20; i++) {
        struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
        kv_put(t, t->bucket, "k", "v");
        kv_unwatch(&seen); /* frees what the callback writes to: ASan sees a late one */
        kv_put(t, t->bucket, "k", "w");
    }
}

static void watch_after_reopen(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    int64_t from = kv_put(t, t->bucket, "b", "2");
    kv_delete(t, t->bucket, "a");
    kv_put(t, t->bucket, "c", "3");
    kv_reopen(t);
    struct kv_seen *seen = kv_watch(t, t->bucket, "", from);
    assert_true(kv_wait(seen, UB_KV_EVENT_READY, 1));
    char text[256];
    kv_seen_text(seen, text, sizeof(text));
    bool is_resumed = strcmp(text, "-a +c=3 READY") == 0;
    bool is_reset = strcmp(text, "RESET +b=2 +c=3 READY") == 0;
    assert_true(is_resumed || is_reset);
    kv_unwatch(&seen);
}

const struct kv_case kv_watch_cases[] = {
    {"watch_of_nothing_is_ready", watch_of_nothing_is_ready},
    {"watch_gives_what_is_there", watch_gives_what_is_there},
    {"watch_gives_what_comes", watch_gives_what_comes},
    {"watch_of_a_prefix", watch_of_a_prefix},
    {"watch_of_one_bucket", watch_of_one_bucket},
    {"watch_from_a_revision", watch_from_a_revision},
    {"watch_from_now", watch_from_now},
    {"watch_from_the_future_is_reset", watch_from_the_future_is_reset},
    {"watch_from_below_zero_is_refused", watch_from_below_zero_is_refused},
    {"watch_is_reset_when_too_old", watch_is_reset_when_too_old},
    {"watch_keeps_up_with_many_deletions", watch_keeps_up_with_many_deletions},
    {"watch_while_many_write", watch_while_many_write},
    {"slow_watch_loses_nothing", slow_watch_loses_nothing},
    {"no_event_after_unwatch", no_event_after_unwatch},
    {"watch_after_reopen", watch_after_reopen},
    {NULL, NULL},
};
