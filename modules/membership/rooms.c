/* SPDX-License-Identifier: Apache-2.0 */
#include "rooms.h"

#include <stdlib.h>
#include <string.h>

#include "identities.h"

struct memb_room *memb_room_new(void)
{
    struct memb_room *room = calloc(1, sizeof *room);
    if (room == NULL) {
        return NULL;
    }
    pthread_mutex_init(&room->writing, NULL);
    memb_rwlock_init(&room->lock);
    room->log = ubr_log_new();
    room->blobs = memb_map_new(UBR_HASH_LEN);
    room->requests = memb_map_new(MEMB_EPOCH_KID_LEN);
    room->acks = memb_map_new(MEMB_EPOCH_KID_LEN);
    if (room->log == NULL || room->blobs == NULL || room->requests == NULL || room->acks == NULL) {
        memb_room_free(&room);
    }
    return room;
}

static bool free_value(void *arg, const uint8_t *key, void *value)
{
    (void)arg;
    (void)key;
    free(value);
    return true;
}

void memb_room_free(struct memb_room **room)
{
    struct memb_room *old = *room;
    if (old == NULL) {
        return;
    }
    for (size_t i = 0; i < old->entries_len; i++) {
        free(old->entries[i]);
    }
    if (old->blobs != NULL) {
        memb_map_sweep(old->blobs, free_value, NULL);
    }
    if (old->requests != NULL) {
        memb_map_sweep(old->requests, free_value, NULL);
    }
    memb_map_free(&old->blobs);
    memb_map_free(&old->requests);
    memb_map_free(&old->acks);
    free(old->entries);
    free(old->epoch_records);
    ubr_log_free(&old->log);
    pthread_rwlock_destroy(&old->lock);
    pthread_mutex_destroy(&old->writing);
    free(old);
    *room = NULL;
}

void memb_room_read(struct memb_room *room)
{
    pthread_rwlock_rdlock(&room->lock);
}

void memb_room_write(struct memb_room *room)
{
    pthread_rwlock_wrlock(&room->lock);
}

void memb_room_unlock(struct memb_room *room)
{
    pthread_rwlock_unlock(&room->lock);
}

/* Records never change or go, so the lock is needed for the look-up only. */
static bool find_record(void *context, const uint8_t account_pk[UBR_KEY_LEN],
                        const uint8_t hash[UBR_HASH_LEN], struct ubr_device_record *record_out)
{
    struct memb_model *model = context;
    (void)account_pk; /* the log compares it with the record's own */
    memb_model_read(model);
    const struct memb_device *device = memb_map_get(model->records, hash);
    memb_model_unlock(model);
    if (device == NULL) {
        return false;
    }
    *record_out = memb_device_record(device);
    return true;
}

struct ubr_record_store memb_record_store(struct memb_model *model)
{
    return (struct ubr_record_store){find_record, model};
}

/* ---- taking an append -------------------------------------------------------------------------
 */

static struct memb_entry *copy_entry(const struct memb_entry_bytes *bytes)
{
    struct memb_entry *entry = malloc(sizeof *entry + bytes->body.len);
    if (entry != NULL) {
        entry->body_len = (uint16_t)bytes->body.len;
        memcpy(entry->sig, bytes->sig, UBR_SIG_LEN);
        memcpy(entry->body, bytes->body.ptr, bytes->body.len);
    }
    return entry;
}

static bool keep_entry(struct memb_room *room, const struct memb_entry_bytes *bytes)
{
    struct memb_entry *entry = copy_entry(bytes);
    if (entry == NULL ||
        !memb_push(&room->entries, &room->entries_len, &room->entries_cap, entry)) {
        free(entry);
        return false;
    }
    return true;
}

static bool keep_epoch(struct memb_room *room, uint64_t first_seq, int64_t mono_ms)
{
    uint64_t *grown = realloc(room->epoch_records, (room->epochs_len + 1) * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    grown[room->epochs_len++] = first_seq;
    room->epoch_records = grown;
    room->epoch_since_mono_ms = mono_ms;
    return true;
}

static void drop_entries(struct memb_room *room, size_t down_to)
{
    while (room->entries_len > down_to) {
        free(room->entries[--room->entries_len]);
    }
}

static enum ubr_error take_entry(const struct ubr_record_store *store, struct memb_room *room,
                                 const struct memb_entry_bytes *bytes)
{
    enum ubr_error rule = ubr_log_append(room->log, store, bytes->body, bytes->sig);
    return rule == UBR_OK && !keep_entry(room, bytes) ? UBR_E_MEMORY : rule;
}

/* What does not change any more is copied out of the first entry. */
static void name_room(struct memb_room *room, const struct memb_append *append)
{
    struct ubr_entry create;
    memcpy(room->id, ubr_log_state(room->log)->room_id, UBR_ROOM_ID_LEN);
    ubr_room32(room->id, room->id32);
    room->is_plain = append->is_plain;
    room->created_ms = append->time_ms;
    if (ubr_entry_parse(append->entries[0].body, &create) == UBR_OK) {
        memcpy(room->founder_pk, create.author_pk, UBR_KEY_LEN);
    }
}

enum ubr_error memb_room_take(struct memb_model *model, struct memb_room *room,
                              const struct memb_append *append, int64_t mono_ms,
                              uint16_t *failed_out)
{
    struct ubr_record_store store = memb_record_store(model);
    size_t before = room->entries_len;
    enum ubr_error rule = UBR_OK;
    ubr_log_begin(room->log);
    for (uint16_t i = 0; i < append->entries_len && rule == UBR_OK; i++) {
        *failed_out = i;
        rule = take_entry(&store, room, &append->entries[i]);
    }
    if (rule == UBR_OK && ubr_log_state(room->log)->epoch > room->epochs_len &&
        !keep_epoch(room, before, mono_ms)) {
        rule = UBR_E_MEMORY;
    }
    if (rule != UBR_OK) {
        ubr_log_abort(room->log);
        drop_entries(room, before);
        return rule;
    }
    ubr_log_commit(room->log);
    if (before == 0) {
        name_room(room, append);
    }
    return UBR_OK;
}

/* ---- who is where -----------------------------------------------------------------------------
 */

bool memb_room_publish(struct memb_model *model, struct memb_room *room)
{
    memb_model_write(model);
    room->number = (uint32_t)model->rooms_len;
    bool is_done = memb_push(&model->rooms, &model->rooms_len, &model->rooms_cap, room) &&
                   memb_map_put(model->rooms_by_id, room->id, room);
    memb_model_unlock(model);
    return is_done;
}

bool memb_roster_of(const struct memb_room *room, struct memb_roster *roster_out)
{
    struct ubr_member member;
    size_t cursor = 0;
    roster_out->count = 0;
    roster_out->items =
        calloc((size_t)ubr_log_state(room->log)->members + 1, sizeof *roster_out->items);
    if (roster_out->items == NULL) {
        return false;
    }
    while (ubr_log_member_next(room->log, &cursor, &member)) {
        struct memb_roster_item *item = &roster_out->items[roster_out->count++];
        memcpy(item->account_pk, member.account_pk, UBR_KEY_LEN);
        item->role = member.role;
    }
    return true;
}

void memb_roster_fini(struct memb_roster *roster)
{
    free(roster->items);
    *roster = (struct memb_roster){0, NULL};
}

static bool holds(const struct memb_roster *roster, const uint8_t *account_pk)
{
    size_t low = 0, high = roster->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(roster->items[middle].account_pk, account_pk, UBR_KEY_LEN);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static void leave(struct memb_identity *identity, const struct memb_room *room)
{
    for (size_t i = 0; i < identity->rooms_len; i++) {
        if (identity->rooms[i] == room) {
            identity->rooms_len--;
            memmove(&identity->rooms[i], &identity->rooms[i + 1],
                    (identity->rooms_len - i) * sizeof(struct memb_room *));
            return;
        }
    }
}

static bool join(struct memb_identity *identity, struct memb_room *room)
{
    if (!memb_push(&identity->rooms, &identity->rooms_len, &identity->rooms_cap, room)) {
        return false;
    }
    size_t at = identity->rooms_len - 1;
    for (; at > 0 && identity->rooms[at - 1]->number > room->number; at--) {
        identity->rooms[at] = identity->rooms[at - 1];
    }
    identity->rooms[at] = room;
    return true;
}

bool memb_rooms_index(struct memb_model *model, struct memb_room *room,
                      const struct memb_roster *before, const struct memb_roster *after)
{
    bool is_done = true;
    memb_model_write(model);
    for (size_t i = 0; i < before->count; i++) {
        struct memb_identity *identity = memb_model_account(model, before->items[i].account_pk);
        if (identity != NULL && !holds(after, identity->account_pk)) {
            leave(identity, room);
        }
    }
    for (size_t i = 0; i < after->count && is_done; i++) {
        struct memb_identity *identity = memb_model_account(model, after->items[i].account_pk);
        if (identity != NULL && !holds(before, identity->account_pk)) {
            is_done = join(identity, room);
        }
    }
    memb_model_unlock(model);
    return is_done;
}

enum ubr_role memb_room_role(struct memb_room *room, const uint8_t *account_pk)
{
    struct ubr_member member;
    memb_room_read(room);
    bool is_member = ubr_log_member(room->log, account_pk, &member);
    memb_room_unlock(room);
    return is_member ? member.role : UBR_ROLE_NONE;
}

bool memb_rooms_of(struct memb_model *model, const struct memb_identity *identity,
                   struct memb_room ***rooms_out, size_t *count_out)
{
    memb_model_read(model);
    size_t count = identity->rooms_len;
    struct memb_room **rooms = calloc(count + 1, sizeof(struct memb_room *));
    if (rooms != NULL && count > 0) {
        memcpy(rooms, identity->rooms, count * sizeof(struct memb_room *));
    }
    memb_model_unlock(model);
    *rooms_out = rooms;
    *count_out = count;
    return rooms != NULL;
}

void memb_epoch_kid_key(uint32_t epoch, const uint8_t *kid, uint8_t key_out[MEMB_EPOCH_KID_LEN])
{
    key_out[0] = (uint8_t)(epoch >> 24);
    key_out[1] = (uint8_t)(epoch >> 16);
    key_out[2] = (uint8_t)(epoch >> 8);
    key_out[3] = (uint8_t)epoch;
    memcpy(key_out + 4, kid, UBR_KID_LEN);
}
