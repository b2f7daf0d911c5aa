/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "object.h"
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>

struct ub_blob_reader {
    crypto_generichash_state hash; /* first: it is aligned to 64 */
    struct blobfs *store;
    struct ub_blob_hash name;
    int fd;
    int64_t length;
    int64_t hashed; /* bytes from the start that are in `hash`; -1 = checked */
};

static int open_file(struct blobfs *store, const struct blobfs_name *name)
{
    int folder = blobfs_folder_open(store, name, false);
    if (folder < 0) {
        return -1;
    }
    int fd = openat(folder, name->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int why = errno;
    close(folder);
    errno = why;
    return fd;
}

static enum ub_status reader_new(struct blobfs *store, const struct ub_blob_hash *hash, int fd,
                                 const struct stat *st, struct ub_blob_reader **reader_out,
                                 struct ub_err *err)
{
    struct ub_blob_reader *reader = aligned_alloc(_Alignof(struct ub_blob_reader), sizeof(*reader));
    if (reader == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory to read a blob");
    }
    memset(reader, 0, sizeof(*reader));
    reader->store = store;
    reader->name = *hash;
    reader->fd = fd;
    reader->length = st->st_size;
    crypto_generichash_init(&reader->hash, NULL, 0, UB_BLOB_HASH_BYTES);
    *reader_out = reader;
    return UB_OK;
}

enum ub_status blobfs_open(void *self, const struct ub_blob_hash *hash,
                           struct ub_blob_reader **reader_out, struct ub_blob_stat *stat_out,
                           struct ub_err *err)
{
    struct blobfs *store = self;
    struct blobfs_name name;
    struct stat st;
    *reader_out = NULL;
    blobfs_name_of(hash, &name);
    int fd = open_file(store, &name);
    if (fd < 0) {
        return errno == ENOENT ? blobfs_fail_absent(&name, err)
                               : ubs_trouble_errno(&store->trouble, false, "open", name.hex, err);
    }
    enum ub_status status;
    if (fstat(fd, &st) != 0) {
        status = ubs_trouble_errno(&store->trouble, false, "examine", name.hex, err);
    } else if (!S_ISREG(st.st_mode)) {
        status = blobfs_fail_absent(&name, err);
    } else {
        status = reader_new(store, hash, fd, &st, reader_out, err);
    }
    if (status != UB_OK) {
        close(fd);
    } else if (stat_out != NULL) {
        blobfs_stat_of(&st, stat_out);
    }
    return status;
}

static enum ub_status fail_damaged(struct ub_blob_reader *reader, const char *why,
                                   struct ub_err *err)
{
    char text[UB_ERR_MESSAGE_MAX];
    struct blobfs_name name;
    blobfs_name_of(&reader->name, &name);
    snprintf(text, sizeof(text), "the blob %s is damaged: %s; upload it again", name.hex, why);
    ubs_trouble_note(&reader->store->trouble, UBS_DAMAGE, text);
    return ub_fail_code(err, UB_EDAMAGED, "E-BLOB-001", "%s", text);
}

static enum ub_status read_all(struct ub_blob_reader *reader, int64_t offset, uint8_t *out,
                               size_t len, struct ub_err *err)
{
    while (len > 0) {
        ssize_t got = pread(reader->fd, out, len, offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ubs_trouble_errno(&reader->store->trouble, false, "read", "a blob", err);
        }
        if (got == 0) {
            return fail_damaged(reader, "its file became shorter", err);
        }
        out += got;
        offset += got;
        len -= (size_t)got;
    }
    return UB_OK;
}

/* At the end of a sequential read: is it what the name says? */
static enum ub_status check_end(struct ub_blob_reader *reader, struct ub_err *err)
{
    struct ub_blob_hash real;
    crypto_generichash_state state = reader->hash;
    crypto_generichash_final(&state, real.bytes, sizeof(real.bytes));
    if (memcmp(real.bytes, reader->name.bytes, sizeof(real.bytes)) != 0) {
        return fail_damaged(reader, "its content has another hash", err);
    }
    reader->hashed = -1;
    return UB_OK;
}

static enum ub_status check_part(struct ub_blob_reader *reader, int64_t offset, const void *bytes,
                                 size_t len, struct ub_err *err)
{
    if (offset == reader->hashed) {
        crypto_generichash_update(&reader->hash, bytes, len);
        reader->hashed += (int64_t)len;
    }
    bool is_end = offset + (int64_t)len == reader->length;
    return is_end && reader->hashed == reader->length ? check_end(reader, err) : UB_OK;
}

enum ub_status blobfs_read(struct ub_blob_reader *reader, int64_t offset, void *out,
                           size_t out_size, size_t *read_out, struct ub_err *err)
{
    *read_out = 0;
    if (offset < 0) {
        return ub_fail(err, UB_EINVAL, "offset = %" PRId64 " is negative", offset);
    }
    int64_t left = offset < reader->length ? reader->length - offset : 0;
    size_t len = out_size < (uint64_t)left ? out_size : (size_t)left;
    enum ub_status status = read_all(reader, offset, out, len, err);
    if (status == UB_OK) {
        status = check_part(reader, offset, out, len, err);
    }
    if (status == UB_OK) {
        *read_out = len;
    }
    return status;
}

void blobfs_close(struct ub_blob_reader **reader)
{
    if (*reader != NULL) {
        close((*reader)->fd);
        free(*reader);
        *reader = NULL;
    }
}
