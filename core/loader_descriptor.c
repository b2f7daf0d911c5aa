/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a descriptor: nothing in it is believed before its size and version are. */
#include <string.h>

#include "loader.h"

/* The sizes of ABI 1.0 (a record's: 1.1). They never shrink, whatever is appended. */
#define MODULE_SIZE_MIN  sizeof(struct ub_module)
#define OPS_SIZE_MIN     sizeof(struct ub_module_ops)
#define FIELD_SIZE_MIN   offsetof(struct ub_field, record)
#define PROVIDE_SIZE_MIN sizeof(struct ub_provide)
#define REQUIRE_SIZE_MIN sizeof(struct ub_require)
#define RECORD_SIZE_MIN  sizeof(struct ub_record)

#define TABLE_MAX 4096

struct adopt {
    const struct ub_module *raw;
    size_t symbol_size;
    const char *file;
    const struct config_block *block;
    struct report *report;
};

#define adopt_fault(adopt, id, ...)                                                                \
    report_add((adopt)->report, (id), (adopt)->block->where, __VA_ARGS__)

/* min(size, own) bytes into a zeroed struct of our own. */
static void copy_sized(void *out, size_t out_size, const void *from, size_t limit)
{
    uint32_t size;
    memcpy(&size, from, sizeof(size));
    size_t bytes = size < limit ? size : limit;
    memset(out, 0, out_size);
    memcpy(out, from, bytes < out_size ? bytes : out_size);
}

struct ub_provide provide_at(const struct ub_module *module, uint32_t i)
{
    struct ub_provide provide;
    copy_sized(&provide, sizeof(provide),
               (const uint8_t *)module->provides + (size_t)i * module->provide_stride,
               module->provide_stride);
    return provide;
}

struct ub_require require_at(const struct ub_module *module, uint32_t i)
{
    struct ub_require require;
    copy_sized(&require, sizeof(require),
               (const uint8_t *)module->requires_ + (size_t)i * module->require_stride,
               module->require_stride);
    return require;
}

struct field_table fields_of(const struct ub_module *module)
{
    return (struct field_table){module->fields, module->field_count, module->field_stride,
                                module->settings_size};
}

static bool abi_fits(const struct adopt *adopt)
{
    unsigned major = adopt->raw->abi_major, minor = adopt->raw->abi_minor;
    if (adopt->raw->size >= 8 && major != UB_ABI_MAJOR) {
        adopt_fault(adopt, ERROR_MODULE_ABI,
                    "%s was built for ABI %u.%u, but this membershipd has ABI %d.%d: rebuild the "
                    "module against this version's include/unibus",
                    adopt->block->title, major, minor, UB_ABI_MAJOR, UB_ABI_MINOR);
        return false;
    }
    if (adopt->raw->size >= 8 && minor > UB_ABI_MINOR) {
        adopt_fault(
            adopt, ERROR_MODULE_ABI,
            "%s needs ABI %u.%u, but this membershipd has ABI %d.%d: update membershipd, or "
            "take an older version of the module",
            adopt->block->title, major, minor, UB_ABI_MAJOR, UB_ABI_MINOR);
        return false;
    }
    return true;
}

static bool size_fits(const struct adopt *adopt)
{
    size_t said = adopt->raw->size;
    size_t there = adopt->symbol_size != 0 ? adopt->symbol_size : said;
    size_t size = said < there ? said : there;
    if (size >= MODULE_SIZE_MIN && said <= there) {
        return true;
    }
    if (said > there) {
        adopt_fault(adopt, ERROR_MODULE_SIZE,
                    "%s: its descriptor claims %zu bytes, but the file has %zu: rebuild the module",
                    adopt->block->title, said, there);
    } else {
        adopt_fault(adopt, ERROR_MODULE_SIZE,
                    "%s: its descriptor has %zu bytes, but ABI %d.0 has at least %zu: rebuild the "
                    "module",
                    adopt->block->title, size, UB_ABI_MAJOR, MODULE_SIZE_MIN);
    }
    return false;
}

static bool name_fits(const struct adopt *adopt, const struct ub_module *module)
{
    const char *name = module->name != NULL ? module->name : "";
    if (strcmp(name, adopt->block->name) == 0) {
        return true;
    }
    adopt_fault(
        adopt, ERROR_MODULE_NAME, "%s: %s calls itself \"%.64s\", but the config names it \"%s\"",
        adopt->block->title, adopt->file != NULL ? adopt->file : "it", name, adopt->block->name);
    return false;
}

static bool table_fits(const struct adopt *adopt, const char *what, const void *items,
                       uint32_t count, uint32_t stride, size_t stride_min)
{
    if (count == 0 || (items != NULL && count <= TABLE_MAX && stride >= stride_min)) {
        return true;
    }
    adopt_fault(adopt, ERROR_MODULE_TABLE,
                "%s: its table of %s has %u entries of %u bytes, but an entry has at least %zu",
                adopt->block->title, what, (unsigned)count, (unsigned)stride, stride_min);
    return false;
}

static size_t kind_size(enum ub_kind kind)
{
    static const size_t sizes[] = {
        [UB_KIND_BOOL] = sizeof(bool),
        [UB_KIND_INT] = sizeof(int64_t),
        [UB_KIND_SIZE] = sizeof(int64_t),
        [UB_KIND_DURATION] = sizeof(int64_t),
        [UB_KIND_STRING] = sizeof(char *),
        [UB_KIND_CHOICE] = sizeof(int),
        [UB_KIND_PATH] = sizeof(char *),
        [UB_KIND_STATE_PATH] = sizeof(char *),
        [UB_KIND_SECRET] = sizeof(void *),
        [UB_KIND_LISTEN] = sizeof(struct ub_listens),
        [UB_KIND_STRINGS] = sizeof(struct ub_strings),
        [UB_KIND_SERVICE] = sizeof(char *),
        [UB_KIND_RECORDS] = sizeof(struct ub_records),
    };
    return (unsigned)kind < sizeof(sizes) / sizeof(sizes[0]) ? sizes[kind] : 0;
}

static const char *field_fault(size_t settings_size, const struct ub_field *field);

/* The one level of records: their fields cannot be records again, so this ends. */
static const char *records_fault(const struct ub_field *list)
{
    if (list->record == NULL || list->record->size < RECORD_SIZE_MIN) {
        return "has no table of its records";
    }
    const struct field_table table = record_table(list->record);
    if (table.fields == NULL || table.count == 0 || table.count > TABLE_MAX ||
        table.stride < FIELD_SIZE_MIN || table.settings_size == 0) {
        return "has a table of its records that cannot be read";
    }
    for (uint32_t i = 0; i < table.count; i++) {
        struct ub_field field = field_at(&table, i);
        if (field.kind == UB_KIND_RECORDS || field_fault(table.settings_size, &field) != NULL) {
            return "has a faulty field in its records";
        }
    }
    return NULL;
}

static const char *field_fault(size_t settings_size, const struct ub_field *field)
{
    size_t size = kind_size(field->kind);
    if (field->name == NULL || field->name[0] == '\0') {
        return "has no name";
    }
    if (size == 0) {
        return "has a kind that this membershipd does not know";
    }
    if (settings_size < size || field->offset > settings_size - size) {
        return "lies outside of its settings";
    }
    if (field->kind == UB_KIND_CHOICE && (field->choices == NULL || field->choices[0] == '\0')) {
        return "has no choices";
    }
    return field->kind == UB_KIND_RECORDS ? records_fault(field) : NULL;
}

static bool is_reserved(const struct ub_field *field)
{
    return strcmp(field->name, "path") == 0 || strcmp(field->name, "sha256") == 0;
}

static bool fields_fit(const struct adopt *adopt, const struct ub_module *module)
{
    const struct field_table table = fields_of(module);
    for (uint32_t i = 0; i < table.count; i++) {
        struct ub_field field = field_at(&table, i);
        const char *why = field_fault(module->settings_size, &field);
        if (why == NULL && is_reserved(&field)) {
            why = "has a name that every module block reserves for the loader";
        }
        if (why != NULL) {
            adopt_fault(adopt, ERROR_MODULE_TABLE, "%s: its setting %u \"%.64s\" %s",
                        adopt->block->title, (unsigned)i + 1, field.name != NULL ? field.name : "",
                        why);
            return false;
        }
    }
    return true;
}

static bool ifaces_fit(const struct adopt *adopt, const struct ub_module *module)
{
    bool is_sound = true;
    for (uint32_t i = 0; i < module->provide_count; i++) {
        struct ub_provide provide = provide_at(module, i);
        is_sound &= provide.iface != NULL && provide.ops != NULL;
    }
    for (uint32_t i = 0; i < module->require_count; i++) {
        is_sound &= require_at(module, i).iface != NULL;
    }
    if (!is_sound) {
        adopt_fault(adopt, ERROR_MODULE_TABLE, "%s: an interface of it has no name or no ops table",
                    adopt->block->title);
    }
    return is_sound;
}

static bool ops_fit(const struct adopt *adopt, struct loaded *loaded)
{
    const struct ub_module_ops *raw = loaded->module.ops;
    if (raw == NULL || raw->size < OPS_SIZE_MIN) {
        adopt_fault(adopt, ERROR_MODULE_SIZE,
                    "%s: its ops table has %u bytes, but ABI %d.0 has at least %zu: rebuild the "
                    "module",
                    adopt->block->title, raw != NULL ? (unsigned)raw->size : 0u, UB_ABI_MAJOR,
                    OPS_SIZE_MIN);
        return false;
    }
    copy_sized(&loaded->ops, sizeof(loaded->ops), raw, raw->size);
    if (loaded->ops.create == NULL || loaded->ops.destroy == NULL) {
        adopt_fault(adopt, ERROR_MODULE_TABLE, "%s: its ops table has no create or no destroy",
                    adopt->block->title);
        return false;
    }
    return true;
}

bool loader_adopt(const struct ub_module *raw, size_t symbol_size, const char *file,
                  const struct config_block *block, struct loaded *loaded_out,
                  struct report *report)
{
    const struct adopt adopt = {raw, symbol_size, file, block, report};
    *loaded_out = (struct loaded){.file = file};
    struct ub_module *module = &loaded_out->module;
    if (!abi_fits(&adopt) || !size_fits(&adopt)) {
        return false;
    }
    copy_sized(module, sizeof(*module), raw, raw->size);
    return name_fits(&adopt, module) && ops_fit(&adopt, loaded_out) &&
           table_fits(&adopt, "settings", module->fields, module->field_count, module->field_stride,
                      FIELD_SIZE_MIN) &&
           table_fits(&adopt, "provided interfaces", module->provides, module->provide_count,
                      module->provide_stride, PROVIDE_SIZE_MIN) &&
           table_fits(&adopt, "required interfaces", module->requires_, module->require_count,
                      module->require_stride, REQUIRE_SIZE_MIN) &&
           fields_fit(&adopt, module) && ifaces_fit(&adopt, module);
}
