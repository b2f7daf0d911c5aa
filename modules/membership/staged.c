/* SPDX-License-Identifier: Apache-2.0 */
#include "staged.h"

#include <stdlib.h>
#include <string.h>

#include "rooms.h"

void memb_staged_key(struct memb_key *key, const uint8_t *room_id, const uint8_t *commit,
                     const uint8_t *first_kid)
{
    memb_key_set(key, "staged");
    memb_key_bytes(key, room_id, UBR_ROOM_ID_LEN);
    memb_key_bytes(key, commit, UBR_HASH_LEN);
    if (first_kid != NULL) {
        memb_key_bytes(key, first_kid, UBR_KID_LEN);
    }
}

void memb_staged_free(struct memb_staged_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->chunks[i].value);
    }
    *list = (struct memb_staged_list){0};
}

struct reading {
    struct memb_staged_list *list;
    bool is_damaged;
};

static bool read_chunk(void *arg, const struct ub_kv_entry *entry)
{
    struct reading *reading = arg;
    struct memb_staged_list *list = reading->list;
    const uint8_t *kid = memb_key_segment(&entry->key, 3, UBR_KID_LEN);
    struct memb_staged_chunk *chunk = &list->chunks[list->count];
    uint8_t *value = malloc(entry->value.len + 1);
    if (value != NULL) {
        memcpy(value, entry->value.ptr, entry->value.len);
    }
    if (value == NULL || kid == NULL ||
        !memb_staged_parse((struct ub_bytes){value, entry->value.len}, &chunk->staged)) {
        free(value);
        reading->is_damaged = true;
        return false;
    }
    chunk->value = value;
    chunk->revision = entry->revision;
    memcpy(chunk->first_kid, kid, UBR_KID_LEN);
    list->boxes += chunk->staged.boxes.count;
    return ++list->count < MEMB_STAGED_MAX;
}

enum ub_status memb_staged_read(struct memb *memb, const uint8_t *room_id, const uint8_t *commit,
                                struct memb_staged_list *list_out, struct ub_err *err)
{
    struct memb_key prefix;
    struct reading reading = {list_out, false};
    *list_out = (struct memb_staged_list){0};
    memb_staged_key(&prefix, room_id, commit, NULL);
    enum ub_status status =
        memb->kv->list(memb->control, &prefix.key, NULL, 0, read_chunk, &reading, err);
    if (status == UB_OK && reading.is_damaged) {
        status = ub_fail(err, UB_EDAMAGED, "staged boxes cannot be read");
    }
    if (status != UB_OK) {
        memb_staged_free(list_out);
    }
    return status;
}

/* ---- after 10 minutes -------------------------------------------------------------------------
 */

#define EXPIRE_BATCH 50

struct old_chunks {
    struct memb *memb;
    struct memb_txn *txn;
    int64_t before_ms;
    size_t count;
    uint8_t keys[EXPIRE_BATCH][UBR_ROOM_ID_LEN + UBR_HASH_LEN + UBR_KID_LEN];
};

static bool has_epoch(struct memb *memb, const uint8_t *room_id, const uint8_t *commit)
{
    memb_model_read(&memb->model);
    struct memb_room *room = memb_model_room(&memb->model, room_id);
    memb_model_unlock(&memb->model);
    bool is_used = false;
    if (room != NULL) {
        memb_room_read(room);
        for (uint32_t epoch = 1; epoch <= ubr_log_state(room->log)->epoch && !is_used; epoch++) {
            is_used = memcmp(ubr_log_epoch(room->log, epoch)->commit, commit, UBR_HASH_LEN) == 0;
        }
        memb_room_unlock(room);
    }
    return is_used;
}

/* An append that lands meanwhile checks the revision of each chunk: one of the two fails. */
static bool note_old(void *arg, const struct ub_kv_entry *entry)
{
    struct old_chunks *old = arg;
    struct memb_staged staged;
    const uint8_t *room_id = memb_key_segment(&entry->key, 1, UBR_ROOM_ID_LEN);
    const uint8_t *commit = memb_key_segment(&entry->key, 2, UBR_HASH_LEN);
    const uint8_t *kid = memb_key_segment(&entry->key, 3, UBR_KID_LEN);
    if (room_id == NULL || commit == NULL || kid == NULL ||
        !memb_staged_parse(entry->value, &staged) || staged.time_ms >= old->before_ms ||
        has_epoch(old->memb, room_id, commit)) {
        return true;
    }
    uint8_t *key = old->keys[old->count++];
    memcpy(key, room_id, UBR_ROOM_ID_LEN);
    memcpy(key + UBR_ROOM_ID_LEN, commit, UBR_HASH_LEN);
    memcpy(key + UBR_ROOM_ID_LEN + UBR_HASH_LEN, kid, UBR_KID_LEN);
    memb_staged_key(
        memb_txn_write(old->txn, UB_KV_DELETE, (struct ub_bytes){NULL, 0}, entry->revision), key,
        key + UBR_ROOM_ID_LEN, key + UBR_ROOM_ID_LEN + UBR_HASH_LEN);
    return old->count < EXPIRE_BATCH;
}

void memb_staged_expire(struct memb *memb)
{
    struct memb_key prefix;
    struct ub_err err = UB_ERR_INIT;
    struct old_chunks *old = calloc(1, sizeof *old);
    if (old == NULL || (old->txn = memb_txn_new(memb, NULL)) == NULL) {
        free(old);
        return;
    }
    old->memb = memb;
    /* An append takes none that is older than 10 minutes; a minute more, and none of those under
     * way can need it. */
    old->before_ms = memb_now_ms(memb) - MEMB_STAGED_KEEP_MS - 60000;
    memb_key_set(&prefix, "staged");
    enum ub_status status =
        memb->kv->list(memb->control, &prefix.key, NULL, 0, note_old, old, &err);
    if (status == UB_OK && old->count > 0) {
        memb_txn_commit(old->txn, &err);
    }
    memb_txn_free(&old->txn);
    free(old);
}
