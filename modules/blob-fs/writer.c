/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "object.h"
#include "room.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

struct ub_blob_writer {
    crypto_generichash_state hash; /* first: it is aligned to 64 */
    struct blobfs *store;
    int fd;
    char tmp[33];
    int64_t length;        /* bytes written, taken from the limit of all */
    enum ub_status status; /* of the first failure: then nothing can be committed */
};

static enum ub_status check_writable(struct blobfs *store, struct ub_err *err)
{
    if (!store->is_open) {
        return ub_fail(err, UB_EUNAVAILABLE, "the store %s is stopped", store->settings->dir);
    }
    return ubs_trouble_check_writable(&store->trouble, err);
}

static enum ub_status open_tmp(struct ub_blob_writer *writer, struct ub_err *err)
{
    struct blobfs *store = writer->store;
    uint8_t random[16];
    store->host->clock->random(store->host, random, sizeof(random));
    sodium_bin2hex(writer->tmp, sizeof(writer->tmp), random, sizeof(random));
    writer->fd = openat(store->home.tmp_fd, writer->tmp,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return writer->fd >= 0
               ? UB_OK
               : ubs_trouble_errno(&store->trouble, false, "make", "a temporary file", err);
}

enum ub_status blobfs_begin(void *self, int64_t expected_bytes, struct ub_blob_writer **writer_out,
                            struct ub_err *err)
{
    struct blobfs *store = self;
    *writer_out = NULL;
    if (expected_bytes < -1) {
        return ub_fail(err, UB_EINVAL, "expected_bytes = %" PRId64 " is no length; -1 is unknown",
                       expected_bytes);
    }
    enum ub_status status = check_writable(store, err);
    if (status == UB_OK) {
        status = blobfs_room_check(store, expected_bytes > 0 ? expected_bytes : 0, err);
    }
    if (status != UB_OK) {
        return status;
    }
    struct ub_blob_writer *writer = aligned_alloc(_Alignof(struct ub_blob_writer), sizeof(*writer));
    if (writer == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for a blob");
    }
    memset(writer, 0, sizeof(*writer));
    writer->store = store;
    status = open_tmp(writer, err);
    if (status != UB_OK) {
        free(writer);
        return status;
    }
    crypto_generichash_init(&writer->hash, NULL, 0, UB_BLOB_HASH_BYTES);
    *writer_out = writer;
    return UB_OK;
}

static bool write_all(int fd, const uint8_t *ptr, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, ptr, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        ptr += written;
        len -= (size_t)written;
    }
    return true;
}

static enum ub_status append(struct ub_blob_writer *writer, struct ub_bytes bytes,
                             struct ub_err *err)
{
    struct blobfs *store = writer->store;
    int64_t max = store->max_item;
    /* A reload may have lowered it below what is written already. */
    if (max < writer->length || bytes.len > (uint64_t)(max - writer->length)) {
        return ub_fail(err, UB_ELIMIT, "the blob exceeds the limit of %" PRId64 " bytes (max_item)",
                       max);
    }
    enum ub_status status = blobfs_room_take(store, (int64_t)bytes.len, err);
    if (status != UB_OK) {
        return status;
    }
    writer->length += (int64_t)bytes.len;
    if (!write_all(writer->fd, bytes.ptr, bytes.len)) {
        return ubs_trouble_errno(&store->trouble, true, "write", "a blob", err);
    }
    crypto_generichash_update(&writer->hash, bytes.ptr, bytes.len);
    return UB_OK;
}

enum ub_status blobfs_append(struct ub_blob_writer *writer, struct ub_bytes bytes,
                             struct ub_err *err)
{
    if (writer->status != UB_OK) {
        return ub_fail(err, writer->status, "the blob failed before: abort it and begin again");
    }
    if (bytes.len > 0) {
        writer->status = append(writer, bytes, err);
    }
    return writer->status;
}

/* Removes the temporary file, if it still has that name, and frees the writer. */
static void end(struct ub_blob_writer **writer, bool is_kept)
{
    struct ub_blob_writer *w = *writer;
    if (!is_kept) {
        blobfs_room_give(w->store, w->length);
        unlinkat(w->store->home.tmp_fd, w->tmp, 0);
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    free(w);
    *writer = NULL;
}

void blobfs_abort(struct ub_blob_writer **writer)
{
    if (*writer != NULL) {
        end(writer, false);
    }
}

static enum ub_status check_hash(struct ub_blob_writer *writer, const struct blobfs_name *name,
                                 const struct ub_blob_hash *hash, struct ub_err *err)
{
    struct ub_blob_hash real;
    struct blobfs_name real_name;
    crypto_generichash_final(&writer->hash, real.bytes, sizeof(real.bytes));
    if (memcmp(real.bytes, hash->bytes, sizeof(real.bytes)) == 0) {
        return UB_OK;
    }
    blobfs_name_of(&real, &real_name);
    return ub_fail(err, UB_EINVAL,
                   "the content of %" PRId64 " bytes hashes to %s, not to %s: nothing is kept",
                   writer->length, real_name.hex, name->hex);
}

/* An old file of that name is replaced: its content was the same, or it was damaged. */
static bool move_in(struct ub_blob_writer *writer, int folder, const struct blobfs_name *name)
{
    struct blobfs *store = writer->store;
    struct stat old;
    pthread_mutex_lock(&store->lock);
    bool had_old = fstatat(folder, name->file, &old, AT_SYMLINK_NOFOLLOW) == 0;
    bool is_moved = renameat(store->home.tmp_fd, writer->tmp, folder, name->file) == 0;
    if (is_moved && had_old) {
        blobfs_room_give_locked(store, old.st_size);
    }
    pthread_mutex_unlock(&store->lock);
    return is_moved;
}

static enum ub_status publish(struct ub_blob_writer *writer, const struct blobfs_name *name,
                              bool *is_moved_out, struct ub_err *err)
{
    struct blobfs *store = writer->store;
    if (fsync(writer->fd) != 0) {
        return ubs_trouble_errno(&store->trouble, true, "sync", name->hex, err);
    }
    int folder = blobfs_folder_open(store, name, true);
    if (folder < 0) {
        return ubs_trouble_errno(&store->trouble, true, "make the folder of", name->hex, err);
    }
    *is_moved_out = move_in(writer, folder, name);
    bool is_durable = *is_moved_out && fsync(folder) == 0;
    enum ub_status status =
        is_durable ? UB_OK : ubs_trouble_errno(&store->trouble, true, "store", name->hex, err);
    close(folder);
    return status;
}

enum ub_status blobfs_commit(struct ub_blob_writer **writer, const struct ub_blob_hash *hash,
                             struct ub_err *err)
{
    struct blobfs_name name;
    struct blobfs *store = (*writer)->store;
    bool is_moved = false;
    blobfs_name_of(hash, &name);
    enum ub_status status = (*writer)->status;
    if (status != UB_OK) {
        (void)ub_fail(err, status, "the blob %s failed before: nothing is kept", name.hex);
    } else {
        status = check_writable(store, err);
    }
    if (status == UB_OK) {
        status = check_hash(*writer, &name, hash, err);
    }
    if (status == UB_OK) {
        status = publish(*writer, &name, &is_moved, err);
    }
    end(writer, is_moved);
    if (status == UB_OK) {
        ubs_trouble_clear(&store->trouble, UBS_FULL);
    }
    return status;
}
