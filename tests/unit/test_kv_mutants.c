/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-sqlite with one rule of ub.kv broken at a time: the suite must see each. */
#include <ctype.h>
#include <pthread.h>
#include <sched.h>

#include <unibus/kv.h>

#include "mutants.h"

extern const struct ub_module unibus_module_kv_sqlite;

static const struct ub_kv_ops *sound(void)
{
    return mutants_inner();
}

/* ---- revisions --------------------------------------------------------------------------------
 */

/* A put after a deletion has the deletion's revision. */
static enum ub_status write_reusing(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                    int64_t *revision_out, struct ub_err *err)
{
    static int64_t last_deletion;
    int64_t revision = 0;
    enum ub_status status = sound()->write(bucket, write, &revision, err);
    if (write->verb == UB_KV_PUT && last_deletion > 0) {
        revision = last_deletion;
    }
    last_deletion = write->verb == UB_KV_DELETE ? revision : 0;
    if (revision_out != NULL) {
        *revision_out = revision;
    }
    return status;
}

static void reuses_a_revision(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_reusing;
}

static enum ub_status revision_of_puts(struct ub_kv_bucket *bucket, int64_t *revision_out,
                                       struct ub_err *err)
{
    enum ub_status status = sound()->revision(bucket, revision_out, err);
    *revision_out -= *revision_out > 0;
    return status;
}

static void revision_is_stale(void *ops)
{
    ((struct ub_kv_ops *)ops)->revision = revision_of_puts;
}

static enum ub_status write_counting_absent(struct ub_kv_bucket *bucket,
                                            const struct ub_kv_write *write, int64_t *revision_out,
                                            struct ub_err *err)
{
    struct ub_kv_write put = *write;
    put.verb = UB_KV_PUT;
    if (write->verb == UB_KV_DELETE && write->expected == 0) {
        sound()->write(bucket, &put, NULL, NULL);
    }
    return sound()->write(bucket, write, revision_out, err);
}

static void deleting_nothing_counts(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_counting_absent;
}

/* ---- conditions -------------------------------------------------------------------------------
 */

static enum ub_status write_creating_over(struct ub_kv_bucket *bucket,
                                          const struct ub_kv_write *write, int64_t *revision_out,
                                          struct ub_err *err)
{
    struct ub_kv_write put = *write;
    put.verb = write->verb == UB_KV_CREATE ? UB_KV_PUT : write->verb;
    return sound()->write(bucket, &put, revision_out, err);
}

static void create_overwrites(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_creating_over;
}

static enum ub_status write_unconditional(struct ub_kv_bucket *bucket,
                                          const struct ub_kv_write *write, int64_t *revision_out,
                                          struct ub_err *err)
{
    struct ub_kv_write put = *write;
    put.verb = write->verb == UB_KV_UPDATE ? UB_KV_PUT : write->verb;
    return sound()->write(bucket, &put, revision_out, err);
}

static void update_ignores_the_revision(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_unconditional;
}

/* Compares and sets, but not in one step. */
static enum ub_status write_racing(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                   int64_t *revision_out, struct ub_err *err)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    if (write->verb != UB_KV_UPDATE) {
        return sound()->write(bucket, write, revision_out, err);
    }
    int64_t there =
        sound()->get(bucket, &write->key, UB_KV_NEWEST, &value, NULL) == UB_OK ? value.revision : 0;
    sound()->value_free(NULL, &value);
    if (there != write->expected) {
        return UB_ECONFLICT;
    }
    sched_yield();
    return write_unconditional(bucket, write, revision_out, err);
}

static void compare_and_set_races(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_racing;
}

static enum ub_status write_deleting_any(struct ub_kv_bucket *bucket,
                                         const struct ub_kv_write *write, int64_t *revision_out,
                                         struct ub_err *err)
{
    struct ub_kv_write any = *write;
    any.expected = write->verb == UB_KV_DELETE ? 0 : write->expected;
    return sound()->write(bucket, &any, revision_out, err);
}

static void delete_ignores_the_revision(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_deleting_any;
}

/* ---- keys and values --------------------------------------------------------------------------
 */

static enum ub_status write_folding(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                    int64_t *revision_out, struct ub_err *err)
{
    struct ub_kv_write folded = *write;
    uint8_t bytes[UB_KV_SEGMENTS_MAX * UB_KV_SEGMENT_MAX];
    uint8_t *at = bytes;
    for (uint32_t i = 0; i < write->key.count && i < UB_KV_SEGMENTS_MAX; i++) {
        struct ub_bytes segment = write->key.segments[i];
        if (segment.len > UB_KV_SEGMENT_MAX) {
            return sound()->write(bucket, write, revision_out, err);
        }
        for (size_t j = 0; j < segment.len; j++) {
            at[j] = (uint8_t)tolower(segment.ptr[j]);
        }
        folded.key.segments[i].ptr = at;
        at += segment.len;
    }
    return sound()->write(bucket, &folded, revision_out, err);
}

static void folds_case(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_folding;
}

/* Segments end at a NUL, as C strings do. */
static enum ub_status write_cutting_at_nul(struct ub_kv_bucket *bucket,
                                           const struct ub_kv_write *write, int64_t *revision_out,
                                           struct ub_err *err)
{
    struct ub_kv_write cut = *write;
    for (uint32_t i = 0; i < write->key.count && i < UB_KV_SEGMENTS_MAX; i++) {
        struct ub_bytes *segment = &cut.key.segments[i];
        size_t len = strnlen((const char *)segment->ptr, segment->len);
        segment->len = len > 0 ? len : segment->len;
    }
    return sound()->write(bucket, &cut, revision_out, err);
}

static void cuts_keys_at_nul(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_cutting_at_nul;
}

static enum ub_status write_truncating(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                       int64_t *revision_out, struct ub_err *err)
{
    struct ub_kv_write cut = *write;
    cut.value.len = cut.value.len > 65535 ? 65535 : cut.value.len;
    return sound()->write(bucket, &cut, revision_out, err);
}

static void truncates_values(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_truncating;
}

static enum ub_status write_clipping(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                     int64_t *revision_out, struct ub_err *err)
{
    struct ub_kv_write cut = *write;
    cut.value.len = cut.value.len > UB_KV_VALUE_MAX ? UB_KV_VALUE_MAX : cut.value.len;
    return sound()->write(bucket, &cut, revision_out, err);
}

static void clips_what_is_too_large(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_clipping;
}

/* ---- expiry -----------------------------------------------------------------------------------
 */

static enum ub_status open_without_ttl(void *self, const char *name,
                                       const struct ub_kv_bucket_options *options,
                                       struct ub_kv_bucket **bucket_out, struct ub_err *err)
{
    struct ub_kv_bucket_options forever = *options;
    forever.ttl_ms = options->ttl_ms > 0 ? 0 : options->ttl_ms;
    return sound()->bucket_open(self, name, &forever, bucket_out, err);
}

static void returns_expired(void *ops)
{
    ((struct ub_kv_ops *)ops)->bucket_open = open_without_ttl;
}

/* ---- listing ----------------------------------------------------------------------------------
 */

static enum ub_status list_without_limit(struct ub_kv_bucket *bucket,
                                         const struct ub_kv_key *prefix,
                                         const struct ub_kv_key *after, size_t limit,
                                         ub_kv_list_fn fn, void *arg, struct ub_err *err)
{
    (void)limit;
    return sound()->list(bucket, prefix, after, 0, fn, arg, err);
}

static void ignores_the_limit(void *ops)
{
    ((struct ub_kv_ops *)ops)->list = list_without_limit;
}

static enum ub_status list_from_start(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                                      const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn,
                                      void *arg, struct ub_err *err)
{
    const struct ub_kv_key start = {0};
    (void)after;
    return sound()->list(bucket, prefix, &start, limit, fn, arg, err);
}

static void ignores_the_page_token(void *ops)
{
    ((struct ub_kv_ops *)ops)->list = list_from_start;
}

struct by_bytes {
    const struct ub_kv_key *prefix;
    ub_kv_list_fn fn;
    void *arg;
};

static bool give_by_bytes(void *arg, const struct ub_kv_entry *entry)
{
    const struct by_bytes *by = arg;
    struct ub_bytes wanted = by->prefix->segments[0], got = entry->key.segments[0];
    bool is_below = got.len >= wanted.len && memcmp(got.ptr, wanted.ptr, wanted.len) == 0 &&
                    (entry->key.count > 1 || got.len > wanted.len);
    return !is_below || by->fn(by->arg, entry);
}

/* Prefix "a" finds "ab/c" too. */
static enum ub_status list_by_bytes(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                                    const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn,
                                    void *arg, struct ub_err *err)
{
    const struct ub_kv_key all = {0};
    struct by_bytes by = {prefix, fn, arg};
    return prefix->count == 1 ? sound()->list(bucket, &all, after, limit, give_by_bytes, &by, err)
                              : sound()->list(bucket, prefix, after, limit, fn, arg, err);
}

static void prefixes_are_bytes(void *ops)
{
    ((struct ub_kv_ops *)ops)->list = list_by_bytes;
}

/* ---- batches ----------------------------------------------------------------------------------
 */

static enum ub_status batch_one_by_one(void *self, const struct ub_kv_write *writes, size_t count,
                                       int64_t *revisions_out, size_t *failed_out,
                                       struct ub_err *err)
{
    enum ub_status status = UB_OK;
    (void)self;
    for (size_t i = 0; i < count && status == UB_OK; i++) {
        int64_t revision = 0;
        status = sound()->write(writes[i].bucket, &writes[i], &revision, err);
        if (revisions_out != NULL) {
            revisions_out[i] = revision;
        }
        if (status != UB_OK && failed_out != NULL) {
            *failed_out = i;
        }
    }
    return status;
}

static void batch_is_not_atomic(void *ops)
{
    ((struct ub_kv_ops *)ops)->batch = batch_one_by_one;
}

static enum ub_status batch_without_checks(void *self, const struct ub_kv_write *writes,
                                           size_t count, int64_t *revisions_out, size_t *failed_out,
                                           struct ub_err *err)
{
    struct ub_kv_write kept[UB_KV_BATCH_MAX];
    size_t kept_count = 0;
    (void)revisions_out;
    for (size_t i = 0; i < count && i < UB_KV_BATCH_MAX; i++) {
        if (writes[i].verb != UB_KV_CHECK) {
            kept[kept_count++] = writes[i];
        }
    }
    return sound()->batch(self, kept, kept_count, NULL, failed_out, err);
}

static void batch_forgets_checks(void *ops)
{
    ((struct ub_kv_ops *)ops)->batch = batch_without_checks;
}

static enum ub_status batch_naming_the_last(void *self, const struct ub_kv_write *writes,
                                            size_t count, int64_t *revisions_out,
                                            size_t *failed_out, struct ub_err *err)
{
    enum ub_status status = sound()->batch(self, writes, count, revisions_out, failed_out, err);
    if (status != UB_OK && failed_out != NULL && count > 0) {
        *failed_out = count - 1;
    }
    return status;
}

static void batch_names_the_wrong_write(void *ops)
{
    ((struct ub_kv_ops *)ops)->batch = batch_naming_the_last;
}

/* ---- flags and sizes --------------------------------------------------------------------------
 */

static void caps_without_store(void *self, struct ub_kv_caps *caps_out)
{
    sound()->caps(self, caps_out);
    caps_out->flags &= ~UB_KV_BATCH_STORE;
}

static void denies_a_flag(void *ops)
{
    ((struct ub_kv_ops *)ops)->caps = caps_without_store;
}

static enum ub_status batch_within_one(void *self, const struct ub_kv_write *writes, size_t count,
                                       int64_t *revisions_out, size_t *failed_out,
                                       struct ub_err *err)
{
    for (size_t i = 1; i < count; i++) {
        if (writes[i].bucket != writes[0].bucket) {
            return UB_EUNSUPPORTED;
        }
    }
    return sound()->batch(self, writes, count, revisions_out, failed_out, err);
}

static void lies_about_a_flag(void *ops)
{
    ((struct ub_kv_ops *)ops)->batch = batch_within_one;
}

static void caps_of_its_own_size(void *self, struct ub_kv_caps *caps_out)
{
    caps_out->size = sizeof(*caps_out);
    sound()->caps(self, caps_out);
}

static void overruns_caps(void *ops)
{
    ((struct ub_kv_ops *)ops)->caps = caps_of_its_own_size;
}

static void free_and_keep(void *self, struct ub_kv_value *value)
{
    struct ub_kv_value copy = *value;
    sound()->value_free(self, &copy);
}

static void value_free_leaves_pointers(void *ops)
{
    ((struct ub_kv_ops *)ops)->value_free = free_and_keep;
}

/* ---- the queue, acknowledgements, reads -------------------------------------------------------
 */

static enum ub_status write_waiting(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                    int64_t *revision_out, struct ub_err *err)
{
    enum ub_status status;
    while ((status = sound()->write(bucket, write, revision_out, err)) == UB_EUNAVAILABLE) {
        sched_yield();
    }
    return status;
}

static void full_queue_blocks(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_waiting;
}

/* Every 20th write is acknowledged and stays in memory. */
static enum ub_status write_forgetting(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                       int64_t *revision_out, struct ub_err *err)
{
    static _Atomic int count;
    if (++count % 20 != 0) {
        return sound()->write(bucket, write, revision_out, err);
    }
    return sound()->revision(bucket, revision_out, err);
}

static void acknowledges_what_it_lost(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_forgetting;
}

static enum ub_status get_going_back(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                                     enum ub_kv_read read, struct ub_kv_value *value_out,
                                     struct ub_err *err)
{
    static _Atomic int count;
    enum ub_status status = sound()->get(bucket, key, read, value_out, err);
    value_out->revision -= ++count % 7 == 0 && value_out->revision > 3 ? 3 : 0;
    return status;
}

static void reads_go_back(void *ops)
{
    ((struct ub_kv_ops *)ops)->get = get_going_back;
}

/* ---- watches ----------------------------------------------------------------------------------
 */

/* One at a time is enough for the cases that kill these. */
struct listener {
    ub_kv_watch_fn fn;
    void *arg;
    int count;
    char held_key[UB_KV_KEY_MAX];
    struct ub_kv_entry held;
    bool is_holding;
};

static struct listener *listener_new(ub_kv_watch_fn fn, void *arg)
{
    static struct listener listeners[512];
    static _Atomic int used;
    struct listener *listener = &listeners[used++ % 512];
    *listener = (struct listener){.fn = fn, .arg = arg};
    return listener;
}

static void lose_every_third(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct listener *l = arg;
    if (event != UB_KV_EVENT_ENTRY || ++l->count % 3 != 0) {
        l->fn(l->arg, event, entry);
    }
}

static void give_deletions_as_values(void *arg, enum ub_kv_event event,
                                     const struct ub_kv_entry *entry)
{
    struct listener *l = arg;
    struct ub_kv_entry changed = entry != NULL ? *entry : (struct ub_kv_entry){0};
    changed.is_deletion = false;
    l->fn(l->arg, event, entry != NULL ? &changed : NULL);
}

static void drop_resets(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct listener *l = arg;
    if (event != UB_KV_EVENT_RESET) {
        l->fn(l->arg, event, entry);
    }
}

static void drop_ready(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct listener *l = arg;
    if (event != UB_KV_EVENT_READY) {
        l->fn(l->arg, event, entry);
    }
}

/* Two neighbours change places. */
static void swap_neighbours(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct listener *l = arg;
    if (event == UB_KV_EVENT_ENTRY && !l->is_holding && l->count++ % 2 == 0) {
        l->held = *entry;
        memcpy(l->held_key, entry->key.segments[0].ptr, entry->key.segments[0].len);
        l->held.key.count = 1;
        l->held.key.segments[0].ptr = (const uint8_t *)l->held_key;
        l->held.value.len = 0;
        l->is_holding = true;
        return;
    }
    l->fn(l->arg, event, entry);
    if (l->is_holding) {
        l->is_holding = false;
        l->fn(l->arg, UB_KV_EVENT_ENTRY, &l->held);
    }
}

#define WATCH_MUTANT(name, callback)                                                               \
    static enum ub_status watch_##name(                                                            \
        struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix, int64_t from_revision,        \
        ub_kv_watch_fn fn, void *arg, struct ub_kv_watch **watch_out, struct ub_err *err)          \
    {                                                                                              \
        return sound()->watch(bucket, prefix, from_revision, callback, listener_new(fn, arg),      \
                              watch_out, err);                                                     \
    }                                                                                              \
    static void name(void *ops)                                                                    \
    {                                                                                              \
        ((struct ub_kv_ops *)ops)->watch = watch_##name;                                           \
    }

WATCH_MUTANT(watch_loses_an_event, lose_every_third)
WATCH_MUTANT(watch_hides_deletions, give_deletions_as_values)
WATCH_MUTANT(watch_hides_resets, drop_resets)
WATCH_MUTANT(watch_is_never_ready, drop_ready)
WATCH_MUTANT(watch_swaps_events, swap_neighbours)

static enum ub_status watch_everything(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                                       int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                                       struct ub_kv_watch **watch_out, struct ub_err *err)
{
    (void)from_revision;
    return sound()->watch(bucket, prefix, 0, fn, arg, watch_out, err);
}

static void watch_ignores_the_revision(void *ops)
{
    ((struct ub_kv_ops *)ops)->watch = watch_everything;
}

static void *late_callback(void *arg)
{
    struct listener *l = arg;
    sched_yield();
    l->fn(l->arg, UB_KV_EVENT_READY, NULL);
    return NULL;
}

static struct listener *latest;

static enum ub_status watch_remembered(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                                       int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                                       struct ub_kv_watch **watch_out, struct ub_err *err)
{
    latest = listener_new(fn, arg);
    return sound()->watch(bucket, prefix, from_revision, fn, arg, watch_out, err);
}

static void unwatch_too_soon(struct ub_kv_watch **watch)
{
    pthread_t thread;
    sound()->unwatch(watch);
    if (pthread_create(&thread, NULL, late_callback, latest) == 0) {
        pthread_detach(thread);
    }
}

static void unwatch_does_not_wait(void *ops)
{
    ((struct ub_kv_ops *)ops)->watch = watch_remembered;
    ((struct ub_kv_ops *)ops)->unwatch = unwatch_too_soon;
}

static enum ub_status write_nothing(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                                    int64_t *revision_out, struct ub_err *err)
{
    static _Atomic int64_t revision;
    int64_t now = ++revision;
    (void)bucket;
    (void)write;
    (void)err;
    if (revision_out != NULL) {
        *revision_out = now;
    }
    return UB_OK;
}

/* Cases that look at answers only would pass. */
static void stores_nothing(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_nothing;
}

/* ---- what is small and easily overlooked ------------------------------------------------------
 */

static enum ub_status write_deleting_absent(struct ub_kv_bucket *bucket,
                                            const struct ub_kv_write *write, int64_t *revision_out,
                                            struct ub_err *err)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_write any = *write;
    if (write->verb == UB_KV_DELETE &&
        sound()->get(bucket, &write->key, UB_KV_NEWEST, &value, NULL) == UB_ENOTFOUND) {
        any.expected = 0;
    }
    sound()->value_free(NULL, &value);
    return sound()->write(bucket, &any, revision_out, err);
}

/* Deleting revision 7 of what is not there is OK. */
static void deletes_any_revision_of_nothing(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_deleting_absent;
}

static enum ub_status write_without_check(struct ub_kv_bucket *bucket,
                                          const struct ub_kv_write *write, int64_t *revision_out,
                                          struct ub_err *err)
{
    return write->verb == UB_KV_CHECK && write->expected == 0
               ? UB_OK
               : sound()->write(bucket, write, revision_out, err);
}

static void absence_is_not_checked(void *ops)
{
    ((struct ub_kv_ops *)ops)->write = write_without_check;
}

static enum ub_status get_with_newest(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                                      enum ub_kv_read read, struct ub_kv_value *value_out,
                                      struct ub_err *err)
{
    enum ub_status status = sound()->get(bucket, key, read, value_out, err);
    return status == UB_OK ? sound()->revision(bucket, &value_out->revision, err) : status;
}

static void get_tells_the_buckets_revision(void *ops)
{
    ((struct ub_kv_ops *)ops)->get = get_with_newest;
}

static enum ub_status open_by_one_ttl(void *self, const char *name,
                                      const struct ub_kv_bucket_options *options,
                                      struct ub_kv_bucket **bucket_out, struct ub_err *err)
{
    struct ub_kv_bucket_options other = *options;
    enum ub_status status = sound()->bucket_open(self, name, options, bucket_out, NULL);
    other.ttl_ms = options->ttl_ms > 0 ? 0 : 60000;
    return status == UB_EINVAL && options->ttl_ms >= 0
               ? sound()->bucket_open(self, name, &other, bucket_out, err)
               : status;
}

static void opens_with_another_ttl(void *ops)
{
    ((struct ub_kv_ops *)ops)->bucket_open = open_by_one_ttl;
}

static enum ub_status batch_backwards(void *self, const struct ub_kv_write *writes, size_t count,
                                      int64_t *revisions_out, size_t *failed_out,
                                      struct ub_err *err)
{
    struct ub_kv_write turned[UB_KV_BATCH_MAX];
    if (count < 2 || count > UB_KV_BATCH_MAX) {
        return sound()->batch(self, writes, count, revisions_out, failed_out, err);
    }
    for (size_t i = 0; i < count; i++) {
        turned[i] = writes[count - 1 - i];
    }
    return sound()->batch(self, turned, count, revisions_out, failed_out, err);
}

static void batch_is_applied_backwards(void *ops)
{
    ((struct ub_kv_ops *)ops)->batch = batch_backwards;
}

static enum ub_status batch_creating_over(void *self, const struct ub_kv_write *writes,
                                          size_t count, int64_t *revisions_out, size_t *failed_out,
                                          struct ub_err *err)
{
    struct ub_kv_write puts[UB_KV_BATCH_MAX];
    for (size_t i = 0; i < count && i < UB_KV_BATCH_MAX; i++) {
        puts[i] = writes[i];
        puts[i].verb = writes[i].verb == UB_KV_CREATE ? UB_KV_PUT : writes[i].verb;
    }
    return count <= UB_KV_BATCH_MAX
               ? sound()->batch(self, puts, count, revisions_out, failed_out, err)
               : sound()->batch(self, writes, count, revisions_out, failed_out, err);
}

static void batch_creates_over(void *ops)
{
    ((struct ub_kv_ops *)ops)->batch = batch_creating_over;
}

/* The prefix is a key too, and stands before what is below it. */
static enum ub_status list_with_prefix(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                                       const struct ub_kv_key *after, size_t limit,
                                       ub_kv_list_fn fn, void *arg, struct ub_err *err)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    if (prefix->count > 0 && after->count == 0 &&
        sound()->get(bucket, prefix, UB_KV_LOCAL, &value, NULL) == UB_OK) {
        const struct ub_kv_entry own = {
            .key = *prefix, .value = value.bytes, .revision = value.revision};
        fn(arg, &own);
        sound()->value_free(NULL, &value);
    }
    return sound()->list(bucket, prefix, after, limit, fn, arg, err);
}

static void list_gives_the_prefix_itself(void *ops)
{
    ((struct ub_kv_ops *)ops)->list = list_with_prefix;
}

static bool go_on(void *arg, const struct ub_kv_entry *entry)
{
    const struct by_bytes *by = arg;
    by->fn(by->arg, entry);
    return true;
}

static enum ub_status list_to_the_end(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                                      const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn,
                                      void *arg, struct ub_err *err)
{
    struct by_bytes by = {prefix, fn, arg};
    return sound()->list(bucket, prefix, after, limit, go_on, &by, err);
}

static void callback_cannot_end_the_listing(void *ops)
{
    ((struct ub_kv_ops *)ops)->list = list_to_the_end;
}

static void give_twice(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct listener *l = arg;
    l->fn(l->arg, event, entry);
    if (event == UB_KV_EVENT_ENTRY) {
        l->fn(l->arg, event, entry);
    }
}

/* READY comes before the first entry, which was there already. */
static void ready_first(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    struct listener *l = arg;
    if (l->count++ == 0 && event == UB_KV_EVENT_ENTRY) {
        l->fn(l->arg, UB_KV_EVENT_READY, NULL);
        l->is_holding = true;
    }
    if (event != UB_KV_EVENT_READY || !l->is_holding) {
        l->fn(l->arg, event, entry);
    }
}

WATCH_MUTANT(watch_gives_twice, give_twice)
WATCH_MUTANT(watch_is_ready_too_soon, ready_first)

static const struct mutant mutants[] = {
    {"reuses_a_revision",
     reuses_a_revision,
     {"deletions_take_revisions", "reopen_never_gives_a_revision_back"}},
    {"revision_is_stale", revision_is_stale, {"delete_removes", "delete_twice"}},
    {"deleting_nothing_counts",
     deleting_nothing_counts,
     {"delete_of_absent_changes_nothing", "delete_twice"}},
    {"create_overwrites", create_overwrites, {"create_only_once", "one_of_64_creates"}},
    {"update_ignores_the_revision",
     update_ignores_the_revision,
     {"update_needs_the_revision", "one_of_32_updates"}},
    {"compare_and_set_races",
     compare_and_set_races,
     {"cas_race_of_16_threads", "one_of_32_updates"}},
    {"delete_ignores_the_revision",
     delete_ignores_the_revision,
     {"delete_with_revision", "delete_race_has_one_winner"}},
    {"folds_case", folds_case, {"keys_that_look_alike_differ", "every_byte_is_a_segment"}},
    {"cuts_keys_at_nul",
     cuts_keys_at_nul,
     {"keys_with_nul_bytes", "hostile_keys_sort_by_segments"}},
    {"truncates_values", truncates_values, {"value_of_512_kib", "values_around_pages"}},
    {"clips_what_is_too_large", clips_what_is_too_large, {"value_of_512_kib_and_1"}},
    {"returns_expired",
     returns_expired,
     {"value_expires", "expired_is_in_no_read", "many_expire_together"}},
    {"ignores_the_limit", ignores_the_limit, {"limit_is_kept", "pages_cover_everything"}},
    {"ignores_the_page_token",
     ignores_the_page_token,
     {"list_after", "pages_are_stable_under_writes"}},
    {"prefixes_are_bytes", prefixes_are_bytes, {"prefix_is_whole_segments"}},
    {"batch_is_not_atomic",
     batch_is_not_atomic,
     {"failed_batch_changes_nothing", "readers_see_whole_batches"}},
    {"batch_forgets_checks", batch_forgets_checks, {"check_guards_a_batch"}},
    {"batch_names_the_wrong_write",
     batch_names_the_wrong_write,
     {"batch_names_the_first_that_fails"}},
    {"denies_a_flag", denies_a_flag, {"batch_store_flag_is_true"}},
    {"lies_about_a_flag", lies_about_a_flag, {"batch_store_flag_is_true", "batch_across_buckets"}},
    {"overruns_caps", overruns_caps, {"older_caps_are_not_overrun"}},
    {"value_free_leaves_pointers", value_free_leaves_pointers, {"value_is_the_callers"}},
    {"full_queue_blocks", full_queue_blocks, {"full_queue_answers_at_once"}},
    {"acknowledges_what_it_lost",
     acknowledges_what_it_lost,
     {"kill_9_loses_nothing_acknowledged", "writers_64_at_once"}},
    {"reads_go_back", reads_go_back, {"reads_never_go_back"}},
    {"watch_loses_an_event",
     watch_loses_an_event,
     {"watch_gives_what_is_there", "watch_while_many_write"}},
    {"watch_hides_deletions", watch_hides_deletions, {"watch_gives_what_comes"}},
    {"watch_hides_resets", watch_hides_resets, {"watch_is_reset_when_too_old"}},
    {"watch_is_never_ready", watch_is_never_ready, {"watch_of_nothing_is_ready"}},
    {"watch_swaps_events", watch_swaps_events, {"watch_gives_what_is_there"}},
    {"watch_ignores_the_revision",
     watch_ignores_the_revision,
     {"watch_from_a_revision", "watch_from_now"}},
    {"unwatch_does_not_wait", unwatch_does_not_wait, {"no_event_after_unwatch"}},
    {"stores_nothing", stores_nothing, {"keys_like_paths", "keys_that_look_alike_differ"}},
    {"stores_nothing, once more",
     stores_nothing,
     {"longest_keys_differ_in_the_last_byte", "readers_beside_writers", "reads_never_go_back"}},
    {"stores_nothing, and again",
     stores_nothing,
     {"many_expire_together", "unwatch_while_many_write", "unwatch_waits_for_the_callback"}},
    {"deletes_any_revision_of_nothing", deletes_any_revision_of_nothing, {"delete_with_revision"}},
    {"absence_is_not_checked", absence_is_not_checked, {"check_writes_nothing"}},
    {"get_tells_the_buckets_revision",
     get_tells_the_buckets_revision,
     {"revision_belongs_to_the_key"}},
    {"opens_with_another_ttl", opens_with_another_ttl, {"bucket_keeps_its_options"}},
    {"batch_is_applied_backwards", batch_is_applied_backwards, {"batch_is_applied_in_order"}},
    {"batch_creates_over", batch_creates_over, {"batch_names_the_first_that_fails"}},
    {"list_gives_the_prefix_itself", list_gives_the_prefix_itself, {"prefix_is_whole_segments"}},
    {"callback_cannot_end_the_listing",
     callback_cannot_end_the_listing,
     {"callback_ends_the_listing"}},
    {"watch_gives_twice", watch_gives_twice, {"watch_gives_what_is_there"}},
    {"watch_is_ready_too_soon", watch_is_ready_too_soon, {"watch_gives_what_is_there"}},
};

int main(void)
{
    return mutants_run(&kv_suite, &unibus_module_kv_sqlite, NULL, sizeof(struct ub_kv_ops), mutants,
                       sizeof(mutants) / sizeof(mutants[0]));
}
