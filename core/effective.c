/* SPDX-License-Identifier: Apache-2.0 */
#include "effective.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "check.h"
#include "config_kind.h"
#include "explain.h"
#include "secret.h"

static const char *const reserved_names[] = {"path", "sha256"};

bool effective_at(const struct plan_block *block, uint32_t i, struct effective *effective_out)
{
    *effective_out = (struct effective){.of = *block};
    if (i < block->table.count) {
        effective_out->field = field_at(&block->table, i);
        effective_out->said = block_find(block->block, effective_out->field.name);
        return true;
    }
    uint32_t left = i - block->table.count;
    for (size_t r = 0; block->instance != NULL && r < 2; r++) {
        effective_out->said = block_find(block->block, reserved_names[r]);
        if (effective_out->said != NULL && left-- == 0) {
            return true;
        }
    }
    return false;
}

static const char *setting_name(const struct effective *effective)
{
    return effective->field.name != NULL ? effective->field.name : effective->said->name;
}

char *effective_name(const struct effective *effective)
{
    char *name = NULL;
    CHECK(asprintf(&name, "%s.%s", effective->of.block->name, setting_name(effective)) >= 0);
    return name;
}

void effective_origin(const struct effective *effective, char *out, size_t out_size)
{
    if (effective->said == NULL) {
        snprintf(out, out_size, "default");
    } else if (effective->said->where.line == 0) {
        snprintf(out, out_size, "%s",
                 effective->said->where.file != NULL ? effective->said->where.file : "default");
    } else {
        snprintf(out, out_size, "%s:%u", effective->said->where.file,
                 (unsigned)effective->said->where.line);
    }
}

/* ---- values -----------------------------------------------------------------------------------
 */

static const void *slot_of(const struct effective *effective)
{
    return (const uint8_t *)effective->of.data + effective->field.offset;
}

static int64_t number_of(const struct effective *effective)
{
    return *(const int64_t *)slot_of(effective);
}

/* Who provides it, though the setting may be silent. */
static const char *service_of(const struct effective *effective)
{
    const struct instance *instance = effective->of.instance;
    for (size_t i = 0; instance != NULL && i < instance->binding_count; i++) {
        const struct binding *binding = &instance->bindings[i];
        const char *setting = require_at(&instance->loaded.module, binding->require).setting;
        if (setting != NULL && strcmp(setting, effective->field.name) == 0) {
            return binding->name;
        }
    }
    return *(const char *const *)slot_of(effective);
}

/* NULL = absent. */
static const char *text_of(const struct effective *effective)
{
    switch (effective->field.kind) {
    case UB_KIND_STRING:
    case UB_KIND_PATH:
    case UB_KIND_STATE_PATH:
        return *(const char *const *)slot_of(effective);
    case UB_KIND_SERVICE:
        return service_of(effective);
    default:
        return effective->field.name == NULL ? effective->said->text : NULL;
    }
}

static const char *item_of(const struct effective *effective, size_t i)
{
    if (effective->field.kind == UB_KIND_LISTEN) {
        const struct ub_listens *listens = slot_of(effective);
        return i < listens->count ? listens->items[i].text : NULL;
    }
    const struct ub_strings *strings = slot_of(effective);
    return i < strings->count ? strings->items[i] : NULL;
}

static void choice_of(const struct effective *effective, char *out, size_t out_size)
{
    const char *at = effective->field.choices;
    for (int i = *(const int *)slot_of(effective); i > 0; i--) {
        at += strcspn(at, "|") + 1;
    }
    snprintf(out, out_size, "%.*s", (int)strcspn(at, "|"), at);
}

static void amount_of(const struct effective *effective, char *out, size_t out_size)
{
    (effective->field.kind == UB_KIND_SIZE ? size_text : duration_text)(number_of(effective), out,
                                                                        out_size);
}

static json_t *text_json(const char *text)
{
    json_t *json = text != NULL ? json_string(text) : json_null();
    return json != NULL ? json : json_string("(not UTF-8)");
}

static json_t *list_json(const struct effective *effective)
{
    json_t *list = json_array();
    const char *item;
    for (size_t i = 0; (item = item_of(effective, i)) != NULL; i++) {
        json_array_append_new(list, text_json(item));
    }
    return list;
}

/* Record number i of a list as a block of its own; false past the last. */
static bool record_at(const struct effective *effective, size_t i, struct plan_block *block_out)
{
    const struct ub_records *records = slot_of(effective);
    const struct field_table table = record_table(effective->field.record);
    if (effective->said == NULL || i >= records->count) {
        return false;
    }
    *block_out =
        (struct plan_block){&effective->said->records[i], table,
                            (const uint8_t *)records->items + i * table.settings_size, NULL};
    return true;
}

static json_t *value_json(const struct effective *effective);

static bool is_hidden(const struct effective *effective)
{
    return (effective->field.flags & UB_HIDDEN) != 0;
}

static json_t *shown_json(const struct effective *effective)
{
    return is_hidden(effective) ? json_null() : value_json(effective);
}

static json_t *records_json(const struct effective *effective)
{
    json_t *list = json_array();
    struct plan_block record;
    struct effective field;
    for (size_t i = 0; record_at(effective, i, &record); i++) {
        json_t *one = json_object();
        for (uint32_t j = 0; effective_at(&record, j, &field); j++) {
            json_object_set_new(one, field.field.name, shown_json(&field));
        }
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *value_json(const struct effective *effective)
{
    char text[256];
    switch (effective->field.kind) {
    case UB_KIND_BOOL:
        return json_boolean(*(const bool *)slot_of(effective));
    case UB_KIND_INT:
        return json_integer((json_int_t)number_of(effective));
    case UB_KIND_SIZE:
    case UB_KIND_DURATION:
        amount_of(effective, text, sizeof(text));
        return json_string(text);
    case UB_KIND_CHOICE:
        choice_of(effective, text, sizeof(text));
        return json_string(text);
    case UB_KIND_LISTEN:
    case UB_KIND_STRINGS:
        return list_json(effective);
    case UB_KIND_RECORDS:
        return records_json(effective);
    case UB_KIND_SECRET:
        return json_null();
    default:
        return text_json(text_of(effective));
    }
}

static void quote(FILE *out, const char *text)
{
    fputc('"', out);
    log_escape(out, text, LOG_ESCAPE_LUA);
    fputc('"', out);
}

static void write_list(FILE *out, const json_t *list)
{
    size_t count = json_array_size(list);
    fputs(count == 0 ? "{}" : count > 1 ? "{ " : "", out);
    for (size_t i = 0; i < count; i++) {
        quote(out, json_string_value(json_array_get(list, i)));
        fputs(i + 1 < count ? ", " : "", out);
    }
    fputs(count > 1 ? " }" : "", out);
}

static void write_secret(FILE *out, const struct effective *effective)
{
    if (effective->said == NULL) {
        fputs("nil", out);
        return;
    }
    if (effective->said->kind == VALUE_SECRET_TEXT) {
        fputs("\"…\"", out);
        return;
    }
    fputs("secret ", out);
    quote(out, effective->said->text != NULL ? effective->said->text : "");
}

void effective_write_key(FILE *out, const char *name)
{
    bool is_dotted = strchr(name, '.') != NULL;
    fprintf(out, is_dotted ? "[\"%s\"]" : "%s", name);
}

static void write_value(FILE *out, const struct effective *effective);

/* What is absent or a default of a record is left out. */
static void write_records(FILE *out, const struct effective *effective)
{
    struct plan_block record;
    struct effective field;
    fputs("{", out);
    for (size_t i = 0; record_at(effective, i, &record); i++) {
        const char *before = i == 0 ? " { " : ", { ";
        for (uint32_t j = 0; effective_at(&record, j, &field); j++) {
            if (field.said != NULL) {
                fputs(before, out);
                effective_write_key(out, setting_name(&field));
                fputs(" = ", out);
                write_value(out, &field);
                before = ", ";
            }
        }
        fputs(" }", out);
    }
    fputs(" }", out);
}

static void write_plain(FILE *out, const json_t *value)
{
    if (json_is_array(value)) {
        write_list(out, value);
    } else if (json_is_string(value)) {
        quote(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else {
        fputs(json_is_null(value) ? "nil" : json_is_true(value) ? "true" : "false", out);
    }
}

static void write_value(FILE *out, const struct effective *effective)
{
    if (effective->field.kind == UB_KIND_SECRET) {
        write_secret(out, effective);
    } else if (is_hidden(effective)) {
        fputs(effective->said == NULL ? "nil" : "\"…\"", out); /* Lua, and no value by mistake */
    } else if (effective->field.kind == UB_KIND_RECORDS) {
        write_records(out, effective);
    } else {
        json_t *value = value_json(effective);
        write_plain(out, value);
        json_decref(value);
    }
}

char *effective_text(const struct effective *effective)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    CHECK(out != NULL);
    write_value(out, effective);
    CHECK(fclose(out) == 0);
    return text;
}

static bool secrets_are_same(const struct effective *a, const struct effective *b)
{
    const struct ub_secret *const *left = slot_of(a), *const *right = slot_of(b);
    if (*left == NULL || *right == NULL) {
        return *left == *right;
    }
    struct ub_bytes one = secret_bytes(*left), other = secret_bytes(*right);
    return one.len == other.len && memcmp(one.ptr, other.ptr, one.len) == 0;
}

static bool records_are_same(const struct effective *a, const struct effective *b)
{
    struct plan_block left, right;
    struct effective one, other;
    size_t i = 0;
    for (; record_at(a, i, &left) && record_at(b, i, &right); i++) {
        for (uint32_t j = 0; effective_at(&left, j, &one); j++) {
            if (!effective_at(&right, j, &other) || !effective_is_same(&one, &other)) {
                return false;
            }
        }
    }
    return !record_at(a, i, &left) && !record_at(b, i, &right);
}

bool effective_is_same(const struct effective *a, const struct effective *b)
{
    if (a->field.kind == UB_KIND_RECORDS) {
        return records_are_same(a, b);
    }
    if (a->field.kind == UB_KIND_SECRET) {
        return secrets_are_same(a, b);
    }
    json_t *left = value_json(a), *right = value_json(b);
    bool is_same = left != NULL && right != NULL && json_equal(left, right) != 0;
    json_decref(left);
    json_decref(right);
    return is_same;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

bool effective_is_live(const struct effective *effective)
{
    const struct instance *instance = effective->of.instance;
    return (effective->field.flags & UB_LIVE) != 0 &&
           (instance == NULL || loader_can_reload(&instance->loaded));
}

static json_t *setting_json(const struct effective *effective)
{
    char origin[512];
    char *name = effective_name(effective), *text = effective_text(effective);
    bool is_field = effective->field.name != NULL;
    effective_origin(effective, origin, sizeof(origin));
    json_t *json = json_pack("{ss, ss, ss, so, so, ss, so, sb}", "name", name, "block",
                             effective->of.block->name, "setting", setting_name(effective), "value",
                             shown_json(effective), "text", text_json(text), "kind",
                             is_field ? explain_kind(effective->field.kind) : "text", "origin",
                             text_json(origin), "live", effective_is_live(effective));
    free(name);
    free(text);
    return json;
}

json_t *effective_json(const struct plan *plan)
{
    json_t *list = json_array();
    struct plan_block block;
    struct effective effective;
    for (size_t i = 0; plan_block_at(plan, i, &block); i++) {
        for (uint32_t j = 0; effective_at(&block, j, &effective); j++) {
            json_array_append_new(list, setting_json(&effective));
        }
    }
    return json_pack("{so, so}", "file", text_json(plan->config.file), "settings", list);
}
