/* SPDX-License-Identifier: Apache-2.0 */
#include "blobs.h"

#include <stdlib.h>
#include <string.h>

#include "rooms.h"

static void blob_path(struct memb_key *key, const struct memb_room *room, const uint8_t *hash)
{
    memb_key_set(key, "blob");
    memb_key_bytes(key, room->id, UBR_ROOM_ID_LEN);
    memb_key_bytes(key, hash, UBR_HASH_LEN);
}

bool memb_blob_find(struct memb_room *room, const uint8_t *hash, struct memb_blob *blob_out)
{
    memb_room_read(room);
    const struct memb_blob *blob = memb_map_get(room->blobs, hash);
    if (blob != NULL && blob_out != NULL) {
        *blob_out = *blob;
    }
    memb_room_unlock(room);
    return blob != NULL;
}

int64_t memb_blob_used(struct memb_room *room)
{
    memb_room_read(room);
    int64_t used = room->blob_bytes;
    memb_room_unlock(room);
    return used;
}

bool memb_blob_keep(struct memb_room *room, const uint8_t *hash, const uint8_t *uploader_pk,
                    int64_t length)
{
    struct memb_blob *blob = calloc(1, sizeof *blob);
    if (blob == NULL) {
        return false;
    }
    memcpy(blob->uploader_pk, uploader_pk, UBR_KEY_LEN);
    blob->length = length;
    memb_room_write(room);
    bool is_kept = memb_map_put(room->blobs, hash, blob);
    room->blob_bytes += is_kept ? length : 0;
    memb_room_unlock(room);
    if (!is_kept) {
        free(blob);
    }
    return is_kept;
}

bool memb_blob_reference(struct memb_call *call, struct memb_room *room, const uint8_t *hash,
                         int64_t length)
{
    struct memb *memb = call->memb;
    uint8_t value[MEMB_BLOB_LEN];
    struct memb_txn *txn = memb_txn_new(memb, call->ticket);
    if (txn == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return false;
    }
    memb_blob_write(memb_now_ms(memb), call->identity->account_pk, length, value);
    blob_path(memb_txn_write(txn, UB_KV_CREATE, (struct ub_bytes){value, sizeof value}, 0), room,
              hash);
    bool is_done = memb_call_commit(call, txn, UB_P_EXISTS, 201, NULL, NULL);
    if (is_done && !memb_blob_keep(room, hash, call->identity->account_pk, length)) {
        memb_fail(memb, "no memory to hold what was stored");
    }
    memb_txn_free(&txn);
    return is_done;
}

/* Any room; the gate keeps new references away. */
static bool is_referenced(struct memb *memb, const uint8_t *hash)
{
    bool is_found = false;
    memb_model_read(&memb->model);
    size_t count = memb->model.rooms_len;
    struct memb_room **rooms = calloc(count + 1, sizeof(struct memb_room *));
    if (rooms != NULL && count > 0) {
        memcpy(rooms, memb->model.rooms, count * sizeof(struct memb_room *));
    }
    memb_model_unlock(&memb->model);
    for (size_t i = 0; rooms != NULL && i < count && !is_found; i++) {
        is_found = memb_blob_find(rooms[i], hash, NULL);
    }
    is_found = is_found || rooms == NULL;
    free(rooms);
    return is_found;
}

static void forget(struct memb_room *room, const uint8_t *hash)
{
    memb_room_write(room);
    struct memb_blob *blob = memb_map_remove(room->blobs, hash);
    room->blob_bytes -= blob != NULL ? blob->length : 0;
    memb_room_unlock(room);
    free(blob);
}

static void remove_object(struct memb *memb, const uint8_t *hash)
{
    struct ub_err err = UB_ERR_INIT;
    struct ub_blob_hash address;
    memcpy(address.bytes, hash, sizeof address.bytes);
    if (!is_referenced(memb, hash) &&
        memb->blob->remove(memb->blob_self, &address, &err) != UB_OK) {
        ub_log(memb->host, UB_LOG_WARN, "blob-not-removed", "an object without reference stays",
               UB_TEXT("why", err.message));
    }
}

bool memb_blob_drop(struct memb_call *call, struct memb_room *room, const uint8_t *hash)
{
    struct memb_txn *txn = memb_txn_new(call->memb, call->ticket);
    if (txn == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return false;
    }
    blob_path(memb_txn_write(txn, UB_KV_DELETE, (struct ub_bytes){NULL, 0}, 0), room, hash);
    bool is_done = memb_call_commit(call, txn, UB_P_HEAD_CONFLICT, 204, NULL, NULL);
    if (is_done) {
        forget(room, hash);
        remove_object(call->memb, hash);
    }
    memb_txn_free(&txn);
    return is_done;
}

struct memb_room *memb_blob_room_of(struct memb *memb, const struct memb_identity *identity,
                                    const uint8_t *hash)
{
    struct memb_room **rooms;
    struct memb_room *found = NULL;
    size_t count;
    if (!memb_rooms_of(&memb->model, identity, &rooms, &count)) {
        return NULL;
    }
    for (size_t i = 0; i < count && found == NULL; i++) {
        if (memb_blob_find(rooms[i], hash, NULL)) {
            found = rooms[i];
        }
    }
    free(rooms);
    return found;
}
