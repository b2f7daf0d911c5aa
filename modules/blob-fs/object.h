/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of a hash: its name, its folder, its facts. */
#ifndef BLOBFS_OBJECT_H
#define BLOBFS_OBJECT_H

#include <sys/stat.h>

#include <unibus/blob.h>

struct blobfs;

#define BLOBFS_HEX_SIZE (2 * UB_BLOB_HASH_BYTES + 1)

/* 64 hexadecimal digits: the first two name the folder, the rest the file. */
struct blobfs_name {
    char hex[BLOBFS_HEX_SIZE];
    char folder[3];
    const char *file; /* into hex */
};

void blobfs_name_of(const struct ub_blob_hash *hash, struct blobfs_name *name_out);
/* The hash whose file is folder/file; false when it is no such name. */
bool blobfs_name_parse(const char *folder, const char *file, struct ub_blob_hash *hash_out);

/* The folder of the name, -1 when it is absent (errno). with_make makes it, durably. */
int blobfs_folder_open(struct blobfs *store, const struct blobfs_name *name, bool with_make);

void blobfs_stat_of(const struct stat *st, struct ub_blob_stat *stat_out);

enum ub_status blobfs_fail_absent(const struct blobfs_name *name, struct ub_err *err);

/* Of ub_blob_ops. */
enum ub_status blobfs_stat(void *self, const struct ub_blob_hash *hash,
                           struct ub_blob_stat *stat_out, struct ub_err *err);
enum ub_status blobfs_remove(void *self, const struct ub_blob_hash *hash, struct ub_err *err);

#endif
