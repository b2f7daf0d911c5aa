/* SPDX-License-Identifier: Apache-2.0
 *
 * What a descriptor says: texts for people, interfaces with all their functions, sane settings. */
#include <unibus/authz.h>
#include <unibus/blob.h>
#include <unibus/bus.h>
#include <unibus/httpd.h>
#include <unibus/kv.h>

#include "life_tool.h"

static bool is_line(const char *text, size_t len_max)
{
    return text != NULL && text[0] != '\0' && strlen(text) <= len_max &&
           strpbrk(text, "\n\r\t") == NULL;
}

/* subject_load, which runs before each case of this suite, has done it. */
static void module_can_be_loaded(struct subject *s)
{
    expect(kit_modules_fault_count(s->modules) == 0);
}

static void texts_are_told(struct subject *s)
{
    if (!is_line(s->module->version, 64)) {
        fail("it has no version of one line");
    }
    if (!is_line(s->module->summary, 200)) {
        fail("it has no summary of one line (at most 200 bytes)");
    }
}

/* An interface of this version, and how many bytes its ops table had from the start. */
static const struct known_iface {
    const char *name;
    uint16_t major, minor;
    size_t ops_size;
} known[] = {
    {UB_KV_IFACE, UB_KV_MAJOR, UB_KV_MINOR, sizeof(struct ub_kv_ops)},
    {UB_BLOB_IFACE, UB_BLOB_MAJOR, UB_BLOB_MINOR, sizeof(struct ub_blob_ops)},
    {UB_BUS_IFACE, UB_BUS_MAJOR, UB_BUS_MINOR, sizeof(struct ub_bus_ops)},
    {UB_AUTHZ_IFACE, UB_AUTHZ_MAJOR, UB_AUTHZ_MINOR, sizeof(struct ub_authz_ops)},
    {UB_HTTPD_IFACE, UB_HTTPD_MAJOR, UB_HTTPD_MINOR, sizeof(struct ub_httpd_ops)},
};

static const struct known_iface *known_find(const char *name)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0) {
            return &known[i];
        }
    }
    return NULL;
}

/* Every entry behind the size is a function; of a table of an older minor only what it says. */
static void check_ops(const struct ub_provide *provide, const struct known_iface *iface)
{
    uint32_t size;
    memcpy(&size, provide->ops, sizeof(size));
    if (provide->minor == iface->minor && size < iface->ops_size) {
        fail("its ops table of %s %u.%u has %u bytes, but needs %zu", iface->name,
             (unsigned)provide->major, (unsigned)provide->minor, (unsigned)size, iface->ops_size);
    }
    bool may_lack = strcmp(iface->name, UB_AUTHZ_IFACE) == 0; /* its header says which */
    size_t end = size < iface->ops_size ? size : iface->ops_size;
    for (size_t at = sizeof(void *); !may_lack && at + sizeof(void *) <= end;
         at += sizeof(void *)) {
        void *entry;
        memcpy(&entry, (const char *)provide->ops + at, sizeof(entry));
        if (entry == NULL) {
            fail("function %zu of its ops table of %s is missing", at / sizeof(void *),
                 iface->name);
        }
    }
}

static void interfaces_are_whole(struct subject *s)
{
    for (uint32_t i = 0; i < s->module->provide_count; i++) {
        struct ub_provide provide = kit_provide_at(s->module, i);
        const struct known_iface *iface = known_find(provide.iface);
        if (provide.major == 0) {
            fail("it provides %s 0.%u: versions begin with 1", provide.iface,
                 (unsigned)provide.minor);
        }
        if (iface != NULL && provide.major != iface->major) {
            fail("it provides %s %u.%u, but this host knows %u.%u", provide.iface,
                 (unsigned)provide.major, (unsigned)provide.minor, (unsigned)iface->major,
                 (unsigned)iface->minor);
        }
        if (iface != NULL) {
            check_ops(&provide, iface);
        }
        for (uint32_t j = 0; j < i; j++) {
            expect(strcmp(kit_provide_at(s->module, j).iface, provide.iface) != 0);
        }
    }
}

static bool has_service_field(const struct subject *s, const char *name)
{
    for (uint32_t i = 0; i < s->module->field_count; i++) {
        struct ub_field field = kit_field_at(s->module, i);
        if (strcmp(field.name, name) == 0) {
            return field.kind == UB_KIND_SERVICE;
        }
    }
    return false;
}

static void requirements_are_sane(struct subject *s)
{
    const struct ub_module_ops *ops = kit_module_ops(s->modules, 0);
    for (uint32_t i = 0; i < s->module->require_count; i++) {
        struct ub_require require = kit_require_at(s->module, i);
        if (ops->bind == NULL) {
            fail("it requires %s, but has no bind", require.iface);
        }
        if (require.setting != NULL && !has_service_field(s, require.setting)) {
            fail("its requirement %s names the setting \"%s\", which is no UB_FIELD_SERVICE",
                 require.iface, require.setting);
        }
    }
}

/* ---- settings ---------------------------------------------------------------------------------
 */

static void settings_have_docs(struct subject *s)
{
    for (uint32_t i = 0; i < s->module->field_count; i++) {
        struct ub_field field = kit_field_at(s->module, i);
        if (!is_line(field.doc, 200)) {
            fail("its setting \"%s\" has no doc of one line (at most 200 bytes)", field.name);
        }
    }
}

static void settings_have_names(struct subject *s)
{
    for (uint32_t i = 0; i < s->module->field_count; i++) {
        struct ub_field field = kit_field_at(s->module, i);
        size_t len = strlen(field.name);
        if (len > 63 || strspn(field.name, "abcdefghijklmnopqrstuvwxyz0123456789_.") != len ||
            field.name[0] < 'a') {
            fail("its setting \"%s\" cannot be written in a config: a-z 0-9 _ and dots",
                 field.name);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(kit_field_at(s->module, j).name, field.name) == 0) {
                fail("its setting \"%s\" stands twice", field.name);
            }
        }
    }
}

static size_t size_of_kind(enum ub_kind kind)
{
    switch (kind) {
    case UB_KIND_BOOL:
        return sizeof(bool);
    case UB_KIND_INT:
    case UB_KIND_SIZE:
    case UB_KIND_DURATION:
        return sizeof(int64_t);
    case UB_KIND_CHOICE:
        return sizeof(int);
    case UB_KIND_LISTEN:
        return sizeof(struct ub_listens);
    case UB_KIND_STRINGS:
        return sizeof(struct ub_strings);
    case UB_KIND_RECORDS:
        return sizeof(struct ub_records);
    default:
        return sizeof(void *);
    }
}

static void settings_do_not_overlap(struct subject *s)
{
    for (uint32_t i = 0; i < s->module->field_count; i++) {
        struct ub_field a = kit_field_at(s->module, i);
        for (uint32_t j = 0; j < i; j++) {
            struct ub_field b = kit_field_at(s->module, j);
            if (a.offset < b.offset + size_of_kind(b.kind) &&
                b.offset < a.offset + size_of_kind(a.kind)) {
                fail("its settings \"%s\" and \"%s\" share bytes", a.name, b.name);
            }
        }
    }
}

static void ranges_are_sane(struct subject *s)
{
    for (uint32_t i = 0; i < s->module->field_count; i++) {
        struct ub_field field = kit_field_at(s->module, i);
        bool is_number = field.kind == UB_KIND_INT || field.kind == UB_KIND_SIZE ||
                         field.kind == UB_KIND_DURATION;
        if (is_number && field.max != 0 && field.min > field.max) {
            fail("its setting \"%s\" has min %" PRId64 " above max %" PRId64, field.name, field.min,
                 field.max);
        }
        if ((field.flags & UB_REQUIRED) != 0 && field.default_text != NULL) {
            fail("its setting \"%s\" is required, so its default \"%s\" is never used", field.name,
                 field.default_text);
        }
        if (field.kind == UB_KIND_SERVICE && field.choices == NULL) {
            fail("its setting \"%s\" picks a module, but names no interface", field.name);
        }
    }
}

static bool is_refused(struct subject *s, const char *name, const char *value)
{
    char assignment[160];
    snprintf(assignment, sizeof(assignment), "%s=%s", name, value);
    const char *const sets[] = {assignment, NULL};
    struct kit_module_spec specs[SUBJECT_HELPERS_MAX];
    memcpy(specs, s->specs, sizeof(specs));
    specs[0].sets = sets;
    struct kit_modules *modules = kit_modules_new(s->host, specs, s->spec_count);
    bool is_refused = strstr(kit_modules_faults(modules), name) != NULL;
    kit_modules_free(&modules);
    return is_refused;
}

/* The default's own range: the edges are accepted, what lies outside is not. */
static void ranges_hold(struct subject *s)
{
    for (uint32_t i = 0; i < s->module->field_count; i++) {
        struct ub_field field = kit_field_at(s->module, i);
        char value[32];
        if (field.kind != UB_KIND_INT || field.max == 0) {
            continue;
        }
        snprintf(value, sizeof(value), "%" PRId64, field.max);
        if (is_refused(s, field.name, value)) {
            fail("its setting \"%s\" refuses its max %s", field.name, value);
        }
        snprintf(value, sizeof(value), "%" PRId64, field.min - 1);
        if (!is_refused(s, field.name, value)) {
            fail("its setting \"%s\" accepts %s, below its min", field.name, value);
        }
    }
}

const struct check_case descriptor_cases[] = {
    LIFE_CASE(module_can_be_loaded,
              "the loader accepts it with these settings; else nothing more is run"),
    LIFE_CASE(texts_are_told, "version and summary, a line each"),
    LIFE_CASE(interfaces_are_whole, "known versions, ops tables with all their functions"),
    LIFE_CASE(requirements_are_sane, "there is a bind, and settings that pick are of that kind"),
    LIFE_CASE(settings_have_docs, "each setting has its line for people"),
    LIFE_CASE(settings_have_names, "names that a config can hold, each once"),
    LIFE_CASE(settings_do_not_overlap, "no two settings fill the same bytes"),
    LIFE_CASE(ranges_are_sane, "min is not above max, required has no default"),
    LIFE_CASE(ranges_hold, "the edges are accepted, what lies outside is refused"),
    {.name = NULL},
};
