/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a blob: into a temporary file, hashed on the way, renamed when the hash is right. */
#ifndef BLOBFS_WRITER_H
#define BLOBFS_WRITER_H

#include <unibus/blob.h>

/* Of ub_blob_ops. */
enum ub_status blobfs_begin(void *self, int64_t expected_bytes, struct ub_blob_writer **writer_out,
                            struct ub_err *err);
enum ub_status blobfs_append(struct ub_blob_writer *writer, struct ub_bytes bytes,
                             struct ub_err *err);
enum ub_status blobfs_commit(struct ub_blob_writer **writer, const struct ub_blob_hash *hash,
                             struct ub_err *err);
void blobfs_abort(struct ub_blob_writer **writer);

#endif
