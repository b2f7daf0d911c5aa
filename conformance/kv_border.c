/* SPDX-License-Identifier: Apache-2.0
 *
 * The border itself: structs of another size than the provider's own, a full queue, handles that
 * are closed while others wait. */
#include "kv_tool.h"

#define CANARY 0xa5

/* An output struct of an older caller, with what lies behind it. */
struct older {
    union {
        struct ub_kv_caps caps;
        struct ub_kv_value value;
        uint8_t bytes[256];
    } u;
};

static void expect_untouched(const struct older *older, size_t from)
{
    for (size_t i = from; i < sizeof(older->u.bytes); i++) {
        if (older->u.bytes[i] != CANARY) {
            fail("byte %zu is written, but the caller's struct has %zu bytes", i, from);
        }
    }
}

static void older_caps_are_not_overrun(struct kv_test *t)
{
    static const size_t sizes[] = {offsetof(struct ub_kv_caps, flags),
                                   offsetof(struct ub_kv_caps, replicas),
                                   offsetof(struct ub_kv_caps, durability)};
    struct ub_kv_caps whole = kv_caps(t);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct older older;
        memset(&older, CANARY, sizeof(older));
        older.u.caps.size = (uint32_t)sizes[i];
        t->store.ops->caps(t->store.self, &older.u.caps);
        expect_int(older.u.caps.size, sizes[i]);
        expect_untouched(&older, sizes[i]);
        expect(sizes[i] < 8 || older.u.caps.flags == whole.flags);
    }
}

static void newer_caps_are_filled(struct kv_test *t)
{
    struct older older;
    struct ub_kv_caps whole = kv_caps(t);
    memset(&older, CANARY, sizeof(older));
    older.u.caps.size = sizeof(older); /* fields that this provider does not know follow */
    t->store.ops->caps(t->store.self, &older.u.caps);
    expect_int(older.u.caps.flags, whole.flags);
    expect_int(older.u.caps.replicas, whole.replicas);
    expect_int(older.u.caps.size, sizeof(older));
    expect_untouched(&older, sizeof(struct ub_kv_caps));
}

static void value_struct_too_short_is_refused(struct kv_test *t)
{
    static const size_t sizes[] = {0, 4, offsetof(struct ub_kv_value, bytes),
                                   offsetof(struct ub_kv_value, owner)};
    struct ub_kv_key key = kv_key("k");
    kv_put(t, t->bucket, "k", "v");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct older older;
        memset(&older, CANARY, sizeof(older));
        older.u.value.size = (uint32_t)sizes[i];
        kv_expect_status(t,
                         t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &older.u.value, &t->err),
                         UB_EINVAL);
        expect_untouched(&older, sizes[i] < 4 ? 4 : sizes[i]);
    }
}

static void newer_value_struct_is_filled(struct kv_test *t)
{
    struct ub_kv_key key = kv_key("k");
    struct older older;
    kv_put(t, t->bucket, "k", "v");
    memset(&older, CANARY, sizeof(older));
    older.u.value.size = sizeof(older);
    kv_expect_status(t, t->store.ops->get(t->bucket, &key, UB_KV_NEWEST, &older.u.value, &t->err),
                     UB_OK);
    expect_int(older.u.value.bytes.len, 1);
    t->store.ops->value_free(t->store.self, &older.u.value);
    expect_untouched(&older, sizeof(struct ub_kv_value));
}

static void options_of_another_size(struct kv_test *t)
{
    struct {
        struct ub_kv_bucket_options known;
        uint8_t unknown[64];
    } newer = {{sizeof(newer), 1000}, {0}};
    struct ub_kv_bucket_options older = {offsetof(struct ub_kv_bucket_options, ttl_ms), 777};
    struct ub_kv_bucket *bucket = NULL;
    kv_expect_status(
        t, t->store.ops->bucket_open(t->store.self, "newer", &newer.known, &bucket, &t->err),
        UB_OK);
    kv_put(t, bucket, "k", "v");
    kv_advance(t, 1001);
    kv_expect(t, bucket, "k", NULL);
    kv_expect_status(t, t->store.ops->bucket_open(t->store.self, "older", &older, &bucket, &t->err),
                     UB_OK);
    kv_put(t, bucket, "k", "v");
    kv_advance(t, 778); /* ttl_ms lies behind the caller's struct: it was not said */
    kv_expect(t, bucket, "k", "v");
}

/* ---- a full queue -----------------------------------------------------------------------------
 */

#define FULL_THREADS 64
#define FULL_ROUNDS  20

struct full {
    struct kv_test *t;
    _Atomic int ok, refused, other;
    _Atomic int64_t refused_ms; /* all together */
};

static void write_much(void *arg, size_t number)
{
    static const uint8_t bytes[65536];
    struct full *full = arg;
    for (int i = 0; i < FULL_ROUNDS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "t%zu", number);
        struct ub_kv_write write = kv_write_of(full->t->bucket, UB_KV_PUT, key, "", 0);
        write.value = (struct ub_bytes){bytes, sizeof(bytes)};
        int64_t began_ms = case_now_ms();
        enum ub_status status = full->t->store.ops->write(full->t->bucket, &write, NULL, NULL);
        full->ok += status == UB_OK;
        full->refused += status == UB_EUNAVAILABLE;
        full->other += status != UB_OK && status != UB_EUNAVAILABLE;
        full->refused_ms += status == UB_EUNAVAILABLE ? case_now_ms() - began_ms : 0;
    }
}

static void full_queue_answers_at_once(struct kv_test *t)
{
    static struct full full;
    full.t = t;
    case_threads(FULL_THREADS, write_much, &full);
    expect_int(full.other, 0);
    expect(full.ok > 0);
    if (full.refused == 0) {
        fail("%d threads at a queue of one, and nobody was refused", FULL_THREADS);
    }
    if (full.refused_ms / full.refused > 20) {
        fail("a refusal took %" PRId64 " ms on average: it is not at once",
             full.refused_ms / full.refused);
    }
    kv_put(t, t->bucket, "after", "v");
}

static void default_queue_serves_64(struct kv_test *t)
{
    static struct full full;
    full.t = t;
    case_threads(FULL_THREADS, write_much, &full);
    expect_int(full.other, 0);
    expect_int(full.refused, 0);
}

/* ---- closing while others wait ----------------------------------------------------------------
 */

struct closing {
    struct kv_test *t;
    struct ub_kv_bucket *handle;
    _Atomic int failed;
};

static void open_and_close_or_use(void *arg, size_t number)
{
    struct closing *closing = arg;
    for (int i = 0; i < 30; i++) {
        if (number % 2 == 0) {
            struct ub_kv_bucket *own = kv_bucket(closing->t, "main", 0);
            closing->t->store.ops->bucket_close(closing->t->store.self, &own);
        } else {
            const struct ub_kv_write write = kv_write_of(closing->handle, UB_KV_PUT, "k", "v", 0);
            closing->failed +=
                closing->t->store.ops->write(closing->handle, &write, NULL, NULL) != UB_OK;
        }
    }
}

static void bucket_close_while_calls_wait(struct kv_test *t)
{
    static struct closing closing;
    closing.t = t;
    closing.handle = t->bucket;
    case_threads(16, open_and_close_or_use, &closing);
    expect_int(closing.failed, 0);
    kv_expect(t, t->bucket, "k", "v");
}

const struct check_case kv_border_cases[] = {
    KV_CASE(older_caps_are_not_overrun, "caps writes no further than the caller's struct"),
    KV_CASE(newer_caps_are_filled, "a longer struct gets what the provider knows"),
    KV_CASE(value_struct_too_short_is_refused, "a value that cannot hold its owner is invalid"),
    KV_CASE(newer_value_struct_is_filled, "a longer value gets what the provider knows"),
    KV_CASE(options_of_another_size, "options of a newer and of an older caller"),
    {.name = "full_queue_answers_at_once",
     .doc = "queue_max = 1 under 64 writers: \"unavailable\", within 20 ms",
     .kv = full_queue_answers_at_once,
     .set = "queue_max=1"},
    KV_CASE(default_queue_serves_64, "as configured by default, 64 writers are served"),
    KV_CASE(bucket_close_while_calls_wait, "closing a handle disturbs no other"),
    {.name = NULL},
};
