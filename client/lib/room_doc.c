/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#include "room.h"

static void document_name(const struct unibus_room *room, const char *folder, char name_out[64])
{
    snprintf(name_out, 64, "%s/%s.json", folder, room->id_text);
}

/* Reads rooms/<id>.json into room->doc; what is absent stays as it is. */
static enum unibus_status read_doc(struct unibus_room *room, struct unibus_err *err)
{
    char name[64];
    json_t *doc;
    document_name(room, "rooms", name);
    enum unibus_status status = unibus_home_read(room->client->home, name, &doc, err);
    if (status == UNIBUS_NOT_FOUND) {
        return UNIBUS_OK;
    }
    if (status == UNIBUS_OK) {
        wire_wipe(room->doc);
        room->doc = doc;
    }
    return status;
}

enum unibus_status room_edit_begin(struct unibus_room *room, struct unibus_err *err)
{
    enum unibus_status status = unibus_home_lock(room->client->home, err);
    if (status == UNIBUS_OK) {
        status = read_doc(room, err);
        if (status != UNIBUS_OK) {
            unibus_home_unlock(room->client->home);
        }
    }
    return status;
}

enum unibus_status room_edit_commit(struct unibus_room *room, struct unibus_err *err)
{
    char name[64];
    document_name(room, "rooms", name);
    enum unibus_status status = unibus_home_write(room->client->home, name, room->doc, err);
    unibus_home_unlock(room->client->home);
    return status;
}

enum unibus_status room_read_side(const struct unibus_room *room, const char *folder,
                                  json_t **doc_out, struct unibus_err *err)
{
    char name[64];
    document_name(room, folder, name);
    enum unibus_status status = unibus_home_read(room->client->home, name, doc_out, err);
    if (status == UNIBUS_NOT_FOUND) {
        *doc_out = json_object();
        return UNIBUS_OK;
    }
    bool is_log = strcmp(folder, "logs") == 0;
    if (status == UNIBUS_OK && !is_log && !json_is_object(*doc_out)) {
        json_decref(*doc_out);
        *doc_out = NULL;
        status = unibus_fail(err, UNIBUS_FAILED, "%s in the home is damaged", name);
    }
    return status;
}

enum unibus_status room_write_side(const struct unibus_room *room, const char *folder,
                                   const json_t *doc, struct unibus_err *err)
{
    char name[64];
    document_name(room, folder, name);
    return unibus_home_write(room->client->home, name, doc, err);
}

/* Begins an edit that also keeps the mode which was pinned in memory: only a join changes it. */
static enum unibus_status edit_begin_with_mode(struct unibus_room *room, struct unibus_err *err)
{
    /* A copy: what is read anew wipes the texts of the old document. */
    json_t *mode = json_copy(json_object_get(room->doc, "mode"));
    enum unibus_status status = room_edit_begin(room, err);
    if (status == UNIBUS_OK && mode != NULL) {
        json_object_set(room->doc, "mode", mode);
    }
    json_decref(mode);
    return status;
}

enum unibus_status room_confirm(struct unibus_room *room, const char *by, struct unibus_err *err)
{
    enum unibus_status status = edit_begin_with_mode(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    json_object_set_new(room->doc, "confirmed_by", json_string(by));
    return room_edit_commit(room, err);
}

/* Another process may have come further: its entries stay. */
static enum unibus_status write_entries(struct unibus_room *room, struct unibus_err *err)
{
    size_t count = json_array_size(room->entries);
    if (count == room->entries_kept) {
        return UNIBUS_OK;
    }
    json_t *kept = NULL; /* a damaged one is written anew */
    enum unibus_status status = UNIBUS_OK;
    if (room_read_side(room, "logs", &kept, err) != UNIBUS_OK || json_array_size(kept) < count) {
        status = room_write_side(room, "logs", room->entries, err);
    }
    json_decref(kept);
    if (status == UNIBUS_OK) {
        room->entries_kept = count;
    }
    return status;
}

/* The pin only moves forward. */
static void edit_pin(struct unibus_room *room)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    const json_t *pin = json_object_get(room->doc, "pin");
    if (pin != NULL && wire_number(pin, "seq") >= (int64_t)state->entries - 1) {
        return;
    }
    json_t *fresh = json_object();
    json_object_set_new(fresh, "seq", json_integer((json_int_t)state->entries - 1));
    wire_put_hex(fresh, "hash", ubr_bytes_of(state->head, UBR_HASH_LEN));
    json_object_set_new(room->doc, "pin", fresh);
    json_object_set_new(room->doc, "name",
                        json_stringn((const char *)state->name, state->name_len));
}

/* When this client first verified the entry of the epoch now in force (6.5): rotation goes by our
 * own clock. */
static void edit_epoch_age(struct unibus_room *room)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    const json_t *since = json_object_get(room->doc, "epoch_since");
    if (state->epoch == 0 || wire_number(since, "epoch") >= state->epoch) {
        return;
    }
    json_t *fresh = json_object();
    json_object_set_new(fresh, "epoch", json_integer(state->epoch));
    json_object_set_new(fresh, "verified_ms", json_integer((json_int_t)wire_now_ms()));
    json_object_set_new(room->doc, "epoch_since", fresh);
}

/* Another process of this home may have pinned a later entry: what goes beyond it must contain it,
 * or the node shows us two logs. */
static enum unibus_status check_pin_of_others(const struct unibus_room *room,
                                              struct unibus_err *err)
{
    const json_t *pin = json_object_get(room->doc, "pin");
    bool is_ahead = wire_number(pin, "seq") >= (int64_t)ubr_log_state(room->log)->entries;
    return pin == NULL || is_ahead ? UNIBUS_OK : room_check_pin(room, err);
}

enum unibus_status room_save_log(struct unibus_room *room, struct unibus_err *err)
{
    if (json_array_size(room->entries) == room->entries_kept) {
        return UNIBUS_OK;
    }
    enum unibus_status status = edit_begin_with_mode(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    status = check_pin_of_others(room, err);
    if (status != UNIBUS_OK) {
        unibus_home_unlock(room->client->home);
        return status;
    }
    edit_pin(room);
    edit_epoch_age(room);
    status = write_entries(room, err);
    struct unibus_err second = UNIBUS_ERR_INIT;
    enum unibus_status committed = room_edit_commit(room, status == UNIBUS_OK ? err : &second);
    return status != UNIBUS_OK ? status : committed;
}

static enum ubr_error replay(struct unibus_room *room, const json_t *entry)
{
    uint8_t body[UBR_ENTRY_BODY_MAX], sig[UBR_SIG_LEN];
    size_t len;
    if (!wire_get_upto(entry, "body", body, sizeof(body), &len) ||
        !wire_get(entry, "sig", sig, sizeof(sig))) {
        return UBR_E_PARSE;
    }
    const struct ubr_record_store store = contacts_store(room->client);
    enum ubr_error fault = ubr_log_append(room->log, &store, ubr_bytes_of(body, len), sig);
    if (fault == UBR_OK) {
        room_note_entry(room, ubr_bytes_of(body, len), sig, false);
    }
    return fault;
}

/* Verifies the kept log again: a damaged one is fetched anew, under the pin. */
static void load_entries(struct unibus_room *room)
{
    json_t *kept = NULL;
    struct unibus_err err = UNIBUS_ERR_INIT;
    enum ubr_error fault =
        room_read_side(room, "logs", &kept, &err) == UNIBUS_OK ? UBR_OK : UBR_E_PARSE;
    for (size_t i = 0; i < json_array_size(kept) && fault == UBR_OK; i++) {
        fault = replay(room, json_array_get(kept, i));
    }
    const struct ubr_log_state *state = ubr_log_state(room->log);
    if (fault == UBR_OK && state->entries > 0 &&
        memcmp(state->room_id, room->id, UBR_ROOM_ID_LEN) != 0) {
        fault = UBR_E_ROOM_ID;
    }
    if (fault != UBR_OK) {
        unibus_client_notice(room->client, "logs/%s.json in the home is damaged (%s): fetched anew",
                             room->id_text, ubr_error_name(fault));
        ubr_log_free(&room->log);
        room->log = ubr_log_new();
        json_array_clear(room->entries);
    }
    room->entries_kept = json_array_size(room->entries);
    json_decref(kept);
}

/* Without what was accepted before, nothing tells a replay: damage here is no new beginning. */
static enum unibus_status load_windows(struct unibus_room *room, struct unibus_err *err)
{
    json_t *doc = NULL;
    enum unibus_status status = room_read_side(room, "windows", &doc, err);
    if (status == UNIBUS_OK && !room_merge_windows(room, json_object_get(doc, "windows"))) {
        unibus_fail(err, UNIBUS_FAILED, "windows/%s.json in the home is damaged", room->id_text);
        status = unibus_fix(err, "remove it five minutes after the last message");
    }
    json_decref(doc);
    return status;
}

enum unibus_status room_load(struct unibus_room *room, struct unibus_err *err)
{
    enum unibus_status status = read_doc(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    load_entries(room);
    room_take_secrets(room);
    return room->log != NULL ? load_windows(room, err)
                             : unibus_fail(err, UNIBUS_FAILED, "no memory");
}
