/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <stdlib.h>

#include <ubr/nkey.h>
#include <ubr/text.h>
#include <ubr/view.h>

#include "actions.h"

json_t *memb_view_pairs(const void *const *pairs)
{
    json_t *object = json_object();
    bool is_whole = object != NULL;
    for (; pairs[0] != NULL; pairs += 2) {
        json_t *value = (json_t *)(uintptr_t)pairs[1];
        is_whole = json_object_set_new(object, pairs[0], value) == 0 && is_whole;
    }
    if (!is_whole) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *encoded(void (*encode)(struct ubr_bytes bytes, char *text_out), size_t text_len,
                       const uint8_t *bytes, size_t len)
{
    char *text = malloc(text_len + 1);
    if (text == NULL) {
        return NULL;
    }
    encode(ubr_bytes_of(bytes, len), text);
    json_t *value = json_string(text);
    free(text);
    return value;
}

json_t *memb_view_hex(const uint8_t *bytes, size_t len)
{
    return encoded(ubr_hex_encode, UBR_HEX_LEN(len), bytes, len);
}

json_t *memb_view_base64(const uint8_t *bytes, size_t len)
{
    return encoded(ubr_base64_encode, UBR_BASE64_LEN(len), bytes, len);
}

/* ---- identities -------------------------------------------------------------------------------
 */

static json_t *view_chain_device(const struct ubr_device *device)
{
    char nkey[UBR_NKEY_LEN + 1];
    ubr_nkey_encode(device->nats_pk, nkey);
    return memb_view_object("kid", memb_view_hex(device->kid, UBR_KID_LEN), "sign_pk",
                            memb_view_base64(device->sign_pk, UBR_KEY_LEN), "box_pk",
                            memb_view_base64(device->box_pk, UBR_KEY_LEN), "nats_pk",
                            memb_view_base64(device->nats_pk, UBR_KEY_LEN), "nkey",
                            json_string(nkey), "revoked", json_boolean(device->is_revoked), NULL);
}

static json_t *view_devices(const struct ubr_chain *chain)
{
    json_t *devices = json_array();
    for (size_t i = 0; i < chain->devices_len; i++) {
        json_array_append_new(devices, view_chain_device(&chain->devices[i]));
    }
    return devices;
}

static json_t *view_chain(const struct ubr_chain *chain)
{
    return memb_view_object("seq", json_integer((json_int_t)chain->records_len - 1), "head",
                            memb_view_hex(ubr_chain_head(chain), UBR_HASH_LEN), NULL);
}

json_t *memb_view_identity(const struct memb_identity *identity, const struct ubr_chain *chain,
                           const char *note)
{
    return memb_view_object(
        "id", json_string(identity->id), "handle", json_string(identity->handle), "role",
        json_string(memb_role_name(identity->role)), "account_pk",
        memb_view_base64(identity->account_pk, UBR_KEY_LEN), "disabled",
        json_boolean(identity->is_disabled), "removed", json_boolean(identity->is_removed), "note",
        json_string(note), "created_ms", json_integer(identity->created_ms), "chain",
        view_chain(chain), "devices", view_devices(chain), NULL);
}

json_t *memb_view_device(const struct memb_device *device)
{
    json_t *view = memb_view_object("body", memb_view_base64(device->body, sizeof device->body),
                                    "sig", memb_view_base64(device->sig, UBR_SIG_LEN), NULL);
    if (device->has_pops) {
        json_object_set_new(view, "pop", memb_view_base64(device->pop, UBR_SIG_LEN));
        json_object_set_new(view, "nats_pop", memb_view_base64(device->nats_pop, UBR_SIG_LEN));
    }
    return view;
}

/* ---- rooms ------------------------------------------------------------------------------------
 */

json_t *memb_view_head(const struct memb_room *room)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    return memb_view_object("seq", json_integer((json_int_t)state->entries - 1), "hash",
                            memb_view_hex(state->head, UBR_HASH_LEN), NULL);
}

static json_t *view_policy(const struct ubr_log_state *state)
{
    return memb_view_object("history", json_integer(state->policy & UBR_POLICY_HISTORY), "unsigned",
                            json_boolean(state->policy & UBR_POLICY_UNSIGNED), "rotate_secs",
                            json_integer(state->rotate_secs), "rotate_msgs",
                            json_integer(state->rotate_msgs), NULL);
}

json_t *memb_view_room(const struct memb_room *room, enum ubr_role role)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    return memb_view_object("id", json_string(room->id32), "name",
                            json_stringn((const char *)state->name, state->name_len), "mode",
                            json_string(room->is_plain ? "plain" : "sealed"), "head",
                            memb_view_head(room), "epoch", json_integer(state->epoch), "stale",
                            json_boolean(state->is_stale && !room->is_plain), "closed",
                            json_boolean(state->is_closed), "policy", view_policy(state), "members",
                            json_integer(state->members), "role",
                            role != UBR_ROLE_NONE ? json_string(ubr_role_name(role)) : json_null(),
                            "created_ms", json_integer(room->created_ms), NULL);
}

static json_t *view_field(const struct ubr_view_field *field)
{
    switch (field->kind) {
    case UBR_VIEW_NUMBER:
        return json_integer((json_int_t)field->number);
    case UBR_VIEW_ROLE:
        return json_string(ubr_role_name((unsigned)field->number));
    case UBR_VIEW_TEXT:
        return json_stringn((const char *)field->bytes.ptr, field->bytes.len);
    case UBR_VIEW_HASH:
        return memb_view_hex(field->bytes.ptr, field->bytes.len);
    default:
        return memb_view_base64(field->bytes.ptr, field->bytes.len);
    }
}

static json_t *view_values(const struct memb_entry *bytes)
{
    struct ubr_entry entry;
    struct ubr_view_field fields[UBR_VIEW_FIELDS_MAX];
    char author[MEMB_ID_LEN + 1];
    if (ubr_entry_parse(ubr_bytes_of(bytes->body, bytes->body_len), &entry) != UBR_OK) {
        return NULL;
    }
    ubr_fingerprint_text(entry.author_pk, author);
    json_t *view =
        memb_view_object("type", json_string(ubr_entry_type_name(entry.type)), "author",
                         json_string(author), "kid", memb_view_hex(entry.author_kid, UBR_KID_LEN),
                         "time_ms", json_integer((json_int_t)entry.time_ms), NULL);
    size_t count = ubr_entry_view(&entry, fields);
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(view, fields[i].name, view_field(&fields[i]));
    }
    return view;
}

json_t *memb_view_entry(const struct memb_room *room, size_t seq)
{
    const struct memb_entry *entry = room->entries[seq];
    return memb_view_object("seq", json_integer((json_int_t)seq), "body",
                            memb_view_base64(entry->body, entry->body_len), "sig",
                            memb_view_base64(entry->sig, UBR_SIG_LEN), "view", view_values(entry),
                            NULL);
}
