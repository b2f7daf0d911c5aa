/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the frame share and engines do not see. */
#ifndef UBS_FRAME_H
#define UBS_FRAME_H

#include <ubs/kv.h>

/* writer.c */
void ubs_writer_init(struct ubs_writer *writer);
void ubs_writer_fini(struct ubs_writer *writer);
enum ub_status ubs_writer_start(struct ubs_kv *kv, struct ub_err *err);
void ubs_writer_stop(struct ubs_kv *kv);
/* Between two groups, remove what has expired. Threads: any; returns at once. */
void ubs_writer_sweep_soon(struct ubs_kv *kv);

/* write.c: of ub_kv_ops */
enum ub_status ubs_write(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                         int64_t *revision_out, struct ub_err *err);
enum ub_status ubs_batch(void *self, const struct ub_kv_write *writes, size_t count,
                         int64_t *revisions_out, size_t *failed_out, struct ub_err *err);

/* bucket.c. flush: before the commit, writes the state of every bucket that changed and forgets old
 * deletions. mark, undo: around a job; publish, forget: after the group. */
enum ub_status ubs_buckets_flush(struct ubs_kv *kv, struct ub_err *err);
void ubs_buckets_mark(struct ubs_kv *kv);
void ubs_buckets_undo(struct ubs_kv *kv);
void ubs_buckets_publish(struct ubs_kv *kv);
void ubs_buckets_forget(struct ubs_kv *kv);
void ubs_buckets_free(struct ubs_kv *kv);
enum ub_status ubs_bucket_open(void *self, const char *name,
                               const struct ub_kv_bucket_options *options,
                               struct ub_kv_bucket **bucket_out, struct ub_err *err);
void ubs_bucket_close(void *self, struct ub_kv_bucket **bucket);
enum ub_status ubs_bucket_revision(struct ub_kv_bucket *bucket, int64_t *revision_out,
                                   struct ub_err *err);

/* read.c: of ub_kv_ops */
enum ub_status ubs_get(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                       enum ub_kv_read read, struct ub_kv_value *value_out, struct ub_err *err);
void ubs_value_free(void *self, struct ub_kv_value *value);
enum ub_status ubs_list(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                        const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn, void *arg,
                        struct ub_err *err);

#endif
