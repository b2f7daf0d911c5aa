/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/text.h>

#include "room.h"

/* How many epochs back a missing box is looked for. */
#define LOOK_BACK 8

const uint8_t *room_secret(const struct unibus_room *room, uint32_t epoch)
{
    for (size_t i = 0; i < room->secrets_len; i++) {
        if (room->secrets[i].epoch == epoch) {
            return room->secrets[i].secret;
        }
    }
    return NULL;
}

bool unibus_room_has_secret(const struct unibus_room *room, uint32_t epoch)
{
    return room_secret(room, epoch) != NULL;
}

/* Moves to new memory by hand, so that the old copy is wiped. */
static void *grow_wiped(void *old, size_t len, size_t item_size)
{
    void *more = calloc(len + 1, item_size);
    if (more != NULL && len > 0) {
        memcpy(more, old, len * item_size);
        sodium_memzero(old, len * item_size);
        free(old);
    }
    return more;
}

bool room_hold_secret(struct unibus_room *room, uint32_t epoch,
                      const uint8_t secret[UBR_SECRET_LEN])
{
    if (room_secret(room, epoch) != NULL) {
        return true;
    }
    struct room_secret *secrets = grow_wiped(room->secrets, room->secrets_len, sizeof(*secrets));
    if (secrets == NULL) {
        return false;
    }
    room->secrets = secrets;
    struct ubr_msg_key *keys = grow_wiped(room->keys, room->secrets_len, sizeof(*keys));
    if (keys == NULL) {
        return false;
    }
    room->keys = keys;
    secrets[room->secrets_len].epoch = epoch;
    memcpy(secrets[room->secrets_len].secret, secret, UBR_SECRET_LEN);
    ubr_msg_key_init(&keys[room->secrets_len], epoch, secret);
    room->secrets_len++;
    return true;
}

/* An epoch is superseded since the next one's entry was verified by this process. */
static void note_superseded(struct unibus_room *room)
{
    for (size_t i = 0; i < room->secrets_len; i++) {
        uint32_t next = room->keys[i].epoch + 1;
        room->keys[i].superseded_mono_ms =
            next <= room->verified_len ? room->verified_mono_ms[next - 1] : 0;
    }
}

void room_take_secrets(struct unibus_room *room)
{
    json_t *secrets = json_object_get(room->doc, "secrets");
    const char *key;
    const json_t *value;
    json_object_foreach(secrets, key, value)
    {
        uint8_t secret[UBR_SECRET_LEN];
        unsigned long epoch = strtoul(key, NULL, 10);
        (void)value;
        if (epoch > 0 && epoch < UBR_LOG_EPOCH_END &&
            wire_get(secrets, key, secret, sizeof(secret))) {
            room_hold_secret(room, (uint32_t)epoch, secret);
        }
        sodium_memzero(secret, sizeof(secret));
    }
    note_superseded(room);
}

enum unibus_status room_keep_secret(struct unibus_room *room, uint32_t epoch,
                                    const uint8_t secret[UBR_SECRET_LEN], struct unibus_err *err)
{
    if (!room_hold_secret(room, epoch, secret)) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    note_superseded(room);
    enum unibus_status status = room_edit_begin(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    char key[16];
    snprintf(key, sizeof(key), "%" PRIu32, epoch);
    json_t *secrets = json_object_get(room->doc, "secrets");
    if (secrets == NULL) {
        secrets = json_object();
        json_object_set_new(room->doc, "secrets", secrets);
    }
    wire_put(secrets, key, ubr_bytes_of(secret, UBR_SECRET_LEN));
    return room_edit_commit(room, err);
}

static void box_path(const struct unibus_room *room, uint32_t epoch, const char *kid_hex,
                     const char *suffix, char path_out[160])
{
    snprintf(path_out, 160, "/v1/rooms/%s/epochs/%" PRIu32 "/boxes/%s%s", room->id_text, epoch,
             kid_hex, suffix);
}

static enum unibus_status call_box(struct unibus_room *room, const char *method, uint32_t epoch,
                                   const char *suffix, struct unibus_err *err)
{
    char path[160];
    box_path(room, epoch, room->client->identity.kid_hex, suffix, path);
    const struct unibus_request request = {.method = method, .path = path};
    struct unibus_reply reply;
    enum unibus_status status = unibus_node_call(room->client->node, &request, &reply, err);
    unibus_reply_clear(&reply);
    return status;
}

/* "I have it": from now on the node cannot give this box to a thief of the box key. */
enum unibus_status room_delete_box(struct unibus_room *room, uint32_t epoch, struct unibus_err *err)
{
    enum unibus_status status = call_box(room, "DELETE", epoch, "", err);
    return status == UNIBUS_NOT_FOUND ? UNIBUS_OK : status;
}

/* The first box that is good; others are reported with who sent them. */
static bool open_boxes(struct unibus_room *room, uint32_t epoch, const json_t *items,
                       uint8_t secret_out[UBR_SECRET_LEN])
{
    const struct unibus_identity *identity = &room->client->identity;
    struct ubr_epoch which = {.number = epoch};
    memcpy(which.room_id, room->id, UBR_ROOM_ID_LEN);
    const struct ubr_log_epoch *entry = ubr_log_epoch(room->log, epoch);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        uint8_t box[UBR_BOX_LEN];
        enum ubr_error fault = UBR_E_BOX_OPEN;
        if (wire_get(item, "box", box, sizeof(box))) {
            fault = ubr_box_open(&which, identity->kid, &identity->box, entry->commit,
                                 ubr_bytes_of(box, sizeof(box)), secret_out);
        }
        if (fault == UBR_OK) {
            return true;
        }
        unibus_client_notice(room->client, "%s: bad box for epoch %" PRIu32 " from device %s",
                             ubr_error_name(fault), epoch, wire_text(item, "uploader"));
    }
    return false;
}

/* Gets the own box of an epoch; *has_out tells whether a good one was there. */
static enum unibus_status fetch_box(struct unibus_room *room, uint32_t epoch, bool *has_out,
                                    struct unibus_err *err)
{
    char path[160];
    json_t *json;
    box_path(room, epoch, room->client->identity.kid_hex, "", path);
    *has_out = false;
    enum unibus_status status = unibus_client_get(room->client, path, NULL, &json, err);
    if (status != UNIBUS_OK) {
        return status == UNIBUS_NOT_FOUND ? UNIBUS_OK : status;
    }
    uint8_t secret[UBR_SECRET_LEN];
    *has_out = open_boxes(room, epoch, json_object_get(json, "items"), secret);
    json_decref(json);
    if (*has_out) {
        status = room_keep_secret(room, epoch, secret, err);
        sodium_memzero(secret, sizeof(secret));
        if (status == UNIBUS_OK) {
            status = room_delete_box(room, epoch, err);
        }
    }
    return status;
}

/* Follows the link of an epoch whose secret is held. False at the end of the walk. */
static bool follow_link(struct unibus_room *room, uint32_t epoch, struct unibus_err *err)
{
    const uint8_t *secret = room_secret(room, epoch);
    const struct ubr_log_epoch *entry = ubr_log_epoch(room->log, epoch);
    if (secret == NULL || entry == NULL || !entry->has_link || epoch < 2) {
        return false;
    }
    if (room_secret(room, epoch - 1) != NULL) {
        return true;
    }
    struct ubr_epoch which = {.number = epoch};
    memcpy(which.room_id, room->id, UBR_ROOM_ID_LEN);
    uint8_t old[UBR_SECRET_LEN];
    enum ubr_error fault = ubr_link_open(&which, secret, entry->link,
                                         ubr_log_epoch(room->log, epoch - 1)->commit, old);
    if (fault != UBR_OK) {
        char author[33];
        ubr_fingerprint_text(entry->author_pk, author);
        unibus_client_notice(room->client, "%s: the link of epoch %" PRIu32 " by %s is broken",
                             ubr_error_name(fault), epoch, author);
        return false;
    }
    bool kept = room_keep_secret(room, epoch - 1, old, err) == UNIBUS_OK;
    sodium_memzero(old, sizeof(old));
    return kept;
}

/* Boxes of epochs that passed while this device was away. */
static enum unibus_status fetch_missed(struct unibus_room *room, uint32_t newest,
                                       struct unibus_err *err)
{
    enum unibus_status status = UNIBUS_OK;
    uint32_t last = newest > LOOK_BACK ? newest - LOOK_BACK : 0;
    for (uint32_t epoch = newest - 1; epoch > last && status == UNIBUS_OK; epoch--) {
        bool has;
        if (room_secret(room, epoch) == NULL &&
            ubr_log_check_entitled(room->log, room->client->identity.kid, epoch) == UBR_OK) {
            status = fetch_box(room, epoch, &has, err);
        }
    }
    return status;
}

static enum unibus_status ask(struct unibus_room *room, uint32_t epoch, struct unibus_err *err)
{
    struct ubr_log_kid kid;
    if (!ubr_log_kid(room->log, room->client->identity.kid, &kid)) {
        unibus_client_notice(room->client, "the room does not know this device yet");
        return UNIBUS_OK;
    }
    if (memcmp(kid.box_pk, room->client->identity.box.pk, UBR_KEY_LEN) != 0) {
        unibus_client_notice(room->client, "the room seals to an older box key of this device");
    }
    enum unibus_status status = call_box(room, "POST", epoch, ":request", err);
    unibus_client_notice(
        room->client,
        "there is no key of epoch %" PRIu32
        " for this device yet: asked for it; a member's client that listens sends it",
        epoch);
    return status == UNIBUS_UNREACHABLE || status == UNIBUS_TIMEOUT ? status : UNIBUS_OK;
}

enum unibus_status unibus_room_fetch_secrets(struct unibus_room *room, struct unibus_err *err)
{
    uint32_t epoch = ubr_log_state(room->log)->epoch;
    if (unibus_room_is_plain(room) || epoch == 0 || unibus_room_role(room) == UBR_ROLE_NONE ||
        room_secret(room, epoch) != NULL) {
        return UNIBUS_OK;
    }
    bool has;
    enum unibus_status status = fetch_box(room, epoch, &has, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    if (!has) {
        return ask(room, epoch, err);
    }
    for (uint32_t at = epoch; at > 1 && follow_link(room, at, err); at--) {
    }
    return fetch_missed(room, epoch, err);
}

enum unibus_status room_send_box(struct unibus_room *room, uint32_t epoch,
                                 const uint8_t kid[UBR_KID_LEN], struct unibus_err *err)
{
    struct ubr_log_kid device;
    const uint8_t *secret = room_secret(room, epoch);
    enum ubr_error fault = ubr_log_check_entitled(room->log, kid, epoch);
    if (fault != UBR_OK || secret == NULL || !ubr_log_kid(room->log, kid, &device)) {
        return unibus_fail_ubr(err, UNIBUS_DENIED,
                               fault != UBR_OK ? (int)fault : (int)UBR_E_MSG_EPOCH,
                               "the key of epoch %" PRIu32, epoch);
    }
    struct ubr_epoch which = {.number = epoch};
    memcpy(which.room_id, room->id, UBR_ROOM_ID_LEN);
    uint8_t box[UBR_BOX_LEN];
    fault = ubr_box_seal(&which, kid, device.box_pk, secret, box);
    if (fault != UBR_OK) {
        return unibus_fail_ubr(err, UNIBUS_FAILED, (int)fault, "sealing a box");
    }
    char path[160], kid_hex[UBR_HEX_LEN(UBR_KID_LEN) + 1];
    ubr_hex_encode(ubr_bytes_of(kid, UBR_KID_LEN), kid_hex);
    box_path(room, epoch, kid_hex, "", path);
    json_t *body = json_object();
    wire_put(body, "box", ubr_bytes_of(box, sizeof(box)));
    const struct unibus_request request = {.method = "PUT", .path = path, .body = body};
    struct unibus_reply reply;
    enum unibus_status status = unibus_node_call(room->client->node, &request, &reply, err);
    bool is_there = status == UNIBUS_CONFLICT && strcmp(err->code, "exists") == 0;
    unibus_reply_clear(&reply);
    json_decref(body);
    return is_there ? UNIBUS_OK : status;
}
