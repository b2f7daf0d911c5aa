/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets: opened once, shared by all who open them, kept until the store stops. */
#ifndef KVLM_BUCKET_H
#define KVLM_BUCKET_H

#include <stdatomic.h>

#include <unibus/kv.h>

#include "cell.h"

#define KVLM_BUCKET_NAME_MAX 32

struct kvlm_bucket_state {
    int64_t revision;
    int64_t purged;    /* deletions up to this revision are forgotten */
    int64_t deletions; /* entries of kind DELETION */
};

struct ub_kv_bucket {
    struct kvlm *store;
    struct ub_kv_bucket *next;
    char name[KVLM_BUCKET_NAME_MAX + 1];
    uint32_t number; /* in places */
    int64_t ttl_ms;
    _Atomic int64_t revision; /* of the last commit */
    /* The writer's thread only: */
    bool is_new;                   /* not in the file yet */
    struct kvlm_bucket_state now;  /* within the transaction */
    struct kvlm_bucket_state mark; /* at the start of the job */
    struct kvlm_bucket_state kept; /* of the last commit */
};

/* What the file says. */
enum ub_status kvlm_bucket_state_read(struct kvlm_txn *txn, const char *name,
                                      struct kvlm_bucket_state *state_out, struct ub_err *err);

/* How many buckets were ever made: the number of the last. */
enum ub_status kvlm_buckets_count_read(struct kvlm_txn *txn, struct ub_err *err);
enum ub_status kvlm_buckets_count_write(struct kvlm_txn *txn, struct ub_err *err);

/* Before the commit: writes the state of every bucket that changed and forgets old deletions. */
enum ub_status kvlm_buckets_flush(struct kvlm_txn *txn, struct ub_err *err);

/* Around a job in the group's transaction; and after the group: */
void kvlm_buckets_mark(struct kvlm *store);
void kvlm_buckets_undo(struct kvlm *store);
void kvlm_buckets_publish(struct kvlm *store);
void kvlm_buckets_forget(struct kvlm *store);
void kvlm_buckets_free(struct kvlm *store);

/* Of ub_kv_ops. */
enum ub_status kvlm_bucket_open(void *self, const char *name,
                                const struct ub_kv_bucket_options *options,
                                struct ub_kv_bucket **bucket_out, struct ub_err *err);
void kvlm_bucket_close(void *self, struct ub_kv_bucket **bucket);
enum ub_status kvlm_bucket_revision(struct ub_kv_bucket *bucket, int64_t *revision_out,
                                    struct ub_err *err);

#endif
