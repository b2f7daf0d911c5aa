/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "config_fill.h"
#include "secret.h"
#include "suggest.h"

struct ub_field field_at(const struct field_table *table, uint32_t i)
{
    struct ub_field field = {0};
    const uint8_t *at = (const uint8_t *)table->fields + (size_t)i * table->stride;
    uint32_t size;
    memcpy(&size, at, sizeof(size));
    size = size < table->stride ? size : table->stride;
    memcpy(&field, at, size < sizeof(field) ? size : sizeof(field));
    return field;
}

/* ---- texts of --set and of defaults -----------------------------------------------------------
 */

static void read_list(struct fill *fill)
{
    const char *text = fill->value.text;
    const char **items = arena_alloc(&fill->settings->arena, strlen(text) / 2 + 2, sizeof(*items));
    size_t count = 0;
    for (const char *at = text + strspn(text, ", "); *at != '\0'; at += strspn(at, ", ")) {
        size_t len = strcspn(at, ", ");
        items[count++] = arena_copy(&fill->settings->arena, at, len);
        at += len;
    }
    fill->value.kind = VALUE_LIST;
    fill->value.items = items;
    fill->value.item_count = count;
}

static void read_int(struct fill *fill)
{
    char *end = NULL;
    long long number = strtoll(fill->value.text, &end, 10);
    if (end != fill->value.text && *end == '\0') {
        fill->value.kind = VALUE_INT;
        fill->value.integer = number;
    }
}

static void read_bool(struct fill *fill)
{
    bool is_true = strcmp(fill->value.text, "true") == 0;
    if (is_true || strcmp(fill->value.text, "false") == 0) {
        fill->value.kind = VALUE_BOOL;
        fill->value.boolean = is_true;
    }
}

/* What does not read as the kind stays a text, and is then refused like one. */
static void read_text(struct fill *fill)
{
    switch (fill->field.kind) {
    case UB_KIND_BOOL:
        read_bool(fill);
        break;
    case UB_KIND_INT:
        read_int(fill);
        break;
    case UB_KIND_SECRET:
        fill->value.kind = VALUE_SECRET;
        break;
    case UB_KIND_LISTEN:
    case UB_KIND_STRINGS:
        read_list(fill);
        break;
    default:
        break;
    }
}

/* ---- the whole table --------------------------------------------------------------------------
 */

static void fill_field(struct fill *fill)
{
    const struct config_value *said = block_find(fill->block, fill->field.name);
    if (said != NULL && said->kind == VALUE_HOLE) {
        fill->is_sound = false; /* reported when it was read */
        return;
    }
    if (said == NULL && (fill->field.flags & UB_REQUIRED) != 0) {
        report_add(fill->report, ERROR_CONFIG_REQUIRED, fill->block->where,
                   "%s: %s is missing (%s)", fill->block->title, fill->field.name,
                   fill->field.doc != NULL ? fill->field.doc : "required");
        fill->is_sound = false;
        return;
    }
    if (said == NULL && fill->field.default_text == NULL) {
        return;
    }
    fill->value = said != NULL ? *said
                               : (struct config_value){.kind = VALUE_STRING,
                                                       .text = fill->field.default_text,
                                                       .origin = VALUE_FROM_DEFAULT};
    if (fill->value.origin != VALUE_FROM_FILE) {
        read_text(fill);
    }
    fill_value(fill);
}

static bool is_known(const struct field_table *table, const struct config_block *block,
                     const char *name)
{
    for (uint32_t i = 0; i < table->count; i++) {
        if (strcmp(field_at(table, i).name, name) == 0) {
            return true;
        }
    }
    return block->is_module && (strcmp(name, "path") == 0 || strcmp(name, "sha256") == 0);
}

static void known_words(const struct field_table *table, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, table->count > 0 ? " (known: " : " (it has none)");
    for (uint32_t i = 0; i < table->count && used < size; i++) {
        int put = snprintf(out + used, size - used, "%s%s", field_at(table, i).name,
                           i + 1 < table->count ? ", " : ")");
        used += put > 0 ? (size_t)put : 0;
    }
}

/* NULL, or the list of records that this name reaches into: "users.user", "users[1].user". */
static const char *records_around(const struct field_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->count; i++) {
        struct ub_field field = field_at(table, i);
        size_t len = strlen(field.name);
        if (field.kind == UB_KIND_RECORDS && strncmp(field.name, name, len) == 0 &&
            (name[len] == '.' || name[len] == '[')) {
            return field.name;
        }
    }
    return NULL;
}

static void unknown_fault(const struct field_table *table, const struct config_block *block,
                          const struct config_value *value, struct report *report)
{
    struct suggest suggest = {.written = value->name};
    char hint[512];
    const char *records = records_around(table, value->name);
    if (records != NULL) {
        report_add(report, ERROR_CONFIG_UNKNOWN, value->where,
                   "%s: unknown setting \"%.200s\": %s is a list of tables, written in the config "
                   "file: %s = { { … }, { … } }",
                   block->title, value->name, records, records);
        return;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        suggest_offer(&suggest, field_at(table, i).name);
    }
    suggest_text(&suggest, hint, sizeof(hint));
    if (suggest.best == NULL) {
        known_words(table, hint, sizeof(hint));
    }
    report_add(report, ERROR_CONFIG_UNKNOWN, value->where, "%s: unknown setting \"%.200s\"%s",
               block->title, value->name, hint);
}

static bool has_only_known(const struct field_table *table, const struct config_block *block,
                           struct report *report)
{
    bool is_sound = true;
    for (size_t i = 0; i < block->count; i++) {
        if (!is_known(table, block, block->values[i].name)) {
            unknown_fault(table, block, &block->values[i], report);
            is_sound = false;
        }
    }
    return is_sound;
}

static bool fill_table(const struct fill *from, const struct field_table *table,
                       const struct config_block *block, void *data)
{
    bool is_sound = has_only_known(table, block, from->report);
    for (uint32_t i = 0; i < table->count; i++) {
        struct fill fill = {.settings = from->settings,
                            .block = block,
                            .context = from->context,
                            .report = from->report,
                            .field = field_at(table, i),
                            .is_sound = true};
        fill.slot = (uint8_t *)data + fill.field.offset;
        fill_field(&fill);
        is_sound = is_sound && fill.is_sound;
    }
    return is_sound;
}

struct field_table record_table(const struct ub_record *raw)
{
    struct ub_record record = {0};
    memcpy(&record, raw, raw->size < sizeof(record) ? raw->size : sizeof(record));
    return (struct field_table){record.fields, record.field_count, record.field_stride,
                                record.record_size};
}

void fill_records(struct fill *fill)
{
    const struct field_table table = record_table(fill->field.record);
    const struct config_value *value = &fill->value;
    struct arena *arena = &fill->settings->arena;
    size_t count = value->record_count;
    uint8_t *items = arena_alloc(arena, count + 1, table.settings_size);
    struct ub_where *wheres = arena_alloc(arena, count + 1, sizeof(*wheres));
    for (size_t i = 0; i < count; i++) {
        const struct config_block *record = &value->records[i];
        wheres[i] = record->where;
        wheres[i].file = arena_copy(arena, record->where.file, strlen(record->where.file));
        if (!fill_table(fill, &table, record, items + i * table.settings_size)) {
            fill->is_sound = false;
        }
    }
    *(struct ub_records *)fill->slot = (struct ub_records){count, items, wheres};
}

bool settings_fill(struct settings *settings, const struct field_table *table,
                   const struct config_block *block, const struct fill_context *context,
                   struct report *report)
{
    const struct fill fill = {.settings = settings, .context = context, .report = report};
    *settings = (struct settings){.data = NULL};
    settings->data = arena_alloc(&settings->arena, 1, table->settings_size + 1);
    return fill_table(&fill, table, block, settings->data);
}

void settings_fini(struct settings *settings)
{
    for (struct kept_secret *kept = settings->secrets; kept != NULL; kept = kept->next) {
        secret_free(&kept->secret);
    }
    arena_fini(&settings->arena);
    *settings = (struct settings){.data = NULL};
}

/* ---- secrets that are no longer in force ------------------------------------------------------
 */

static bool struct_keeps(const struct field_table *table, const uint8_t *data,
                         const struct ub_secret *secret, bool is_all);

static bool records_keep(const struct ub_field *field, const struct ub_records *records,
                         const struct ub_secret *secret)
{
    const struct field_table table = record_table(field->record);
    for (size_t i = 0; i < records->count; i++) {
        if (struct_keeps(&table, (const uint8_t *)records->items + i * table.settings_size, secret,
                         true)) {
            return true;
        }
    }
    return false;
}

/* Whether a field has this secret: any field, or only those that are not live. */
static bool struct_keeps(const struct field_table *table, const uint8_t *data,
                         const struct ub_secret *secret, bool is_all)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct ub_field field = field_at(table, i);
        const void *slot = data + field.offset;
        if (!is_all && (field.flags & UB_LIVE) != 0) {
            continue;
        }
        if (field.kind == UB_KIND_SECRET && *(struct ub_secret *const *)slot == secret) {
            return true;
        }
        if (field.kind == UB_KIND_RECORDS && records_keep(&field, slot, secret)) {
            return true;
        }
    }
    return false;
}

void settings_drop_live_secrets(struct settings *settings, const struct field_table *table)
{
    for (struct kept_secret *kept = settings->secrets; kept != NULL; kept = kept->next) {
        if (!struct_keeps(table, settings->data, kept->secret, false)) {
            secret_free(&kept->secret);
        }
    }
}
