/* SPDX-License-Identifier: Apache-2.0 */
#include "kit_modules.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "life.h"

struct kit_modules {
    const struct ub_host *host;
    struct config config;
    struct report report;
    struct arena arena;
    struct instance *all;
    size_t *order; /* providers first */
    size_t count;
    char *faults; /* the copy that kit_modules_faults handed out */
};

static struct node *node_of(const struct kit_modules *modules)
{
    return ((const struct host *)(const void *)modules->host)->node;
}

/* "kv-x" of "/a/kv-x.so". */
static const char *name_of(struct kit_modules *modules, const struct kit_module_spec *spec)
{
    if (spec->linked != NULL) {
        return spec->linked->name;
    }
    const char *slash = strrchr(spec->file, '/');
    const char *base = slash != NULL ? slash + 1 : spec->file;
    size_t len = strlen(base);
    bool has_suffix = len > 3 && strcmp(base + len - 3, ".so") == 0;
    return arena_copy(&modules->config.arena, base, has_suffix ? len - 3 : len);
}

static void name_file(struct kit_modules *modules, struct config_block *block, const char *file)
{
    char *real = realpath(file, NULL);
    const char *path = real != NULL ? real : file;
    struct config_value *value = block_put(&modules->config, block, "path");
    value->kind = VALUE_STRING;
    value->text = path[0] == '/' ? arena_copy(&modules->config.arena, path, strlen(path))
                                 : arena_printf(&modules->config.arena, "/%s", path);
    free(real);
}

static void configure(struct kit_modules *modules, const struct kit_module_spec *spec)
{
    const char *name = name_of(modules, spec);
    struct config_block *block =
        config_add_module(&modules->config, name, (struct ub_where){NULL, 0});
    if (spec->linked == NULL) {
        name_file(modules, block, spec->file);
    }
    for (size_t i = 0; spec->sets != NULL && spec->sets[i] != NULL; i++) {
        config_set(&modules->config,
                   arena_printf(&modules->config.arena, "%s.%s", name, spec->sets[i]),
                   &modules->report);
    }
}

static void load(struct kit_modules *modules, size_t i, const struct kit_module_spec *spec)
{
    struct instance *instance = &modules->all[i];
    const char *state_dir = node_of(modules)->state_dir;
    const struct fill_context context = {.config_dir = state_dir, .state_dir = state_dir};
    const struct loader loader = {state_dir, &spec->linked, spec->linked != NULL};
    instance->block = &modules->config.modules[i];
    host_init(&instance->host, node_of(modules), instance->block->name);
    instance->is_loaded = loader_load(&loader, &modules->config, instance->block, &instance->loaded,
                                      &modules->report);
    if (instance->is_loaded) {
        const struct field_table table = fields_of(&instance->loaded.module);
        instance->is_settled =
            settings_fill(&instance->settings, &table, instance->block, &context, &modules->report);
    }
}

struct kit_modules *kit_modules_new(const struct ub_host *host, const struct kit_module_spec *specs,
                                    size_t count)
{
    struct kit_modules *modules = calloc(1, sizeof(*modules));
    CHECK(modules != NULL);
    modules->host = host;
    modules->count = count;
    config_init(&modules->config);
    modules->all = arena_alloc(&modules->arena, count + 1, sizeof(*modules->all));
    modules->order = arena_alloc(&modules->arena, count + 1, sizeof(*modules->order));
    for (size_t i = 0; i < count; i++) {
        configure(modules, &specs[i]);
    }
    for (size_t i = 0; i < count; i++) {
        load(modules, i, &specs[i]);
    }
    resolver_resolve(modules->all, count, modules->order, &modules->arena, &modules->report);
    return modules;
}

void kit_modules_free(struct kit_modules **modules)
{
    struct kit_modules *m = *modules;
    kit_modules_stop(m);
    for (size_t i = 0; i < m->count; i++) {
        settings_fini(&m->all[i].settings);
    }
    report_fini(&m->report);
    config_fini(&m->config);
    arena_fini(&m->arena);
    free(m->faults);
    free(m);
    *modules = NULL;
}

size_t kit_modules_fault_count(const struct kit_modules *modules)
{
    return modules->report.count;
}

const char *kit_modules_faults(struct kit_modules *modules)
{
    size_t size;
    free(modules->faults);
    FILE *out = open_memstream(&modules->faults, &size);
    CHECK(out != NULL);
    for (size_t i = 0; i < modules->report.count; i++) {
        const struct report_item *item = &modules->report.items[i];
        fprintf(out, "%s%s %s", i > 0 ? "\n" : "", item->code, item->message);
    }
    CHECK(fclose(out) == 0);
    return modules->faults;
}

struct json_t *kit_modules_faults_json(struct kit_modules *modules)
{
    return report_json(&modules->report);
}

const struct ub_module *kit_module_of(const struct kit_modules *modules, size_t i)
{
    return modules->all[i].is_loaded ? &modules->all[i].loaded.module : NULL;
}

const struct ub_module_ops *kit_module_ops(const struct kit_modules *modules, size_t i)
{
    return &modules->all[i].loaded.ops;
}

struct ub_field kit_field_at(const struct ub_module *module, uint32_t i)
{
    const struct field_table table = fields_of(module);
    return field_at(&table, i);
}

struct ub_provide kit_provide_at(const struct ub_module *module, uint32_t i)
{
    return provide_at(module, i);
}

struct ub_require kit_require_at(const struct ub_module *module, uint32_t i)
{
    return require_at(module, i);
}

const void *kit_module_settings(const struct kit_modules *modules, size_t i)
{
    return modules->all[i].is_settled ? modules->all[i].settings.data : NULL;
}

bool kit_module_create(struct kit_modules *modules, size_t i)
{
    struct instance *instance = &modules->all[i];
    return instance->is_settled && life_create(instance, &modules->report);
}

bool kit_module_bind(struct kit_modules *modules, size_t i)
{
    return life_bind(&modules->all[i], modules->all, &modules->report);
}

bool kit_module_start(struct kit_modules *modules, size_t i)
{
    return life_start(&modules->all[i], &modules->report);
}

void kit_module_ready(struct kit_modules *modules, size_t i)
{
    life_ready(&modules->all[i]);
}

struct draining {
    struct instance *instance;
};

static bool is_drained(void *arg)
{
    const struct draining *draining = arg;
    return life_is_drained(draining->instance);
}

bool kit_module_drain(struct kit_modules *modules, size_t i, int64_t timeout_ms)
{
    struct draining draining = {&modules->all[i]};
    int64_t now_ms = modules->host->clock->mono_ns(modules->host) / 1000000;
    life_drain(draining.instance, now_ms + timeout_ms);
    return kit_run_until(modules->host, is_drained, &draining, timeout_ms);
}

void kit_module_stop(struct kit_modules *modules, size_t i)
{
    life_stop(&modules->all[i]);
}

void kit_module_destroy(struct kit_modules *modules, size_t i)
{
    life_destroy(&modules->all[i]);
}

bool kit_modules_start(struct kit_modules *modules)
{
    bool is_up = modules->report.count == 0;
    for (size_t i = 0; i < modules->count && is_up; i++) {
        is_up = kit_module_create(modules, modules->order[i]);
    }
    for (size_t i = 0; i < modules->count && is_up; i++) {
        is_up = kit_module_bind(modules, modules->order[i]);
    }
    for (size_t i = 0; i < modules->count && is_up; i++) {
        is_up = kit_module_start(modules, modules->order[i]);
    }
    for (size_t i = 0; i < modules->count && is_up; i++) {
        kit_module_ready(modules, modules->order[i]);
    }
    return is_up;
}

void kit_modules_stop(struct kit_modules *modules)
{
    for (size_t i = modules->count; i > 0; i--) {
        kit_module_stop(modules, modules->order[i - 1]);
    }
    for (size_t i = modules->count; i > 0; i--) {
        kit_module_destroy(modules, modules->order[i - 1]);
    }
}

void *kit_module_self(const struct kit_modules *modules, size_t i)
{
    return modules->all[i].self;
}
