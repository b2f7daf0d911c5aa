/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BLOBFS_LIST_H
#define BLOBFS_LIST_H

#include <unibus/blob.h>

/* Of ub_blob_ops. Holds one folder (1/256 of all) at a time; a blob that comes or goes meanwhile
 * may be in the listing or not. */
enum ub_status blobfs_list(void *self, const struct ub_blob_hash *after, ub_blob_list_fn fn,
                           void *arg, struct ub_err *err);

#endif
