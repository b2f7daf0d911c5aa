/* SPDX-License-Identifier: Apache-2.0
 *
 * Blobs over HTTP. Announcing grants nothing, and only a complete upload by a writer of the room
 * makes its reference: neither answer nor timing tells whether the bytes exist elsewhere. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ubr/blob.h>

#include "blobs.h"
#include "range.h"
#include "rooms.h"
#include "routes.h"
#include "view.h"

#define CHUNK (64 * 1024)

static bool read_address(struct memb_call *call, const char *text, uint8_t hash_out[UBR_HASH_LEN])
{
    if (ubr_blob_address_parse(ubr_bytes_of_text(text), hash_out)) {
        return true;
    }
    memb_problem(call, UB_P_NOT_FOUND, "an address is b2- and 64 hex digits");
    return false;
}

static struct memb_room *writable_room(struct memb_call *call)
{
    struct memb_room *room = memb_call_room(call, false, NULL);
    bool may = room != NULL && memb_may(call, "blob.put", "room", room->id32, NULL);
    return may ? room : NULL;
}

/* ---- POST: announce ---------------------------------------------------------------------------
 */

struct announce_body {
    const char *addr;
    int64_t osize;
};

static const struct memb_json_field announce_fields[] = {
    {"addr", MEMB_JSON_TEXT, MEMB_JSON_REQUIRED, offsetof(struct announce_body, addr),
     UBR_BLOB_ADDRESS_LEN, UBR_BLOB_ADDRESS_LEN},
    {"osize", MEMB_JSON_NUMBER, MEMB_JSON_REQUIRED, offsetof(struct announce_body, osize), 0,
     ((size_t)1 << 53) - 1},
};

/* 10: header, chunks, 17 bytes more in each. */
static bool is_possible_size(int64_t osize)
{
    uint64_t payload = osize > UBR_BLOB_HEADER_LEN ? (uint64_t)osize - UBR_BLOB_HEADER_LEN : 0;
    uint64_t chunks = (payload + UBR_BLOB_SEALED_CHUNK - 1) / UBR_BLOB_SEALED_CHUNK;
    uint64_t again = 0;
    return payload >= chunks * UBR_BLOB_CHUNK_EXTRA && chunks > 0 &&
           ubr_blob_osize(payload - chunks * UBR_BLOB_CHUNK_EXTRA, &again) == UBR_OK &&
           again == (uint64_t)osize;
}

static void announce(struct memb_call *call, struct memb_room *room,
                     const struct announce_body *body)
{
    uint8_t hash[UBR_HASH_LEN];
    struct memb_json_error error;
    if (!ubr_blob_address_parse(ubr_bytes_of_text(body->addr), hash)) {
        memb_json_refuse(&error, "", "addr", "b2- and 64 hex digits are expected");
        memb_problem_json(call, &error);
    } else if (body->osize > call->memb->settings->max_blob) {
        memb_problem(call, UB_P_TOO_LARGE, "larger than blob_max_bytes of /v1/info");
    } else if (!room->is_plain && !is_possible_size(body->osize)) {
        memb_json_refuse(&error, "", "osize", "no sealed object has this size (E-BLOB-SIZE)");
        memb_problem_json(call, &error);
    } else if (memb_blob_used(room) + body->osize > call->memb->live.max_room_blobs) {
        memb_problem(call, UB_P_QUOTA, "the room's blobs would exceed max_room_blobs");
    } else {
        memb_reply(call, 200, json_pack("{s:i}", "offset", 0), NULL, NULL);
    }
}

static void post_blob(struct memb_call *call)
{
    struct announce_body body = {0};
    json_t *root = NULL;
    struct memb_room *room = writable_room(call);
    if (room == NULL ||
        !memb_read_body(call, announce_fields, MEMB_COUNT(announce_fields), &body, &root)) {
        return;
    }
    announce(call, room, &body);
    json_decref(root);
}

/* ---- PUT: upload ------------------------------------------------------------------------------
 */

/* Bytes of the body, or of the disk, did not go through. */
static void answer_upload(struct memb_call *call, enum ub_status status, const struct ub_err *err)
{
    switch (status) {
    case UB_EINVAL:
        memb_problem(call, UB_P_DIGEST_MISMATCH, err->message);
        break;
    case UB_ELIMIT:
        memb_problem(call, UB_P_TOO_LARGE, err->message);
        break;
    case UB_EUNAVAILABLE:
        memb_problem(call, UB_P_QUOTA, "the disk has no room for it");
        break;
    default:
        memb_problem(call, UB_P_STORE_AWAY, err->message);
    }
}

static enum ub_status pull(struct memb_call *call, struct ub_blob_writer *writer,
                           int64_t *length_out, struct ub_err *err)
{
    struct memb *memb = call->memb;
    uint8_t *chunk = malloc(CHUNK);
    enum ub_status status = chunk != NULL ? UB_OK : ub_fail(err, UB_ENOMEM, "no memory");
    size_t len = 1;
    *length_out = 0;
    while (status == UB_OK && len > 0) {
        status = memb->httpd->read(call->request, chunk, CHUNK, &len, err);
        if (status == UB_OK && *length_out + (int64_t)len > memb->settings->max_blob) {
            status = ub_fail(err, UB_ELIMIT, "larger than blob_max_bytes of /v1/info");
        }
        if (status == UB_OK && len > 0) {
            status = memb->blob->append(writer, (struct ub_bytes){chunk, len}, err);
            *length_out += (int64_t)len;
        }
    }
    free(chunk);
    return status;
}

/* From commit to reference nobody may remove the object. An object that gets no reference is never
 * found again, so what speaks against one is asked before. */
static void keep(struct memb_call *call, struct memb_room *room, struct ub_blob_writer **writer,
                 const uint8_t *hash, int64_t length)
{
    struct memb *memb = call->memb;
    struct ub_err err = UB_ERR_INIT;
    struct ub_blob_hash address;
    bool is_there = memb_blob_find(room, hash, NULL);
    memcpy(address.bytes, hash, sizeof address.bytes);
    if (!memb_call_is_live(call) ||
        memb_room_role(room, call->identity->account_pk) < UBR_ROLE_WRITER) {
        memb->blob->abort(writer);
        memb_problem(call, UB_P_FORBIDDEN, "no longer a writer of the room");
        return;
    }
    if (!is_there && memb_blob_used(room) + length > memb->live.max_room_blobs) {
        memb->blob->abort(writer);
        memb_problem(call, UB_P_QUOTA, "the room's blobs would exceed max_room_blobs");
        return;
    }
    enum ub_status status = memb->blob->commit(writer, &address, &err);
    if (status == UB_EINVAL) {
        memb_problem(call, UB_P_HASH_MISMATCH, "the object's BLAKE2b-256 is not its address");
    } else if (status != UB_OK) {
        answer_upload(call, status, &err);
    } else if (is_there) {
        memb_reply(call, 200, NULL, NULL, NULL);
    } else if (memb_blob_reference(call, room, hash, length)) {
        memb_reply(call, 201, NULL, NULL, NULL);
    }
}

static void upload(struct memb_call *call, struct memb_room *room, const uint8_t *hash)
{
    struct memb *memb = call->memb;
    struct ub_blob_writer *writer = NULL;
    struct ub_err err = UB_ERR_INIT;
    int64_t length = 0;
    enum ub_status status =
        memb->blob->begin(memb->blob_self, call->request->body_length, &writer, &err);
    if (status == UB_OK) {
        status = pull(call, writer, &length, &err);
    }
    if (status != UB_OK) {
        if (writer != NULL) {
            memb->blob->abort(&writer);
        }
        answer_upload(call, status, &err);
        return;
    }
    pthread_mutex_lock(&memb->blob_gate);
    pthread_mutex_lock(&room->writing);
    keep(call, room, &writer, hash, length);
    pthread_mutex_unlock(&room->writing);
    pthread_mutex_unlock(&memb->blob_gate);
}

static void put_blob(struct memb_call *call)
{
    uint8_t hash[UBR_HASH_LEN];
    struct memb_room *room = writable_room(call);
    if (room == NULL || !read_address(call, call->request->params[1], hash)) {
        return;
    }
    if (call->request->body_length > call->memb->settings->max_blob) {
        memb_problem(call, UB_P_TOO_LARGE, "larger than blob_max_bytes of /v1/info");
    } else if (call->request->body_length + memb_blob_used(room) >
                   call->memb->live.max_room_blobs &&
               !memb_blob_find(room, hash, NULL)) {
        memb_problem(call, UB_P_QUOTA, "the room's blobs would exceed max_room_blobs");
    } else {
        upload(call, room, hash);
    }
}

/* ---- DELETE -----------------------------------------------------------------------------------
 */

static void drop(struct memb_call *call, struct memb_room *room, enum ubr_role role,
                 const uint8_t *hash)
{
    struct memb_blob blob;
    if (!memb_blob_find(room, hash, &blob)) {
        memb_problem(call, UB_P_NOT_FOUND, "the room has no such blob");
    } else if (role < UBR_ROLE_ADMIN &&
               memcmp(blob.uploader_pk, call->identity->account_pk, UBR_KEY_LEN) != 0) {
        memb_problem(call, UB_P_FORBIDDEN, "only the uploader or an admin of the room");
    } else if (memb_blob_drop(call, room, hash)) {
        memb_reply(call, 204, NULL, NULL, NULL);
    }
}

static void delete_blob(struct memb_call *call)
{
    uint8_t hash[UBR_HASH_LEN];
    enum ubr_role role;
    struct memb_room *room = memb_call_room(call, false, &role);
    if (room == NULL || !memb_may(call, "blob.drop", "room", room->id32, NULL) ||
        !read_address(call, call->request->params[1], hash)) {
        return;
    }
    pthread_mutex_lock(&call->memb->blob_gate);
    pthread_mutex_lock(&room->writing);
    drop(call, room, role, hash);
    pthread_mutex_unlock(&room->writing);
    pthread_mutex_unlock(&call->memb->blob_gate);
}

/* ---- GET --------------------------------------------------------------------------------------
 */

struct download {
    struct memb_call *call;
    struct memb_room *room;
    const char *address;
    struct ub_blob_reader *reader;
    int64_t length, first, last;
    enum memb_range range;
};

static bool may_go_on(const struct download *download)
{
    const struct memb_identity *identity = download->call->identity;
    return memb_call_is_live(download->call) &&
           memb_room_role(download->room, identity->account_pk) != UBR_ROLE_NONE;
}

/* A removal cuts a download that is under way, like a connection. */
static void send_bytes(struct download *download)
{
    struct memb *memb = download->call->memb;
    const struct ub_http_request *request = download->call->request;
    struct ub_err err = UB_ERR_INIT;
    uint8_t *chunk = malloc(CHUNK);
    int64_t at = download->first;
    enum ub_status status = chunk != NULL ? UB_OK : UB_ENOMEM;
    while (status == UB_OK && at <= download->last) {
        int64_t left = download->last - at + 1;
        size_t len = 0;
        status = memb->blob->read(download->reader, at, chunk, left < CHUNK ? (size_t)left : CHUNK,
                                  &len, &err);
        if (status != UB_OK || len == 0 || !may_go_on(download)) {
            break;
        }
        status = memb->httpd->write(request, (struct ub_bytes){chunk, len}, &err);
        at += (int64_t)len;
    }
    free(chunk);
}

static void send_object(struct download *download)
{
    struct memb *memb = download->call->memb;
    const struct ub_http_request *request = download->call->request;
    char etag[UBR_BLOB_ADDRESS_LEN + 3], range[80];
    struct ub_err err = UB_ERR_INIT;
    struct ub_http_header headers[6] = {{"Content-Type", "application/octet-stream"},
                                        {"ETag", etag},
                                        {"Accept-Ranges", "bytes"},
                                        {"Cache-Control", "private, immutable"}};
    bool is_part = download->range == MEMB_RANGE_PART;
    snprintf(etag, sizeof etag, "\"%s\"", download->address);
    if (is_part) {
        snprintf(range, sizeof range, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, download->first,
                 download->last, download->length);
        headers[4] = (struct ub_http_header){"Content-Range", range};
    }
    int64_t length = download->last - download->first + 1;
    if (memb->httpd->begin(request, is_part ? 206 : 200, headers, length, &err) == UB_OK &&
        strcmp(request->method, "HEAD") != 0) {
        send_bytes(download);
    }
    memb->httpd->end(request);
}

static void answer_download(struct download *download)
{
    struct memb_call *call = download->call;
    char members[48], etag[UBR_BLOB_ADDRESS_LEN + 3];
    const char *if_none_match = memb_header(call, "if-none-match");
    snprintf(etag, sizeof etag, "\"%s\"", download->address);
    download->first = 0;
    download->last = download->length - 1;
    download->range = memb_range_read(memb_header(call, "range"), download->length,
                                      &download->first, &download->last);
    if (if_none_match != NULL && strcmp(if_none_match, etag) == 0) {
        memb_reply(call, 304, NULL, etag, NULL);
    } else if (download->range == MEMB_RANGE_OUTSIDE) {
        snprintf(members, sizeof members, "\"length\":%" PRId64, download->length);
        memb_problem_with(call, UB_P_RANGE, members, "the range is outside of the object");
    } else {
        send_object(download);
    }
}

static void get_blob(struct memb_call *call)
{
    uint8_t hash[UBR_HASH_LEN];
    struct memb *memb = call->memb;
    struct ub_err err = UB_ERR_INIT;
    struct ub_blob_stat stat = {.size = sizeof stat};
    struct ub_blob_hash address;
    struct download download = {.call = call, .address = call->request->params[0]};
    if (!memb_may(call, "blob.get", "blob", download.address, NULL) ||
        !read_address(call, download.address, hash)) {
        return;
    }
    download.room = call->identity != NULL ? memb_blob_room_of(memb, call->identity, hash) : NULL;
    memcpy(address.bytes, hash, sizeof address.bytes);
    if (download.room == NULL) {
        memb_problem(call, UB_P_NOT_FOUND, "no room of yours references it");
    } else if (memb->blob->open(memb->blob_self, &address, &download.reader, &stat, &err) !=
               UB_OK) {
        ub_log(memb->host, UB_LOG_ERROR, "blob-missing", "a referenced object cannot be opened",
               UB_TEXT("address", download.address), UB_TEXT("why", err.message));
        memb_problem(call, UB_P_STORE_AWAY, "the object cannot be read");
    } else {
        download.length = stat.length;
        answer_download(&download);
        memb->blob->close(&download.reader);
    }
}

static const struct memb_route routes[] = {
    {"POST", "/v1/rooms/{room}/blobs", UB_HTTP_SIGNED, 4096, post_blob},
    {"PUT", "/v1/rooms/{room}/blobs/{addr}", UB_HTTP_SIGNED | UB_HTTP_STREAM_BODY, MEMB_BODY_BLOB,
     put_blob},
    {"DELETE", "/v1/rooms/{room}/blobs/{addr}", UB_HTTP_SIGNED, 0, delete_blob},
    {"GET", "/v1/blobs/{addr}", UB_HTTP_SIGNED, 0, get_blob},
};

const struct memb_route_table memb_blob_routes = {routes, MEMB_COUNT(routes)};
