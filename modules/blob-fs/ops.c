/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "list.h"
#include "object.h"
#include "reader.h"
#include "writer.h"

const struct ub_blob_ops blobfs_ops = {
    .size = sizeof(struct ub_blob_ops),
    .begin = blobfs_begin,
    .append = blobfs_append,
    .commit = blobfs_commit,
    .abort = blobfs_abort,
    .open = blobfs_open,
    .read = blobfs_read,
    .close = blobfs_close,
    .stat = blobfs_stat,
    .remove = blobfs_remove,
    .list = blobfs_list,
};
