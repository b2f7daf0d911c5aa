/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/blob.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "room.h"

/* The plaintext in the making: beside its place, 0600, without being there. */
struct output {
    char *path, *temporary;
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
    free(output->path);
}

static enum unibus_status output_open(const struct unibus_download *download, struct output *output,
                                      struct unibus_err *err)
{
    char address[UBR_BLOB_ADDRESS_LEN + 1];
    ubr_blob_address(download->reference->hash, address);
    output->may_replace = download->path != NULL;
    const char *path = download->path != NULL ? download->path : address;
    char *temporary = NULL;
    output->path = strdup(path);
    if (output->path == NULL || asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    output->temporary = temporary;
    int fd = mkstemp(output->temporary);
    output->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (output->file == NULL) {
        int cause = errno;
        if (fd >= 0) {
            close(fd);
        }
        return unibus_fail(err, UNIBUS_FAILED, "cannot write beside %s: %s", output->path,
                           strerror(cause));
    }
    return UNIBUS_OK;
}

/* Puts the file in its place. */
static enum unibus_status output_commit(struct output *output, struct unibus_err *err)
{
    bool is_whole = fflush(output->file) == 0 && fsync(fileno(output->file)) == 0;
    int failed = !is_whole             ? -1
                 : output->may_replace ? rename(output->temporary, output->path)
                                       : link(output->temporary, output->path);
    if (failed != 0 && errno == EEXIST) {
        unibus_fail_code(err, UNIBUS_CONFLICT, "exists", "%s is there already", output->path);
        return unibus_fix(err, "say where with -o PATH");
    }
    return failed == 0 ? UNIBUS_OK
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
