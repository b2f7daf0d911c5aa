/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets: opened once, shared by all who open them, kept until the store stops. */
#ifndef KVSQ_BUCKET_H
#define KVSQ_BUCKET_H

#include <stdatomic.h>

#include <unibus/kv.h>

#include "db.h"

#define KVSQ_BUCKET_NAME_MAX 32

struct ub_kv_bucket {
    struct kvsq *store;
    struct ub_kv_bucket *next;
    char name[KVSQ_BUCKET_NAME_MAX + 1];
    int64_t ttl_ms;
    _Atomic int64_t revision; /* of the last commit */
    /* The writer's thread only: */
    int64_t pending;   /* revision within the transaction */
    int64_t mark;      /* pending at the start of the job */
    int64_t purged;    /* deletions up to this revision are forgotten */
    int64_t deletions; /* rows in `deletion`; never too small */
};

/* What the file keeps of a bucket. */
struct kvsq_bucket_state {
    int64_t ttl_ms, revision, purged;
};
enum ub_status kvsq_bucket_state_read(struct kvsq_db *db, const char *name,
                                      struct kvsq_bucket_state *state_out, struct ub_err *err);

/* Before the commit: writes the state of every bucket that changed and forgets old deletions. */
enum ub_status kvsq_buckets_flush(struct kvsq *store, struct kvsq_db *db, struct ub_err *err);

/* Around a job in the group's transaction; and after the group: */
void kvsq_buckets_mark(struct kvsq *store);
void kvsq_buckets_undo(struct kvsq *store);
void kvsq_buckets_publish(struct kvsq *store);
void kvsq_buckets_forget(struct kvsq *store);
void kvsq_buckets_free(struct kvsq *store);

/* Of ub_kv_ops. */
enum ub_status kvsq_bucket_open(void *self, const char *name,
                                const struct ub_kv_bucket_options *options,
                                struct ub_kv_bucket **bucket_out, struct ub_err *err);
void kvsq_bucket_close(void *self, struct ub_kv_bucket **bucket);
enum ub_status kvsq_bucket_revision(struct ub_kv_bucket *bucket, int64_t *revision_out,
                                    struct ub_err *err);

#endif
