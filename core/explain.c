/* SPDX-License-Identifier: Apache-2.0 */
#include "explain.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "config_kind.h"
#include "suggest.h"

static const char *const kind_names[] = {
    [UB_KIND_BOOL] = "true or false",
    [UB_KIND_INT] = "number",
    [UB_KIND_SIZE] = "size",
    [UB_KIND_DURATION] = "duration",
    [UB_KIND_STRING] = "text",
    [UB_KIND_CHOICE] = "choice",
    [UB_KIND_PATH] = "path",
    [UB_KIND_STATE_PATH] = "state path",
    [UB_KIND_SECRET] = "secret",
    [UB_KIND_LISTEN] = "address or list of them",
    [UB_KIND_STRINGS] = "text or list",
    [UB_KIND_SERVICE] = "module",
    [UB_KIND_RECORDS] = "list of tables",
};

const char *explain_kind(enum ub_kind kind)
{
    return kind_names[kind];
}

static void bound_text(const struct ub_field *field, int64_t bound, char *out, size_t out_size)
{
    if (field->kind == UB_KIND_SIZE) {
        size_text(bound, out, out_size);
    } else if (field->kind == UB_KIND_DURATION) {
        duration_text(bound, out, out_size);
    } else {
        snprintf(out, out_size, "%lld", (long long)bound);
    }
}

static void choices_text(const char *choices, char *out, size_t out_size)
{
    size_t used = 0;
    for (const char *at = choices; *at != '\0' && used < out_size;) {
        size_t len = strcspn(at, "|");
        int put = snprintf(out + used, out_size - used, "%s%.*s", at == choices ? "" : ", ",
                           (int)len, at);
        used += put > 0 ? (size_t)put : 0;
        at += len + (at[len] == '|');
    }
}

/* "1 to 512", "dev, enforce", "a module that provides ub.kv", or "". */
static void range_text(const struct ub_field *field, char *out, size_t out_size)
{
    char low[32], high[32];
    out[0] = '\0';
    if (field->kind == UB_KIND_CHOICE) {
        choices_text(field->choices, out, out_size);
    } else if (field->kind == UB_KIND_SERVICE) {
        snprintf(out, out_size, "provides %s", field->choices);
    } else if (field->max != 0) {
        bound_text(field, field->min, low, sizeof(low));
        bound_text(field, field->max, high, sizeof(high));
        snprintf(out, out_size, "%s to %s", low, high);
    } else if (field->min != 0) {
        bound_text(field, field->min, low, sizeof(low));
        snprintf(out, out_size, "%s or more", low);
    }
}

static json_t *field_json(const struct ub_field *field, const char *around)
{
    char range[160], name[256];
    range_text(field, range, sizeof(range));
    snprintf(name, sizeof(name), "%s%s", around, field->name);
    return json_pack("{s:s, s:s, s:s?, s:s, s:b, s:b, s:s}", "name", name, "kind",
                     explain_kind(field->kind), "default", field->default_text, "range", range,
                     "required", (field->flags & UB_REQUIRED) != 0, "live",
                     (field->flags & UB_LIVE) != 0, "doc", field->doc);
}

/* The fields of records follow their list, as "users[].name", and are as live as it. */
static void add_record_fields(json_t *fields, const struct ub_field *list)
{
    const struct field_table table = record_table(list->record);
    char around[128];
    snprintf(around, sizeof(around), "%s[].", list->name);
    for (uint32_t i = 0; i < table.count; i++) {
        struct ub_field field = field_at(&table, i);
        field.flags = (field.flags & ~UB_LIVE) | (list->flags & UB_LIVE);
        json_array_append_new(fields, field_json(&field, around));
    }
}

static json_t *block_json(const char *name, const char *summary, const struct field_table *table)
{
    json_t *fields = json_array();
    for (uint32_t i = 0; i < table->count; i++) {
        const struct ub_field field = field_at(table, i);
        json_array_append_new(fields, field_json(&field, ""));
        if (field.kind == UB_KIND_RECORDS) {
            add_record_fields(fields, &field);
        }
    }
    return json_pack("{s:s, s:s, s:o}", "name", name, "summary", summary, "settings", fields);
}

static json_t *ifaces_json(const struct ub_module *module, bool is_provided)
{
    json_t *names = json_array();
    uint32_t count = is_provided ? module->provide_count : module->require_count;
    for (uint32_t i = 0; i < count; i++) {
        const char *iface = is_provided ? provide_at(module, i).iface : require_at(module, i).iface;
        json_array_append_new(names, json_string(iface));
    }
    return names;
}

static bool add_module(const struct loader *loader, const char *name, json_t *list, FILE *err_out)
{
    struct config config;
    struct report report = {.items = NULL};
    struct loaded loaded;
    config_init(&config);
    const struct config_block *block =
        config_add_module(&config, name, (struct ub_where){"explain", 0});
    bool is_loaded = loader_load(loader, &config, block, &loaded, &report);
    if (is_loaded) {
        const struct field_table table = fields_of(&loaded.module);
        json_t *module = block_json(name, loaded.module.summary, &table);
        json_object_set_new(module, "version", json_string(loaded.module.version));
        json_object_set_new(module, "provides", ifaces_json(&loaded.module, true));
        json_object_set_new(module, "requires", ifaces_json(&loaded.module, false));
        json_array_append_new(list, module);
    } else {
        report_print(&report, err_out, "nothing was started");
    }
    report_fini(&report);
    config_fini(&config);
    return is_loaded;
}

static int is_module_file(const struct dirent *item)
{
    size_t len = strlen(item->d_name);
    return len > 3 && strcmp(item->d_name + len - 3, ".so") == 0;
}

static bool is_linked(const struct loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->static_count; i++) {
        if (strcmp(loader->statics[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Those that are linked in, then the files that have no such namesake. */
static bool add_every_module(const struct loader *loader, json_t *list, FILE *err_out)
{
    struct dirent **items = NULL;
    int count = scandir(loader->module_dir, &items, is_module_file, alphasort);
    bool is_sound = true;
    for (size_t i = 0; i < loader->static_count; i++) {
        is_sound = add_module(loader, loader->statics[i]->name, list, err_out) && is_sound;
    }
    for (int i = 0; i < count; i++) {
        items[i]->d_name[strlen(items[i]->d_name) - 3] = '\0';
        if (!is_linked(loader, items[i]->d_name)) {
            is_sound = add_module(loader, items[i]->d_name, list, err_out) && is_sound;
        }
        free(items[i]);
    }
    free(items);
    return is_sound;
}

static bool add_core_blocks(const char *name, json_t *list)
{
    bool found = false;
    struct core_block block;
    for (size_t i = 0; core_block_at(i, &block); i++) {
        if (name == NULL || strcmp(name, block.name) == 0) {
            json_array_append_new(list, block_json(block.name, block.summary, &block.table));
            found = true;
        }
    }
    return found;
}

static const char *name_of(const json_t *field)
{
    return json_string_value(json_object_get(field, "name"));
}

/* The setting itself, the table that it lies in, or the list of tables around it. */
static bool is_about(const char *name, const char *setting)
{
    size_t len = strlen(setting);
    return strncmp(name, setting, len) == 0 &&
           (name[len] == '\0' || name[len] == '.' || strncmp(name + len, "[].", 3) == 0);
}

/* Keeps what was asked for; false with a suggestion when there is nothing. */
static bool keep_setting(json_t *list, const char *setting, char *hint, size_t hint_size)
{
    json_t *fields = json_object_get(json_array_get(list, 0), "settings"), *field;
    struct suggest suggest = {.written = setting};
    json_t *kept = json_array();
    size_t i;
    json_array_foreach(fields, i, field)
    {
        suggest_offer(&suggest, name_of(field));
        if (is_about(name_of(field), setting)) {
            json_array_append(kept, field);
        }
    }
    suggest_text(&suggest, hint, hint_size);
    bool found = json_array_size(kept) > 0;
    if (found) {
        json_object_set(json_array_get(list, 0), "settings", kept);
    }
    json_decref(kept);
    return found;
}

static void print_field(const json_t *field, FILE *out)
{
    const char *fallback = json_string_value(json_object_get(field, "default"));
    const char *range = json_string_value(json_object_get(field, "range"));
    fprintf(out, "  %-22s %s\n", json_string_value(json_object_get(field, "name")),
            json_string_value(json_object_get(field, "doc")));
    const char *kind = json_string_value(json_object_get(field, "kind"));
    const char *between = strcmp(kind, explain_kind(UB_KIND_CHOICE)) == 0 ? ": " : ", ";
    fprintf(out, "  %-22s %s%s%s; %s%s%s\n", "", kind, range[0] != '\0' ? between : "", range,
            json_is_true(json_object_get(field, "required")) ? "required"
            : fallback != NULL                               ? "default "
                                                             : "no default",
            fallback != NULL ? fallback : "",
            json_is_true(json_object_get(field, "live")) ? "; a change takes effect on reload"
                                                         : "; a change needs a restart");
}

static void print_blocks(const json_t *list, FILE *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *block = json_array_get(list, i), *field;
        size_t at;
        fprintf(out, "%s%s: %s\n", i > 0 ? "\n" : "",
                json_string_value(json_object_get(block, "name")),
                json_string_value(json_object_get(block, "summary")));
        json_array_foreach(json_object_get(block, "settings"), at, field)
        {
            print_field(field, out);
        }
    }
}

static bool gather(const struct loader *loader, const char *what, json_t *list, FILE *err_out)
{
    if (what == NULL) {
        return add_core_blocks(NULL, list) && add_every_module(loader, list, err_out);
    }
    char name[128];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(what, "."), what);
    const char *setting = what[strlen(name)] == '.' ? what + strlen(name) + 1 : NULL;
    if (!add_core_blocks(name, list) && !add_module(loader, name, list, err_out)) {
        return false;
    }
    char hint[160];
    if (setting != NULL && !keep_setting(list, setting, hint, sizeof(hint))) {
        fprintf(err_out, "%s has no setting \"%s\"%s (membershipd explain %s lists them)\n", name,
                setting, hint, name);
        return false;
    }
    return true;
}

bool explain(const struct loader *loader, const char *what, bool is_json, FILE *out, FILE *err_out)
{
    json_t *list = json_array();
    bool is_sound = gather(loader, what, list, err_out);
    if (is_sound && is_json) {
        json_dumpf(list, out, JSON_INDENT(2));
        fputc('\n', out);
    } else if (is_sound) {
        print_blocks(list, out);
    }
    json_decref(list);
    return is_sound;
}
