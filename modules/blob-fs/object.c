/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "object.h"
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <sodium.h>

#include <unibus/sized.h>

void blobfs_name_of(const struct ub_blob_hash *hash, struct blobfs_name *name_out)
{
    sodium_bin2hex(name_out->hex, sizeof(name_out->hex), hash->bytes, sizeof(hash->bytes));
    memcpy(name_out->folder, name_out->hex, 2);
    name_out->folder[2] = '\0';
    name_out->file = name_out->hex + 2;
}

bool blobfs_name_parse(const char *folder, const char *file, struct ub_blob_hash *hash_out)
{
    char hex[BLOBFS_HEX_SIZE];
    struct blobfs_name name;
    size_t len = 0;
    if (strlen(folder) != 2 || strlen(file) != BLOBFS_HEX_SIZE - 3) {
        return false;
    }
    snprintf(hex, sizeof(hex), "%s%s", folder, file);
    if (sodium_hex2bin(hash_out->bytes, sizeof(hash_out->bytes), hex, BLOBFS_HEX_SIZE - 1, NULL,
                       &len, NULL) != 0 ||
        len != UB_BLOB_HASH_BYTES) {
        return false;
    }
    blobfs_name_of(hash_out, &name); /* only the one spelling */
    return strcmp(name.hex, hex) == 0;
}

int blobfs_folder_open(struct blobfs *store, const struct blobfs_name *name, bool with_make)
{
    int dir_fd = store->home.base.dir_fd;
    if (with_make && mkdirat(dir_fd, name->folder, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    /* Also when it was there: who made it may not have come to the fsync yet. */
    if (with_make && fsync(dir_fd) != 0) {
        return -1;
    }
    return openat(dir_fd, name->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

void blobfs_stat_of(const struct stat *st, struct ub_blob_stat *stat_out)
{
    const struct ub_blob_stat own = {sizeof(own), st->st_size,
                                     (int64_t)st->st_mtim.tv_sec * 1000 +
                                         st->st_mtim.tv_nsec / 1000000};
    ub_sized_give(stat_out, &own, sizeof(own));
}

enum ub_status blobfs_fail_absent(const struct blobfs_name *name, struct ub_err *err)
{
    return ub_fail(err, UB_ENOTFOUND, "no blob %s", name->hex);
}

static enum ub_status fail_open(struct blobfs *store, const struct blobfs_name *name,
                                struct ub_err *err)
{
    return errno == ENOENT ? blobfs_fail_absent(name, err)
                           : ubs_trouble_errno(&store->trouble, false, "find", name->hex, err);
}

enum ub_status blobfs_stat(void *self, const struct ub_blob_hash *hash,
                           struct ub_blob_stat *stat_out, struct ub_err *err)
{
    struct blobfs *store = self;
    struct blobfs_name name;
    struct stat st;
    blobfs_name_of(hash, &name);
    int folder = blobfs_folder_open(store, &name, false);
    if (folder < 0) {
        return fail_open(store, &name, err);
    }
    enum ub_status status = UB_OK;
    if (fstatat(folder, name.file, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        status = fail_open(store, &name, err);
    } else if (!S_ISREG(st.st_mode)) {
        status = blobfs_fail_absent(&name, err);
    } else {
        blobfs_stat_of(&st, stat_out);
    }
    close(folder);
    return status;
}

enum ub_status blobfs_remove(void *self, const struct ub_blob_hash *hash, struct ub_err *err)
{
    struct blobfs *store = self;
    struct blobfs_name name;
    struct stat st = {0};
    blobfs_name_of(hash, &name);
    int folder = blobfs_folder_open(store, &name, false);
    if (folder < 0) {
        return errno == ENOENT ? UB_OK : fail_open(store, &name, err);
    }
    enum ub_status status = UB_OK;
    /* One at a time, so that the bytes of a file are given back once. */
    pthread_mutex_lock(&store->lock);
    bool is_there = fstatat(folder, name.file, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (is_there && unlinkat(folder, name.file, 0) == 0) {
        blobfs_room_give_locked(store, st.st_size);
    } else if (errno != ENOENT) {
        status = ubs_trouble_errno(&store->trouble, false, "remove", name.hex, err);
    }
    pthread_mutex_unlock(&store->lock);
    if (status == UB_OK && fsync(folder) != 0) {
        status = ubs_trouble_errno(&store->trouble, true, "sync the removal of", name.hex, err);
    }
    close(folder);
    return status;
}
