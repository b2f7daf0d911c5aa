/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/blob.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include <ubr/text.h>

#include "room.h"

static enum unibus_status no_file(struct unibus_err *err, const char *what)
{
    return unibus_fail(err, UNIBUS_FAILED, "%s: %s", what, strerror(errno));
}

static bool copy_all(FILE *from, FILE *to)
{
    char buffer[65536];
    size_t got;
    while ((got = fread(buffer, 1, sizeof(buffer), from)) > 0) {
        if (fwrite(buffer, 1, got, to) != got) {
            return false;
        }
    }
    return ferror(from) == 0 && fflush(to) == 0;
}

/* The size must be known before the first chunk: what is no regular file is copied to one. */
static enum unibus_status measure(FILE *given, FILE **file_out, uint64_t *size_out,
                                  struct unibus_err *err)
{
    struct stat stat;
    FILE *file = given;
    if (fstat(fileno(given), &stat) != 0) {
        return no_file(err, "cannot look at the file");
    }
    if (S_ISDIR(stat.st_mode)) {
        return unibus_fail(err, UNIBUS_USAGE, "that is a folder");
    }
    if (!S_ISREG(stat.st_mode)) {
        file = tmpfile();
        if (file == NULL || !copy_all(given, file) || fstat(fileno(file), &stat) != 0) {
            if (file != NULL) {
                fclose(file);
            }
            return no_file(err, "cannot keep what is read");
        }
    }
    rewind(file);
    *file_out = file;
    *size_out = (uint64_t)stat.st_size;
    return UNIBUS_OK;
}

static enum unibus_status seal_chunks(struct ubr_blob_sealer *sealer, uint64_t chunks, FILE *from,
                                      FILE *to, struct unibus_err *err)
{
    uint8_t *plain = malloc(UBR_BLOB_CHUNK + UBR_BLOB_SEALED_CHUNK);
    uint8_t *sealed = plain + UBR_BLOB_CHUNK;
    enum unibus_status status =
        plain == NULL ? unibus_fail(err, UNIBUS_FAILED, "no memory") : UNIBUS_OK;
    for (uint64_t i = 0; i < chunks && status == UNIBUS_OK; i++) {
        size_t want = ubr_blob_seal_want(sealer);
        if (fread(plain, 1, want, from) != want ||
            ubr_blob_seal_push(sealer, ubr_bytes_of(plain, want), sealed) != UBR_OK) {
            status = unibus_fail(err, UNIBUS_FAILED, "the file changed while it was read");
        } else if (fwrite(sealed, 1, want + UBR_BLOB_CHUNK_EXTRA, to) !=
                   want + UBR_BLOB_CHUNK_EXTRA) {
            status = no_file(err, "cannot keep the encrypted file");
        }
    }
    if (plain != NULL) {
        sodium_memzero(plain, UBR_BLOB_CHUNK);
    }
    free(plain);
    return status;
}

static enum unibus_status seal_file(const struct unibus_room *room, FILE *from, uint64_t size,
                                    FILE *to, struct ubr_blob_ref *ref_out, struct unibus_err *err)
{
    struct ubr_blob_sealer sealer;
    uint8_t header[UBR_BLOB_HEADER_LEN];
    enum ubr_error fault = ubr_blob_seal_init(&sealer, room->id, size, header);
    if (fault != UBR_OK) {
        return unibus_fail_ubr(err, UNIBUS_FAILED, (int)fault, "the file");
    }
    enum unibus_status status = fwrite(header, 1, sizeof(header), to) == sizeof(header)
                                    ? UNIBUS_OK
                                    : no_file(err, "cannot keep the encrypted file");
    if (status == UNIBUS_OK) {
        status = seal_chunks(&sealer, ubr_blob_chunks(size), from, to, err);
    }
    if (status == UNIBUS_OK && (fault = ubr_blob_seal_finish(&sealer, ref_out)) != UBR_OK) {
        status = unibus_fail_ubr(err, UNIBUS_FAILED, (int)fault, "the file");
    }
    if (status == UNIBUS_OK && fflush(to) != 0) {
        status = no_file(err, "cannot keep the encrypted file");
    }
    ubr_blob_seal_fini(&sealer);
    return status;
}

static enum unibus_status call(struct unibus_room *room, const struct unibus_request *request,
                               struct unibus_err *err)
{
    struct unibus_reply reply;
    enum unibus_status status = unibus_node_call(room->client->node, request, &reply, err);
    unibus_reply_clear(&reply);
    return status;
}

static enum unibus_status send_object(struct unibus_room *room, const struct ubr_blob_ref *ref,
                                      FILE *object, const struct unibus_upload *upload,
                                      struct unibus_err *err)
{
    char path[192], address[UBR_BLOB_ADDRESS_LEN + 1];
    ubr_blob_address(ref->hash, address);
    snprintf(path, sizeof(path), "/v1/rooms/%s/blobs", room->id_text);
    json_t *announce = json_pack("{s:s, s:I}", "addr", address, "osize", (json_int_t)ref->osize);
    enum unibus_status status =
        call(room, &(struct unibus_request){.method = "POST", .path = path, .body = announce}, err);
    json_decref(announce);
    if (status != UNIBUS_OK) {
        return status;
    }
    snprintf(path, sizeof(path), "/v1/rooms/%s/blobs/%s", room->id_text, address);
    return call(room,
                &(struct unibus_request){.method = "PUT",
                                         .path = path,
                                         .upload = object,
                                         .upload_bytes = (int64_t)ref->osize,
                                         .progress = upload->progress,
                                         .progress_arg = upload->progress_arg},
                err);
}

static json_t *reference_json(const struct ubr_blob_ref *ref, const struct unibus_upload *upload)
{
    char address[UBR_BLOB_ADDRESS_LEN + 1];
    ubr_blob_address(ref->hash, address);
    json_t *json = json_object();
    json_object_set_new(json, "blob", json_string(address));
    wire_put(json, "key", ubr_bytes_of(ref->key, UBR_BLOB_KEY_LEN));
    json_object_set_new(json, "size", json_integer((json_int_t)ref->size));
    json_object_set_new(json, "osize", json_integer((json_int_t)ref->osize));
    const char *slash = upload->name != NULL ? strrchr(upload->name, '/') : NULL;
    const char *name = slash != NULL ? slash + 1 : upload->name;
    if (name != NULL && ubr_blob_name_is_safe(ubr_bytes_of_text(name))) {
        json_object_set_new(json, "name", json_string(name));
    }
    if (upload->type != NULL) {
        json_object_set_new(json, "type", json_string(upload->type));
    }
    return json;
}

enum unibus_status unibus_blob_put(struct unibus_room *room, const struct unibus_upload *upload,
                                   json_t **reference_out, struct unibus_err *err)
{
    if (unibus_room_is_plain(room)) {
        return unibus_fail(err, UNIBUS_USAGE, "a plain room has no encrypted blobs");
    }
    enum unibus_status status = room_check_sendable(room, 1, err);
    uint64_t size = 0;
    FILE *file = NULL;
    if (status == UNIBUS_OK) {
        status = measure(upload->file, &file, &size, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    FILE *object = tmpfile();
    struct ubr_blob_ref ref = {.size = 0};
    status = object == NULL ? no_file(err, "cannot make a temporary file")
                            : seal_file(room, file, size, object, &ref, err);
    if (status == UNIBUS_OK) {
        status = send_object(room, &ref, object, upload, err);
        if (status == UNIBUS_OK) {
            *reference_out = reference_json(&ref, upload);
        }
        sodium_memzero(&ref, sizeof(ref));
    }
    if (object != NULL) {
        fclose(object);
    }
    if (file != upload->file) {
        fclose(file);
    }
    return status;
}

static bool size_member(const json_t *json, const char *key, uint64_t *size_out)
{
    const json_t *value = json_object_get(json, key);
    int64_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    *size_out = (uint64_t)number;
    return number >= 0 && (uint64_t)number < UBR_U53_END;
}

static bool text_member(const json_t *json, const char *key, struct ubr_bytes *text_out)
{
    const json_t *value = json_object_get(json, key);
    *text_out = ubr_bytes_of(json_string_value(value), json_string_length(value));
    return value == NULL || (json_is_string(value) && ubr_text_is_valid(*text_out));
}

enum unibus_status unibus_blob_reference(const json_t *json, struct ubr_blob_ref *reference_out,
                                         struct unibus_err *err)
{
    const json_t *address = json_object_get(json, "blob");
    struct ubr_blob_ref ref = {.size = 0};
    size_t known = 4;
    known += json_object_get(json, "name") != NULL ? 1 : 0;
    known += json_object_get(json, "type") != NULL ? 1 : 0;
    bool is_good =
        json_is_string(address) &&
        ubr_blob_address_parse(
            ubr_bytes_of(json_string_value(address), json_string_length(address)), ref.hash) &&
        wire_get(json, "key", ref.key, UBR_BLOB_KEY_LEN) && size_member(json, "size", &ref.size) &&
        size_member(json, "osize", &ref.osize) && text_member(json, "name", &ref.name) &&
        text_member(json, "type", &ref.type) && json_object_size(json) == known;
    if (!is_good) {
        sodium_memzero(&ref, sizeof(ref));
        unibus_fail_ubr(err, UNIBUS_USAGE, UBR_E_PARSE, "that is not the reference of a blob");
        return unibus_fix(err, "give the JSON with \"blob\", \"key\", \"size\" and \"osize\", or a "
                               "whole line of `unibus sub --json`");
    }
    *reference_out = ref;
    sodium_memzero(&ref, sizeof(ref));
    return UNIBUS_OK;
}
