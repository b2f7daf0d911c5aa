/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/text.h>

#include "room.h"

#define TRIES            5
#define RECORD_MAX_BYTES 524288
#define ENTRY_EXTRA      (64 + 4)
#define BOX_STORED       (16 + UBR_BOX_LEN)
#define STAGED_MAX       3000

static enum unibus_status draft_init(struct room_draft *draft, struct unibus_room *room,
                                     struct unibus_err *err)
{
    memset(draft, 0, sizeof(*draft));
    draft->room = room;
    draft->entries = json_array();
    draft->boxes = json_array();
    return unibus_client_identity(room->client, &draft->identity, err);
}

static void draft_fini(struct room_draft *draft)
{
    json_decref(draft->entries);
    json_decref(draft->boxes);
    sodium_memzero(draft, sizeof(*draft));
}

static struct ubr_author author_of(const struct unibus_identity *identity)
{
    struct ubr_author author;
    memcpy(author.account_pk, identity->account_pk, UBR_KEY_LEN);
    memcpy(author.kid, identity->kid, UBR_KID_LEN);
    return author;
}

void draft_begin(const struct room_draft *draft, enum ubr_entry_type type,
                 struct ubr_entry *entry_out)
{
    const struct ubr_author author = author_of(draft->identity);
    ubr_log_draft(draft->room->log, type, &author, wire_now_ms(), entry_out);
}

static enum unibus_status refuse(const struct ubr_entry *entry, enum ubr_error fault,
                                 struct unibus_err *err)
{
    return unibus_fail_ubr(err, fault == UBR_E_DUP_MEMBER ? UNIBUS_CONFLICT : UNIBUS_DENIED,
                           (int)fault, "the log takes no such \"%s\" entry",
                           ubr_entry_type_name((unsigned)entry->type));
}

enum unibus_status draft_add(struct room_draft *draft, const struct ubr_entry *entry,
                             struct unibus_err *err)
{
    struct ubr_entry_body body;
    uint8_t sig[UBR_SIG_LEN];
    enum ubr_error fault = ubr_entry_write(entry, &body);
    if (fault != UBR_OK) {
        return refuse(entry, fault, err);
    }
    ubr_entry_sign(&draft->identity->sign, ubr_entry_body_bytes(&body), sig);
    const struct ubr_record_store store = contacts_store(draft->room->client);
    fault = ubr_log_append(draft->room->log, &store, ubr_entry_body_bytes(&body), sig);
    if (fault != UBR_OK) {
        return refuse(entry, fault, err);
    }
    json_t *json = json_object();
    wire_put(json, "body", ubr_entry_body_bytes(&body));
    wire_put(json, "sig", ubr_bytes_of(sig, sizeof(sig)));
    json_array_append_new(draft->entries, json);
    draft->stored_bytes += body.len + ENTRY_EXTRA;
    return UNIBUS_OK;
}

/* The old secret under the new one; zeros when this device does not hold it (6.2). */
static void make_link(const struct room_draft *draft, const struct ubr_epoch *which,
                      uint8_t link_out[UBR_LINK_LEN])
{
    const uint8_t *old = room_secret(draft->room, which->number - 1);
    memset(link_out, 0, UBR_LINK_LEN);
    if (old != NULL) {
        ubr_link_seal(which, draft->secret, old, link_out);
    }
}

static enum unibus_status seal_boxes(struct room_draft *draft, const struct ubr_epoch *which,
                                     struct unibus_err *err)
{
    struct ubr_recipient recipient;
    for (size_t cursor = 0; ubr_log_recipient_next(draft->room->log, &cursor, &recipient);) {
        uint8_t box[UBR_BOX_LEN];
        enum ubr_error fault =
            ubr_box_seal(which, recipient.kid, recipient.box_pk, draft->secret, box);
        if (fault != UBR_OK) {
            return unibus_fail_ubr(err, UNIBUS_FAILED, (int)fault, "sealing a box");
        }
        json_t *json = json_object();
        wire_put_hex(json, "kid", ubr_bytes_of(recipient.kid, UBR_KID_LEN));
        wire_put(json, "box", ubr_bytes_of(box, sizeof(box)));
        json_array_append_new(draft->boxes, json);
        draft->stored_bytes += BOX_STORED;
    }
    return UNIBUS_OK;
}

enum unibus_status draft_epoch(struct room_draft *draft, enum ubr_cause cause,
                               struct unibus_err *err)
{
    const struct ubr_log_state *state = ubr_log_state(draft->room->log);
    const struct ubr_author author = author_of(draft->identity);
    struct ubr_entry entry;
    uint8_t link[UBR_LINK_LEN];
    ubr_log_draft_epoch(draft->room->log, &author, wire_now_ms(), &entry);
    struct ubr_epoch which = {.number = entry.epoch};
    memcpy(which.room_id, state->room_id, UBR_ROOM_ID_LEN);
    randombytes_buf(draft->secret, sizeof(draft->secret));
    ubr_epoch_commit(&which, draft->secret, entry.commit);
    entry.cause = (uint8_t)cause;
    if (state->is_link_due) {
        make_link(draft, &which, link);
        entry.link = ubr_bytes_of(link, sizeof(link));
    }
    enum unibus_status status = draft_add(draft, &entry, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    draft->epoch = which.number;
    memcpy(draft->commit, entry.commit, sizeof(draft->commit));
    return seal_boxes(draft, &which, err);
}

static enum unibus_status stage_part(struct room_draft *draft, size_t from, struct unibus_err *err)
{
    char path[160], commit[UBR_HEX_LEN(UBR_HASH_LEN) + 1];
    ubr_hex_encode(ubr_bytes_of(draft->commit, UBR_HASH_LEN), commit);
    snprintf(path, sizeof(path), "/v1/rooms/%s/staged/%s", draft->room->id_text, commit);
    json_t *part = json_array(), *body = json_object();
    for (size_t i = from; i < json_array_size(draft->boxes) && i < from + STAGED_MAX; i++) {
        json_array_append(part, json_array_get(draft->boxes, i));
    }
    json_object_set_new(body, "boxes", part);
    const struct unibus_request request = {.method = "PUT", .path = path, .body = body};
    struct unibus_reply reply;
    enum unibus_status status = unibus_node_call(draft->room->client->node, &request, &reply, err);
    unibus_reply_clear(&reply);
    json_decref(body);
    return status;
}

/* Boxes that do not fit into the record of the append go before it (7.3). */
static enum unibus_status stage(struct room_draft *draft, struct unibus_err *err)
{
    if (draft->stored_bytes <= RECORD_MAX_BYTES) {
        return UNIBUS_OK;
    }
    enum unibus_status status = UNIBUS_OK;
    for (size_t at = 0; at < json_array_size(draft->boxes) && status == UNIBUS_OK;
         at += STAGED_MAX) {
        status = stage_part(draft, at, err);
    }
    json_array_clear(draft->boxes);
    return status;
}

static enum unibus_status post(struct room_draft *draft, const char *path, const char *if_match,
                               const char *mode, struct unibus_err *err)
{
    json_t *body = json_object();
    json_object_set(body, "entries", draft->entries);
    json_object_set(body, "boxes", draft->boxes);
    if (mode != NULL) {
        json_object_set_new(body, "mode", json_string(mode));
    }
    const struct unibus_request request = {
        .method = "POST", .path = path, .body = body, .if_match = if_match};
    struct unibus_reply reply;
    enum unibus_status status = unibus_node_call(draft->room->client->node, &request, &reply, err);
    unibus_reply_clear(&reply);
    json_decref(body);
    return status;
}

/* The node has the entries: now they are ours too. */
static enum unibus_status take(struct room_draft *draft, struct unibus_err *err)
{
    struct unibus_room *room = draft->room;
    for (size_t i = 0; i < json_array_size(draft->entries); i++) {
        const json_t *entry = json_array_get(draft->entries, i);
        uint8_t body[UBR_ENTRY_BODY_MAX], sig[UBR_SIG_LEN];
        size_t len = 0;
        wire_get_upto(entry, "body", body, sizeof(body), &len);
        wire_get(entry, "sig", sig, sizeof(sig));
        enum unibus_status status = room_take_entry(room, ubr_bytes_of(body, len), sig, err);
        if (status != UNIBUS_OK) {
            return status;
        }
    }
    enum unibus_status status = UNIBUS_OK;
    if (draft->epoch > 0) {
        status = room_keep_secret(room, draft->epoch, draft->secret, err);
    }
    if (status == UNIBUS_OK) {
        status = room_save_log(room, err);
    }
    room_take_secrets(room);
    if (status == UNIBUS_OK && draft->epoch > 0) {
        status = room_delete_box(room, draft->epoch, err);
    }
    return status;
}

static enum unibus_status append(struct room_draft *draft, room_decide_fn decide, void *arg,
                                 struct unibus_err *err)
{
    struct unibus_room *room = draft->room;
    char head[UBR_HEX_LEN(UBR_HASH_LEN) + 1], path[96];
    ubr_hex_encode(ubr_bytes_of(ubr_log_state(room->log)->head, UBR_HASH_LEN), head);
    snprintf(path, sizeof(path), "/v1/rooms/%s/log", room->id_text);
    ubr_log_begin(room->log);
    enum unibus_status status = decide(draft, arg, err);
    ubr_log_abort(room->log);
    if (status != UNIBUS_OK || json_array_size(draft->entries) == 0) {
        return status;
    }
    status = stage(draft, err);
    if (status == UNIBUS_OK) {
        status = post(draft, path, head, NULL, err);
    }
    return status == UNIBUS_OK ? take(draft, err) : status;
}

static enum unibus_status try_change(struct unibus_room *room, room_decide_fn decide, void *arg,
                                     struct unibus_err *err)
{
    struct room_draft draft;
    enum unibus_status status = unibus_room_sync(room, err);
    if (status == UNIBUS_OK) {
        status = unibus_room_fetch_secrets(room, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    status = draft_init(&draft, room, err);
    if (status == UNIBUS_OK) {
        status = append(&draft, decide, arg, err);
    }
    draft_fini(&draft);
    return status;
}

enum unibus_status room_change(struct unibus_room *room, room_decide_fn decide, void *arg,
                               struct unibus_err *err)
{
    enum unibus_status status = UNIBUS_CONFLICT;
    for (int i = 0; i < TRIES && status == UNIBUS_CONFLICT; i++) {
        status = try_change(room, decide, arg, err);
        if (status == UNIBUS_CONFLICT && strcmp(err->code, "head-conflict") != 0) {
            break;
        }
    }
    return status;
}

static enum unibus_status post_first(struct room_draft *draft, room_decide_fn decide, void *arg,
                                     bool is_plain, struct unibus_err *err)
{
    struct unibus_room *room = draft->room;
    ubr_log_begin(room->log);
    enum unibus_status status = decide(draft, arg, err);
    memcpy(room->id, ubr_log_state(room->log)->room_id, UBR_ROOM_ID_LEN);
    ubr_log_abort(room->log);
    if (status == UNIBUS_OK) {
        ubr_room32(room->id, room->id_text);
        json_object_set_new(room->doc, "mode", json_string(is_plain ? "plain" : "sealed"));
        status = post(draft, "/v1/rooms", NULL, is_plain ? "plain" : "sealed", err);
    }
    if (status == UNIBUS_OK) {
        status = room_confirm(room, "founder", err);
    }
    return status == UNIBUS_OK ? take(draft, err) : status;
}

enum unibus_status room_change_first(struct unibus_room **room, room_decide_fn decide, void *arg,
                                     bool is_plain, struct unibus_err *err)
{
    struct room_draft draft;
    enum unibus_status status = draft_init(&draft, *room, err);
    if (status == UNIBUS_OK) {
        status = post_first(&draft, decide, arg, is_plain, err);
    }
    draft_fini(&draft);
    if (status != UNIBUS_OK) {
        unibus_room_close(room);
    }
    return status;
}
