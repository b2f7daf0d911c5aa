/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes: one, or a batch, as a job of the writer. */
#ifndef KVLM_WRITE_H
#define KVLM_WRITE_H

#include <unibus/kv.h>

/* Of ub_kv_ops. */
enum ub_status kvlm_write(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                          int64_t *revision_out, struct ub_err *err);
enum ub_status kvlm_batch(void *self, const struct ub_kv_write *writes, size_t count,
                          int64_t *revisions_out, size_t *failed_out, struct ub_err *err);

#endif
