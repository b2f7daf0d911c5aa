/* SPDX-License-Identifier: Apache-2.0 */
#include "room_view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ubr/text.h>

static const char *const histories[] = {"next", "join", "all", "?"};

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static void set_hex(json_t *object, const char *key, const uint8_t *bytes, size_t len)
{
    char text[UBR_HEX_LEN(64) + 1];
    ubr_hex_encode(ubr_bytes_of(bytes, len < 64 ? len : 64), text);
    set(object, key, json_string(text));
}

static void set_key(json_t *object, const char *key, const uint8_t pk[UBR_KEY_LEN])
{
    char text[UBR_BASE64_LEN(UBR_KEY_LEN) + 1];
    ubr_base64_encode(ubr_bytes_of(pk, UBR_KEY_LEN), text);
    set(object, key, json_string(text));
}

static void set_id(json_t *object, const char *key, const uint8_t pk[UBR_KEY_LEN])
{
    char id[33];
    ubr_fingerprint_text(pk, id);
    set(object, key, json_string(id));
}

static void set_text(json_t *object, const char *key, struct ubr_bytes text)
{
    set(object, key, json_stringn(text.len > 0 ? (const char *)text.ptr : "", text.len));
}

static void set_role(json_t *object, unsigned role)
{
    const char *name = ubr_role_name(role);
    set(object, "role", name != NULL ? json_string(name) : json_null());
}

json_t *room_view(struct unibus_room *room)
{
    const struct ubr_log_state *state = ubr_log_state(unibus_room_log(room));
    bool is_plain = unibus_room_is_plain(room);
    char founder[33];
    unibus_room_founder(room, founder);
    json_t *view = json_object();
    set(view, "id", json_string(unibus_room_id(room)));
    set_text(view, "name", ubr_bytes_of(state->name, state->name_len));
    set(view, "mode", json_string(is_plain ? "plain" : "sealed"));
    set(view, "encryption",
        json_string(is_plain           ? "not encrypted"
                    : state->epoch > 0 ? "encrypted"
                                       : "not encrypted, not joined with --plain"));
    set(view, "verified", json_boolean(unibus_room_trust(room) == UNIBUS_CONFIRMED));
    set_role(view, (unsigned)unibus_room_role(room));
    set(view, "members", json_integer(state->members));
    set(view, "epoch", json_integer(state->epoch));
    set(view, "has_key", json_boolean(!is_plain && unibus_room_has_secret(room, state->epoch)));
    set(view, "stale", json_boolean(!is_plain && state->is_stale));
    set(view, "closed", json_boolean(state->is_closed));
    set(view, "history", json_string(histories[state->policy & UBR_POLICY_HISTORY]));
    set(view, "unsigned_allowed", json_boolean((state->policy & UBR_POLICY_UNSIGNED) != 0));
    set(view, "rotate_secs", json_integer(state->rotate_secs));
    set(view, "rotate_msgs", json_integer(state->rotate_msgs));
    set(view, "founder", json_string(founder));
    set(view, "seq", json_integer((json_int_t)state->entries - 1));
    set_hex(view, "head", state->head, UBR_HASH_LEN);
    return view;
}

json_t *room_view_members(const struct unibus_room *room)
{
    json_t *rows = json_array();
    struct ubr_member member;
    for (size_t cursor = 0; ubr_log_member_next(unibus_room_log(room), &cursor, &member);) {
        json_t *row = json_object();
        set(row, "handle", json_string(member.handle));
        set_role(row, (unsigned)member.role);
        set_id(row, "id", member.account_pk);
        set(row, "devices", json_integer((json_int_t)member.chain->live_len));
        set_key(row, "account_pk", member.account_pk);
        set_hex(row, "device_head", member.head, UBR_HASH_LEN);
        json_array_append_new(rows, row);
    }
    return rows;
}

static void set_policy(json_t *row, const struct ubr_entry *entry)
{
    set_text(row, "name", entry->name);
    set(row, "history", json_string(histories[entry->policy & UBR_POLICY_HISTORY]));
    set(row, "unsigned_allowed", json_boolean((entry->policy & UBR_POLICY_UNSIGNED) != 0));
    set(row, "rotate_secs", json_integer(entry->rotate_secs));
    set(row, "rotate_msgs", json_integer(entry->rotate_msgs));
}

static void set_epoch(json_t *row, const struct ubr_entry *entry)
{
    static const char *const causes[] = {"?",         "first",  "member-removed", "device-revoked",
                                         "scheduled", "manual", "member-added"};
    set(row, "epoch", json_integer(entry->epoch));
    set(row, "cause", json_string(causes[entry->cause < 7 ? entry->cause : 0]));
    set(row, "recipients", json_integer(entry->recipients));
    set_hex(row, "commit", entry->commit, UBR_HASH_LEN);
    set(row, "has_link", json_boolean(entry->link.len > 0));
}

static void set_reason(json_t *row, const struct ubr_entry *entry)
{
    static const char *const removals[] = {"?", "left", "removed", "compromised"};
    static const char *const closes[] = {"?", "ended", "continued"};
    bool is_remove = entry->type == UBR_ENTRY_REMOVE;
    unsigned reason = entry->reason < (is_remove ? 4 : 3) ? entry->reason : 0;
    set(row, "reason", json_string((is_remove ? removals : closes)[reason]));
}

/* The fields of the entry's type. */
static void set_payload(json_t *row, const struct ubr_entry *entry)
{
    bool names_account = entry->type == UBR_ENTRY_ADD || entry->type == UBR_ENTRY_REMOVE ||
                         entry->type == UBR_ENTRY_ROLE || entry->type == UBR_ENTRY_DEVICE;
    if (names_account) {
        set_id(row, "account", entry->account_pk);
    }
    if (entry->type == UBR_ENTRY_CREATE || entry->type == UBR_ENTRY_ADD) {
        set_text(row, "handle", entry->handle);
    }
    if (entry->type == UBR_ENTRY_ADD || entry->type == UBR_ENTRY_ROLE) {
        set_role(row, entry->role);
    }
    if (entry->type == UBR_ENTRY_CREATE || entry->type == UBR_ENTRY_POLICY) {
        set_policy(row, entry);
    }
    if (entry->type == UBR_ENTRY_EPOCH) {
        set_epoch(row, entry);
    }
    if (entry->type == UBR_ENTRY_REMOVE || entry->type == UBR_ENTRY_CLOSE) {
        set_reason(row, entry);
    }
}

/* One line of the payload, for the table. */
static void set_details(json_t *row)
{
    static const char *const shown[] = {"name",  "handle", "role",  "account",
                                        "epoch", "cause",  "reason"};
    char details[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        const json_t *value = json_object_get(row, shown[i]);
        const char *gap = len > 0 ? " " : "";
        if (json_is_string(value)) {
            len += (size_t)snprintf(details + len, sizeof(details) - len, "%s%s=%s", gap, shown[i],
                                    json_string_value(value));
        } else if (json_is_integer(value)) {
            len += (size_t)snprintf(details + len, sizeof(details) - len, "%s%s=%lld", gap,
                                    shown[i], (long long)json_integer_value(value));
        }
    }
    set(row, "details", json_string(details));
}

static void set_time(json_t *row, uint64_t time_ms)
{
    char text[32];
    struct tm parts;
    time_t seconds = (time_t)(time_ms / 1000);
    bool fits = gmtime_r(&seconds, &parts) != NULL && parts.tm_year < 8100;
    size_t len = fits ? strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", &parts) : 0;
    set(row, "time_ms", json_integer((json_int_t)time_ms));
    set(row, "time", len > 0 ? json_string(text) : json_null());
}

static json_t *view_entry(const json_t *kept)
{
    uint8_t body[UBR_ENTRY_BODY_MAX], hash[UBR_HASH_LEN];
    size_t len;
    struct ubr_entry entry;
    const char *text = json_string_value(json_object_get(kept, "body"));
    if (text == NULL || !ubr_base64_decode(ubr_bytes_of_text(text), body, sizeof(body), &len) ||
        ubr_entry_parse(ubr_bytes_of(body, len), &entry) != UBR_OK) {
        return json_null();
    }
    ubr_entry_hash(ubr_bytes_of(body, len), hash);
    json_t *row = json_object();
    set(row, "seq", json_integer((json_int_t)entry.seq));
    set(row, "type", json_string(ubr_entry_type_name((unsigned)entry.type)));
    set_time(row, entry.time_ms);
    set_id(row, "author", entry.author_pk);
    set_hex(row, "kid", entry.author_kid, UBR_KID_LEN);
    set_hex(row, "hash", hash, UBR_HASH_LEN);
    set_payload(row, &entry);
    set_details(row);
    return row;
}

json_t *room_view_entries(const struct unibus_room *room)
{
    json_t *rows = json_array();
    const json_t *entries = unibus_room_entries(room);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        json_array_append_new(rows, view_entry(json_array_get(entries, i)));
    }
    return rows;
}
