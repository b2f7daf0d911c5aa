/* SPDX-License-Identifier: Apache-2.0
 *
 * One store of blobs: files named by their hash, `<dir>/ab/cdef...`; what is being written lies in
 * `<dir>/tmp`. No name ever comes from a caller's text, only from the 32 bytes of a hash. */
#ifndef BLOBFS_STORE_H
#define BLOBFS_STORE_H

#include <pthread.h>

#include <unibus/blob.h>
#include <unibus/error.h>
#include <unibus/module.h>

#include <ubs/trouble.h>

#include "home.h"

struct blobfs_settings {
    const char *dir;
    int64_t max_item, max_total;
};

struct blobfs {
    const struct ub_host *host;
    const struct blobfs_settings *settings;
    _Atomic int64_t max_item; /* bytes; a reload may change it */
    struct blobfs_home home;
    struct ubs_trouble trouble;
    pthread_mutex_t lock;
    int64_t total; /* bytes of all files, under lock; only with max_total */
    bool is_open;
};

extern const struct ub_blob_ops blobfs_ops;

#endif
