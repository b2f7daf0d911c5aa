/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of any fields, as a foreign module may bring it, filled from any values. What the loader
 * takes must be filled within the bounds of the settings struct, or faults are reported. */
#include <stdlib.h>
#include <string.h>

#include <core/loader.h>

#include "must.h"

#define FIELDS_MAX   16
#define VALUES_MAX   16
#define SETTINGS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at, *end;
    struct arena arena;
};

static uint8_t take_byte(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static int64_t take_number(struct input *input)
{
    uint64_t number = 0;
    for (unsigned i = take_byte(input) % 9; i > 0; i--) {
        number = number << 8 | take_byte(input);
    }
    return (int64_t)number;
}

/* Up to 31 bytes; NULL now and then. */
static const char *take_text(struct input *input)
{
    size_t len = take_byte(input) % 33, left = (size_t)(input->end - input->at);
    if (len == 32) {
        return NULL;
    }
    len = len < left ? len : left;
    const char *text = arena_copy(&input->arena, (const char *)input->at, len);
    input->at += len;
    return text;
}

static struct ub_field take_field(struct input *input, bool is_inner);

/* What a list of tables holds; its fields may be anything, lists of tables too. */
static const struct ub_record *take_record(struct input *input)
{
    struct ub_record *record = arena_alloc(&input->arena, 1, sizeof(*record));
    struct ub_field *fields = arena_alloc(&input->arena, 4, sizeof(*fields));
    *record = (struct ub_record){.size = sizeof(*record),
                                 .fields = fields,
                                 .field_count = take_byte(input) % 5,
                                 .field_stride = sizeof(*fields),
                                 .record_size = take_byte(input)};
    for (uint32_t i = 0; i < record->field_count; i++) {
        fields[i] = take_field(input, true);
    }
    return record;
}

static struct ub_field take_field(struct input *input, bool is_inner)
{
    struct ub_field field = {.size = sizeof(field), .kind = (enum ub_kind)(take_byte(input) % 15)};
    field.name = take_text(input);
    field.flags = take_byte(input) % 4;
    field.offset = take_byte(input);
    field.default_text = take_text(input);
    field.min = take_number(input);
    field.max = take_number(input);
    field.choices = take_text(input);
    field.doc = take_text(input);
    if (field.kind == UB_KIND_RECORDS && !is_inner) {
        field.record = take_record(input);
    }
    return field;
}

static void take_value(struct input *input, struct config *config, struct config_block *block,
                       bool is_inner);

static void take_records(struct input *input, struct config *config, struct config_value *value)
{
    size_t count = take_byte(input) % 3;
    struct config_block *records = arena_alloc(&input->arena, count + 1, sizeof(*records));
    for (size_t i = 0; i < count; i++) {
        records[i] = (struct config_block){
            .name = "r[1]", .title = "module \"m\": r[1]", .where = {"fuzz.lua", 2}};
        for (size_t values = take_byte(input) % 4; values > 0; values--) {
            take_value(input, config, &records[i], true);
        }
    }
    value->records = records;
    value->record_count = count;
}

static void take_value(struct input *input, struct config *config, struct config_block *block,
                       bool is_inner)
{
    const char *name = take_text(input), *text = take_text(input);
    struct config_value *value = block_put(config, block, name != NULL ? name : "");
    value->kind = (enum value_kind)(take_byte(input) % (VALUE_HOLE + 1));
    value->origin = take_byte(input) % 2 == 0 ? VALUE_FROM_FILE : VALUE_FROM_SET;
    value->kind = value->origin == VALUE_FROM_SET ? VALUE_STRING : value->kind;
    value->boolean = take_byte(input) % 2 == 0;
    value->integer = take_number(input);
    value->number = (double)value->integer / 3;
    value->text = text != NULL ? text : "";
    size_t count = take_byte(input) % 5;
    const char **items = arena_alloc(&input->arena, count + 1, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        const char *item = take_text(input);
        items[i] = item != NULL ? item : "";
    }
    value->items = items;
    value->item_count = count;
    if (value->kind == VALUE_RECORDS && is_inner) {
        value->kind = VALUE_HOLE; /* config_collect.c makes one level only */
    } else if (value->kind == VALUE_RECORDS) {
        take_records(input, config, value);
    }
}

static bool create_nothing(void)
{
    return true;
}

static const struct ub_module_ops ops = {
    .size = sizeof(ops),
    .create = (enum ub_status(*)(const struct ub_host *, const void *, void **, struct ub_err *))(
        void (*)(void))create_nothing,
    .destroy = free};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fill_context context = {.config_dir = "/etc/unibus", .state_dir = "/state"};
    struct input input = {data, data + size, {NULL}};
    struct ub_field fields[FIELDS_MAX];
    struct config config;
    struct report report = {.items = NULL};
    struct loaded loaded;
    config_init(&config);
    struct config_block *block = config_add_module(&config, "m", (struct ub_where){"fuzz.lua", 1});
    struct ub_module module = {.size = sizeof(module),
                               .abi_major = UB_ABI_MAJOR,
                               .name = "m",
                               .version = "1",
                               .summary = "any",
                               .ops = &ops,
                               .settings_size = take_byte(&input) % SETTINGS_MAX,
                               .fields = fields,
                               .field_count = take_byte(&input) % (FIELDS_MAX + 1),
                               .field_stride = sizeof(fields[0])};
    for (uint32_t i = 0; i < module.field_count; i++) {
        fields[i] = take_field(&input, false);
    }
    for (size_t count = take_byte(&input) % VALUES_MAX; count > 0; count--) {
        take_value(&input, &config, block, false);
    }
    if (loader_adopt(&module, 0, NULL, block, &loaded, &report)) {
        struct settings settings;
        const struct field_table table = fields_of(&loaded.module);
        bool is_sound = settings_fill(&settings, &table, block, &context, &report);
        MUST(is_sound || report.count > 0 || block->count > 0);
        settings_fini(&settings);
    }
    report_sort(&report);
    report_fini(&report);
    config_fini(&config);
    arena_fini(&input.arena);
    return 0;
}
