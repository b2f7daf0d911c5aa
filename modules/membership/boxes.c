/* SPDX-License-Identifier: Apache-2.0 */
#include "boxes.h"

#include <string.h>

#include "rooms.h"
#include "staged.h"

/* Where the first box of an epoch lies. */
struct place {
    uint64_t first_seq;
    uint8_t commit[UBR_HASH_LEN];
    uint8_t author_kid[UBR_KID_LEN];
    bool is_acked;
};

static bool find_place(struct memb_room *room, uint32_t epoch, const uint8_t *kid,
                       struct place *place_out)
{
    uint8_t key[MEMB_EPOCH_KID_LEN];
    memb_epoch_kid_key(epoch, kid, key);
    memb_room_read(room);
    const struct ubr_log_epoch *info = ubr_log_epoch(room->log, epoch);
    if (info != NULL) {
        place_out->first_seq = room->epoch_records[epoch - 1];
        place_out->is_acked = memb_map_get(room->acks, key) != NULL;
        memcpy(place_out->commit, info->commit, UBR_HASH_LEN);
        memcpy(place_out->author_kid, info->author_kid, UBR_KID_LEN);
    }
    memb_room_unlock(room);
    return info != NULL;
}

static bool find_box(const struct memb_boxes *boxes, const uint8_t *kid, const uint8_t *uploader,
                     struct memb_kept_boxes *kept)
{
    for (uint32_t i = 0; i < boxes->count; i++) {
        struct memb_box box = memb_boxes_at(boxes, i);
        if (memcmp(box.kid, kid, UBR_KID_LEN) == 0) {
            struct memb_kept_box *to = &kept->boxes[kept->count++];
            memcpy(to->uploader, uploader, UBR_KID_LEN);
            memcpy(to->box, box.box, MEMB_BOX_LEN);
            kept->has_first = true;
            return true;
        }
    }
    return false;
}

static enum ub_status read_from_append(struct memb *memb, const struct memb_room *room,
                                       const struct place *place, const uint8_t *kid,
                                       struct memb_kept_boxes *kept, struct ub_err *err)
{
    struct memb_key key;
    struct memb_append append;
    struct ub_kv_value value = {.size = sizeof value};
    memb_key_set(&key, "room");
    memb_key_bytes(&key, room->id, UBR_ROOM_ID_LEN);
    memb_key_u64(&key, place->first_seq);
    enum ub_status status = memb->kv->get(memb->control, &key.key, UB_KV_LOCAL, &value, err);
    if (status != UB_OK) {
        return status;
    }
    if (memb_append_parse(value.bytes, &append)) {
        find_box(&append.boxes, kid, place->author_kid, kept);
    } else {
        status = ub_fail(err, UB_EDAMAGED, "an append of room %s cannot be read", room->id32);
    }
    memb->kv->value_free(memb->kv_self, &value);
    return status;
}

static enum ub_status read_from_staged(struct memb *memb, const struct memb_room *room,
                                       const struct place *place, const uint8_t *kid,
                                       struct memb_kept_boxes *kept, struct ub_err *err)
{
    struct memb_staged_list list;
    enum ub_status status = memb_staged_read(memb, room->id, place->commit, &list, err);
    if (status != UB_OK) {
        return status;
    }
    for (size_t i = 0; i < list.count && !kept->has_first; i++) {
        find_box(&list.chunks[i].staged.boxes, kid, list.chunks[i].staged.uploader, kept);
    }
    memb_staged_free(&list);
    return UB_OK;
}

static bool keep_late(void *arg, const struct ub_kv_entry *entry)
{
    struct memb_kept_boxes *kept = arg;
    const uint8_t *uploader = memb_key_segment(&entry->key, 4, UBR_KID_LEN);
    const uint8_t *box = memb_late_parse(entry->value);
    if (uploader != NULL && box != NULL) {
        struct memb_kept_box *to = &kept->boxes[kept->count++];
        memcpy(to->uploader, uploader, UBR_KID_LEN);
        memcpy(to->box, box, MEMB_BOX_LEN);
    }
    return kept->count < MEMB_UPLOADERS_MAX + 1;
}

static enum ub_status read_late(struct memb *memb, const struct memb_room *room, uint32_t epoch,
                                const uint8_t *kid, struct memb_kept_boxes *kept,
                                struct ub_err *err)
{
    struct memb_key prefix;
    memb_key_box(&prefix, "late", room->id, epoch, kid);
    return memb->kv->list(memb->control, &prefix.key, NULL, 0, keep_late, kept, err);
}

enum ub_status memb_boxes_read(struct memb *memb, struct memb_room *room, uint32_t epoch,
                               const uint8_t *kid, struct memb_kept_boxes *kept_out,
                               struct ub_err *err)
{
    struct place place;
    enum ub_status status = UB_OK;
    *kept_out = (struct memb_kept_boxes){0};
    if (!find_place(room, epoch, kid, &place)) {
        return UB_ENOTFOUND;
    }
    if (!place.is_acked) {
        status = read_from_append(memb, room, &place, kid, kept_out, err);
    }
    if (status == UB_OK && !place.is_acked && !kept_out->has_first) {
        status = read_from_staged(memb, room, &place, kid, kept_out, err);
    }
    return status == UB_OK ? read_late(memb, room, epoch, kid, kept_out, err) : status;
}
