/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "list.h"
#include "object.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The hashes of one folder. */
struct hashes {
    struct ub_blob_hash *items;
    size_t count, room;
};

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ub_blob_hash));
}

static bool add(struct hashes *hashes, const struct ub_blob_hash *hash)
{
    if (hashes->count == hashes->room) {
        size_t room = hashes->room > 0 ? 2 * hashes->room : 64;
        struct ub_blob_hash *items = reallocarray(hashes->items, room, sizeof(*items));
        if (items == NULL) {
            return false;
        }
        hashes->items = items;
        hashes->room = room;
    }
    hashes->items[hashes->count++] = *hash;
    return true;
}

static enum ub_status read_folder(int fd, const char *folder, struct hashes *hashes,
                                  struct ub_err *err)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    if (dir == NULL) {
        return ub_fail(err, UB_EIO, "cannot list the folder %s: %s", folder, strerror(errno));
    }
    enum ub_status status = UB_OK;
    for (struct dirent *entry; status == UB_OK && (entry = readdir(dir)) != NULL;) {
        struct ub_blob_hash hash;
        if (blobfs_name_parse(folder, entry->d_name, &hash) && !add(hashes, &hash)) {
            status = ub_fail(err, UB_ENOMEM, "no memory to list the folder %s", folder);
        }
    }
    closedir(dir);
    return status;
}

struct listing {
    const struct ub_blob_hash *after;
    ub_blob_list_fn fn;
    void *arg;
    bool is_ended;
};

static void give(struct listing *listing, int fd, const struct ub_blob_hash *hash)
{
    struct blobfs_name name;
    struct stat st;
    struct ub_blob_stat stat = {.size = sizeof(stat)};
    if (listing->after != NULL && compare(hash, listing->after) <= 0) {
        return;
    }
    blobfs_name_of(hash, &name);
    if (fstatat(fd, name.file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
        blobfs_stat_of(&st, &stat);
        listing->is_ended = !listing->fn(listing->arg, hash, &stat);
    }
}

static enum ub_status list_folder(struct blobfs *store, unsigned first, struct listing *listing,
                                  struct ub_err *err)
{
    struct hashes hashes = {0};
    struct blobfs_name name;
    struct ub_blob_hash hash = {{(uint8_t)first}};
    blobfs_name_of(&hash, &name);
    int fd = blobfs_folder_open(store, &name, false);
    if (fd < 0) {
        return errno == ENOENT
                   ? UB_OK
                   : ubs_trouble_errno(&store->trouble, false, "open", name.folder, err);
    }
    enum ub_status status = read_folder(fd, name.folder, &hashes, err);
    if (status == UB_OK && hashes.count > 0) {
        qsort(hashes.items, hashes.count, sizeof(hashes.items[0]), compare);
    }
    for (size_t i = 0; status == UB_OK && i < hashes.count && !listing->is_ended; i++) {
        give(listing, fd, &hashes.items[i]);
    }
    free(hashes.items);
    close(fd);
    return status;
}

enum ub_status blobfs_list(void *self, const struct ub_blob_hash *after, ub_blob_list_fn fn,
                           void *arg, struct ub_err *err)
{
    struct listing listing = {after, fn, arg, false};
    enum ub_status status = UB_OK;
    unsigned first = after != NULL ? after->bytes[0] : 0;
    for (; first < 256 && status == UB_OK && !listing.is_ended; first++) {
        status = list_folder(self, first, &listing, err);
    }
    return status;
}
