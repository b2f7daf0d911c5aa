/* SPDX-License-Identifier: Apache-2.0 */
#include "erase.h"

#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "rooms.h"
#include "staged.h"
#include "store.h"

#define KIDS_MAX 100 /* of one epoch in one go; the next minute takes the rest */

/* Acknowledged boxes of one epoch of one room. */
struct acked {
    uint32_t epoch;
    size_t count;
    uint8_t kids[KIDS_MAX][UBR_KID_LEN];
};

static bool pick(void *arg, const uint8_t *key, void *value)
{
    struct acked *acked = arg;
    uint32_t epoch =
        (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | (uint32_t)key[3];
    (void)value;
    if (acked->count == 0) {
        acked->epoch = epoch;
    }
    if (acked->epoch == epoch && acked->count < KIDS_MAX) {
        memcpy(acked->kids[acked->count++], key + 4, UBR_KID_LEN);
    }
    return true;
}

static bool is_acked(const struct acked *acked, const uint8_t *kid)
{
    for (size_t i = 0; i < acked->count; i++) {
        if (memcmp(acked->kids[i], kid, UBR_KID_LEN) == 0) {
            return true;
        }
    }
    return false;
}

/* The boxes that stay, moved together in place; the values are copies of our own. */
static bool drop_boxes(struct memb_boxes *boxes, const struct acked *acked)
{
    uint8_t *items = (uint8_t *)(uintptr_t)boxes->items;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < boxes->count; i++) {
        uint8_t *item = items + (size_t)i * MEMB_BOX_ITEM_LEN;
        if (!is_acked(acked, item)) {
            memmove(items + (size_t)kept++ * MEMB_BOX_ITEM_LEN, item, MEMB_BOX_ITEM_LEN);
        }
    }
    bool has_changed = kept != boxes->count;
    boxes->count = kept;
    return has_changed;
}

struct erasure {
    struct memb *memb;
    struct memb_room *room;
    struct memb_txn *txn;
    const struct acked *acked;
    uint8_t *copy, *written; /* of the append's record */
    struct memb_staged_list staged;
    uint8_t *chunks; /* rewritten ones */
};

static bool rewrite_append(struct erasure *erasure, uint64_t first_seq, struct ub_err *err)
{
    struct memb *memb = erasure->memb;
    struct memb_append append;
    struct ub_kv_value value = {.size = sizeof value};
    struct memb_key key;
    memb_key_set(&key, "room");
    memb_key_bytes(&key, erasure->room->id, UBR_ROOM_ID_LEN);
    memb_key_u64(&key, first_seq);
    if (memb->kv->get(memb->control, &key.key, UB_KV_NEWEST, &value, err) != UB_OK) {
        return false;
    }
    size_t len = value.bytes.len;
    erasure->copy = malloc(len);
    erasure->written = malloc(len);
    bool is_read = erasure->copy != NULL && erasure->written != NULL;
    if (is_read) {
        memcpy(erasure->copy, value.bytes.ptr, len);
        is_read = memb_append_parse((struct ub_bytes){erasure->copy, len}, &append);
    }
    memb->kv->value_free(memb->kv_self, &value);
    if (is_read && drop_boxes(&append.boxes, erasure->acked)) {
        struct ubr_bytes bytes = memb_append_write(&append, erasure->written, len);
        struct memb_key *path = memb_txn_write(
            erasure->txn, UB_KV_UPDATE, (struct ub_bytes){bytes.ptr, bytes.len}, value.revision);
        memb_key_set(path, "room");
        memb_key_bytes(path, erasure->room->id, UBR_ROOM_ID_LEN);
        memb_key_u64(path, first_seq);
    }
    return is_read;
}

static bool rewrite_staged(struct erasure *erasure, const uint8_t *commit, struct ub_err *err)
{
    struct memb_staged_list *list = &erasure->staged;
    if (memb_staged_read(erasure->memb, erasure->room->id, commit, list, err) != UB_OK) {
        return false;
    }
    erasure->chunks = list->count > 0 ? malloc(list->count * MEMB_RECORD_MAX) : NULL;
    for (size_t i = 0; i < list->count && erasure->chunks != NULL; i++) {
        struct memb_staged_chunk *chunk = &list->chunks[i];
        if (!drop_boxes(&chunk->staged.boxes, erasure->acked)) {
            continue;
        }
        bool is_empty = chunk->staged.boxes.count == 0;
        struct ubr_bytes bytes = memb_staged_write(
            &chunk->staged, erasure->chunks + i * MEMB_RECORD_MAX, MEMB_RECORD_MAX);
        memb_staged_key(
            memb_txn_write(erasure->txn, is_empty ? UB_KV_DELETE : UB_KV_UPDATE,
                           (struct ub_bytes){is_empty ? NULL : bytes.ptr, is_empty ? 0 : bytes.len},
                           chunk->revision),
            erasure->room->id, commit, chunk->first_kid);
    }
    return true;
}

static void forget_acks(struct erasure *erasure)
{
    uint8_t key[MEMB_EPOCH_KID_LEN];
    memb_room_write(erasure->room);
    for (size_t i = 0; i < erasure->acked->count; i++) {
        memb_epoch_kid_key(erasure->acked->epoch, erasure->acked->kids[i], key);
        memb_map_remove(erasure->room->acks, key);
    }
    memb_room_unlock(erasure->room);
}

static void run(struct erasure *erasure, uint64_t first_seq, const uint8_t *commit)
{
    struct ub_err err = UB_ERR_INIT;
    const struct acked *acked = erasure->acked;
    if (!rewrite_append(erasure, first_seq, &err) || !rewrite_staged(erasure, commit, &err)) {
        return;
    }
    for (size_t i = 0; i < acked->count; i++) {
        struct memb_key *key =
            memb_txn_write(erasure->txn, UB_KV_DELETE, (struct ub_bytes){NULL, 0}, 0);
        memb_key_box(key, "ack", erasure->room->id, acked->epoch, acked->kids[i]);
    }
    if (memb_txn_commit(erasure->txn, &err) == UB_P_NONE) {
        forget_acks(erasure);
    }
}

/* One epoch of the room; nothing to do is the usual case. */
static void erase_in(struct memb *memb, struct memb_room *room)
{
    struct acked acked = {.count = 0};
    uint64_t first_seq = 0;
    uint8_t commit[UBR_HASH_LEN];
    memb_room_read(room);
    memb_map_sweep(room->acks, pick, &acked);
    const struct ubr_log_epoch *info =
        acked.count > 0 ? ubr_log_epoch(room->log, acked.epoch) : NULL;
    if (info != NULL) {
        first_seq = room->epoch_records[acked.epoch - 1];
        memcpy(commit, info->commit, UBR_HASH_LEN);
    }
    memb_room_unlock(room);
    if (info == NULL) {
        return;
    }
    struct erasure erasure = {.memb = memb, .room = room, .acked = &acked};
    pthread_mutex_lock(&room->writing);
    erasure.txn = memb_txn_new(memb, NULL);
    if (erasure.txn != NULL) {
        run(&erasure, first_seq, commit);
    }
    memb_txn_free(&erasure.txn);
    pthread_mutex_unlock(&room->writing);
    memb_staged_free(&erasure.staged);
    free(erasure.chunks);
    free(erasure.copy);
    free(erasure.written);
}

void memb_boxes_erase(struct memb *memb)
{
    memb_model_read(&memb->model);
    size_t count = memb->model.rooms_len;
    struct memb_room **rooms = calloc(count + 1, sizeof(struct memb_room *));
    if (rooms != NULL && count > 0) {
        memcpy(rooms, memb->model.rooms, count * sizeof(struct memb_room *));
    }
    memb_model_unlock(&memb->model);
    for (size_t i = 0; rooms != NULL && i < count; i++) {
        erase_in(memb, rooms[i]);
    }
    free(rooms);
}
