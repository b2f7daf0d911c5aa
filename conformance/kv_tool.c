/* SPDX-License-Identifier: Apache-2.0 */
#include "kv_tool.h"

#include <time.h>

#include <unibus/error.h>

struct ub_bytes kv_bytes(const char *text)
{
    return (struct ub_bytes){(const uint8_t *)text, strlen(text)};
}

struct ub_kv_key kv_key(const char *text)
{
    struct ub_kv_key key = {0};
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, "/");
        expect(key.count < UB_KV_SEGMENTS_MAX);
        key.segments[key.count++] = (struct ub_bytes){(const uint8_t *)text, len};
        text += len + (text[len] == '/');
    }
    return key;
}

const char *kv_key_text(const struct ub_kv_key *key, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < key->count && len < size; i++) {
        len += (size_t)snprintf(out + len, size - len, "%s%.*s", i > 0 ? "/" : "",
                                (int)key->segments[i].len, (const char *)key->segments[i].ptr);
    }
    return out;
}

static enum ub_status open_bucket(const struct kv_test *t, const char *name, int64_t ttl_ms,
                                  struct ub_kv_bucket **bucket_out, struct ub_err *err)
{
    char salted[40];
    const struct ub_kv_bucket_options options = {sizeof(options), ttl_ms};
    snprintf(salted, sizeof(salted), "%s-%08x", name, t->salt);
    *bucket_out = NULL;
    return t->store.ops->bucket_open(t->store.self, salted, &options, bucket_out, err);
}

enum ub_status kv_try_bucket(struct kv_test *t, const char *name, int64_t ttl_ms,
                             struct ub_kv_bucket **bucket_out)
{
    t->err = (struct ub_err)UB_ERR_INIT;
    return open_bucket(t, name, ttl_ms, bucket_out, &t->err);
}

/* Cases call it on many threads: the error is its own. */
struct ub_kv_bucket *kv_bucket(const struct kv_test *t, const char *name, int64_t ttl_ms)
{
    struct ub_kv_bucket *bucket = NULL;
    struct ub_err err = UB_ERR_INIT;
    if (open_bucket(t, name, ttl_ms, &bucket, &err) != UB_OK) {
        fail("bucket_open %s: %s", name, err.message);
    }
    return bucket;
}

void kv_shut(struct kv_test *t)
{
    subject_shut(t->subject);
}

void kv_open(struct kv_test *t)
{
    subject_start(t->subject);
    t->store.ops = subject_ops(t->subject, UB_KV_IFACE);
    t->store.self = kit_module_self(t->subject->modules, 0);
    t->bucket = kv_bucket(t, "main", 0);
}

void kv_reopen(struct kv_test *t)
{
    kv_shut(t);
    kv_open(t);
}

void kv_advance(struct kv_test *t, int64_t ms)
{
    subject_advance(t->subject, ms);
}

struct ub_kv_caps kv_caps(struct kv_test *t)
{
    struct ub_kv_caps caps = {.size = sizeof(caps)};
    t->store.ops->caps(t->store.self, &caps);
    return caps;
}

int64_t kv_deletions_max(struct kv_test *t)
{
    if (!subject_has_setting(t->subject, "deletions_max")) {
        case_skip("it has no setting deletions_max, so when a watch is too old is not known");
    }
    return SUBJECT_DELETIONS_MAX;
}

enum ub_status kv_try(struct kv_test *t, struct ub_kv_bucket *bucket, enum ub_kv_verb verb,
                      const struct ub_kv_key *key, struct ub_bytes value, int64_t expected,
                      int64_t *revision_out)
{
    const struct ub_kv_write write = {
        .bucket = bucket, .verb = verb, .key = *key, .value = value, .expected = expected};
    int64_t revision = 0;
    t->err = (struct ub_err)UB_ERR_INIT;
    enum ub_status status = t->store.ops->write(bucket, &write, &revision, &t->err);
    if (revision_out != NULL) {
        *revision_out = status == UB_OK ? revision : 0;
    }
    return status;
}

enum ub_status kv_try_text(struct kv_test *t, enum ub_kv_verb verb, const char *key,
                           const char *value, int64_t expected)
{
    struct ub_kv_key k = kv_key(key);
    return kv_try(t, t->bucket, verb, &k, kv_bytes(value), expected, NULL);
}

static int64_t must(struct kv_test *t, struct ub_kv_bucket *bucket, enum ub_kv_verb verb,
                    const char *key, const char *value)
{
    int64_t revision;
    struct ub_kv_key k = kv_key(key);
    if (kv_try(t, bucket, verb, &k, kv_bytes(value), 0, &revision) != UB_OK) {
        fail("verb %d of %s: %s", (int)verb, key, t->err.message);
    }
    return revision;
}

int64_t kv_put(struct kv_test *t, struct ub_kv_bucket *bucket, const char *key, const char *value)
{
    return must(t, bucket, UB_KV_PUT, key, value);
}

int64_t kv_delete(struct kv_test *t, struct ub_kv_bucket *bucket, const char *key)
{
    return must(t, bucket, UB_KV_DELETE, key, "");
}

struct ub_kv_write kv_write_of(struct ub_kv_bucket *bucket, enum ub_kv_verb verb, const char *key,
                               const char *value, int64_t expected)
{
    return (struct ub_kv_write){bucket, verb, kv_key(key), kv_bytes(value), expected};
}

bool kv_can_cross(struct kv_test *t)
{
    return (kv_caps(t).flags & UB_KV_BATCH_STORE) != 0;
}

int64_t kv_revision(struct kv_test *t, struct ub_kv_bucket *bucket)
{
    int64_t revision = -1;
    expect_int(t->store.ops->revision(bucket, &revision, &t->err), UB_OK);
    return revision;
}

int64_t kv_expect(struct kv_test *t, struct ub_kv_bucket *bucket, const char *key,
                  const char *value)
{
    struct ub_kv_value got = {.size = sizeof(got)};
    struct ub_kv_key k = kv_key(key);
    t->err = (struct ub_err)UB_ERR_INIT;
    enum ub_status status = t->store.ops->get(bucket, &k, UB_KV_NEWEST, &got, &t->err);
    if (value == NULL) {
        if (status != UB_ENOTFOUND) {
            fail("get %s answers \"%s\", not \"not found\"", key, ub_status_name(status));
        }
        return 0;
    }
    if (status != UB_OK) {
        fail("get %s: %s", key, t->err.message);
    }
    if (got.bytes.len != strlen(value) || memcmp(got.bytes.ptr, value, got.bytes.len) != 0) {
        fail("get %s answers \"%.*s\", not \"%s\"", key, (int)got.bytes.len,
             (const char *)got.bytes.ptr, value);
    }
    t->store.ops->value_free(t->store.self, &got);
    return got.revision;
}

struct list_text {
    char text[8192];
};

static bool add_key(void *arg, const struct ub_kv_entry *entry)
{
    struct list_text *list = arg;
    char key[512];
    size_t len = strlen(list->text);
    snprintf(list->text + len, sizeof(list->text) - len, "%s%s", len > 0 ? " " : "",
             kv_key_text(&entry->key, key, sizeof(key)));
    return true;
}

void kv_expect_list(struct kv_test *t, struct ub_kv_bucket *bucket, const char *prefix,
                    const char *after, size_t limit, const char *keys)
{
    struct list_text list = {{0}};
    struct ub_kv_key p = kv_key(prefix), a = kv_key(after);
    enum ub_status status = t->store.ops->list(bucket, &p, &a, limit, add_key, &list, &t->err);
    if (status != UB_OK) {
        fail("list: %s", t->err.message);
    }
    if (strcmp(list.text, keys) != 0) {
        fail("list of \"%s\" after \"%s\" gives \"%s\", not \"%s\"", prefix, after, list.text,
             keys);
    }
}

/* ---- watches ----------------------------------------------------------------------------------
 */

static void on_event(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct kv_seen *seen = arg;
    if (atomic_load(&seen->is_over)) {
        fail("a watch callback runs after unwatch has returned");
    }
    int64_t delay_ms = atomic_load(&seen->delay_ms);
    if (delay_ms > 0) {
        nanosleep(&(struct timespec){.tv_nsec = delay_ms * 1000000}, NULL);
    }
    pthread_mutex_lock(&seen->lock);
    if (seen->count < sizeof(seen->events) / sizeof(seen->events[0])) {
        struct kv_seen_event *e = &seen->events[seen->count++];
        *e = (struct kv_seen_event){.event = event};
        if (entry != NULL) {
            e->revision = entry->revision;
            e->is_deletion = entry->is_deletion;
            e->segments = entry->key.count;
            for (uint32_t i = 0; i < entry->key.count; i++) {
                e->key_bytes += entry->key.segments[i].len;
            }
            kv_key_text(&entry->key, e->key, sizeof(e->key));
            snprintf(e->value, sizeof(e->value), "%.*s", (int)entry->value.len,
                     entry->value.len > 0 ? (const char *)entry->value.ptr : "");
        }
    }
    pthread_cond_broadcast(&seen->more);
    pthread_mutex_unlock(&seen->lock);
}

/* Every one of the case, so that they stay reachable for leak checkers. */
static struct kv_seen *watches[4096];
static size_t watch_count;

struct kv_seen *kv_watch(struct kv_test *t, struct ub_kv_bucket *bucket, const char *prefix,
                         int64_t from)
{
    struct kv_seen *seen = case_alloc(1, sizeof(*seen));
    struct ub_kv_key p = kv_key(prefix);
    expect(watch_count < sizeof(watches) / sizeof(watches[0]));
    watches[watch_count++] = seen;
    pthread_mutex_init(&seen->lock, NULL);
    pthread_cond_init(&seen->more, NULL);
    seen->t = t;
    if (t->store.ops->watch(bucket, &p, from, on_event, seen, &seen->watch, &t->err) != UB_OK) {
        fail("watch: %s", t->err.message);
    }
    return seen;
}

void kv_unwatch(struct kv_seen **seen)
{
    (*seen)->t->store.ops->unwatch(&(*seen)->watch);
    expect(((*seen)->watch) == NULL);
    atomic_store(&(*seen)->is_over, true);
    *seen = NULL; /* not freed: a late callback shall find it, and fail the case */
}

static bool wait_for(struct kv_seen *seen, bool (*is_match)(const struct kv_seen_event *, int64_t),
                     int64_t what, size_t count)
{
    struct timespec end;
    size_t matches = 0;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 10;
    pthread_mutex_lock(&seen->lock);
    for (size_t i = 0;;) {
        for (; i < seen->count; i++) {
            matches += is_match(&seen->events[i], what);
        }
        if (matches >= count || pthread_cond_timedwait(&seen->more, &seen->lock, &end) != 0) {
            break;
        }
    }
    pthread_mutex_unlock(&seen->lock);
    return matches >= count;
}

static bool is_event(const struct kv_seen_event *event, int64_t kind)
{
    return (int64_t)event->event == kind;
}

static bool is_revision(const struct kv_seen_event *event, int64_t revision)
{
    return event->event == UB_KV_EVENT_ENTRY && event->revision == revision;
}

bool kv_wait(struct kv_seen *seen, enum ub_kv_event event, size_t count)
{
    return wait_for(seen, is_event, (int64_t)event, count);
}

bool kv_wait_revision(struct kv_seen *seen, int64_t revision)
{
    return wait_for(seen, is_revision, revision, 1);
}

const char *kv_seen_text(struct kv_seen *seen, char *out, size_t size)
{
    static const char *const names[] = {"", "READY", "RESET", "LOST"};
    size_t len = 0;
    out[0] = '\0';
    pthread_mutex_lock(&seen->lock);
    for (size_t i = 0; i < seen->count && len < size; i++) {
        const struct kv_seen_event *e = &seen->events[i];
        const char *gap = i > 0 ? " " : "";
        if (e->event != UB_KV_EVENT_ENTRY) {
            len += (size_t)snprintf(out + len, size - len, "%s%s", gap, names[e->event]);
        } else if (e->is_deletion) {
            len += (size_t)snprintf(out + len, size - len, "%s-%s", gap, e->key);
        } else {
            len += (size_t)snprintf(out + len, size - len, "%s+%s=%s", gap, e->key, e->value);
        }
    }
    pthread_mutex_unlock(&seen->lock);
    return out;
}

void kv_expect_seen(struct kv_seen *seen, const char *text)
{
    char got[4096];
    if (strcmp(kv_seen_text(seen, got, sizeof(got)), text) != 0) {
        fail("the watch has given \"%s\", not \"%s\"", got, text);
    }
}
