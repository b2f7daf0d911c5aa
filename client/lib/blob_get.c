/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/blob.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "room.h"

/* The plaintext in the making: in the folder of its place, 0600, and without a name there, so that
 * nothing is left of it whatever happens. Where the file system has no such files, with a name
 * (temporary). */
struct output {
    char *path, *folder, *temporary;
    bool may_replace;
    FILE *file;
};

static void output_fini(struct output *output)
{
    if (output->file != NULL) {
        fclose(output->file);
    }
    if (output->temporary != NULL) {
        unlink(output->temporary);
    }
    free(output->temporary);
    free(output->folder);
    free(output->path);
}

static bool name_output(const char *path, struct output *output)
{
    const char *slash = strrchr(path, '/');
    output->path = strdup(path);
    output->folder = slash == NULL   ? strdup(".")
                     : slash == path ? strdup("/")
                                     : strndup(path, (size_t)(slash - path));
    return output->path != NULL && output->folder != NULL;
}

/* A device, a pipe or a folder is never replaced; nor, without -o, a file. */
static enum unibus_status check_place(const struct output *output, struct unibus_err *err)
{
    struct stat stat;
    if (lstat(output->path, &stat) != 0) {
        return UNIBUS_OK;
    }
    if (!S_ISREG(stat.st_mode) && !S_ISLNK(stat.st_mode)) {
        return unibus_fail(err, UNIBUS_USAGE, "%s is not a regular file", output->path);
    }
    if (!output->may_replace) {
        unibus_fail_code(err, UNIBUS_CONFLICT, "exists", "%s is there already", output->path);
        return unibus_fix(err, "say where with -o PATH");
    }
    return UNIBUS_OK;
}

static int open_unnamed(struct output *output)
{
    int fd = open(output->folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) {
        return fd;
    }
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", output->path) < 0) {
        return -1;
    }
    output->temporary = temporary;
    return mkstemp(temporary);
}

static enum unibus_status output_open(const struct unibus_download *download, struct output *output,
                                      struct unibus_err *err)
{
    char address[UBR_BLOB_ADDRESS_LEN + 1];
    ubr_blob_address(download->reference->hash, address);
    output->may_replace = download->path != NULL;
    if (!name_output(download->path != NULL ? download->path : address, output)) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    enum unibus_status status = check_place(output, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    int fd = open_unnamed(output);
    output->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (output->file == NULL) {
        int cause = errno;
        if (fd >= 0) {
            close(fd);
        }
        return unibus_fail(err, UNIBUS_FAILED, "cannot write %s: %s", output->path,
                           strerror(cause));
    }
    return UNIBUS_OK;
}

/* Gives the unnamed file a name, which must be free. */
static int give_name(const struct output *output, const char *name)
{
    char self[32];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fileno(output->file));
    return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* Into a place that is taken a file comes by another name. */
static int put_in_place(struct output *output)
{
    if (output->temporary == NULL) {
        if (give_name(output, output->path) == 0) {
            return 0;
        }
        char *temporary = NULL;
        if (errno != EEXIST || !output->may_replace ||
            asprintf(&temporary, "%s.%08x", output->path, randombytes_random()) < 0) {
            return -1;
        }
        output->temporary = temporary;
        if (give_name(output, temporary) != 0) {
            return -1;
        }
    }
    return output->may_replace ? rename(output->temporary, output->path)
                               : link(output->temporary, output->path);
}

static enum unibus_status output_commit(struct output *output, struct unibus_err *err)
{
    bool is_whole = fflush(output->file) == 0 && fsync(fileno(output->file)) == 0;
    if (is_whole && put_in_place(output) == 0) {
        return UNIBUS_OK;
    }
    return errno == EEXIST ? check_place(output, err)
                           : unibus_fail(err, UNIBUS_FAILED, "cannot write %s: %s", output->path,
                                         strerror(errno));
}

static enum unibus_status fetch_object(struct unibus_room *room,
                                       const struct unibus_download *download, FILE *object,
                                       struct unibus_err *err)
{
    char path[128], address[UBR_BLOB_ADDRESS_LEN + 1];
    ubr_blob_address(download->reference->hash, address);
    snprintf(path, sizeof(path), "/v1/blobs/%s", address);
    const struct unibus_request request = {
        .method = "GET",
        .path = path,
        .download = object,
        .download_max_bytes = (int64_t)download->reference->osize,
        .progress = download->progress,
        .progress_arg = download->progress_arg,
    };
    struct unibus_reply reply;
    enum unibus_status status = unibus_node_call(room->client->node, &request, &reply, err);
    unibus_reply_clear(&reply);
    rewind(object);
    return status;
}

/* Every chunk, then the verdict over all. */
static enum ubr_error open_chunks(struct ubr_blob_opener *opener, FILE *object, FILE *to,
                                  uint8_t *sealed, uint8_t *plain)
{
    size_t want;
    while ((want = ubr_blob_open_want(opener)) > 0) {
        size_t len = 0, got = fread(sealed, 1, want, object);
        enum ubr_error fault = ubr_blob_open_push(opener, ubr_bytes_of(sealed, got), plain, &len);
        if (fault != UBR_OK) {
            return fault;
        }
        if (fwrite(plain, 1, len, to) != len) {
            return UBR_E_MEMORY;
        }
    }
    return fgetc(object) != EOF ? UBR_E_BLOB_SIZE : ubr_blob_open_finish(opener);
}

static enum unibus_status open_object(const struct unibus_room *room,
                                      const struct ubr_blob_ref *ref, FILE *object, FILE *to,
                                      struct unibus_err *err)
{
    struct ubr_blob_opener opener;
    uint8_t *sealed = malloc(UBR_BLOB_SEALED_CHUNK), *plain = malloc(UBR_BLOB_CHUNK);
    enum ubr_error fault =
        sealed == NULL || plain == NULL ? UBR_E_MEMORY : ubr_blob_open_init(&opener, ref, room->id);
    if (fault == UBR_OK) {
        fault = open_chunks(&opener, object, to, sealed, plain);
        ubr_blob_open_fini(&opener);
        sodium_memzero(plain, UBR_BLOB_CHUNK);
    }
    free(sealed);
    free(plain);
    if (fault == UBR_E_MEMORY) {
        return unibus_fail(err, UNIBUS_FAILED, "cannot write the file: %s", strerror(errno));
    }
    return fault == UBR_OK ? UNIBUS_OK
                           : unibus_fail_ubr(err, UNIBUS_UNVERIFIED, (int)fault, "the blob");
}

/* A size that cannot be is refused before anything is loaded. */
static enum unibus_status check_size(const struct ubr_blob_ref *ref, struct unibus_err *err)
{
    uint64_t osize;
    return ubr_blob_osize(ref->size, &osize) == UBR_OK && osize == ref->osize
               ? UNIBUS_OK
               : unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_BLOB_SIZE, "the reference");
}

enum unibus_status unibus_blob_get(struct unibus_room *room, const struct unibus_download *download,
                                   char **path_out, struct unibus_err *err)
{
    struct output output = {.path = NULL};
    FILE *object = NULL;
    enum unibus_status status = check_size(download->reference, err);
    if (status == UNIBUS_OK) {
        status = output_open(download, &output, err);
    }
    if (status == UNIBUS_OK && (object = tmpfile()) == NULL) {
        status =
            unibus_fail(err, UNIBUS_FAILED, "cannot make a temporary file: %s", strerror(errno));
    }
    if (status == UNIBUS_OK) {
        status = fetch_object(room, download, object, err);
    }
    if (status == UNIBUS_OK) {
        status = open_object(room, download->reference, object, output.file, err);
    }
    if (status == UNIBUS_OK) {
        status = output_commit(&output, err);
    }
    if (status == UNIBUS_OK) {
        *path_out = strdup(output.path);
    }
    if (object != NULL) {
        fclose(object);
    }
    output_fini(&output);
    return status;
}
