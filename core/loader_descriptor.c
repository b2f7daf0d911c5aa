/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks of a descriptor: nothing in it is believed before its size and version are. */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "loader.h"

/* The sizes of ABI 1.0 (a record's: 1.1), by the last members of then. They never change, whatever
 * is appended. */
#define SIZE_UP_TO(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))
#define MODULE_SIZE_MIN          SIZE_UP_TO(struct ub_module, require_stride)
#define OPS_SIZE_MIN             SIZE_UP_TO(struct ub_module_ops, health)
#define FIELD_SIZE_MIN           SIZE_UP_TO(struct ub_field, doc)
#define PROVIDE_SIZE_MIN         SIZE_UP_TO(struct ub_provide, ops)
#define REQUIRE_SIZE_MIN         SIZE_UP_TO(struct ub_require, setting)
#define RECORD_SIZE_MIN          SIZE_UP_TO(struct ub_record, record_size)

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
                    "%s: its descriptor claims %zu bytes, but the file has %zu: rebuild the module "
                    "with .size = sizeof(struct ub_module)",
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
    adopt_fault(adopt, ERROR_MODULE_NAME,
                "%s: %s calls itself \"%.64s\", but the config names it \"%s\": write module "
                "\"%.64s\", or give the module's descriptor .name = \"%s\"",
                adopt->block->title, adopt->file != NULL ? adopt->file : "it", name,
                adopt->block->name, name, adopt->block->name);
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

struct kind_shape {
    size_t size, align;
};

#define SHAPE(type)                                                                                \
    {                                                                                              \
        sizeof(type), _Alignof(type)                                                               \
    }

/* Size 0 = there is no such kind. */
static struct kind_shape kind_shape(enum ub_kind kind)
{
    static const struct kind_shape shapes[] = {
        [UB_KIND_BOOL] = SHAPE(bool),
        [UB_KIND_INT] = SHAPE(int64_t),
        [UB_KIND_SIZE] = SHAPE(int64_t),
        [UB_KIND_DURATION] = SHAPE(int64_t),
        [UB_KIND_STRING] = SHAPE(char *),
        [UB_KIND_CHOICE] = SHAPE(int),
        [UB_KIND_PATH] = SHAPE(char *),
        [UB_KIND_STATE_PATH] = SHAPE(char *),
        [UB_KIND_SECRET] = SHAPE(void *),
        [UB_KIND_LISTEN] = SHAPE(struct ub_listens),
        [UB_KIND_STRINGS] = SHAPE(struct ub_strings),
        [UB_KIND_SERVICE] = SHAPE(char *),
        [UB_KIND_RECORDS] = SHAPE(struct ub_records),
    };
    bool is_known = (unsigned)kind < sizeof(shapes) / sizeof(shapes[0]);
    return is_known && shapes[kind].size > 0 ? shapes[kind] : (struct kind_shape){0, 1};
}

/* What a config can write: name or table.name. */
static bool is_setting_name(const char *name)
{
    bool is_first = true;
    for (; *name != '\0'; name++) {
        bool is_dot = *name == '.';
        if (is_dot ? is_first : !isalnum((unsigned char)*name) && *name != '_') {
            return false;
        }
        is_first = is_dot;
    }
    return !is_first;
}

static const char *field_form_fault(const struct ub_field *field)
{
    if (field->name == NULL || field->name[0] == '\0') {
        return "has no name";
    }
    if (!is_setting_name(field->name)) {
        return "has a name that no config can write: letters, digits and \"_\", parts joined by "
               "\".\"";
    }
    if (field->kind == UB_KIND_CHOICE && (field->choices == NULL || field->choices[0] == '\0')) {
        return "has no choices";
    }
    if (field->kind == UB_KIND_SERVICE && (field->choices == NULL || field->choices[0] == '\0')) {
        return "names no interface";
    }
    return field->max != 0 && field->max < field->min ? "has a maximum below its minimum" : NULL;
}

static const char *table_fault(const struct field_table *table, char *words, size_t size);

/* The one level of records: their fields cannot be records again, so this ends. */
static const char *records_fault(const struct ub_field *list, char *words, size_t size)
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
        enum ub_kind kind = field_at(&table, i).kind;
        if (kind == UB_KIND_RECORDS) {
            return "has records in its records: one level is all there is";
        }
        if (table.settings_size % kind_shape(kind).align != 0) {
            return "has records of a size that no C struct of these fields has: use UB_RECORD";
        }
    }
    char inner[256];
    const char *why = table_fault(&table, inner, sizeof(inner));
    if (why != NULL) {
        snprintf(words, size, "has a fault in its records: %s", why);
    }
    return why != NULL ? words : NULL;
}

static const char *field_fault(size_t settings_size, const struct ub_field *field, char *words,
                               size_t size)
{
    struct kind_shape shape = kind_shape(field->kind);
    if (shape.size == 0) {
        return "has a kind that this membershipd does not know";
    }
    if (settings_size < shape.size || field->offset > settings_size - shape.size) {
        return "lies outside of its settings";
    }
    if (field->offset % shape.align != 0) {
        return "lies where its C type cannot lie: use the UB_FIELD macros";
    }
    const char *why = field_form_fault(field);
    return why == NULL && field->kind == UB_KIND_RECORDS ? records_fault(field, words, size) : why;
}

/* What two settings may not have in common. */
static const char *fields_fault(const struct ub_field *one, const struct ub_field *other)
{
    size_t one_size = kind_shape(one->kind).size, other_size = kind_shape(other->kind).size;
    if (strcmp(one->name, other->name) == 0) {
        return "has the name of an earlier one";
    }
    bool is_apart =
        one->offset + one_size <= other->offset || other->offset + other_size <= one->offset;
    return is_apart ? NULL : "lies over an earlier one in the settings struct";
}

static const char *field_fault_among(const struct field_table *table, uint32_t number, char *words,
                                     size_t size)
{
    struct ub_field field = field_at(table, number);
    const char *why = field_fault(table->settings_size, &field, words, size);
    for (uint32_t i = 0; i < number && why == NULL; i++) {
        struct ub_field earlier = field_at(table, i);
        why = fields_fault(&earlier, &field);
    }
    return why;
}

/* `setting 2 "name" has no choices`, or NULL. */
static const char *table_fault(const struct field_table *table, char *words, size_t size)
{
    for (uint32_t i = 0; i < table->count; i++) {
        char inner[320];
        struct ub_field field = field_at(table, i);
        const char *why = field_fault_among(table, i, inner, sizeof(inner));
        if (why != NULL) {
            snprintf(words, size, "setting %u \"%.64s\" %s", (unsigned)i + 1,
                     field.name != NULL ? field.name : "", why);
            return words;
        }
    }
    return NULL;
}

static bool is_reserved(const char *name)
{
    return strcmp(name, "path") == 0 || strcmp(name, "sha256") == 0;
}

static bool fields_fit(const struct adopt *adopt, const struct ub_module *module)
{
    char words[512];
    const struct field_table table = fields_of(module);
    const char *why = table_fault(&table, words, sizeof(words));
    for (uint32_t i = 0; i < table.count && why == NULL; i++) {
        if (is_reserved(field_at(&table, i).name)) {
            snprintf(words, sizeof(words),
                     "setting %u \"%s\" has a name that every module block reserves for the loader",
                     (unsigned)i + 1, field_at(&table, i).name);
            why = words;
        }
    }
    if (why != NULL) {
        adopt_fault(adopt, ERROR_MODULE_TABLE, "%s: its %s", adopt->block->title, why);
    }
    return why == NULL;
}

static bool has_service_field(const struct ub_module *module, const char *name)
{
    const struct field_table table = fields_of(module);
    for (uint32_t i = 0; i < table.count; i++) {
        struct ub_field field = field_at(&table, i);
        if (field.kind == UB_KIND_SERVICE && strcmp(field.name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool provides_fit(const struct adopt *adopt, const struct ub_module *module)
{
    for (uint32_t i = 0; i < module->provide_count; i++) {
        struct ub_provide provide = provide_at(module, i);
        if (provide.iface == NULL || provide.iface[0] == '\0' || provide.ops == NULL) {
            adopt_fault(adopt, ERROR_MODULE_TABLE,
                        "%s: interface %u that it provides has no name or no ops table",
                        adopt->block->title, (unsigned)i + 1);
            return false;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(provide_at(module, j).iface, provide.iface) == 0) {
                adopt_fault(adopt, ERROR_MODULE_TABLE, "%s provides %.64s twice",
                            adopt->block->title, provide.iface);
                return false;
            }
        }
    }
    return true;
}

static bool requires_fit(const struct adopt *adopt, const struct ub_module *module)
{
    for (uint32_t i = 0; i < module->require_count; i++) {
        struct ub_require require = require_at(module, i);
        if (require.iface == NULL || require.iface[0] == '\0') {
            adopt_fault(adopt, ERROR_MODULE_TABLE, "%s: interface %u that it requires has no name",
                        adopt->block->title, (unsigned)i + 1);
            return false;
        }
        if (require.setting != NULL && !has_service_field(module, require.setting)) {
            adopt_fault(adopt, ERROR_MODULE_TABLE,
                        "%s: its setting \"%.64s\" is to pick who provides %.64s, but it declares "
                        "no UB_FIELD_SERVICE of that name",
                        adopt->block->title, require.setting, require.iface);
            return false;
        }
    }
    return true;
}

/* The three of a reload are there together or not at all. */
static const char *ops_missing(const struct ub_module_ops *ops)
{
    bool has_prepare = ops->prepare != NULL;
    if (ops->create == NULL) {
        return "create";
    }
    if (ops->destroy == NULL) {
        return "destroy";
    }
    if (has_prepare && (ops->commit == NULL || ops->abort == NULL)) {
        return "commit or no abort, though it has prepare";
    }
    if ((ops->retire == NULL) != (ops->is_retired == NULL)) {
        return ops->retire == NULL ? "retire, though it has is_retired"
                                   : "is_retired, though it has retire";
    }
    bool has_rest = ops->commit != NULL || ops->abort != NULL;
    return !has_prepare && has_rest ? "prepare, though it has commit or abort" : NULL;
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
    const char *missing = ops_missing(&loaded->ops);
    if (missing != NULL) {
        adopt_fault(adopt, ERROR_MODULE_TABLE, "%s: its ops table has no %s", adopt->block->title,
                    missing);
    }
    return missing == NULL;
}

bool loader_can_reload(const struct loaded *loaded)
{
    return loaded->ops.prepare != NULL && loaded->ops.commit != NULL;
}

/* What can change while it runs needs somebody to change it. */
static bool live_fits(const struct adopt *adopt, const struct loaded *loaded)
{
    const struct field_table table = fields_of(&loaded->module);
    bool can_reload =
        loader_can_reload(loaded) || loaded->module.abi_minor == 0; /* 1.0 let it be */
    for (uint32_t i = 0; i < table.count && !can_reload; i++) {
        struct ub_field field = field_at(&table, i);
        if ((field.flags & UB_LIVE) != 0) {
            adopt_fault(adopt, ERROR_MODULE_TABLE,
                        "%s: its setting %u \"%s\" is live, but its ops table has no prepare and "
                        "commit",
                        adopt->block->title, (unsigned)i + 1, field.name);
            return false;
        }
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
    module->version = module->version != NULL ? module->version : "";
    module->summary = module->summary != NULL ? module->summary : "";
    return name_fits(&adopt, module) && ops_fit(&adopt, loaded_out) &&
           table_fits(&adopt, "settings", module->fields, module->field_count, module->field_stride,
                      FIELD_SIZE_MIN) &&
           table_fits(&adopt, "provided interfaces", module->provides, module->provide_count,
                      module->provide_stride, PROVIDE_SIZE_MIN) &&
           table_fits(&adopt, "required interfaces", module->requires_, module->require_count,
                      module->require_stride, REQUIRE_SIZE_MIN) &&
           fields_fit(&adopt, module) && provides_fit(&adopt, module) &&
           requires_fit(&adopt, module) && live_fits(&adopt, loaded_out);
}
