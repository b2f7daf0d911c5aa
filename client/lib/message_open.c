/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/message.h>

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/text.h>

#include "room.h"

#define SAVE_EVERY_MS 1000

static struct room_window *find_window(const struct unibus_room *room,
                                       const uint8_t kid[UBR_KID_LEN])
{
    for (size_t i = 0; i < room->windows_len; i++) {
        if (memcmp(room->windows[i].kid, kid, UBR_KID_LEN) == 0) {
            return &room->windows[i];
        }
    }
    return NULL;
}

static struct room_window *need_window(struct unibus_room *room, const uint8_t kid[UBR_KID_LEN])
{
    struct room_window *window = find_window(room, kid);
    if (window != NULL) {
        return window;
    }
    struct room_window *more = reallocarray(room->windows, room->windows_len + 1, sizeof(*more));
    if (more == NULL) {
        return NULL;
    }
    room->windows = more;
    window = &more[room->windows_len++];
    memcpy(window->kid, kid, UBR_KID_LEN);
    ubr_window_init(&window->window);
    return window;
}

/* The union; of two windows the one that began earlier knows more. */
static bool merge_window(struct unibus_room *room, const uint8_t kid[UBR_KID_LEN],
                         struct ubr_window *saved)
{
    const struct ubr_place live = {0, 0};
    struct room_window *own = need_window(room, kid);
    if (own == NULL) {
        return false;
    }
    if (own->window.end == 0 || saved->base < own->window.base) {
        struct ubr_window earlier = *saved;
        *saved = own->window;
        own->window = earlier;
    }
    for (uint64_t counter = saved->base; counter < saved->end; counter++) {
        if (ubr_window_judge(saved, counter, live) != UBR_WINDOW_FRESH) {
            ubr_window_take(&own->window, counter, live);
        }
    }
    return true;
}

bool room_merge_windows(struct unibus_room *room, const json_t *windows)
{
    struct ubr_window *window = malloc(sizeof(*window));
    uint8_t *saved = malloc(UBR_WINDOW_SAVED_MAX);
    bool is_good = window != NULL && saved != NULL;
    const char *kid_hex;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)windows, kid_hex, value)
    {
        uint8_t kid[UBR_KID_LEN];
        size_t len;
        (void)value;
        is_good = is_good && ubr_hex_decode_exact(ubr_bytes_of_text(kid_hex), kid, sizeof(kid)) &&
                  wire_get_upto(windows, kid_hex, saved, UBR_WINDOW_SAVED_MAX, &len) &&
                  ubr_window_load(ubr_bytes_of(saved, len), window) == UBR_OK &&
                  merge_window(room, kid, window);
    }
    free(window);
    free(saved);
    return is_good;
}

static json_t *windows_json(const struct unibus_room *room, uint8_t saved[UBR_WINDOW_SAVED_MAX])
{
    json_t *windows = json_object();
    for (size_t i = 0; i < room->windows_len; i++) {
        char kid[UBR_HEX_LEN(UBR_KID_LEN) + 1];
        ubr_hex_encode(ubr_bytes_of(room->windows[i].kid, UBR_KID_LEN), kid);
        wire_put(windows, kid,
                 ubr_bytes_of(saved, ubr_window_save(&room->windows[i].window, saved)));
    }
    return windows;
}

/* Under the home's lock: what other processes have accepted meanwhile stays. */
static enum unibus_status save_windows(struct unibus_room *room,
                                       uint8_t saved[UBR_WINDOW_SAVED_MAX], struct unibus_err *err)
{
    json_t *doc = NULL;
    enum unibus_status status = room_read_side(room, "windows", &doc, err);
    if (status == UNIBUS_OK && !room_merge_windows(room, json_object_get(doc, "windows"))) {
        status = unibus_fail(err, UNIBUS_FAILED, "windows/%s.json in the home is damaged",
                             room->id_text);
    }
    if (status == UNIBUS_OK) {
        int64_t epoch = ubr_log_state(room->log)->epoch;
        int64_t used = wire_number(doc, "epoch") == epoch ? wire_number(doc, "used") : 0;
        json_object_set_new(doc, "windows", windows_json(room, saved));
        json_object_set_new(doc, "epoch", json_integer(epoch));
        json_object_set_new(doc, "used", json_integer(used + (int64_t)room->accepted));
        status = room_write_side(room, "windows", doc, err);
    }
    json_decref(doc);
    return status;
}

enum unibus_status unibus_messages_flush(struct unibus_room *room, struct unibus_err *err)
{
    if (room->accepted == 0 || room->forgets) {
        return UNIBUS_OK;
    }
    uint8_t *saved = malloc(UBR_WINDOW_SAVED_MAX);
    enum unibus_status status = saved == NULL ? unibus_fail(err, UNIBUS_FAILED, "no memory")
                                              : unibus_home_lock(room->client->home, err);
    if (status == UNIBUS_OK) {
        status = save_windows(room, saved, err);
        unibus_home_unlock(room->client->home);
    }
    free(saved);
    room->accepted = status == UNIBUS_OK ? 0 : room->accepted;
    room->windows_saved_mono_ms = wire_mono_ms();
    return status;
}

void unibus_messages_forget(struct unibus_room *room)
{
    room->forgets = true;
}

/* What was signed: a member's word for the hash of an entry that this client has not got. */
static enum unibus_status keep_claim(struct unibus_room *room, const struct ubr_msg *msg,
                                     struct unibus_err *err)
{
    enum unibus_status status = room_edit_begin(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    if (json_object_get(room->doc, "claim") == NULL) {
        json_t *claim = json_object();
        json_object_set_new(claim, "seq", json_integer(msg->head_seq));
        wire_put_hex(claim, "hash", ubr_bytes_of(msg->head_hash, UBR_MSG_HEAD_HASH_LEN));
        wire_put(claim, "account_pk", ubr_bytes_of(msg->account_pk, UBR_KEY_LEN));
        json_object_set_new(room->doc, "claim", claim);
    }
    return room_edit_commit(room, err);
}

static enum ubr_error judge(const struct unibus_room *room, const struct unibus_incoming *incoming,
                            uint32_t entries_since, struct unibus_said *said)
{
    const struct ubr_bytes ub_subject =
        ubr_bytes_of_text(incoming->ub_subject != NULL ? incoming->ub_subject : "");
    const struct ubr_receiver receiver = {
        .log = room->log,
        .keys = room->keys,
        .key_n = room->secrets_len,
        .now_ms = wire_now_ms(),
        .now_mono_ms = wire_mono_ms(),
        .max_age_ms = UBR_MSG_MAX_AGE_MS,
    };
    struct ubr_delivery delivery = {
        .wire = incoming->payload,
        .subject = ubr_bytes_of_text(incoming->subject),
        .ub_subject = incoming->ub_subject != NULL ? &ub_subject : NULL,
        .entries_since = entries_since,
    };
    struct ubr_msg_header header;
    if (ubr_msg_parse_header(incoming->payload, &header) == UBR_OK) {
        const struct room_window *window = find_window(room, header.id.kid);
        delivery.window = window != NULL ? &window->window : NULL;
        ubr_hex_encode(ubr_bytes_of(header.id.kid, UBR_KID_LEN), said->kid_hex);
    }
    return ubr_msg_accept(&receiver, &delivery, said->plain, &said->msg);
}

/* Once a message: the log, and the secrets of what is new in it. */
static enum ubr_error fetch_and_judge(struct unibus_room *room,
                                      const struct unibus_incoming *incoming, enum ubr_error fault,
                                      struct unibus_said *said)
{
    uint32_t before = ubr_log_state(room->log)->entries;
    size_t secrets_before = room->secrets_len;
    struct unibus_err err = UNIBUS_ERR_INIT;
    if (unibus_room_sync(room, &err) != UNIBUS_OK ||
        unibus_room_fetch_secrets(room, &err) != UNIBUS_OK) {
        unibus_client_notice_error(room->client, "fetching the log", &err);
    }
    uint32_t entries = ubr_log_state(room->log)->entries;
    return entries == before && room->secrets_len == secrets_before
               ? fault
               : judge(room, incoming, entries - before, said);
}

static enum unibus_status take(struct unibus_room *room, struct unibus_said *said,
                               struct unibus_err *err)
{
    struct room_window *window = need_window(room, said->msg.header.id.kid);
    if (window == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    ubr_window_take(&window->window, said->msg.header.id.counter, (struct ubr_place){0, 0});
    room->accepted++;
    ubr_fingerprint_text(said->msg.account_pk, said->id);
    bool is_other =
        memcmp(said->msg.account_pk, room->client->identity.account_pk, UBR_KEY_LEN) != 0;
    /* A message of another account, accepted, vouches for the head (12.3). What cannot be kept is
     * said; the message is good all the same, and it would not come again. */
    if (said->msg.is_signed && is_other && unibus_room_trust(room) != UNIBUS_CONFIRMED &&
        room_confirm(room, "message", err) != UNIBUS_OK) {
        unibus_client_notice_error(room->client, "the room stays unverified", err);
    }
    if (wire_mono_ms() - room->windows_saved_mono_ms >= SAVE_EVERY_MS &&
        unibus_messages_flush(room, err) != UNIBUS_OK) {
        unibus_client_notice_error(room->client, "replays may not be noticed later", err);
    }
    return UNIBUS_OK;
}

enum unibus_status unibus_message_open(struct unibus_room *room,
                                       const struct unibus_incoming *incoming,
                                       struct unibus_said *said_out, struct unibus_err *err)
{
    memset(said_out, 0, sizeof(*said_out));
    said_out->plain_len = incoming->payload.len;
    said_out->plain = calloc(1, said_out->plain_len + 1);
    if (said_out->plain == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    enum ubr_error fault = judge(room, incoming, 0, said_out);
    if (fault != UBR_OK && said_out->msg.may_fetch) {
        fault = fetch_and_judge(room, incoming, fault, said_out);
    }
    if (fault == UBR_OK) {
        return take(room, said_out, err);
    }
    if (fault == UBR_E_HEAD_UNPROVEN) {
        struct unibus_err second = UNIBUS_ERR_INIT;
        if (keep_claim(room, &said_out->msg, &second) != UNIBUS_OK) {
            unibus_client_notice(room->client, "%s", second.message);
        }
    }
    return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, (int)fault, "a message was not accepted");
}

void unibus_said_clear(struct unibus_said *said)
{
    if (said->plain != NULL) {
        sodium_memzero(said->plain, said->plain_len);
    }
    free(said->plain);
    said->plain = NULL;
}
