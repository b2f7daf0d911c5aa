/* SPDX-License-Identifier: Apache-2.0 */
#include "posted.h"

#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#define ENTRY_SLOT (UBR_ENTRY_BODY_MAX + UBR_SIG_LEN)

struct posted_body {
    const json_t *entries, *boxes;
    const char *mode;
};

/* Each kind of request takes a slice of this table: staged the boxes, log not the mode. */
static const struct memb_json_field body_fields[] = {
    {"boxes", MEMB_JSON_ARRAY, 0, offsetof(struct posted_body, boxes), 0, MEMB_BOXES_MAX},
    {"entries", MEMB_JSON_ARRAY, MEMB_JSON_REQUIRED, offsetof(struct posted_body, entries), 1,
     MEMB_ENTRIES_MAX},
    {"mode", MEMB_JSON_TEXT, 0, offsetof(struct posted_body, mode), 1, 16},
};

static const size_t fields_of_kind[] = {
    [MEMB_POSTED_ROOM] = 3, [MEMB_POSTED_LOG] = 2, [MEMB_POSTED_STAGED] = 1};

struct entry_body {
    struct memb_json_bytes body, sig;
};

static const struct memb_json_field entry_fields[] = {
    {"body", MEMB_JSON_BYTES, MEMB_JSON_REQUIRED, offsetof(struct entry_body, body), 0,
     UBR_ENTRY_BODY_MAX},
    {"sig", MEMB_JSON_BYTES, MEMB_JSON_REQUIRED, offsetof(struct entry_body, sig), UBR_SIG_LEN,
     UBR_SIG_LEN},
};

struct box_body {
    const char *kid;
    struct memb_json_bytes box;
};

static const struct memb_json_field box_fields[] = {
    {"kid", MEMB_JSON_TEXT, MEMB_JSON_REQUIRED, offsetof(struct box_body, kid), 32, 32},
    {"box", MEMB_JSON_BYTES, MEMB_JSON_REQUIRED, offsetof(struct box_body, box), MEMB_BOX_LEN,
     MEMB_BOX_LEN},
};

static bool read_entry(const json_t *item, size_t index, struct memb_posted *posted,
                       struct memb_json_error *error)
{
    char pointer[32];
    struct entry_body entry = {0};
    snprintf(pointer, sizeof pointer, "/entries/%zu", index);
    if (!memb_json_read(item, pointer, entry_fields, MEMB_COUNT(entry_fields), &entry, error)) {
        return false;
    }
    uint8_t *slot = posted->entries + index * ENTRY_SLOT;
    memcpy(slot, entry.sig.ptr, UBR_SIG_LEN);
    memcpy(slot + UBR_SIG_LEN, entry.body.ptr, entry.body.len);
    posted->append.entries[index] =
        (struct memb_entry_bytes){ubr_bytes_of(slot + UBR_SIG_LEN, entry.body.len), slot};
    memb_json_free_fields(entry_fields, MEMB_COUNT(entry_fields), &entry);
    return true;
}

static bool read_box(const json_t *item, size_t index, struct memb_posted *posted,
                     struct memb_json_error *error)
{
    char pointer[32];
    struct box_body box = {0};
    snprintf(pointer, sizeof pointer, "/boxes/%zu", index);
    if (!memb_json_read(item, pointer, box_fields, MEMB_COUNT(box_fields), &box, error)) {
        return false;
    }
    uint8_t *slot = posted->boxes + index * MEMB_BOX_ITEM_LEN;
    memcpy(slot + UBR_KID_LEN, box.box.ptr, MEMB_BOX_LEN);
    memb_json_free_fields(box_fields, MEMB_COUNT(box_fields), &box);
    return ubr_hex_decode_exact(ubr_bytes_of_text(box.kid), slot, UBR_KID_LEN) ||
           memb_json_refuse(error, pointer, "kid", "32 hex digits are expected");
}

static bool read_items(const struct posted_body *body, struct memb_posted *posted,
                       struct memb_json_error *error)
{
    size_t entries = json_array_size(body->entries), boxes = json_array_size(body->boxes);
    posted->entries = calloc(entries + 1, ENTRY_SLOT);
    posted->boxes = calloc(boxes + 1, MEMB_BOX_ITEM_LEN);
    if (posted->entries == NULL || posted->boxes == NULL) {
        return memb_json_refuse(error, "", "", "no memory");
    }
    for (size_t i = 0; i < entries; i++) {
        if (!read_entry(json_array_get(body->entries, i), i, posted, error)) {
            return false;
        }
    }
    for (size_t i = 0; i < boxes; i++) {
        if (!read_box(json_array_get(body->boxes, i), i, posted, error)) {
            return false;
        }
    }
    posted->append.entries_len = (uint16_t)entries;
    posted->append.boxes = (struct memb_boxes){posted->boxes, (uint32_t)boxes};
    return true;
}

static bool read_mode(struct memb_posted *posted, const char *mode, struct memb_json_error *error)
{
    posted->append.is_plain = mode != NULL && strcmp(mode, "plain") == 0;
    return mode == NULL || posted->append.is_plain || strcmp(mode, "sealed") == 0 ||
           memb_json_refuse(error, "", "mode", "sealed or plain is expected");
}

bool memb_posted_read(struct memb_call *call, enum memb_posted_kind kind,
                      struct memb_posted *posted_out)
{
    struct posted_body body = {0};
    struct memb_json_error error;
    *posted_out = (struct memb_posted){0};
    if (!memb_read_body(call, body_fields, fields_of_kind[kind], &body, &posted_out->root)) {
        return false;
    }
    posted_out->append.time_ms = memb_now_ms(call->memb);
    if (!read_mode(posted_out, body.mode, &error) || !read_items(&body, posted_out, &error)) {
        memb_problem_json(call, &error);
        memb_posted_fini(posted_out);
        return false;
    }
    return true;
}

void memb_posted_fini(struct memb_posted *posted)
{
    free(posted->entries);
    free(posted->boxes);
    json_decref(posted->root);
    *posted = (struct memb_posted){0};
}
