/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tree keeps of a bucket, beside its records. */
#ifndef KVLM_BUCKET_H
#define KVLM_BUCKET_H

#include <ubs/kv.h>

#include "cell.h"

/* Of ubs_engine. */
enum ub_status kvlm_bucket_read(struct ubs_kv *kv, struct ub_kv_bucket *bucket, struct ub_err *err);
enum ub_status kvlm_bucket_write(struct ubs_kv *kv, struct ub_kv_bucket *bucket,
                                 struct ub_err *err);
enum ub_status kvlm_purge(struct ubs_kv *kv, struct ub_kv_bucket *bucket, int64_t keep,
                          struct ub_err *err);

/* As this transaction shows it. */
enum ub_status kvlm_bucket_state_read(struct kvlm_txn *txn, const char *name,
                                      struct ubs_bucket_state *state_out, struct ub_err *err);

/* How many buckets were ever made: the number of the last. */
enum ub_status kvlm_buckets_count_read(struct kvlm_txn *txn, struct ub_err *err);
enum ub_status kvlm_buckets_count_write(struct kvlm_txn *txn, struct ub_err *err);

#endif
