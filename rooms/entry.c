/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/entry.h"

#include <assert.h>
#include <string.h>

#include "entry_fields.h"

#define VERSION 1

/* Room id, by 5.2, leaves out only the room id itself and what is the same in every first body. */
#define ROOM_ID_AT     2
#define TIME_AT        62
#define PAYLOAD_LEN_AT 118

static const char *const role_names[] = {
    [UBR_ROLE_READER] = "reader",
    [UBR_ROLE_WRITER] = "writer",
    [UBR_ROLE_ADMIN] = "admin",
    [UBR_ROLE_OWNER] = "owner",
};

const char *ubr_entry_type_name(unsigned type)
{
    const struct entry_kind *kind = entry_kind(type);
    return kind ? kind->name : NULL;
}

const char *ubr_role_name(unsigned role)
{
    return role <= UBR_ROLE_OWNER ? role_names[role] : NULL;
}

enum ubr_role ubr_role_from_name(struct ubr_bytes name)
{
    for (unsigned role = UBR_ROLE_READER; role <= UBR_ROLE_OWNER; role++) {
        if (ubr_bytes_are_equal(name, ubr_bytes_of_text(role_names[role]))) {
            return (enum ubr_role)role;
        }
    }
    return UBR_ROLE_NONE;
}

static enum ubr_error check_form(struct ubr_bytes body)
{
    if (body.len < UBR_ENTRY_HEADER_LEN) {
        return UBR_E_PARSE;
    }
    size_t payload_len = (size_t)body.ptr[PAYLOAD_LEN_AT] << 8 | body.ptr[PAYLOAD_LEN_AT + 1];
    if (payload_len != body.len - UBR_ENTRY_HEADER_LEN) {
        return UBR_E_PARSE;
    }
    return payload_len <= UBR_ENTRY_PAYLOAD_MAX ? UBR_OK : UBR_E_LIMIT;
}

enum ubr_error ubr_entry_parse_header(struct ubr_bytes body, struct ubr_entry *entry_out)
{
    *entry_out = (struct ubr_entry){0};
    enum ubr_error error = check_form(body);
    if (error != UBR_OK) {
        return error;
    }
    struct ubr_reader reader;
    ubr_reader_init(&reader, body);
    uint8_t version = ubr_get_u8(&reader);
    uint8_t type = ubr_get_u8(&reader);
    if (version != VERSION || !entry_kind(type)) {
        return UBR_E_UPGRADE;
    }
    entry_out->type = (enum ubr_entry_type)type;
    ubr_get_copy(&reader, entry_out->room_id, UBR_ROOM_ID_LEN);
    entry_out->seq = ubr_get_u64(&reader);
    ubr_get_copy(&reader, entry_out->prev, UBR_HASH_LEN);
    entry_out->time_ms = ubr_get_u64(&reader);
    ubr_get_copy(&reader, entry_out->author_pk, UBR_KEY_LEN);
    ubr_get_copy(&reader, entry_out->author_kid, UBR_KID_LEN);
    return reader.failed ? UBR_E_PARSE : UBR_OK;
}

/* Form of all fields, then their texts, then their values (5.5, step 3). */
static enum ubr_error parse_fields(struct ubr_reader *reader, const struct entry_kind *kind,
                                   struct ubr_entry *entry)
{
    for (size_t i = 0; i < kind->fields_len; i++) {
        entry_field_get(&kind->fields[i], reader, entry);
    }
    if (!ubr_reader_is_done(reader)) {
        return UBR_E_PARSE;
    }
    for (size_t i = 0; i < kind->fields_len; i++) {
        if (!entry_field_text_is_valid(&kind->fields[i], entry)) {
            return UBR_E_PARSE;
        }
    }
    return UBR_OK;
}

static enum ubr_error check_values(const struct entry_kind *kind, const struct ubr_entry *entry)
{
    enum ubr_error error = UBR_OK;
    for (size_t i = 0; error == UBR_OK && i < kind->fields_len; i++) {
        error = entry_field_check(&kind->fields[i], entry);
    }
    return error;
}

static enum ubr_error check_room_id(struct ubr_bytes body, const struct ubr_entry *entry)
{
    uint8_t room_id[UBR_ROOM_ID_LEN];
    ubr_entry_room_id(body, room_id);
    return memcmp(room_id, entry->room_id, UBR_ROOM_ID_LEN) == 0 ? UBR_OK : UBR_E_ROOM_ID;
}

enum ubr_error ubr_entry_parse_payload(struct ubr_bytes body, struct ubr_entry *entry)
{
    const struct entry_kind *kind = entry_kind((unsigned)entry->type);
    struct ubr_reader reader;
    ubr_reader_init(&reader, body);
    ubr_get_view(&reader, UBR_ENTRY_HEADER_LEN);
    enum ubr_error error = parse_fields(&reader, kind, entry);
    if (error == UBR_OK) {
        error = check_values(kind, entry);
    }
    if (error == UBR_OK && entry->type == UBR_ENTRY_CREATE) {
        error = check_room_id(body, entry);
    }
    return error;
}

enum ubr_error ubr_entry_parse(struct ubr_bytes body, struct ubr_entry *entry_out)
{
    enum ubr_error error = ubr_entry_parse_header(body, entry_out);
    if (error == UBR_OK && (entry_out->seq >= UBR_U53_END || entry_out->time_ms >= UBR_U53_END)) {
        error = UBR_E_RANGE;
    }
    return error == UBR_OK ? ubr_entry_parse_payload(body, entry_out) : error;
}

struct ubr_bytes ubr_entry_body_bytes(const struct ubr_entry_body *body)
{
    return ubr_bytes_of(body->buf, body->len);
}

static void put_header(struct ubr_writer *writer, const struct ubr_entry *entry)
{
    ubr_put_u8(writer, VERSION);
    ubr_put_u8(writer, (uint8_t)entry->type);
    ubr_put_copy(writer, entry->room_id, UBR_ROOM_ID_LEN);
    ubr_put_u64(writer, entry->seq);
    ubr_put_copy(writer, entry->prev, UBR_HASH_LEN);
    ubr_put_u64(writer, entry->time_ms);
    ubr_put_copy(writer, entry->author_pk, UBR_KEY_LEN);
    ubr_put_copy(writer, entry->author_kid, UBR_KID_LEN);
}

enum ubr_error ubr_entry_write(const struct ubr_entry *entry, struct ubr_entry_body *body_out)
{
    const struct entry_kind *kind = entry_kind((unsigned)entry->type);
    if (!kind) {
        return UBR_E_UPGRADE;
    }
    struct ubr_writer writer;
    ubr_writer_init(&writer, body_out->buf, sizeof body_out->buf);
    put_header(&writer, entry);
    ubr_put_u16(&writer, 0);
    for (size_t i = 0; i < kind->fields_len; i++) {
        entry_field_put(&kind->fields[i], &writer, entry);
    }
    if (writer.failed) {
        return UBR_E_PARSE;
    }
    size_t payload_len = writer.len - UBR_ENTRY_HEADER_LEN;
    body_out->buf[PAYLOAD_LEN_AT] = (uint8_t)(payload_len >> 8);
    body_out->buf[PAYLOAD_LEN_AT + 1] = (uint8_t)(payload_len & 0xff);
    body_out->len = writer.len;
    if (entry->type == UBR_ENTRY_CREATE) {
        ubr_entry_room_id(ubr_entry_body_bytes(body_out), body_out->buf + ROOM_ID_AT);
    }
    struct ubr_entry parsed;
    return ubr_entry_parse(ubr_entry_body_bytes(body_out), &parsed);
}

void ubr_entry_sign(const struct ubr_sign_key *sign, struct ubr_bytes body,
                    uint8_t sig_out[UBR_SIG_LEN])
{
    ubr_sign(sign, UBR_DS_ROOM_ENTRY, body, sig_out);
}

void ubr_entry_hash(struct ubr_bytes body, uint8_t hash_out[UBR_HASH_LEN])
{
    ubr_hash(UBR_DS_ROOM_ENTRY_HASH, body, hash_out);
}

void ubr_entry_room_id(struct ubr_bytes body, uint8_t room_id_out[UBR_ROOM_ID_LEN])
{
    assert(body.len >= UBR_ENTRY_HEADER_LEN);
    struct ubr_hasher hasher;
    uint8_t hash[UBR_HASH_LEN];
    ubr_hasher_begin(&hasher, UBR_DS_ROOM_ID, sizeof hash);
    ubr_hasher_add(&hasher, body.ptr + TIME_AT, PAYLOAD_LEN_AT - TIME_AT);
    ubr_hasher_add(&hasher, body.ptr + UBR_ENTRY_HEADER_LEN, body.len - UBR_ENTRY_HEADER_LEN);
    ubr_hasher_end(&hasher, hash);
    memcpy(room_id_out, hash, UBR_ROOM_ID_LEN);
}
