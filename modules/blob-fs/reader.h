/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a blob. Who reads it from start to end in order gets its hash checked on the way: the
 * read that reaches the end is UB_EDAMAGED when the content is not what the name says, so use
 * nothing before. Who reads here and there gets unchecked bytes: to check a part costs reading all.
 */
#ifndef BLOBFS_READER_H
#define BLOBFS_READER_H

#include <unibus/blob.h>

/* Of ub_blob_ops. */
enum ub_status blobfs_open(void *self, const struct ub_blob_hash *hash,
                           struct ub_blob_reader **reader_out, struct ub_blob_stat *stat_out,
                           struct ub_err *err);
enum ub_status blobfs_read(struct ub_blob_reader *reader, int64_t offset, void *out,
                           size_t out_size, size_t *read_out, struct ub_err *err);
void blobfs_close(struct ub_blob_reader **reader);

#endif
