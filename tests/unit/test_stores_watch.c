/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches do not wait for each other: a callback that takes long delays nobody, and its own watch
 * learns that it may have missed something. The bucket here is a counter: revision n is the value
 * n of the key "k". */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ubs/watch.h>

#include "core/kit.h"

struct ub_kv_bucket {
    _Atomic int64_t revision;
    atomic_bool fails;
};

static struct rig {
    struct ub_host *host;
    struct ubs_watches watches;
    struct ub_kv_bucket bucket;
} rig;

/* What one watch has seen. */
struct seen {
    pthread_mutex_t lock;
    pthread_cond_t more;
    int64_t revision;
    int lost, resets, ready;
    bool is_held, is_holding; /* the callback of an entry waits while is_held */
    struct ub_kv_watch *watch;
};

static enum ub_status look_at(struct ub_kv_bucket *bucket, struct ubs_look *look)
{
    int64_t revision = atomic_load(&bucket->revision);
    if (atomic_load(&bucket->fails)) {
        return UB_EIO;
    }
    ubs_look_begin(look, revision, 0);
    if (look->last > look->after) {
        const struct ubs_change change = {
            look->last, false, false, {(const uint8_t *)"k\0", 2}, {NULL, 0}};
        ubs_look_give(look, &change);
    }
    ubs_look_end(look);
    return UB_OK;
}

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof(rig));
    rig.host = kit_host_new("stores");
    kit_clock_advance(rig.host, 0); /* time stands still */
    ubs_watches_init(&rig.watches, rig.host, look_at);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ubs_watches_stop(&rig.watches);
    ubs_watches_fini(&rig.watches);
    kit_host_free(&rig.host);
    return 0;
}

static void on_event(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct seen *seen = arg;
    pthread_mutex_lock(&seen->lock);
    seen->lost += event == UB_KV_EVENT_LOST;
    seen->resets += event == UB_KV_EVENT_RESET;
    seen->ready += event == UB_KV_EVENT_READY;
    if (event == UB_KV_EVENT_ENTRY) {
        seen->is_holding = true;
        pthread_cond_broadcast(&seen->more);
        while (seen->is_held) {
            pthread_cond_wait(&seen->more, &seen->lock);
        }
        seen->is_holding = false;
        seen->revision = entry->revision;
    }
    pthread_cond_broadcast(&seen->more);
    pthread_mutex_unlock(&seen->lock);
}

static void open_watch(struct seen *seen)
{
    struct ub_err err = UB_ERR_INIT;
    memset(seen, 0, sizeof(*seen));
    pthread_mutex_init(&seen->lock, NULL);
    pthread_cond_init(&seen->more, NULL);
    assert_int_equal(ubs_watch_open(&rig.watches, &rig.bucket, &rig.bucket.revision, NULL, 0,
                                    on_event, seen, &seen->watch, &err),
                     UB_OK);
}

static void close_watch(struct seen *seen)
{
    ubs_watch_close(&seen->watch);
    assert_null(seen->watch);
    pthread_cond_destroy(&seen->more);
    pthread_mutex_destroy(&seen->lock);
}

static void commit(void)
{
    atomic_fetch_add(&rig.bucket.revision, 1);
    ubs_watches_wake(&rig.watches);
}

static bool wait_until(struct seen *seen, bool (*is_so)(const struct seen *seen, int64_t arg),
                       int64_t arg)
{
    struct timespec end;
    int rc = 0;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    pthread_mutex_lock(&seen->lock);
    while (rc == 0 && !is_so(seen, arg)) {
        rc = pthread_cond_timedwait(&seen->more, &seen->lock, &end);
    }
    bool is_met = is_so(seen, arg);
    pthread_mutex_unlock(&seen->lock);
    return is_met;
}

static bool has_revision(const struct seen *seen, int64_t revision)
{
    return seen->revision == revision;
}

static bool is_holding(const struct seen *seen, int64_t nothing)
{
    (void)nothing;
    return seen->is_holding;
}

static bool is_ready(const struct seen *seen, int64_t count)
{
    return seen->ready == count;
}

static bool has_lost(const struct seen *seen, int64_t count)
{
    return seen->lost == count;
}

static void hold(struct seen *seen, bool is_held)
{
    pthread_mutex_lock(&seen->lock);
    seen->is_held = is_held;
    pthread_cond_broadcast(&seen->more);
    pthread_mutex_unlock(&seen->lock);
}

static void slow_watch_delays_nobody(void **state)
{
    (void)state;
    static struct seen slow[8], quick;
    for (int i = 0; i < 8; i++) {
        open_watch(&slow[i]);
        assert_true(wait_until(&slow[i], is_ready, 1));
        hold(&slow[i], true);
    }
    open_watch(&quick);
    assert_true(wait_until(&quick, is_ready, 1));
    for (int64_t i = 1; i <= 100; i++) {
        commit();
        assert_true(wait_until(&quick, has_revision, i));
    }
    for (int i = 0; i < 8; i++) {
        assert_true(wait_until(&slow[i], is_holding, 0));
        assert_int_equal(slow[i].revision, 0);
        hold(&slow[i], false);
        assert_true(wait_until(&slow[i], has_revision, 100)); /* what was between is skipped */
        assert_int_equal(slow[i].lost, 0);
        close_watch(&slow[i]);
    }
    assert_int_equal(quick.lost, 0);
    close_watch(&quick);
}

/* The slow watch learns that it was away for long; the other one does not. */
static void watch_that_was_away_is_told(void **state)
{
    (void)state;
    static struct seen slow, quick;
    open_watch(&slow);
    open_watch(&quick);
    assert_true(wait_until(&slow, is_ready, 1));
    assert_true(wait_until(&quick, is_ready, 1));
    hold(&slow, true);
    commit();
    assert_true(wait_until(&slow, is_holding, 0));
    commit();
    assert_true(wait_until(&quick, has_revision, 2));
    kit_clock_advance(rig.host, UBS_WATCH_SLOW_MS + 1);
    hold(&slow, false);
    assert_true(wait_until(&slow, has_revision, 2));
    assert_int_equal(slow.lost, 1);
    assert_int_equal(quick.lost, 0);
    close_watch(&slow);
    close_watch(&quick);
}

/* LOST once, and the next commit that can be read brings everything. */
static void failed_look_is_lost_once(void **state)
{
    (void)state;
    static struct seen seen;
    open_watch(&seen);
    assert_true(wait_until(&seen, is_ready, 1));
    atomic_store(&rig.bucket.fails, true);
    commit();
    assert_true(wait_until(&seen, has_lost, 1));
    commit();
    atomic_store(&rig.bucket.fails, false);
    commit();
    assert_true(wait_until(&seen, has_revision, 3));
    assert_int_equal(seen.lost, 1);
    close_watch(&seen);
}

static void no_callback_after_stop(void **state)
{
    (void)state;
    static struct seen seen;
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_watch *late;
    open_watch(&seen);
    assert_true(wait_until(&seen, is_ready, 1));
    ubs_watches_stop(&rig.watches);
    commit();
    assert_int_equal(seen.revision, 0);
    assert_int_equal(ubs_watch_open(&rig.watches, &rig.bucket, &rig.bucket.revision, NULL, 0,
                                    on_event, &seen, &late, &err),
                     UB_EUNAVAILABLE);
    assert_null(late);
    close_watch(&seen);
}

static void too_many_watches_are_refused(void **state)
{
    (void)state;
    static struct seen seen[UBS_WATCHES_MAX];
    struct ub_err err = UB_ERR_INIT;
    struct ub_kv_watch *one_more;
    for (size_t i = 0; i < UBS_WATCHES_MAX; i++) {
        open_watch(&seen[i]);
    }
    assert_int_equal(ubs_watch_open(&rig.watches, &rig.bucket, &rig.bucket.revision, NULL, 0,
                                    on_event, &seen[0], &one_more, &err),
                     UB_ELIMIT);
    assert_null(one_more);
    assert_non_null(strstr(err.message, "256"));
    for (size_t i = 0; i < UBS_WATCHES_MAX; i++) {
        close_watch(&seen[i]);
    }
}

#define WATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WATCH(slow_watch_delays_nobody),     WATCH(watch_that_was_away_is_told),
        WATCH(failed_look_is_lost_once),     WATCH(no_callback_after_stop),
        WATCH(too_many_watches_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
