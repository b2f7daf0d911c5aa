/* SPDX-License-Identifier: Apache-2.0 */
#include "room.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/text.h>

struct unibus_room *room_new(struct unibus_client *client, const char *room32)
{
    struct unibus_room *room = calloc(1, sizeof(*room));
    if (room == NULL) {
        return NULL;
    }
    room->client = client;
    room->log = ubr_log_new();
    room->entries = json_array();
    room->doc = json_object();
    snprintf(room->id_text, sizeof(room->id_text), "%s", room32);
    bool is_id = room32[0] == '\0' || ubr_room32_parse(ubr_bytes_of_text(room32), room->id);
    if (room->log == NULL || room->entries == NULL || room->doc == NULL || !is_id) {
        unibus_room_close(&room);
    }
    return room;
}

void unibus_room_close(struct unibus_room **room_ref)
{
    struct unibus_room *room = *room_ref;
    if (room == NULL) {
        return;
    }
    ubr_log_free(&room->log);
    json_decref(room->entries);
    wire_wipe(room->doc);
    if (room->secrets != NULL) {
        sodium_memzero(room->secrets, room->secrets_len * sizeof(*room->secrets));
        sodium_memzero(room->keys, room->secrets_len * sizeof(*room->keys));
    }
    free(room->secrets);
    free(room->keys);
    free(room->verified_mono_ms);
    free(room->windows);
    free(room);
    *room_ref = NULL;
}

enum unibus_status unibus_room_open(struct unibus_client *client, const char *room32,
                                    struct unibus_room **room_out, struct unibus_err *err)
{
    struct unibus_room *room = room_new(client, room32);
    if (room == NULL) {
        return unibus_fail(err, UNIBUS_USAGE, "\"%s\" is not the id of a room", room32);
    }
    enum unibus_status status = room_load(room, err);
    if (status != UNIBUS_OK) {
        unibus_room_close(&room);
        return status;
    }
    *room_out = room;
    return UNIBUS_OK;
}

/* Candidates by name, then by the beginning of the id. */
static size_t match_rooms(struct unibus_client *client, const char *name, bool by_id,
                          char room32_out[UBR_ROOM32_LEN + 1])
{
    json_t *ids = unibus_home_list(client->home, "rooms");
    size_t found = 0;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        char document[64];
        json_t *doc = NULL;
        struct unibus_err err = UNIBUS_ERR_INIT;
        snprintf(document, sizeof(document), "rooms/%.32s.json", id);
        bool matches = by_id && strncmp(id, name, strlen(name)) == 0;
        if (!by_id && unibus_home_read(client->home, document, &doc, &err) == UNIBUS_OK) {
            matches = strcmp(wire_text(doc, "name"), name) == 0;
        }
        if (matches) {
            snprintf(room32_out, UBR_ROOM32_LEN + 1, "%.32s", id);
            found++;
        }
        wire_wipe(doc);
    }
    json_decref(ids);
    return found;
}

enum unibus_status unibus_room_find(struct unibus_client *client, const char *name,
                                    char room32_out[UBR_ROOM32_LEN + 1], struct unibus_err *err)
{
    uint8_t id[UBR_ROOM_ID_LEN];
    if (ubr_room32_parse(ubr_bytes_of_text(name), id)) {
        snprintf(room32_out, UBR_ROOM32_LEN + 1, "%s", name);
        return UNIBUS_OK;
    }
    size_t found = name[0] != '\0' ? match_rooms(client, name, false, room32_out) : 0;
    if (found == 0 && name[0] != '\0') {
        found = match_rooms(client, name, true, room32_out);
    }
    if (found == 1) {
        return UNIBUS_OK;
    }
    if (found > 1) {
        unibus_fail(err, UNIBUS_USAGE, "\"%s\" may be any of %zu rooms", name, found);
        return unibus_fix(err, "use the id: `unibus room ls` shows it");
    }
    unibus_fail_code(err, UNIBUS_NOT_FOUND, "not-found", "no room here is called \"%s\"", name);
    return unibus_fix(err, "`unibus room ls` shows the rooms, `unibus room join` adds one");
}

enum unibus_status unibus_room_invite(const struct unibus_room *room,
                                      char link_out[UBR_INVITE_TEXT_MAX + 1],
                                      struct unibus_err *err)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    if (state->entries == 0) {
        return unibus_fail(err, UNIBUS_FAILED, "the log of the room is empty");
    }
    struct ubr_invite invite;
    ubr_invite_init(&invite);
    memcpy(invite.room_id, room->id, UBR_ROOM_ID_LEN);
    invite.seq = state->entries - 1;
    memcpy(invite.head, state->head, UBR_HASH_LEN);
    ubr_fingerprint(room->founder_pk, invite.founder);
    enum ubr_error fault = ubr_invite_format(&invite, link_out);
    return fault == UBR_OK ? UNIBUS_OK
                           : unibus_fail_ubr(err, UNIBUS_FAILED, (int)fault, "no invite");
}

const char *unibus_room_id(const struct unibus_room *room)
{
    return room->id_text;
}

bool unibus_room_is_plain(const struct unibus_room *room)
{
    return strcmp(wire_text(room->doc, "mode"), "plain") == 0;
}

enum unibus_trust unibus_room_trust(const struct unibus_room *room)
{
    return wire_text(room->doc, "confirmed_by")[0] != '\0' ? UNIBUS_CONFIRMED : UNIBUS_UNCONFIRMED;
}

const struct ubr_log *unibus_room_log(const struct unibus_room *room)
{
    return room->log;
}

struct unibus_client *unibus_room_client(struct unibus_room *room)
{
    return room->client;
}

enum ubr_role unibus_room_role(const struct unibus_room *room)
{
    struct ubr_member member;
    return room->client->has_identity &&
                   ubr_log_member(room->log, room->client->identity.account_pk, &member)
               ? member.role
               : UBR_ROLE_NONE;
}

const json_t *unibus_room_entries(const struct unibus_room *room)
{
    return room->entries;
}

void unibus_room_founder(const struct unibus_room *room, char id_out[33])
{
    id_out[0] = '\0';
    if (ubr_log_state(room->log)->entries > 0) {
        ubr_fingerprint_text(room->founder_pk, id_out);
    }
}
