/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <ubr/text.h>

#define VERSION 1

static void begin_write(struct ubr_writer *writer, uint8_t *buf, size_t cap, int64_t time_ms)
{
    ubr_writer_init(writer, buf, cap);
    ubr_put_u8(writer, VERSION);
    ubr_put_u64(writer, (uint64_t)time_ms);
}

static bool begin_read(struct ubr_reader *reader, struct ub_bytes value, int64_t *time_ms_out)
{
    ubr_reader_init(reader, ubr_bytes_of(value.ptr, value.len));
    bool is_known = ubr_get_u8(reader) == VERSION;
    uint64_t time_ms = ubr_get_u64(reader);
    *time_ms_out = (int64_t)time_ms;
    return is_known && time_ms < UBR_U53_END;
}

/* ---- allowlist --------------------------------------------------------------------------------
 */

static void put_str16(struct ubr_writer *writer, struct ubr_bytes text)
{
    ubr_put_u16(writer, (uint16_t)text.len);
    ubr_put_bytes(writer, text);
}

static struct ubr_bytes get_note(struct ubr_reader *reader)
{
    size_t len = ubr_get_u16(reader);
    struct ubr_bytes note = ubr_get_view(reader, len);
    reader->failed = reader->failed || len > MEMB_NOTE_MAX || !ubr_text_is_valid(note);
    return note;
}

static void put_device(struct ubr_writer *writer, const struct ubr_device_record *device)
{
    bool has_pops = device->pop.len != 0;
    ubr_put_bytes(writer, device->body);
    ubr_put_bytes(writer, device->sig);
    ubr_put_u8(writer, has_pops);
    if (has_pops) {
        ubr_put_bytes(writer, device->pop);
        ubr_put_bytes(writer, device->nats_pop);
    }
}

static void get_device(struct ubr_reader *reader, struct ubr_device_record *device_out)
{
    device_out->body = ubr_get_view(reader, UBR_DEVICE_BODY_LEN);
    device_out->sig = ubr_get_view(reader, UBR_SIG_LEN);
    uint8_t has_pops = ubr_get_u8(reader);
    if (has_pops == 1) {
        device_out->pop = ubr_get_view(reader, UBR_SIG_LEN);
        device_out->nats_pop = ubr_get_view(reader, UBR_SIG_LEN);
    }
    reader->failed = reader->failed || has_pops > 1;
}

static void put_patch(struct ubr_writer *writer, const struct memb_allow *allow)
{
    ubr_put_u8(writer, (uint8_t)allow->mask);
    ubr_put_u8(writer, (uint8_t)allow->role);
    ubr_put_u8(writer, allow->is_disabled);
    put_str16(writer, allow->note);
}

static enum ub_role get_role(struct ubr_reader *reader, bool may_be_none)
{
    uint8_t role = ubr_get_u8(reader);
    reader->failed =
        reader->failed || role > UB_ROLE_OPERATOR || (role == UB_ROLE_NONE && !may_be_none);
    return (enum ub_role)role;
}

/* Fields that the mask does not name are zero: one spelling for each patch. */
static void get_patch(struct ubr_reader *reader, struct memb_allow *allow)
{
    allow->mask = ubr_get_u8(reader);
    bool has_role = (allow->mask & MEMB_PATCH_ROLE) != 0;
    allow->role = get_role(reader, !has_role);
    uint8_t is_disabled = ubr_get_u8(reader);
    allow->is_disabled = is_disabled == 1;
    allow->note = get_note(reader);
    bool is_tidy = (has_role || allow->role == UB_ROLE_NONE) &&
                   ((allow->mask & MEMB_PATCH_DISABLED) || is_disabled == 0) &&
                   ((allow->mask & MEMB_PATCH_NOTE) || allow->note.len == 0);
    reader->failed = reader->failed || is_disabled > 1 || allow->mask > 7 || !is_tidy;
}

struct ubr_bytes memb_allow_write(const struct memb_allow *allow, uint8_t *buf, size_t cap)
{
    struct ubr_writer writer;
    if (allow->note.len > MEMB_NOTE_MAX) {
        return ubr_bytes_of(NULL, 0);
    }
    begin_write(&writer, buf, cap, allow->time_ms);
    ubr_put_u8(&writer, (uint8_t)allow->kind);
    ubr_put_copy(&writer, allow->account_pk, UBR_KEY_LEN);
    if (allow->kind == MEMB_ALLOW_CREATE) {
        ubr_put_u8(&writer, (uint8_t)allow->role);
        ubr_put_str8(&writer, allow->handle);
        put_str16(&writer, allow->note);
    } else if (allow->kind == MEMB_ALLOW_PATCH) {
        put_patch(&writer, allow);
    }
    if (allow->kind == MEMB_ALLOW_CREATE || allow->kind == MEMB_ALLOW_DEVICE) {
        put_device(&writer, &allow->device);
    }
    return ubr_writer_bytes(&writer);
}

static void get_create(struct ubr_reader *reader, struct memb_allow *allow)
{
    allow->role = get_role(reader, false);
    allow->handle = ubr_get_str8(reader);
    allow->note = get_note(reader);
    reader->failed = reader->failed || !ubr_handle_is_valid(allow->handle);
    get_device(reader, &allow->device);
}

bool memb_allow_parse(struct ub_bytes value, struct memb_allow *allow_out)
{
    struct ubr_reader reader;
    *allow_out = (struct memb_allow){0};
    if (!begin_read(&reader, value, &allow_out->time_ms)) {
        return false;
    }
    allow_out->kind = (enum memb_allow_kind)ubr_get_u8(&reader);
    allow_out->account_pk = ubr_get_view(&reader, UBR_KEY_LEN).ptr;
    switch (allow_out->kind) {
    case MEMB_ALLOW_CREATE:
        get_create(&reader, allow_out);
        break;
    case MEMB_ALLOW_PATCH:
        get_patch(&reader, allow_out);
        break;
    case MEMB_ALLOW_REMOVE:
        break;
    case MEMB_ALLOW_DEVICE:
        get_device(&reader, &allow_out->device);
        break;
    default:
        return false;
    }
    return ubr_reader_is_done(&reader);
}

/* ---- boxes and appends ------------------------------------------------------------------------
 */

struct memb_box memb_boxes_at(const struct memb_boxes *boxes, uint32_t index)
{
    const uint8_t *item = boxes->items + (size_t)index * MEMB_BOX_ITEM_LEN;
    return (struct memb_box){item, item + UBR_KID_LEN};
}

static void put_boxes(struct ubr_writer *writer, const struct memb_boxes *boxes)
{
    ubr_put_u32(writer, boxes->count);
    ubr_put_copy(writer, boxes->items, (size_t)boxes->count * MEMB_BOX_ITEM_LEN);
}

static struct memb_boxes get_boxes(struct ubr_reader *reader)
{
    struct memb_boxes boxes = {NULL, ubr_get_u32(reader)};
    if (boxes.count > MEMB_BOXES_MAX) {
        reader->failed = true;
        boxes.count = 0;
    }
    boxes.items = ubr_get_view(reader, (size_t)boxes.count * MEMB_BOX_ITEM_LEN).ptr;
    return boxes;
}

size_t memb_append_size(const struct memb_append *append)
{
    size_t size = MEMB_APPEND_BASE + (size_t)append->boxes.count * MEMB_BOX_ITEM_LEN;
    for (uint16_t i = 0; i < append->entries_len; i++) {
        size += MEMB_ENTRY_OVERHEAD + append->entries[i].body.len;
    }
    return size;
}

struct ubr_bytes memb_append_write(const struct memb_append *append, uint8_t *buf, size_t cap)
{
    struct ubr_writer writer;
    begin_write(&writer, buf, cap, append->time_ms);
    ubr_put_u8(&writer, append->is_plain);
    ubr_put_u16(&writer, append->entries_len);
    for (uint16_t i = 0; i < append->entries_len; i++) {
        ubr_put_u32(&writer, (uint32_t)append->entries[i].body.len);
        ubr_put_bytes(&writer, append->entries[i].body);
        ubr_put_copy(&writer, append->entries[i].sig, UBR_SIG_LEN);
    }
    put_boxes(&writer, &append->boxes);
    return ubr_writer_bytes(&writer);
}

static bool get_entry(struct ubr_reader *reader, struct memb_entry_bytes *entry_out)
{
    uint32_t len = ubr_get_u32(reader);
    if (len > UBR_ENTRY_BODY_MAX) {
        return false;
    }
    entry_out->body = ubr_get_view(reader, len);
    entry_out->sig = ubr_get_view(reader, UBR_SIG_LEN).ptr;
    return !reader->failed;
}

bool memb_append_parse(struct ub_bytes value, struct memb_append *append_out)
{
    struct ubr_reader reader;
    *append_out = (struct memb_append){0};
    if (value.len > MEMB_RECORD_MAX || !begin_read(&reader, value, &append_out->time_ms)) {
        return false;
    }
    uint8_t flags = ubr_get_u8(&reader);
    append_out->is_plain = flags == 1;
    append_out->entries_len = ubr_get_u16(&reader);
    if (flags > 1 || append_out->entries_len < 1 || append_out->entries_len > MEMB_ENTRIES_MAX) {
        return false;
    }
    for (uint16_t i = 0; i < append_out->entries_len; i++) {
        if (!get_entry(&reader, &append_out->entries[i])) {
            return false;
        }
    }
    append_out->boxes = get_boxes(&reader);
    return ubr_reader_is_done(&reader);
}

struct ubr_bytes memb_staged_write(const struct memb_staged *staged, uint8_t *buf, size_t cap)
{
    struct ubr_writer writer;
    begin_write(&writer, buf, cap, staged->time_ms);
    ubr_put_copy(&writer, staged->uploader, UBR_KID_LEN);
    put_boxes(&writer, &staged->boxes);
    return ubr_writer_bytes(&writer);
}

bool memb_staged_parse(struct ub_bytes value, struct memb_staged *staged_out)
{
    struct ubr_reader reader;
    *staged_out = (struct memb_staged){0};
    if (value.len > MEMB_RECORD_MAX || !begin_read(&reader, value, &staged_out->time_ms)) {
        return false;
    }
    staged_out->uploader = ubr_get_view(&reader, UBR_KID_LEN).ptr;
    staged_out->boxes = get_boxes(&reader);
    return ubr_reader_is_done(&reader) && staged_out->boxes.count > 0;
}

/* ---- small ones -------------------------------------------------------------------------------
 */

void memb_late_write(int64_t time_ms, const uint8_t *box, uint8_t value_out[MEMB_LATE_LEN])
{
    struct ubr_writer writer;
    begin_write(&writer, value_out, MEMB_LATE_LEN, time_ms);
    ubr_put_copy(&writer, box, MEMB_BOX_LEN);
}

const uint8_t *memb_late_parse(struct ub_bytes value)
{
    struct ubr_reader reader;
    int64_t time_ms;
    if (!begin_read(&reader, value, &time_ms)) {
        return NULL;
    }
    const uint8_t *box = ubr_get_view(&reader, MEMB_BOX_LEN).ptr;
    return ubr_reader_is_done(&reader) ? box : NULL;
}

void memb_request_write(int64_t time_ms, bool is_answered, uint8_t value_out[MEMB_REQUEST_LEN])
{
    struct ubr_writer writer;
    begin_write(&writer, value_out, MEMB_REQUEST_LEN, time_ms);
    ubr_put_u8(&writer, is_answered);
}

bool memb_request_parse(struct ub_bytes value, int64_t *time_ms_out, bool *is_answered_out)
{
    struct ubr_reader reader;
    if (!begin_read(&reader, value, time_ms_out)) {
        return false;
    }
    uint8_t is_answered = ubr_get_u8(&reader);
    *is_answered_out = is_answered == 1;
    return ubr_reader_is_done(&reader) && is_answered <= 1;
}

void memb_blob_write(int64_t time_ms, const uint8_t *uploader_pk, int64_t length,
                     uint8_t value_out[MEMB_BLOB_LEN])
{
    struct ubr_writer writer;
    begin_write(&writer, value_out, MEMB_BLOB_LEN, time_ms);
    ubr_put_copy(&writer, uploader_pk, UBR_KEY_LEN);
    ubr_put_u64(&writer, (uint64_t)length);
}

bool memb_blob_parse(struct ub_bytes value, const uint8_t **uploader_pk_out, int64_t *length_out)
{
    struct ubr_reader reader;
    int64_t time_ms;
    if (!begin_read(&reader, value, &time_ms)) {
        return false;
    }
    *uploader_pk_out = ubr_get_view(&reader, UBR_KEY_LEN).ptr;
    uint64_t length = ubr_get_u64(&reader);
    *length_out = (int64_t)length;
    return ubr_reader_is_done(&reader) && length < UBR_U53_END;
}

struct ubr_bytes memb_idem_write(const struct memb_idem *idem, uint8_t *buf, size_t cap)
{
    struct ubr_writer writer;
    begin_write(&writer, buf, cap, idem->time_ms);
    ubr_put_copy(&writer, idem->request_hash, UBR_HASH_LEN);
    ubr_put_u16(&writer, idem->status);
    ubr_put_str8(&writer, idem->location);
    ubr_put_u32(&writer, (uint32_t)idem->body.len);
    ubr_put_bytes(&writer, idem->body);
    return ubr_writer_bytes(&writer);
}

bool memb_idem_parse(struct ub_bytes value, struct memb_idem *idem_out)
{
    struct ubr_reader reader;
    *idem_out = (struct memb_idem){0};
    if (!begin_read(&reader, value, &idem_out->time_ms)) {
        return false;
    }
    idem_out->request_hash = ubr_get_view(&reader, UBR_HASH_LEN).ptr;
    idem_out->status = ubr_get_u16(&reader);
    idem_out->location = ubr_get_str8(&reader);
    idem_out->body = ubr_get_view(&reader, ubr_get_u32(&reader));
    return ubr_reader_is_done(&reader);
}
