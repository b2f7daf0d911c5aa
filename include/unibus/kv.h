/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.kv 1.0: buckets of keys with revisions. Provided by kv-sqlite (and kv-lmdb, kv-jetstream).
 *
 * The contract is what all three can keep:
 *   - A key is 1 to 8 segments of 1 to 64 bytes, at most 240 bytes in all, any byte value; the
 *     provider encodes. A prefix is whole segments. A value is at most 512 KiB.
 *   - Revision: one counter a bucket; it grows with every put and delete and is never reused.
 *     A key that is absent has revision 0.
 *   - A write that returned UB_OK is on disk (or as durable as `durability` in the capabilities).
 *   - TTL belongs to the bucket; an expired value is never returned; expiry makes no event.
 *   - A damaged record is UB_EDAMAGED with its bucket, key and revision; never a wrong value.
 *   - A full queue or an unhealthy store answers UB_EUNAVAILABLE at once.
 *
 * Threads: every function is thread-safe and may block on the store; never call one on a loop.
 * Watch callbacks run on a thread of the provider, one at a time for each watch.
 */
#ifndef UNIBUS_KV_H
#define UNIBUS_KV_H

#include <unibus/abi.h>

#define UB_KV_IFACE "ub.kv"
#define UB_KV_MAJOR 1
#define UB_KV_MINOR 0

#define UB_KV_SEGMENTS_MAX 8
#define UB_KV_SEGMENT_MAX  64
#define UB_KV_KEY_MAX      240
#define UB_KV_VALUE_MAX    (512 * 1024)
#define UB_KV_BATCH_MAX    256

struct ub_kv_bucket; /* belongs to the provider; open until bucket_close */
struct ub_kv_watch;

/* Segments are borrowed. count 0 is the empty prefix (everything), never a key. */
struct ub_kv_key {
    uint32_t count;
    struct ub_bytes segments[UB_KV_SEGMENTS_MAX];
};

/* Capabilities, told truly. */
#define UB_KV_BATCH_BUCKET 0x1u /* batches within one bucket are atomic */
#define UB_KV_BATCH_STORE  0x2u /* batches across the buckets of this store are atomic */
#define UB_KV_SHARED       0x4u /* other nodes see this store */

struct ub_kv_caps {
    uint32_t size;
    uint32_t flags;
    uint32_t replicas;
    const char *durability; /* "disk", "quorum", "memory" */
};

struct ub_kv_bucket_options {
    uint32_t size;
    int64_t ttl_ms; /* 0 = values do not expire */
};

enum ub_kv_read {
    UB_KV_LOCAL, /* may be old, never goes back */
    UB_KV_NEWEST /* not older than the last write acknowledged anywhere */
};

/* A value that the provider handed out; give it back with value_free. The caller sets `size`; one
 * that is too short to hold it all is UB_EINVAL. */
struct ub_kv_value {
    uint32_t size;
    int64_t revision;
    struct ub_bytes bytes;
    void *owner; /* the provider's */
};

enum ub_kv_verb {
    UB_KV_PUT = 1, /* whatever is there */
    UB_KV_CREATE,  /* UB_EEXISTS when the key is there */
    UB_KV_UPDATE,  /* UB_ECONFLICT unless `expected` is its revision */
    UB_KV_DELETE,  /* UB_ECONFLICT unless expected is 0 (any; absent is UB_OK) or its revision */
    UB_KV_CHECK    /* writes nothing; UB_ECONFLICT unless `expected` is its revision (0 = absent) */
};

struct ub_kv_write {
    struct ub_kv_bucket *bucket;
    enum ub_kv_verb verb;
    struct ub_kv_key key;
    struct ub_bytes value;
    int64_t expected;
};

struct ub_kv_entry {
    struct ub_kv_key key;  /* borrowed until the callback returns */
    struct ub_bytes value; /* likewise; empty for a deletion */
    int64_t revision;
    bool is_deletion;
};

/* Return false to end the listing. */
typedef bool (*ub_kv_list_fn)(void *arg, const struct ub_kv_entry *entry);

enum ub_kv_event {
    UB_KV_EVENT_ENTRY, /* the latest value or the deletion of a key, in revision order; states in
                          between may be skipped */
    UB_KV_EVENT_READY, /* everything up to now has been given */
    UB_KV_EVENT_RESET, /* the revision asked for is too old: everything follows anew */
    UB_KV_EVENT_LOST   /* the heartbeat stopped: what is held may be old; the watch goes on */
};
typedef void (*ub_kv_watch_fn)(void *arg, enum ub_kv_event event, const struct ub_kv_entry *entry);

struct ub_kv_ops {
    uint32_t size;

    /* The caller sets the size; no more than that is filled (sized.h). */
    void (*caps)(void *self, struct ub_kv_caps *caps_out);

    /* name: [a-z0-9-]{1,32}. The options of a bucket that exists must be the same. */
    enum ub_status (*bucket_open)(void *self, const char *name,
                                  const struct ub_kv_bucket_options *options,
                                  struct ub_kv_bucket **bucket_out, struct ub_err *err);
    void (*bucket_close)(void *self, struct ub_kv_bucket **bucket);
    /* The revision of the last write in the bucket. */
    enum ub_status (*revision)(struct ub_kv_bucket *bucket, int64_t *revision_out,
                               struct ub_err *err);

    /* UB_ENOTFOUND when absent or expired. */
    enum ub_status (*get)(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                          enum ub_kv_read read, struct ub_kv_value *value_out, struct ub_err *err);
    void (*value_free)(void *self, struct ub_kv_value *value);

    /* One write; revision_out may be NULL. */
    enum ub_status (*write)(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                            int64_t *revision_out, struct ub_err *err);
    /* All or nothing, in order; 1 to UB_KV_BATCH_MAX writes. A failing precondition is reported
     * with its index in failed_out. UB_EUNSUPPORTED when the buckets reach further than the
     * capabilities. revisions_out: one a write, or NULL; that of the put or deletion, `expected`
     * for a CHECK, 0 for the deletion of an absent key. UB_EUNKNOWN when the commit itself failed,
     * so that only the next start can tell. */
    enum ub_status (*batch)(void *self, const struct ub_kv_write *writes, size_t count,
                            int64_t *revisions_out, size_t *failed_out, struct ub_err *err);

    /* Entries below the prefix (longer than it, not the prefix itself) in key order, strictly after
     * `after` (count 0 = from the start), at most limit (0 = no limit). One consistent view. fn
     * must not call the store: it may hold what that call waits for. UB_EDAMAGED is returned at the
     * end, after the intact entries were given. */
    enum ub_status (*list)(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                           const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn, void *arg,
                           struct ub_err *err);

    /* Changes below the prefix (see list) with revision > from_revision; 0 = what is there now.
     * A damaged record is passed over with LOST. fn may call the store. A slow fn delays no other
     * watch; its own skips states in between and gets LOST or RESET. */
    enum ub_status (*watch)(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                            int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                            struct ub_kv_watch **watch_out, struct ub_err *err);
    /* No callback runs after this returned. Not from within the callback. */
    void (*unwatch)(struct ub_kv_watch **watch);
};

#endif
