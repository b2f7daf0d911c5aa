/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "room.h"

#define PAGE "500"

static enum unibus_status need_records(struct unibus_room *room, const struct ubr_entry *entry,
                                       struct unibus_err *err)
{
    bool names_chain = entry->type == UBR_ENTRY_CREATE || entry->type == UBR_ENTRY_ADD ||
                       entry->type == UBR_ENTRY_DEVICE;
    const uint8_t *account_pk =
        entry->type == UBR_ENTRY_CREATE ? entry->author_pk : entry->account_pk;
    return names_chain ? contacts_need(room->client, account_pk, entry->device_head, err)
                       : UNIBUS_OK;
}

static void note_epoch(struct unibus_room *room, uint32_t epoch, bool is_new)
{
    uint64_t *more = reallocarray(room->verified_mono_ms, epoch, sizeof(*room->verified_mono_ms));
    if (more == NULL) {
        return;
    }
    memset(more + room->verified_len, 0, (epoch - room->verified_len) * sizeof(*more));
    more[epoch - 1] = is_new ? wire_mono_ms() : 0;
    room->verified_mono_ms = more;
    room->verified_len = epoch;
}

void room_note_entry(struct unibus_room *room, struct ubr_bytes body,
                     const uint8_t sig[UBR_SIG_LEN], bool is_new)
{
    struct ubr_entry entry;
    if (ubr_entry_parse(body, &entry) != UBR_OK) {
        return;
    }
    if (entry.type == UBR_ENTRY_CREATE) {
        memcpy(room->founder_pk, entry.author_pk, UBR_KEY_LEN);
    }
    if (entry.type == UBR_ENTRY_EPOCH && entry.epoch > room->verified_len) {
        note_epoch(room, entry.epoch, is_new);
    }
    json_t *kept = json_object();
    wire_put(kept, "body", body);
    wire_put(kept, "sig", ubr_bytes_of(sig, UBR_SIG_LEN));
    json_array_append_new(room->entries, kept);
}

enum unibus_status room_take_entry(struct unibus_room *room, struct ubr_bytes body,
                                   const uint8_t sig[UBR_SIG_LEN], struct unibus_err *err)
{
    uint32_t seq = ubr_log_state(room->log)->entries;
    struct ubr_entry entry;
    if (ubr_entry_parse(body, &entry) == UBR_OK) {
        bool is_other = memcmp(entry.room_id, room->id, UBR_ROOM_ID_LEN) != 0;
        enum unibus_status status =
            is_other ? unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_ROOM_ID, "entry %" PRIu32, seq)
                     : need_records(room, &entry, err);
        if (status != UNIBUS_OK) {
            return status;
        }
    }
    const struct ubr_record_store store = contacts_store(room->client);
    enum ubr_error fault = ubr_log_append(room->log, &store, body, sig);
    if (fault != UBR_OK) {
        return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, (int)fault,
                               "the log ends before entry %" PRIu32 ", which is not valid", seq);
    }
    room_note_entry(room, body, sig, true);
    return UNIBUS_OK;
}

/* One item of a page: an entry that is known must be the same, the next one is verified. */
static enum unibus_status take_item(struct unibus_room *room, const json_t *item, uint32_t seq,
                                    struct unibus_err *err)
{
    uint8_t body[UBR_ENTRY_BODY_MAX], sig[UBR_SIG_LEN], hash[UBR_HASH_LEN];
    size_t len;
    if (!wire_get_upto(item, "body", body, sizeof(body), &len) ||
        !wire_get(item, "sig", sig, sizeof(sig))) {
        return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_PARSE, "entry %" PRIu32, seq);
    }
    if (seq >= ubr_log_state(room->log)->entries) {
        return room_take_entry(room, ubr_bytes_of(body, len), sig, err);
    }
    ubr_entry_hash(ubr_bytes_of(body, len), hash);
    return memcmp(hash, ubr_log_hash_at(room->log, seq), UBR_HASH_LEN) == 0
               ? UNIBUS_OK
               : unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_FORK,
                                 "the node shows another entry %" PRIu32, seq);
}

static enum unibus_status take_page(struct unibus_room *room, const json_t *page, uint32_t from,
                                    struct unibus_err *err)
{
    const json_t *items = json_object_get(page, "items");
    if (json_array_size(items) == 0 && (from > 0 || ubr_log_state(room->log)->entries > 0)) {
        return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_ROLLBACK,
                               "the node has nothing from entry %" PRIu32 " on", from);
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        enum unibus_status status =
            take_item(room, json_array_get(items, i), from + (uint32_t)i, err);
        if (status != UNIBUS_OK) {
            return status;
        }
    }
    return UNIBUS_OK;
}

static enum unibus_status get_page(struct unibus_room *room, uint32_t from, json_t **page_out,
                                   struct unibus_err *err)
{
    char path[96], query[64];
    snprintf(path, sizeof(path), "/v1/rooms/%s/log", room->id_text);
    snprintf(query, sizeof(query), "from=%" PRIu32 "&limit=" PAGE, from);
    enum unibus_status status = unibus_client_get(room->client, path, query, page_out, err);
    if (status != UNIBUS_OK && strcmp(err->code, "range") == 0) {
        return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_ROLLBACK,
                               "the node's log ends before entry %" PRIu32, from);
    }
    if (status == UNIBUS_NOT_FOUND) {
        unibus_fail_code(err, status, "not-found", "the node has no room %s, or you are not in it",
                         room->id_text);
        unibus_fix(err, "a room admin adds you with `unibus room add`");
    }
    return status;
}

enum unibus_status room_check_pin(const struct unibus_room *room, struct unibus_err *err)
{
    const json_t *pin = json_object_get(room->doc, "pin");
    uint8_t head[UBR_HASH_LEN];
    if (pin == NULL) {
        return UNIBUS_OK;
    }
    int64_t seq = wire_number(pin, "seq");
    enum ubr_error fault = seq >= 0 && wire_get_hex(pin, "hash", head, sizeof(head))
                               ? ubr_log_check_pin(room->log, (uint64_t)seq, head)
                               : UBR_E_PARSE;
    return fault == UBR_OK
               ? UNIBUS_OK
               : unibus_fail_ubr(err, UNIBUS_UNVERIFIED, (int)fault,
                                 "the log does not contain the pin at entry %" PRId64, seq);
}

/* A plain room never has an epoch: that a room is not encrypted is only ever said by its user. */
static enum unibus_status check_mode(const struct unibus_room *room, struct unibus_err *err)
{
    bool has_epoch = ubr_log_state(room->log)->epoch > 0;
    bool is_pinned = wire_text(room->doc, "mode")[0] != '\0';
    if (!is_pinned || unibus_room_is_plain(room) != has_epoch) {
        return UNIBUS_OK;
    }
    if (!has_epoch) {
        unibus_fail(err, UNIBUS_UNVERIFIED, "the room is not encrypted: its log has no epoch");
        return unibus_fix(err, "join it with --plain if that is what you want");
    }
    unibus_fail(err, UNIBUS_UNVERIFIED, "the room is encrypted: its log has epochs");
    return unibus_fix(err, "join it without --plain");
}

enum unibus_status room_fetch_log(struct unibus_room *room, struct unibus_err *err)
{
    uint32_t from = ubr_log_state(room->log)->entries;
    from = from > 0 ? from - 1 : 0;
    for (bool is_more = true; is_more;) {
        json_t *page;
        enum unibus_status status = get_page(room, from, &page, err);
        if (status != UNIBUS_OK) {
            return status;
        }
        status = take_page(room, page, from, err);
        uint32_t next = from + (uint32_t)json_array_size(json_object_get(page, "items"));
        is_more = json_is_integer(json_object_get(page, "next_seq")) && next > from;
        from = next;
        json_decref(page);
        if (status != UNIBUS_OK) {
            return status;
        }
    }
    enum unibus_status status = room_check_pin(room, err);
    if (status == UNIBUS_OK && ubr_log_state(room->log)->entries == 0) {
        status = unibus_fail(err, UNIBUS_NOT_FOUND, "the log of the room is empty");
    }
    return status == UNIBUS_OK ? check_mode(room, err) : status;
}

enum unibus_status unibus_room_sync(struct unibus_room *room, struct unibus_err *err)
{
    enum unibus_status status = room_fetch_log(room, err);
    if (status != UNIBUS_OK && room_check_pin(room, &(struct unibus_err){0}) != UNIBUS_OK) {
        return status;
    }
    /* What was verified before an invalid entry stays verified. */
    struct unibus_err second = UNIBUS_ERR_INIT;
    enum unibus_status saved = room_save_log(room, status == UNIBUS_OK ? err : &second);
    room_take_secrets(room);
    return status != UNIBUS_OK ? status : saved;
}

enum unibus_status unibus_room_verify(struct unibus_room *room, struct unibus_err *err)
{
    ubr_log_free(&room->log);
    room->log = ubr_log_new();
    json_array_clear(room->entries);
    room->verified_len = 0;
    return room->log == NULL ? unibus_fail(err, UNIBUS_FAILED, "no memory")
                             : unibus_room_sync(room, err);
}

static enum unibus_status check_invite(const struct unibus_room *room,
                                       const struct ubr_invite *invite, struct unibus_err *err)
{
    uint8_t founder[UBR_FINGERPRINT_LEN];
    ubr_fingerprint(room->founder_pk, founder);
    if (memcmp(founder, invite->founder, sizeof(founder)) != 0) {
        return unibus_fail_ubr(err, UNIBUS_UNVERIFIED, UBR_E_INVITE,
                               "somebody else made the room than the invite says");
    }
    enum ubr_error fault = ubr_log_check_pin(room->log, invite->seq, invite->head);
    return fault == UBR_OK ? UNIBUS_OK
                           : unibus_fail_ubr(err, UNIBUS_UNVERIFIED, (int)fault,
                                             "the log does not contain the head of the invite");
}

/* A user who forgot --plain may say it later: check_mode still refuses it for a log with epochs. */
static enum unibus_status pin_mode(struct unibus_room *room, bool is_plain, struct unibus_err *err)
{
    const char *pinned = wire_text(room->doc, "mode");
    const char *mode = is_plain ? "plain" : "sealed";
    if (!is_plain && strcmp(pinned, "plain") == 0) {
        unibus_fail(err, UNIBUS_CONFLICT, "the room is pinned as plain here");
        return unibus_fix(err, "join it with --plain");
    }
    json_object_set_new(room->doc, "mode", json_string(mode));
    return UNIBUS_OK;
}

static enum unibus_status join(struct unibus_room *room, const struct ubr_invite *invite,
                               bool is_plain, struct unibus_err *err)
{
    enum unibus_status status = pin_mode(room, is_plain, err);
    if (status == UNIBUS_OK) {
        status = room_fetch_log(room, err);
    }
    if (status == UNIBUS_OK) {
        status = check_invite(room, invite, err);
    }
    if (status == UNIBUS_OK) {
        status = room_save_log(room, err);
    }
    return status == UNIBUS_OK ? room_confirm(room, "invite", err) : status;
}

enum unibus_status unibus_room_join(struct unibus_client *client, const char *invite_text,
                                    bool is_plain, struct unibus_room **room_out,
                                    struct unibus_err *err)
{
    struct ubr_invite invite;
    enum ubr_error fault = ubr_invite_parse(ubr_bytes_of_text(invite_text), &invite);
    if (fault != UBR_OK) {
        return unibus_fail_ubr(err, UNIBUS_USAGE, (int)fault, "the invite");
    }
    char room32[UBR_ROOM32_LEN + 1];
    ubr_room32(invite.room_id, room32);
    struct unibus_room *room;
    enum unibus_status status = unibus_room_open(client, room32, &room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    status = join(room, &invite, is_plain, err);
    if (status != UNIBUS_OK) {
        unibus_room_close(&room);
        return status;
    }
    *room_out = room;
    return UNIBUS_OK;
}
