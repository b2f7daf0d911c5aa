/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "room.h"
#include "list.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/statvfs.h>

/* Left free for the others on this file system: the logs, the key-value store. */
#define KEEP_FREE_BYTES ((int64_t)16 * 1024 * 1024)

static bool add_one(void *arg, const struct ub_blob_hash *hash, const struct ub_blob_stat *stat)
{
    (void)hash;
    *(int64_t *)arg += stat->length;
    return true;
}

enum ub_status blobfs_room_count(struct blobfs *store, struct ub_err *err)
{
    store->total = 0;
    return store->settings->max_total > 0 ? blobfs_list(store, NULL, add_one, &store->total, err)
                                          : UB_OK;
}

static enum ub_status fail_total(struct blobfs *store, struct ub_err *err)
{
    return ub_fail(err, UB_ELIMIT,
                   "all blobs together would exceed %" PRId64
                   " bytes (max_total): remove some, or raise the limit",
                   store->settings->max_total);
}

static bool has_total(const struct blobfs *store, int64_t bytes)
{
    int64_t max = store->settings->max_total;
    return max == 0 || bytes <= max - store->total;
}

enum ub_status blobfs_room_check(struct blobfs *store, int64_t item_bytes, struct ub_err *err)
{
    struct statvfs vfs;
    int64_t item_max = store->max_item;
    if (item_bytes > item_max) {
        return ub_fail(err, UB_ELIMIT,
                       "a blob of %" PRId64 " bytes exceeds the limit of %" PRId64
                       " bytes (max_item)",
                       item_bytes, item_max);
    }
    pthread_mutex_lock(&store->lock);
    bool is_within = has_total(store, item_bytes);
    pthread_mutex_unlock(&store->lock);
    if (!is_within) {
        return fail_total(store, err);
    }
    if (fstatvfs(store->home.base.dir_fd, &vfs) != 0) {
        return ubs_trouble_errno(&store->trouble, false, "examine", "the file system", err);
    }
    if ((uint64_t)vfs.f_bavail < (uint64_t)(item_bytes + KEEP_FREE_BYTES) / vfs.f_frsize) {
        errno = ENOSPC;
        return ubs_trouble_errno(&store->trouble, false, "take", "a blob", err);
    }
    return UB_OK;
}

enum ub_status blobfs_room_take(struct blobfs *store, int64_t bytes, struct ub_err *err)
{
    pthread_mutex_lock(&store->lock);
    bool is_within = has_total(store, bytes);
    if (is_within) {
        store->total += bytes;
    }
    pthread_mutex_unlock(&store->lock);
    return is_within ? UB_OK : fail_total(store, err);
}

void blobfs_room_give_locked(struct blobfs *store, int64_t bytes)
{
    store->total -= bytes;
}

void blobfs_room_give(struct blobfs *store, int64_t bytes)
{
    pthread_mutex_lock(&store->lock);
    blobfs_room_give_locked(store, bytes);
    pthread_mutex_unlock(&store->lock);
}
