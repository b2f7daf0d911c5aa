/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#include "blobs.h"
#include "identities.h"
#include "rooms.h"
#include "store.h"

struct loading {
    struct memb *memb;
    struct memb_room *room; /* that is being read: records come room by room */
    enum ub_status status;
    struct ub_err *err;
};

/* ---- allowlist --------------------------------------------------------------------------------
 */

static bool damaged_step(struct loading *loading, uint64_t number, const char *why)
{
    loading->status = ub_fail_code(
        loading->err, UB_EDAMAGED, "E-MEMB-DAMAGED",
        "control: record allow/%" PRIu64 " %s; restore the store from a back-up", number, why);
    return false;
}

static bool take_step(struct loading *loading, const struct memb_allow *allow, uint64_t number)
{
    char why[160];
    struct memb_step step;
    struct memb_model *model = &loading->memb->model;
    struct memb_refusal refusal = memb_step_judge(model, allow, &step);
    if (refusal.problem != UB_P_NONE) {
        snprintf(why, sizeof why, "contradicts those before it (%s)", refusal.detail);
        return damaged_step(loading, number, why);
    }
    return memb_step_publish(model, allow, &step) || damaged_step(loading, number, "needs memory");
}

static bool load_allow(void *arg, const struct ub_kv_entry *entry)
{
    struct loading *loading = arg;
    struct memb_allow allow;
    uint64_t number, next = loading->memb->model.allow_next;
    if (!memb_key_number(&entry->key, 1, 8, &number)) {
        return damaged_step(loading, next, "has a strange key");
    }
    if (number != next) {
        return damaged_step(loading, next, "is missing");
    }
    if (!memb_allow_parse(entry->value, &allow)) {
        return damaged_step(loading, number, "cannot be read");
    }
    return take_step(loading, &allow, number);
}

/* ---- rooms ------------------------------------------------------------------------------------
 */

static bool damaged_append(struct loading *loading, const uint8_t *room_id, uint64_t seq,
                           const char *why)
{
    char id[MEMB_ID_LEN + 1] = "?";
    if (room_id != NULL) {
        ubr_room32(room_id, id);
    }
    loading->status = ub_fail_code(
        loading->err, UB_EDAMAGED, "E-MEMB-DAMAGED",
        "control: record room/%s/%" PRIu64 " %s; restore the store from a back-up", id, seq, why);
    return false;
}

static bool finish_room(struct loading *loading)
{
    struct memb_room *room = loading->room;
    struct memb_model *model = &loading->memb->model;
    struct memb_roster nobody = {0}, roster = {0};
    loading->room = NULL;
    if (room == NULL) {
        return true;
    }
    bool is_done = memb_room_publish(model, room) && memb_roster_of(room, &roster) &&
                   memb_rooms_index(model, room, &nobody, &roster);
    memb_roster_fini(&roster);
    return is_done || damaged_append(loading, room->id, 0, "needs memory");
}

/* When the epoch came, on the clock that the guards use. */
static int64_t mono_of(const struct memb *memb, int64_t time_ms)
{
    int64_t ago = memb_now_ms(memb) - time_ms;
    return memb_mono_ms(memb) - (ago > 0 ? ago : 0);
}

static bool take_append(struct loading *loading, const uint8_t *room_id, uint64_t seq,
                        const struct memb_append *append)
{
    char why[160];
    uint16_t failed = 0;
    struct memb *memb = loading->memb;
    struct memb_room *room = loading->room;
    enum ubr_error rule =
        memb_room_take(&memb->model, room, append, mono_of(memb, append->time_ms), &failed);
    if (rule != UBR_OK) {
        snprintf(why, sizeof why, "holds an invalid entry %" PRIu64 " (%s)", seq + failed,
                 ubr_error_name(rule));
        return damaged_append(loading, room_id, seq, why);
    }
    return memcmp(room->id, room_id, UBR_ROOM_ID_LEN) == 0 ||
           damaged_append(loading, room_id, seq, "belongs to another room");
}

static bool is_next_room(const struct loading *loading, const uint8_t *room_id)
{
    return loading->room == NULL || memcmp(loading->room->id, room_id, UBR_ROOM_ID_LEN) != 0;
}

static bool load_append(void *arg, const struct ub_kv_entry *entry)
{
    struct loading *loading = arg;
    struct memb_append append;
    uint64_t seq = 0;
    const uint8_t *room_id = memb_key_segment(&entry->key, 1, UBR_ROOM_ID_LEN);
    if (room_id == NULL || !memb_key_number(&entry->key, 2, 8, &seq)) {
        return damaged_append(loading, room_id, seq, "has a strange key");
    }
    if (is_next_room(loading, room_id)) {
        if (!finish_room(loading)) {
            return false;
        }
        loading->room = memb_room_new();
        if (loading->room == NULL) {
            return damaged_append(loading, room_id, seq, "needs memory");
        }
    }
    if (seq != loading->room->entries_len) {
        return damaged_append(loading, room_id, loading->room->entries_len, "is missing");
    }
    if (!memb_append_parse(entry->value, &append)) {
        return damaged_append(loading, room_id, seq, "cannot be read");
    }
    return take_append(loading, room_id, seq, &append);
}

/* ---- what belongs to rooms --------------------------------------------------------------------
 */

static bool damaged_part(struct loading *loading, const char *word, const struct memb_room *room)
{
    loading->status =
        ub_fail_code(loading->err, UB_EDAMAGED, "E-MEMB-DAMAGED",
                     "control: a record %s/%s cannot be read; restore the store from a back-up",
                     word, room != NULL ? room->id32 : "(no such room)");
    return false;
}

static struct memb_room *room_of(const struct loading *loading, const struct ub_kv_entry *entry)
{
    const uint8_t *id = memb_key_segment(&entry->key, 1, UBR_ROOM_ID_LEN);
    return id != NULL ? memb_model_room(&loading->memb->model, id) : NULL;
}

static bool load_blob(void *arg, const struct ub_kv_entry *entry)
{
    struct loading *loading = arg;
    struct memb_room *room = room_of(loading, entry);
    const uint8_t *hash = memb_key_segment(&entry->key, 2, UBR_HASH_LEN);
    const uint8_t *uploader;
    int64_t length;
    bool is_good = room != NULL && hash != NULL &&
                   memb_blob_parse(entry->value, &uploader, &length) &&
                   memb_blob_keep(room, hash, uploader, length);
    return is_good || damaged_part(loading, "blob", room);
}

static bool read_box_key(const struct ub_kv_entry *entry, uint32_t *epoch_out,
                         uint8_t key_out[MEMB_EPOCH_KID_LEN])
{
    uint64_t epoch;
    const uint8_t *kid = memb_key_segment(&entry->key, 3, UBR_KID_LEN);
    if (kid == NULL || !memb_key_number(&entry->key, 2, 4, &epoch)) {
        return false;
    }
    *epoch_out = (uint32_t)epoch;
    memb_epoch_kid_key(*epoch_out, kid, key_out);
    return true;
}

static bool load_request(void *arg, const struct ub_kv_entry *entry)
{
    struct loading *loading = arg;
    struct memb_room *room = room_of(loading, entry);
    uint8_t key[MEMB_EPOCH_KID_LEN];
    struct memb_request parsed = {0};
    if (room == NULL || !read_box_key(entry, &parsed.epoch, key) ||
        !memb_request_parse(entry->value, &parsed.time_ms, &parsed.is_answered)) {
        return damaged_part(loading, "request", room);
    }
    memcpy(parsed.kid, key + 4, UBR_KID_LEN);
    struct memb_request *request = malloc(sizeof *request);
    if (request == NULL || !memb_map_put(room->requests, key, request)) {
        free(request);
        return damaged_part(loading, "request", room);
    }
    *request = parsed;
    return true;
}

static bool load_ack(void *arg, const struct ub_kv_entry *entry)
{
    struct loading *loading = arg;
    struct memb_room *room = room_of(loading, entry);
    uint8_t key[MEMB_EPOCH_KID_LEN];
    uint32_t epoch;
    bool is_good = room != NULL && read_box_key(entry, &epoch, key) && epoch > 0 &&
                   epoch <= room->epochs_len && memb_map_put(room->acks, key, room);
    return is_good || damaged_part(loading, "ack", room);
}

/* ---- all of it --------------------------------------------------------------------------------
 */

static enum ub_status load_space(struct loading *loading, const char *word, ub_kv_list_fn fn)
{
    struct memb_key prefix;
    struct memb *memb = loading->memb;
    memb_key_set(&prefix, word);
    enum ub_status status =
        memb->kv->list(memb->control, &prefix.key, NULL, 0, fn, loading, loading->err);
    return status == UB_OK ? loading->status : status;
}

enum ub_status memb_load(struct memb *memb, struct ub_err *err)
{
    static const struct {
        const char *word;
        ub_kv_list_fn fn;
    } spaces[] = {{"blob", load_blob}, {"request", load_request}, {"ack", load_ack}};
    struct loading loading = {.memb = memb, .status = UB_OK, .err = err};
    enum ub_status status = load_space(&loading, "allow", load_allow);
    if (status == UB_OK) {
        status = load_space(&loading, "room", load_append);
    }
    if (status == UB_OK && !finish_room(&loading)) {
        status = loading.status;
    }
    memb_room_free(&loading.room);
    for (size_t i = 0; status == UB_OK && i < sizeof spaces / sizeof spaces[0]; i++) {
        status = load_space(&loading, spaces[i].word, spaces[i].fn);
    }
    return status;
}

/* ---- cluster id -------------------------------------------------------------------------------
 */

static enum ub_status make_cluster_id(struct memb *memb, const struct memb_key *key,
                                      struct ub_err *err)
{
    char id[33];
    uint8_t bytes[16];
    memb->host->clock->random(memb->host, bytes, sizeof bytes);
    ubr_hex_encode(ubr_bytes_of(bytes, sizeof bytes), id);
    struct ub_kv_write write = {
        memb->control, UB_KV_CREATE, key->key, {(const uint8_t *)id, 32}, 0};
    enum ub_status status = memb->kv->write(memb->control, &write, NULL, err);
    if (status == UB_OK) {
        memcpy(memb->cluster_id, id, sizeof id);
    }
    return status;
}

enum ub_status memb_load_cluster_id(struct memb *memb, struct ub_err *err)
{
    struct memb_key key;
    uint8_t bytes[16];
    struct ub_kv_value value = {.size = sizeof value};
    memb_key_set(&key, "cluster");
    memb_key_text(&key, "id");
    enum ub_status status = memb->kv->get(memb->control, &key.key, UB_KV_NEWEST, &value, err);
    if (status == UB_ENOTFOUND) {
        return make_cluster_id(memb, &key, err);
    }
    if (status != UB_OK) {
        return status;
    }
    struct ubr_bytes text = ubr_bytes_of(value.bytes.ptr, value.bytes.len);
    if (ubr_hex_decode_exact(text, bytes, sizeof bytes)) {
        memcpy(memb->cluster_id, value.bytes.ptr, 32);
        memb->cluster_id[32] = '\0';
    } else {
        status = ub_fail_code(err, UB_EDAMAGED, "E-MEMB-DAMAGED",
                              "control: record cluster/id is not 32 hex digits");
    }
    memb->kv->value_free(memb->kv_self, &value);
    return status;
}
