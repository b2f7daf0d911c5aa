/* SPDX-License-Identifier: Apache-2.0 */
#include "entry_fields.h"

#include <stddef.h>
#include <string.h>

#include "ubr/text.h"

#define ROTATE_SECS_MIN 3600
#define ROTATE_SECS_MAX (UINT64_C(1) << 31)
#define ROTATE_MSGS_MIN 1000
#define EPOCH_END       (UINT64_C(1) << 31)

static struct ubr_bytes no_bytes(const void *place, size_t len)
{
    (void)place;
    (void)len;
    return (struct ubr_bytes){0};
}

static uint64_t no_number(const void *place)
{
    (void)place;
    return 0;
}

#define NUMBER_FORM(width)                                                                         \
    static void get_u##width(struct ubr_reader *reader, void *place, size_t len)                   \
    {                                                                                              \
        (void)len;                                                                                 \
        *(uint##width##_t *)place = ubr_get_u##width(reader);                                      \
    }                                                                                              \
    static void put_u##width(struct ubr_writer *writer, const void *place, size_t len)             \
    {                                                                                              \
        (void)len;                                                                                 \
        ubr_put_u##width(writer, *(const uint##width##_t *)place);                                 \
    }                                                                                              \
    static uint64_t number_u##width(const void *place)                                             \
    {                                                                                              \
        return *(const uint##width##_t *)place;                                                    \
    }                                                                                              \
    static const struct entry_form form_u##width = {get_u##width, put_u##width, number_u##width,   \
                                                    no_bytes}

NUMBER_FORM(8);
NUMBER_FORM(16);
NUMBER_FORM(32);

static void get_fixed(struct ubr_reader *reader, void *place, size_t len)
{
    ubr_get_copy(reader, place, len);
}

static void put_fixed(struct ubr_writer *writer, const void *place, size_t len)
{
    ubr_put_copy(writer, place, len);
}

static const struct entry_form form_fixed = {get_fixed, put_fixed, no_number, ubr_bytes_of};

static void get_str8(struct ubr_reader *reader, void *place, size_t len)
{
    (void)len;
    *(struct ubr_bytes *)place = ubr_get_str8(reader);
}

static void put_str8(struct ubr_writer *writer, const void *place, size_t len)
{
    (void)len;
    ubr_put_str8(writer, *(const struct ubr_bytes *)place);
}

/* What is checked about a str8 as a value is its length. */
static uint64_t number_str8(const void *place)
{
    return ((const struct ubr_bytes *)place)->len;
}

static struct ubr_bytes bytes_str8(const void *place, size_t len)
{
    (void)len;
    return *(const struct ubr_bytes *)place;
}

static const struct entry_form form_str8 = {get_str8, put_str8, number_str8, bytes_str8};

static enum ubr_error check_suite(uint64_t value)
{
    return value == UBR_SUITE_1 ? UBR_OK : UBR_E_UPGRADE;
}

static enum ubr_error check_policy(uint64_t value)
{
    if (value & ~(uint64_t)(UBR_POLICY_HISTORY | UBR_POLICY_UNSIGNED)) {
        return UBR_E_UPGRADE;
    }
    return (value & UBR_POLICY_HISTORY) <= UBR_HISTORY_ALL ? UBR_OK : UBR_E_POLICY;
}

static enum ubr_error check_rotate_secs(uint64_t value)
{
    bool in_range = value >= ROTATE_SECS_MIN && value <= ROTATE_SECS_MAX;
    return value == 0 || in_range ? UBR_OK : UBR_E_POLICY;
}

static enum ubr_error check_rotate_msgs(uint64_t value)
{
    return value == 0 || value >= ROTATE_MSGS_MIN ? UBR_OK : UBR_E_POLICY;
}

static enum ubr_error check_between(uint64_t value, uint64_t first, uint64_t last)
{
    return value >= first && value <= last ? UBR_OK : UBR_E_RANGE;
}

static enum ubr_error check_role(uint64_t value)
{
    return check_between(value, UBR_ROLE_READER, UBR_ROLE_OWNER);
}

static enum ubr_error check_remove_reason(uint64_t value)
{
    return check_between(value, UBR_REMOVE_LEFT, UBR_REMOVE_COMPROMISED);
}

static enum ubr_error check_close_reason(uint64_t value)
{
    return check_between(value, UBR_CLOSE_ENDED, UBR_CLOSE_CONTINUED);
}

static enum ubr_error check_epoch(uint64_t value)
{
    return value < EPOCH_END ? UBR_OK : UBR_E_RANGE;
}

static enum ubr_error check_cause(uint64_t value)
{
    return check_between(value, UBR_CAUSE_FIRST, UBR_CAUSE_MEMBER_ADDED);
}

static enum ubr_error check_link_len(uint64_t value)
{
    return value == 0 || value == UBR_LINK_LEN ? UBR_OK : UBR_E_RANGE;
}

#define AT(member)   offsetof(struct ubr_entry, member)
#define SIZE(member) sizeof(((struct ubr_entry *)0)->member)
#define NUMBER(width, m, c)                                                                        \
    {                                                                                              \
#m, &form_u##width, UBR_VIEW_NUMBER, AT(m), 0, NULL, c                                     \
    }
#define KEY(m)                                                                                     \
    {                                                                                              \
#m, &form_fixed, UBR_VIEW_KEY, AT(m), SIZE(m), NULL, NULL                                  \
    }
#define HASH(m)                                                                                    \
    {                                                                                              \
#m, &form_fixed, UBR_VIEW_HASH, AT(m), SIZE(m), NULL, NULL                                 \
    }
#define TEXT(m, is_valid)                                                                          \
    {                                                                                              \
#m, &form_str8, UBR_VIEW_TEXT, AT(m), 0, is_valid, NULL                                    \
    }
#define ROLE                                                                                       \
    {                                                                                              \
        "role", &form_u8, UBR_VIEW_ROLE, AT(role), 0, NULL, check_role                             \
    }
#define LINK                                                                                       \
    {                                                                                              \
        "link", &form_str8, UBR_VIEW_BLOB, AT(link), 0, NULL, check_link_len                       \
    }
#define HANDLE    TEXT(handle, ubr_handle_is_valid)
#define ROOM_NAME TEXT(name, ubr_room_name_is_valid)
#define POLICY                                                                                     \
    NUMBER(8, policy, check_policy), NUMBER(32, rotate_secs, check_rotate_secs),                   \
        NUMBER(32, rotate_msgs, check_rotate_msgs)

/* Fields are checked in their order. It gives the order of step 3 (UPGRADE, POLICY, RANGE) because
 * suite and policy come first. */
static const struct entry_field create_fields[] = {
    NUMBER(16, suite, check_suite), HASH(random), POLICY, HANDLE, HASH(device_head), ROOM_NAME,
};
static const struct entry_field add_fields[] = {ROLE, KEY(account_pk), HANDLE, HASH(device_head)};
static const struct entry_field remove_fields[] = {KEY(account_pk),
                                                   NUMBER(8, reason, check_remove_reason)};
static const struct entry_field role_fields[] = {KEY(account_pk), ROLE};
static const struct entry_field epoch_fields[] = {
    NUMBER(32, epoch, check_epoch),
    HASH(commit),
    HASH(members_hash),
    HASH(recipients_hash),
    NUMBER(32, recipients, NULL),
    NUMBER(8, cause, check_cause),
    LINK,
};
static const struct entry_field device_fields[] = {KEY(account_pk), HASH(device_head)};
static const struct entry_field policy_fields[] = {POLICY, ROOM_NAME};
static const struct entry_field close_fields[] = {NUMBER(8, reason, check_close_reason)};

#define KIND(name, fields)                                                                         \
    {                                                                                              \
        name, fields, sizeof(fields) / sizeof((fields)[0])                                         \
    }

static const struct entry_kind kinds[UBR_ENTRY_TYPES_END] = {
    [UBR_ENTRY_CREATE] = KIND("create", create_fields),
    [UBR_ENTRY_ADD] = KIND("add", add_fields),
    [UBR_ENTRY_REMOVE] = KIND("remove", remove_fields),
    [UBR_ENTRY_ROLE] = KIND("role", role_fields),
    [UBR_ENTRY_EPOCH] = KIND("epoch", epoch_fields),
    [UBR_ENTRY_DEVICE] = KIND("device", device_fields),
    [UBR_ENTRY_POLICY] = KIND("policy", policy_fields),
    [UBR_ENTRY_CLOSE] = KIND("close", close_fields),
};

const struct entry_kind *entry_kind(unsigned type)
{
    return type < UBR_ENTRY_TYPES_END && kinds[type].name ? &kinds[type] : NULL;
}

void entry_field_get(const struct entry_field *field, struct ubr_reader *reader,
                     struct ubr_entry *entry)
{
    field->form->get(reader, (uint8_t *)entry + field->offset, field->len);
}

void entry_field_put(const struct entry_field *field, struct ubr_writer *writer,
                     const struct ubr_entry *entry)
{
    field->form->put(writer, (const uint8_t *)entry + field->offset, field->len);
}

uint64_t entry_field_number(const struct entry_field *field, const struct ubr_entry *entry)
{
    return field->form->number((const uint8_t *)entry + field->offset);
}

struct ubr_bytes entry_field_bytes(const struct entry_field *field, const struct ubr_entry *entry)
{
    return field->form->bytes((const uint8_t *)entry + field->offset, field->len);
}

enum ubr_error entry_field_check(const struct entry_field *field, const struct ubr_entry *entry)
{
    return field->check ? field->check(entry_field_number(field, entry)) : UBR_OK;
}

bool entry_field_text_is_valid(const struct entry_field *field, const struct ubr_entry *entry)
{
    return !field->text_is_valid || field->text_is_valid(entry_field_bytes(field, entry));
}

size_t ubr_entry_view(const struct ubr_entry *entry,
                      struct ubr_view_field fields_out[UBR_VIEW_FIELDS_MAX])
{
    const struct entry_kind *kind = entry_kind((unsigned)entry->type);
    size_t len = kind ? kind->fields_len : 0;
    for (size_t i = 0; i < len; i++) {
        const struct entry_field *field = &kind->fields[i];
        fields_out[i] = (struct ubr_view_field){
            .name = field->name,
            .kind = field->kind,
            .number = entry_field_number(field, entry),
            .bytes = entry_field_bytes(field, entry),
        };
    }
    return len;
}
