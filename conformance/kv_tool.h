/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cases of the ub.kv suite are written with. Functions that should work end the case when
 * they do not; keys are written "a/b" for the segments a and b. */
#ifndef CONFORMANCE_KV_TOOL_H
#define CONFORMANCE_KV_TOOL_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/kv.h>

#include "case.h"
#include "subject.h"

struct kv_store {
    const struct ub_kv_ops *ops;
    void *self;
};

struct kv_test {
    struct subject *subject;
    struct kv_store store;
    struct ub_kv_bucket *bucket; /* "main", without expiry */
    struct ub_err err;           /* of the last call of a kv_try_ function */
    unsigned salt; /* in every bucket's name: a store that is not local is not empty */
};

extern const struct check_case kv_basic_cases[], kv_key_cases[], kv_list_cases[], kv_batch_cases[],
    kv_race_cases[], kv_watch_cases[], kv_life_cases[], kv_expiry_cases[], kv_border_cases[];

/* Fails with the provider's words unless the call that filled t->err answered this. */
#define kv_expect_status(t, got, wanted)                                                           \
    case_expect_status(__FILE__, __LINE__, #got, (got), (wanted), &(t)->err)

struct ub_kv_key kv_key(const char *text);
struct ub_bytes kv_bytes(const char *text);
/* Segments joined by '/'; the buffer belongs to the caller. */
const char *kv_key_text(const struct ub_kv_key *key, char *out, size_t size);

struct ub_kv_bucket *kv_bucket(const struct kv_test *t, const char *name, int64_t ttl_ms);
enum ub_status kv_try_bucket(struct kv_test *t, const char *name, int64_t ttl_ms,
                             struct ub_kv_bucket **bucket_out);
/* Stops the module, starts it on the same data, and opens "main" again. */
void kv_reopen(struct kv_test *t);
/* The two halves. */
void kv_shut(struct kv_test *t);
void kv_open(struct kv_test *t);
/* Moves the store's clock, which else stands still, and lets it do what is due then. */
void kv_advance(struct kv_test *t, int64_t ms);
struct ub_kv_caps kv_caps(struct kv_test *t);
/* After so many deletions in a bucket, a watch from before them gets RESET; skips the case when
 * that is not known. */
int64_t kv_deletions_max(struct kv_test *t);

/* One write; the revision, which is also 0 when the status is not UB_OK. */
enum ub_status kv_try(struct kv_test *t, struct ub_kv_bucket *bucket, enum ub_kv_verb verb,
                      const struct ub_kv_key *key, struct ub_bytes value, int64_t expected,
                      int64_t *revision_out);
enum ub_status kv_try_text(struct kv_test *t, enum ub_kv_verb verb, const char *key,
                           const char *value, int64_t expected);
int64_t kv_put(struct kv_test *t, struct ub_kv_bucket *bucket, const char *key, const char *value);
int64_t kv_delete(struct kv_test *t, struct ub_kv_bucket *bucket, const char *key);
int64_t kv_revision(struct kv_test *t, struct ub_kv_bucket *bucket);

struct ub_kv_write kv_write_of(struct ub_kv_bucket *bucket, enum ub_kv_verb verb, const char *key,
                               const char *value, int64_t expected);
/* The flag UB_KV_BATCH_STORE. */
bool kv_can_cross(struct kv_test *t);

/* The value must be this (NULL = absent); its revision. */
int64_t kv_expect(struct kv_test *t, struct ub_kv_bucket *bucket, const char *key,
                  const char *value);
/* The keys below the prefix must be these, written "a b/c d". */
void kv_expect_list(struct kv_test *t, struct ub_kv_bucket *bucket, const char *prefix,
                    const char *after, size_t limit, const char *keys);

/* What threads share that race, and how their calls were answered. */
struct kv_race {
    struct kv_test *t;
    struct ub_kv_bucket *bucket, *other;
    pthread_mutex_t lock;
    int ok, refused, failed;
};

/* ---- watches ----------------------------------------------------------------------------------
 */

struct kv_seen_event {
    enum ub_kv_event event;
    int64_t revision;
    bool is_deletion;
    char key[128], value[64];
    size_t segments, key_bytes;
};

/* What a watch has said, in order. */
struct kv_seen {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct kv_seen_event events[4096];
    size_t count;
    struct ub_kv_watch *watch;
    struct kv_test *t;
    _Atomic int64_t delay_ms; /* a slow callback */
    _Atomic bool is_over;     /* after unwatch: a callback now fails the case */
};

struct kv_seen *kv_watch(struct kv_test *t, struct ub_kv_bucket *bucket, const char *prefix,
                         int64_t from);
void kv_unwatch(struct kv_seen **seen);
/* Waits until the event number `count` (from 1) of this kind was seen; false after 10 s. */
bool kv_wait(struct kv_seen *seen, enum ub_kv_event event, size_t count);
/* Waits until an entry with this revision was seen. */
bool kv_wait_revision(struct kv_seen *seen, int64_t revision);
void kv_expect_seen(struct kv_seen *seen, const char *text);
/* What was seen as text: "+a/b=v -c READY RESET"; the buffer belongs to the caller. */
const char *kv_seen_text(struct kv_seen *seen, char *out, size_t size);

#endif
