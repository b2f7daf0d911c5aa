/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches: order, READY, RESET, prefixes. */
#include "kv_tool.h"

static void watch_of_nothing_is_ready(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "READY");
    kv_unwatch(&seen);
}

static void watch_gives_what_is_there(struct kv_test *t)
{
    kv_put(t, t->bucket, "c", "1");
    kv_put(t, t->bucket, "a", "2");
    kv_put(t, t->bucket, "b", "3");
    kv_put(t, t->bucket, "c", "4");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "+a=2 +b=3 +c=4 READY");
    kv_unwatch(&seen);
}

static void watch_gives_what_comes(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "a/b", "1")));
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "a/b", "2")));
    expect(kv_wait_revision(seen, kv_delete(t, t->bucket, "a/b")));
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "c", "")));
    kv_expect_seen(seen, "READY +a/b=1 +a/b=2 -a/b +c=");
    kv_unwatch(&seen);
}

static void watch_of_a_prefix(struct kv_test *t)
{
    kv_put(t, t->bucket, "a/1", "x");
    kv_put(t, t->bucket, "ab/1", "x");
    kv_put(t, t->bucket, "a", "x");
    struct kv_seen *seen = kv_watch(t, t->bucket, "a", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_put(t, t->bucket, "ab/2", "y");
    kv_put(t, t->bucket, "b", "y");
    kv_delete(t, t->bucket, "ab/1");
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "a/2/z", "y")));
    expect(kv_wait_revision(seen, kv_delete(t, t->bucket, "a/1")));
    kv_expect_seen(seen, "+a/1=x READY +a/2/z=y -a/1");
    kv_unwatch(&seen);
}

static void watch_of_one_bucket(struct kv_test *t)
{
    struct ub_kv_bucket *other = kv_bucket(t, "other", 0);
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    kv_put(t, other, "k", "other");
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "k", "main")));
    char text[256];
    expect((strstr(kv_seen_text(seen, text, sizeof(text)), "other")) == NULL);
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
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "+b=4 -a READY");
    kv_unwatch(&seen);
}

static void watch_from_now(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    kv_put(t, t->bucket, "b", "2");
    kv_delete(t, t->bucket, "a");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", kv_revision(t, t->bucket));
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "READY");
    kv_unwatch(&seen);
}

static void watch_from_the_future_is_reset(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 1000);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "RESET +a=1 READY");
    kv_unwatch(&seen);
}

static void watch_from_below_zero_is_refused(struct kv_test *t)
{
    struct ub_kv_watch *watch = NULL;
    struct ub_kv_key all = {0}, bad = {1, {{(const uint8_t *)"", 0}}};
    kv_expect_status(t, t->store.ops->watch(t->bucket, &all, -1, NULL, NULL, &watch, &t->err),
                     UB_EINVAL);
    kv_expect_status(t, t->store.ops->watch(t->bucket, &bad, 0, NULL, NULL, &watch, &t->err),
                     UB_EINVAL);
    expect(watch == NULL);
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
    delete_many(t, kv_deletions_max(t) + 1);
    struct kv_seen *seen = kv_watch(t, t->bucket, "", from);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "RESET +stays=1 READY");
    expect(kv_wait_revision(seen, kv_delete(t, t->bucket, "stays")));
    kv_unwatch(&seen);
}

static void watch_keeps_up_with_many_deletions(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    delete_many(t, kv_deletions_max(t) / 2);
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "end", "")));
    expect(!(seen->events[seen->count - 1].is_deletion));
    for (size_t i = 1; i < seen->count; i++) {
        expect_int(seen->events[i].event, UB_KV_EVENT_ENTRY);
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
        expect_status(race->t->store.ops->write(race->bucket, &write, NULL, NULL), UB_OK);
    }
}

static void *put_some_alone(void *arg)
{
    put_some(arg, 0);
    put_some(arg, 1);
    return NULL;
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
            expect(e->revision > last);
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
        int64_t there = kv_expect(t, t->bucket, latest->key, latest->is_deletion ? NULL : "v");
        expect(latest->is_deletion || latest->revision == there); /* else its last one was lost */
    }
}

static void watch_while_many_write(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    case_threads(8, put_some, &race);
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "end", "v")));
    expect_replay(t, seen);
    kv_unwatch(&seen);
}

static void slow_watch_loses_nothing(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct kv_seen *slow = kv_watch(t, t->bucket, "", 0);
    struct kv_seen *fast = kv_watch(t, t->bucket, "", 0);
    atomic_store(&slow->delay_ms, 1);
    case_threads(4, put_some, &race);
    int64_t end = kv_put(t, t->bucket, "end", "v");
    expect(kv_wait_revision(fast, end));
    expect(kv_wait_revision(slow, end));
    expect_replay(t, slow);
    kv_unwatch(&slow);
    kv_unwatch(&fast);
}

static void no_event_after_unwatch(struct kv_test *t)
{
    for (int i = 0; i < 20; i++) {
        struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
        kv_put(t, t->bucket, "k", "v");
        expect(i % 2 == 0 || kv_wait(seen, UB_KV_EVENT_ENTRY, 1)); /* it does run */
        kv_unwatch(&seen); /* a callback from here on fails the case */
        kv_put(t, t->bucket, "k", "w");
    }
    case_sleep_ms(50);
}

static void watch_after_reopen(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    int64_t from = kv_put(t, t->bucket, "b", "2");
    kv_delete(t, t->bucket, "a");
    kv_put(t, t->bucket, "c", "3");
    kv_reopen(t);
    struct kv_seen *seen = kv_watch(t, t->bucket, "", from);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    char text[256];
    kv_seen_text(seen, text, sizeof(text));
    bool is_resumed = strcmp(text, "-a +c=3 READY") == 0;
    bool is_reset = strcmp(text, "RESET +b=2 +c=3 READY") == 0;
    if (!is_resumed && !is_reset) {
        fail("the watch has given \"%s\"", text);
    }
    kv_unwatch(&seen);
}

static void watch_twice(struct kv_test *t)
{
    kv_put(t, t->bucket, "a", "1");
    struct kv_seen *first = kv_watch(t, t->bucket, "", 0);
    struct kv_seen *second = kv_watch(t, t->bucket, "", 0);
    int64_t revision = kv_put(t, t->bucket, "b", "2");
    expect(kv_wait_revision(first, revision) && kv_wait_revision(second, revision));
    kv_unwatch(&first);
    expect(kv_wait_revision(second, kv_put(t, t->bucket, "c", "3")));
    kv_unwatch(&second);
}

static void watch_of_a_deep_prefix(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "1/2/3/4/5/6/7", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_put(t, t->bucket, "1/2/3/4/5/6/7", "no");
    kv_put(t, t->bucket, "1/2/3/4/5/6/8/8", "no");
    expect(kv_wait_revision(seen, kv_put(t, t->bucket, "1/2/3/4/5/6/7/8", "yes")));
    kv_expect_seen(seen, "READY +1/2/3/4/5/6/7/8=yes");
    kv_unwatch(&seen);
}

static void watch_gives_every_byte(struct kv_test *t)
{
    uint8_t bytes[] = {0x00, 0xff, '/', 0x01};
    struct ub_kv_key key = {2, {{bytes, 4}, {bytes, 2}}};
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    int64_t revision;
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_status(t, kv_try(t, t->bucket, UB_KV_PUT, &key, kv_bytes("v"), 0, &revision), UB_OK);
    expect(kv_wait_revision(seen, revision));
    expect_int(seen->events[1].segments, 2);
    expect_int(seen->events[1].key_bytes, 6);
    kv_unwatch(&seen);
}

static void watch_of_an_overwritten_key(struct kv_test *t)
{
    int64_t from = kv_put(t, t->bucket, "k", "0");
    for (int i = 1; i < 10; i++) {
        char value[8];
        snprintf(value, sizeof(value), "%d", i);
        kv_put(t, t->bucket, "k", value);
    }
    int64_t last = kv_revision(t, t->bucket);
    struct kv_seen *seen = kv_watch(t, t->bucket, "", from);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect(kv_wait_revision(seen, last)); /* states in between may be missing, the last may not */
    const struct kv_seen_event *e = &seen->events[seen->count - 2];
    expect(e->event == UB_KV_EVENT_ENTRY && e->revision == last);
    expect_text(e->value, "9");
    kv_unwatch(&seen);
}

static void watch_of_deleted_and_put_again(struct kv_test *t)
{
    int64_t from = kv_put(t, t->bucket, "k", "1");
    kv_delete(t, t->bucket, "k");
    int64_t last = kv_put(t, t->bucket, "k", "2");
    struct kv_seen *seen = kv_watch(t, t->bucket, "", from);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    expect(kv_wait_revision(seen, last));
    const struct kv_seen_event *e = &seen->events[seen->count - 2];
    expect(!e->is_deletion);
    expect_text(e->value, "2");
    kv_unwatch(&seen);
}

static void watch_is_ready_once(struct kv_test *t)
{
    struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    for (int i = 0; i < 5; i++) {
        expect(kv_wait_revision(seen, kv_put(t, t->bucket, "k", "v")));
    }
    size_t readies = 0;
    for (size_t i = 0; i < seen->count; i++) {
        readies += seen->events[i].event == UB_KV_EVENT_READY;
    }
    expect_int(readies, 1);
    kv_unwatch(&seen);
}

static void watch_from_every_revision(struct kv_test *t)
{
    int64_t revisions[12];
    for (int i = 0; i < 12; i++) {
        char key[8];
        snprintf(key, sizeof(key), "k%02d", i);
        revisions[i] = kv_put(t, t->bucket, key, "v");
    }
    for (int from = 0; from < 12; from++) {
        struct kv_seen *seen = kv_watch(t, t->bucket, "", revisions[from]);
        expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
        expect_int(seen->count, 12 - from); /* the later ones and READY */
        kv_unwatch(&seen);
    }
}

struct calling {
    struct kv_test *t;
    _Atomic int calls, ok;
};

static void put_from_callback(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct calling *calling = arg;
    if (event == UB_KV_EVENT_ENTRY && entry->key.count == 1) {
        const struct ub_kv_write write =
            kv_write_of(calling->t->bucket, UB_KV_PUT, "from/callback", "v", 0);
        calling->ok +=
            calling->t->store.ops->write(calling->t->bucket, &write, NULL, NULL) == UB_OK;
        calling->calls++;
    }
}

static void callback_may_call_the_store(struct kv_test *t)
{
    static struct calling calling;
    struct ub_kv_watch *watch = NULL;
    struct ub_kv_key all = {0};
    calling.t = t;
    kv_expect_status(
        t, t->store.ops->watch(t->bucket, &all, 0, put_from_callback, &calling, &watch, &t->err),
        UB_OK);
    kv_put(t, t->bucket, "k", "v");
    for (int i = 0; i < 1000 && calling.calls == 0; i++) {
        case_sleep_ms(10);
    }
    t->store.ops->unwatch(&watch);
    expect(calling.calls > 0);
    expect_int(calling.calls, calling.ok);
    kv_expect(t, t->bucket, "from/callback", "v");
}

static void unwatch_waits_for_the_callback(struct kv_test *t)
{
    size_t heard = 0;
    for (int i = 0; i < 10; i++) {
        struct kv_seen *seen = kv_watch(t, t->bucket, "", 0);
        const struct kv_seen *kept = seen;
        expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
        size_t before = kept->count;
        atomic_store(&seen->delay_ms, 20);
        kv_put(t, t->bucket, "k", "v");
        kv_put(t, t->bucket, "l", "v");
        case_sleep_ms(i);
        kv_unwatch(&seen); /* most often in the middle of the callback */
        heard += kept->count - before;
    }
    expect(heard > 0);
    case_sleep_ms(50);
}

static void unwatch_while_many_write(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t writer;
    struct kv_seen *seen[16];
    expect_int(pthread_create(&writer, NULL, put_some_alone, &race), 0);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 16; i++) {
            seen[i] = kv_watch(t, t->bucket, i % 2 ? "k0" : "", 0);
        }
        for (int i = 0; i < 16; i++) {
            kv_unwatch(&seen[i]);
        }
    }
    pthread_join(writer, NULL);
    kv_expect(t, t->bucket, "k1/9", "v");
}

static void watches_32_see_the_same(struct kv_test *t)
{
    struct kv_seen *seen[32];
    for (int i = 0; i < 32; i++) {
        seen[i] = kv_watch(t, t->bucket, "", 0);
        expect(kv_wait(seen[i], UB_KV_EVENT_READY, 1));
    }
    kv_put(t, t->bucket, "a", "1");
    kv_delete(t, t->bucket, "a");
    int64_t last = kv_put(t, t->bucket, "b", "2");
    for (int i = 0; i < 32; i++) {
        expect(kv_wait_revision(seen[i], last));
        const struct kv_seen_event *e = &seen[i]->events[seen[i]->count - 1];
        expect(e->event == UB_KV_EVENT_ENTRY && e->revision == last && !e->is_deletion);
        kv_unwatch(&seen[i]);
    }
}

static void reset_gives_the_whole_state(struct kv_test *t)
{
    int64_t max = kv_deletions_max(t);
    int64_t from = kv_put(t, t->bucket, "p/first", "1");
    kv_put(t, t->bucket, "q", "1");
    delete_many(t, max + 1);
    kv_put(t, t->bucket, "p/second", "2");
    struct kv_seen *seen = kv_watch(t, t->bucket, "p", from);
    expect(kv_wait(seen, UB_KV_EVENT_READY, 1));
    kv_expect_seen(seen, "RESET +p/first=1 +p/second=2 READY");
    kv_unwatch(&seen);
}

const struct check_case kv_watch_cases[] = {
    KV_CASE(watch_of_nothing_is_ready, "an empty bucket is READY at once"),
    KV_CASE(watch_gives_what_is_there, "from 0: each key's latest value in revision order, READY"),
    KV_CASE(watch_gives_what_comes, "puts and deletions as they happen"),
    KV_CASE(watch_of_a_prefix, "only what lies below whole segments"),
    KV_CASE(watch_of_a_deep_prefix, "a prefix of seven segments"),
    KV_CASE(watch_gives_every_byte, "keys arrive with every byte"),
    KV_CASE(watch_of_one_bucket, "nothing of other buckets"),
    KV_CASE(watch_twice, "two watches do not know of each other"),
    KV_CASE(watch_is_ready_once, "READY comes once"),
    KV_CASE(watch_from_a_revision, "only what is later, deletions too"),
    KV_CASE(watch_from_every_revision, "from each revision exactly the later ones"),
    KV_CASE(watch_from_now, "from the last revision: nothing but READY"),
    KV_CASE(watch_of_an_overwritten_key, "states between may be skipped, the last may not"),
    KV_CASE(watch_of_deleted_and_put_again, "after delete and put the value is what counts"),
    KV_CASE(watch_from_the_future_is_reset, "a revision that never was: RESET and everything"),
    KV_CASE(watch_from_below_zero_is_refused, "a negative revision or a bad prefix is invalid"),
    KV_CASE(watch_is_reset_when_too_old, "after more deletions than are kept: RESET"),
    KV_CASE(reset_gives_the_whole_state, "after RESET everything below the prefix, then READY"),
    KV_CASE(watch_keeps_up_with_many_deletions, "a watch that runs is not reset"),
    KV_CASE(watch_while_many_write, "8 writers: revisions in order, at the end the bucket"),
    KV_CASE(watches_32_see_the_same, "32 watches get the same"),
    KV_CASE(slow_watch_loses_nothing, "a slow callback gets the last state of each key"),
    KV_CASE(callback_may_call_the_store, "a callback may write"),
    KV_CASE(no_event_after_unwatch, "no callback after unwatch has returned"),
    KV_CASE(unwatch_waits_for_the_callback,
            "unwatch in the middle of a slow callback waits for it"),
    KV_CASE(unwatch_while_many_write, "watches come and go beside writers"),
    KV_CASE(watch_after_reopen, "a revision from before a restart goes on, or is RESET"),
    {.name = NULL},
};
