/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect.h"

#include <jansson.h>
#include <sodium.h>

#include "table.h"

static const char *kind_name(enum ub_kind kind)
{
    static const char *const names[] = {
        [UB_KIND_BOOL] = "bool",       [UB_KIND_INT] = "int",
        [UB_KIND_SIZE] = "size",       [UB_KIND_DURATION] = "duration",
        [UB_KIND_STRING] = "string",   [UB_KIND_CHOICE] = "choice",
        [UB_KIND_PATH] = "path",       [UB_KIND_STATE_PATH] = "state path",
        [UB_KIND_SECRET] = "secret",   [UB_KIND_LISTEN] = "listen",
        [UB_KIND_STRINGS] = "strings", [UB_KIND_SERVICE] = "module",
        [UB_KIND_RECORDS] = "records",
    };
    bool is_known = (unsigned)kind < sizeof(names) / sizeof(names[0]) && names[kind] != NULL;
    return is_known ? names[kind] : "?";
}

static json_t *version_json(unsigned major, unsigned minor)
{
    return json_sprintf("%u.%u", major, minor);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *provides_json(const struct ub_module *module)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < module->provide_count; i++) {
        struct ub_provide provide = kit_provide_at(module, i);
        json_array_append_new(all, json_pack("{s:s, s:o}", "interface", provide.iface, "version",
                                             version_json(provide.major, provide.minor)));
    }
    return all;
}

static json_t *requires_json(const struct ub_module *module)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < module->require_count; i++) {
        struct ub_require require = kit_require_at(module, i);
        json_array_append_new(all,
                              json_pack("{s:s, s:o, s:b, s:b, s:o}", "interface", require.iface,
                                        "version", version_json(require.major, require.min_minor),
                                        "optional", (require.flags & UB_OPTIONAL) != 0, "every",
                                        (require.flags & UB_EVERY) != 0, "setting",
                                        text_or_null(require.setting)));
    }
    return all;
}

static json_t *setting_json(const struct ub_field *field)
{
    json_t *one = json_pack("{s:s, s:s, s:o, s:b, s:b, s:o}", "name", field->name, "kind",
                            kind_name(field->kind), "default", text_or_null(field->default_text),
                            "required", (field->flags & UB_REQUIRED) != 0, "live",
                            (field->flags & UB_LIVE) != 0, "doc", text_or_null(field->doc));
    bool is_number = field->kind == UB_KIND_INT || field->kind == UB_KIND_SIZE ||
                     field->kind == UB_KIND_DURATION;
    if (is_number) {
        json_object_set_new(one, "min", json_integer(field->min));
        json_object_set_new(one, "max", field->max != 0 ? json_integer(field->max) : json_null());
    }
    if (field->choices != NULL) {
        json_object_set_new(one, "choices", json_string(field->choices));
    }
    return one;
}

static json_t *settings_json(const struct ub_module *module)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < module->field_count; i++) {
        struct ub_field field = kit_field_at(module, i);
        json_array_append_new(all, setting_json(&field));
    }
    return all;
}

static json_t *sha256_json(const char *path)
{
    uint8_t chunk[16384], hash[crypto_hash_sha256_BYTES];
    char hex[sizeof(hash) * 2 + 1];
    crypto_hash_sha256_state state;
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    if (file == NULL) {
        return json_null();
    }
    crypto_hash_sha256_init(&state);
    for (size_t got; (got = fread(chunk, 1, sizeof(chunk), file)) > 0;) {
        crypto_hash_sha256_update(&state, chunk, got);
    }
    fclose(file);
    crypto_hash_sha256_final(&state, hash);
    return json_string(sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash)));
}

static json_t *module_json(const struct ub_module *module)
{
    return json_pack("{s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "ok", 1, "name", module->name,
                     "version", text_or_null(module->version), "summary",
                     text_or_null(module->summary), "abi",
                     version_json(module->abi_major, module->abi_minor), "host_abi",
                     version_json(UB_ABI_MAJOR, UB_ABI_MINOR), "provides", provides_json(module),
                     "requires", requires_json(module), "settings", settings_json(module));
}

/* In the process apart. */
static void write_about(const struct subject_spec *spec, FILE *out)
{
    struct ub_host *host = kit_host_new("check");
    const struct kit_module_spec one = {spec->file, spec->linked, NULL};
    struct kit_modules *modules = kit_modules_new(host, &one, 1);
    const struct ub_module *module = kit_module_of(modules, 0);
    json_t *about = module != NULL ? module_json(module) : json_pack("{s:b}", "ok", 0);
    /* A module that was accepted may still lack settings and providers here: no fault of its own.
     */
    json_object_set_new(about, "errors",
                        module != NULL ? json_array() : kit_modules_faults_json(modules));
    json_dumpf(about, out, JSON_COMPACT);
    json_decref(about);
    kit_modules_free(&modules);
    kit_host_free(&host);
}

json_t *inspect(const struct run_options *options)
{
    struct result result;
    char *text = NULL;
    bool has_ended = run_apart(options, write_about, &text, &result);
    json_t *about = has_ended && text != NULL ? json_loads(text, 0, NULL) : NULL;
    free(text);
    if (about == NULL) {
        about = json_pack("{s:b, s:[{s:s, s:o, s:s}]}", "ok", 0, "errors", "code", "E-MODULE-006",
                          "message", json_sprintf("the process that loads it %s", result.words),
                          "fix", "run it under a debugger: its constructors run when it is loaded");
    }
    json_object_set_new(about, "file", text_or_null(options->subject->file));
    json_object_set_new(about, "sha256", sha256_json(options->subject->file));
    return about;
}

/* ---- for people -------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void print_ifaces(const json_t *about, const char *key, FILE *out)
{
    size_t i;
    json_t *one;
    fprintf(out, "%-10s", key);
    json_array_foreach(json_object_get(about, key), i, one)
    {
        fprintf(out, "%s%s %s%s%s", i > 0 ? ", " : "", text_of(one, "interface"),
                text_of(one, "version"),
                json_is_true(json_object_get(one, "optional")) ? " (optional)" : "",
                json_is_true(json_object_get(one, "every")) ? " (every provider)" : "");
    }
    fputs(json_array_size(json_object_get(about, key)) == 0 ? "nothing\n" : "\n", out);
}

static void range_of(const json_t *setting, char *out, size_t size)
{
    const json_t *min = json_object_get(setting, "min"), *max = json_object_get(setting, "max");
    bool is_free = json_integer_value(min) == 0 && !json_is_integer(max);
    if (min == NULL || is_free) {
        snprintf(out, size, "%s", text_of(setting, "choices"));
    } else if (json_is_integer(max)) {
        snprintf(out, size, "%" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
                 json_integer_value(min), json_integer_value(max));
    } else {
        snprintf(out, size, "from %" JSON_INTEGER_FORMAT, json_integer_value(min));
    }
}

static void print_settings(const json_t *settings, FILE *out)
{
    struct table *table = table_new(5);
    size_t i;
    json_t *one;
    table_row(table, "SETTING", "KIND", "DEFAULT", "RANGE", "WHAT");
    json_array_foreach(settings, i, one)
    {
        char range[128];
        bool is_required = json_is_true(json_object_get(one, "required"));
        range_of(one, range, sizeof(range));
        table_row(table, text_of(one, "name"), text_of(one, "kind"),
                  is_required ? "(required)" : text_of(one, "default"), range, text_of(one, "doc"));
    }
    table_print(table, out);
    table_free(&table);
}

void inspect_print(const json_t *about, FILE *out)
{
    if (!json_is_true(json_object_get(about, "ok"))) {
        return;
    }
    fprintf(out, "%s %s: %s\n", text_of(about, "name"), text_of(about, "version"),
            text_of(about, "summary"));
    fprintf(out, "%-10s%s (this host has %s)\n", "ABI", text_of(about, "abi"),
            text_of(about, "host_abi"));
    print_ifaces(about, "provides", out);
    print_ifaces(about, "requires", out);
    fprintf(out, "%-10s%s\n\n", "sha256", text_of(about, "sha256"));
    print_settings(json_object_get(about, "settings"), out);
}
