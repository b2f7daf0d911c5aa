/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame of a store with one writer: all of ub.kv but the engine.
 *
 *     caller --job--> writer (writer.c) --commit--> engine --> readers, watches (watch.c)
 *
 * The frame owns keys, conditions, revisions, buckets, expiry, group commit, watches and trouble;
 * the engine keeps records and finds them again. Data flows one way: only the writer's thread
 * writes, and it publishes a bucket's revision after the commit.
 *
 * A module's own struct begins with a struct ubs_kv, so that the `self` of ubs_kv_ops is both. */
#ifndef UBS_KV_H
#define UBS_KV_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/host.h>
#include <unibus/kv.h>

#include <ubs/key.h>
#include <ubs/trouble.h>
#include <ubs/watch.h>

#define UBS_BUCKET_NAME_MAX 32

struct ubs_kv;

/* What is kept under a key. */
struct ubs_record {
    int64_t revision;
    int64_t expires_ms; /* on the store's clock; 0 = never */
    struct ub_bytes value;
};

struct ubs_bucket_state {
    int64_t revision;
    int64_t purged;    /* deletions up to this revision are forgotten */
    int64_t deletions; /* that are kept; never too small */
};

/* Opened once, shared by all who open it, kept until the store stops. */
struct ub_kv_bucket {
    struct ubs_kv *kv;
    struct ub_kv_bucket *next;
    char name[UBS_BUCKET_NAME_MAX + 1];
    uint32_t number; /* the engine's, or 0 */
    int64_t ttl_ms;
    _Atomic int64_t revision; /* of the last commit */
    /* The writer's thread only: */
    bool is_new;                  /* not on disk yet */
    struct ubs_bucket_state now;  /* within the transaction */
    struct ubs_bucket_state mark; /* at the start of the job */
    struct ubs_bucket_state kept; /* of the last commit */
};

struct ubs_list;

/* What the frame asks of an engine. Where nothing else is said: on the writer's thread, within the
 * group's transaction; an error of a function that writes ends the group, and it is rolled back. */
struct ubs_engine {
    /* A group's transaction. commit: UB_EUNKNOWN when only the next start can tell, UB_ELIMIT as
     * below, else nothing was written. rollback comes after every failure, also of begin. */
    enum ub_status (*begin)(struct ubs_kv *kv, struct ub_err *err);
    enum ub_status (*commit)(struct ubs_kv *kv, struct ub_err *err);
    void (*rollback)(struct ubs_kv *kv);
    /* Around a job that may fail after it has written; undo goes back to save. */
    enum ub_status (*save)(struct ubs_kv *kv, struct ub_err *err);
    enum ub_status (*release)(struct ubs_kv *kv, struct ub_err *err);
    enum ub_status (*undo)(struct ubs_kv *kv, struct ub_err *err);
    /* Can the transaction not go on? UB_ELIMIT: it has outgrown its room; after the rollback the
     * frame calls grow and runs the group once more. */
    enum ub_status (*state)(struct ubs_kv *kv);
    /* May be NULL. */
    enum ub_status (*grow)(struct ubs_kv *kv, struct ub_err *err);
    /* Without a transaction, after the callers of a group have their answers. May be NULL. */
    void (*settle)(struct ubs_kv *kv);

    /* Fills in number, ttl_ms and now of a bucket that is kept; UB_ENOTFOUND: it is to be made. */
    enum ub_status (*bucket_read)(struct ubs_kv *kv, struct ub_kv_bucket *bucket,
                                  struct ub_err *err);
    enum ub_status (*bucket_write)(struct ubs_kv *kv, struct ub_kv_bucket *bucket,
                                   struct ub_err *err);
    /* Forgets all but the newest `keep` deletions; sets purged and deletions of now. */
    enum ub_status (*purge)(struct ubs_kv *kv, struct ub_kv_bucket *bucket, int64_t keep,
                            struct ub_err *err);

    /* The record of a key, also an expired one; its value may be left out. UB_ENOTFOUND without
     * words; UB_EDAMAGED is noted. */
    enum ub_status (*find)(struct ub_kv_bucket *bucket, struct ub_bytes code,
                           struct ubs_record *record_out, struct ub_err *err);
    /* Do put and remove need what was there before? Else a put without condition does not look. */
    bool needs_old;
    /* old: what find gave, revision 0 = nothing. */
    enum ub_status (*put)(struct ub_kv_bucket *bucket, struct ub_bytes code,
                          const struct ubs_record *record, const struct ubs_record *old,
                          struct ub_err *err);
    /* Removes the record and keeps the deletion under its revision. */
    enum ub_status (*remove)(struct ub_kv_bucket *bucket, struct ub_bytes code, int64_t revision,
                             const struct ubs_record *old, struct ub_err *err);
    /* Removes at most max records that have expired by now_ms. Once a second. */
    enum ub_status (*sweep)(struct ubs_kv *kv, int64_t now_ms, size_t max, size_t *count_out,
                            struct ub_err *err);

    /* Of a reader. Threads: any. get fills value_out by ubs_value_give; list feeds
     * ubs_list_give. */
    enum ub_status (*get)(struct ub_kv_bucket *bucket, struct ub_bytes code,
                          struct ub_kv_value *value_out, struct ub_err *err);
    enum ub_status (*list)(struct ub_kv_bucket *bucket, struct ubs_list *list, struct ub_err *err);
    ubs_look_fn look; /* watch.h */
};

/* ---- the writer -------------------------------------------------------------------------------
 */

struct ubs_job {
    /* What it wrote is undone unless UB_OK. May run again, when the group had to. */
    enum ub_status (*run)(struct ubs_kv *kv, struct ubs_job *job);
    bool has_steps;     /* it may fail after it has written */
    size_t bytes;       /* about how much it writes */
    struct ub_err *err; /* the caller's, or NULL */
    /* The writer's: */
    struct ubs_job *next, *wakes[2];
    enum ub_status status;
    bool is_done;
    pthread_cond_t done;
};

struct ubs_writer {
    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct ubs_job *first, **end;
    int64_t queued;
    bool is_running, is_stopping, is_sweep_due;
    bool has_failed; /* a write within the group's transaction did */
    struct ub_pool *pool;
    _Atomic int64_t job_count, commit_count;
};

/* Runs the job and waits for the commit. UB_EUNAVAILABLE at once when the queue is full or the
 * store is read-only; UB_EUNKNOWN when the commit itself failed, so that the next start decides.
 * Threads: any but the writer's. */
enum ub_status ubs_writer_do(struct ubs_kv *kv, struct ubs_job *job);

/* ---- the store --------------------------------------------------------------------------------
 */

struct ubs_kv {
    const struct ub_host *host;
    const struct ubs_engine *engine;
    const char *place; /* the file or folder, for messages */
    int64_t queue_max, deletions_max;
    int64_t wall_base_ms, mono_base_ns;
    struct ub_kv_bucket *buckets; /* the writer's thread only */
    struct ubs_trouble trouble;
    struct ubs_writer writer;
    struct ubs_watches watches;
    struct ub_timer *sweep_timer;
    _Atomic int64_t sweep_count; /* records removed */
};

struct ubs_kv_options {
    const struct ub_host *host;
    const struct ubs_engine *engine;
    const struct ubs_trouble_row *rows;
    const char *place;
    int64_t queue_max, deletions_max;
};

/* In the order of a module's life. start: the engine is open. stop: the engine is still open; what
 * is queued is finished, what comes later is UB_EUNAVAILABLE. */
void ubs_kv_init(struct ubs_kv *kv, const struct ubs_kv_options *options);
enum ub_status ubs_kv_start(struct ubs_kv *kv, struct ub_err *err);
void ubs_kv_stop(struct ubs_kv *kv);
void ubs_kv_fini(struct ubs_kv *kv);
/* Writes, commits, sweeps, trouble. */
void ubs_kv_health(struct ubs_kv *kv, const struct ub_health_sink *sink);

/* The interface, with batches across all buckets, on this node's disk. self is a struct ubs_kv. */
extern const struct ub_kv_ops ubs_kv_ops;

/* The store's clock: the wall clock of the start, moved on by the monotonic one, so that a jump of
 * the wall clock neither expires nor revives anything. Unix milliseconds. */
int64_t ubs_kv_now_ms(const struct ubs_kv *kv);
bool ubs_is_expired(const struct ubs_kv *kv, const struct ubs_record *record);

/* ---- for an engine's readers ------------------------------------------------------------------
 */

/* A copy of the record's value, or UB_ENOTFOUND in words when it is NULL or has expired. */
enum ub_status ubs_value_give(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                              const struct ubs_record *record, struct ub_kv_value *value_out,
                              struct ub_err *err);

/* A listing under way. */
struct ubs_list {
    struct ub_kv_bucket *bucket;
    struct ubs_code prefix, after;
    size_t limit, given;
    bool is_ended; /* by the callback or the limit */
    ub_kv_list_fn fn;
    void *arg;
};

/* Listing begins strictly behind this code, and goes on as long as keys are below prefix. */
struct ub_bytes ubs_list_start(const struct ubs_list *list);
/* The next record; an expired one is passed over. Moves `after`, so that a second try goes on. */
void ubs_list_give(struct ubs_list *list, struct ub_bytes code, const struct ubs_record *record);

#endif
