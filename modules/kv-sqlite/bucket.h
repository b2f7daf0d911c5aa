/* SPDX-License-Identifier: Apache-2.0
 *
 * What the file keeps of a bucket, beside its records. */
#ifndef KVSQ_BUCKET_H
#define KVSQ_BUCKET_H

#include "db.h"

struct ubs_kv;
struct ub_kv_bucket;

/* Of ubs_engine. */
enum ub_status kvsq_bucket_read(struct ubs_kv *kv, struct ub_kv_bucket *bucket, struct ub_err *err);
enum ub_status kvsq_bucket_write(struct ubs_kv *kv, struct ub_kv_bucket *bucket,
                                 struct ub_err *err);
enum ub_status kvsq_purge(struct ubs_kv *kv, struct ub_kv_bucket *bucket, int64_t keep,
                          struct ub_err *err);

/* Revision and purged as this connection's view shows them. */
enum ub_status kvsq_bucket_revisions(struct kvsq_db *db, const char *name, int64_t *revision_out,
                                     int64_t *purged_out, struct ub_err *err);

#endif
