/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <string.h>

#include "life.h"
#include "state.h"

void plan_init(struct plan *plan)
{
    *plan = (struct plan){.instances = NULL};
    config_init(&plan->config);
}

struct ub_where plan_where(const struct plan *plan, const struct config_block *block,
                           const char *setting)
{
    struct ub_where where = block_where(block, setting);
    where = where.file != NULL ? where : block->where;
    return where.file != NULL ? where : (struct ub_where){plan->config.file, 0};
}

bool plan_read(struct plan *plan, const struct plan_source *source, struct report *report)
{
    if (source->front != NULL) {
        source->front->load(source->front->ctx, &plan->config, report);
    } else {
        config_load(&plan->config, source->config_file, report);
    }
    for (size_t i = 0; i < source->set_count; i++) {
        config_set(&plan->config, source->sets[i], report);
    }
    plan->is_core_sound = core_settings_fill(&plan->core, &plan->config, report);
    snprintf(plan->name, sizeof(plan->name), "%s",
             plan->core.node.name != NULL ? plan->core.node.name : "node");
    const char *state = plan->core.node.state != NULL ? plan->core.node.state : "local_files";
    if (state[0] == '\0' || !state_path(state, plan->state_dir, sizeof(plan->state_dir))) {
        report_add(report, ERROR_CONFIG_STATE, plan_where(plan, &plan->config.node, "state"),
                   "node: state = \"%.100s\" is no usable path", state);
    }
    return plan->config.is_run;
}

static void plan_load_modules(struct plan *plan, const struct loader *loader, struct node *node,
                              struct report *report)
{
    plan->count = plan->config.module_count;
    plan->instances = arena_alloc(&plan->arena, plan->count + 1, sizeof(*plan->instances));
    plan->order = arena_alloc(&plan->arena, plan->count + 1, sizeof(*plan->order));
    for (size_t i = 0; i < plan->count; i++) {
        struct instance *instance = &plan->instances[i];
        plan->order[i] = i; /* until the resolver knows better */
        instance->block = &plan->config.modules[i];
        host_init(&instance->host, node, instance->block->name);
        instance->is_loaded =
            loader_load(loader, &plan->config, instance->block, &instance->loaded, report);
        if (instance->is_loaded) {
            instance->host.module = instance->loaded.module.name; /* outlives a reload */
        }
    }
}

static void plan_fill_settings(struct plan *plan, struct report *report)
{
    const struct fill_context context = {.config_dir = plan->config.dir,
                                         .state_dir = plan->state_dir};
    for (size_t i = 0; i < plan->count; i++) {
        struct instance *instance = &plan->instances[i];
        bool is_cut = !plan->config.is_run && !instance->block->is_whole;
        if (instance->is_loaded && !is_cut) {
            const struct field_table table = fields_of(&instance->loaded.module);
            instance->is_settled =
                settings_fill(&instance->settings, &table, instance->block, &context, report);
        }
    }
}

/* Also when others are at fault: what a module says of its own settings is worth hearing now. */
static void plan_create(struct plan *plan, struct report *report)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct instance *instance = &plan->instances[plan->order[i]];
        if (instance->is_settled) {
            life_create(instance, report);
        }
    }
}

static void plan_judge_posture(struct plan *plan, struct report *report)
{
    struct posture posture;
    bool is_partial = report->count > 0;
    posture_gather(&posture, plan->instances, plan->count);
    posture_judge(&posture, (enum posture_level)plan->core.posture.require,
                  plan_where(plan, &plan->config.posture, "require"), is_partial, report);
    posture_fini(&posture);
}

bool plan_build(struct plan *plan, const struct plan_source *source, struct node *node,
                struct report *report)
{
    plan_load_modules(plan, &source->loader, node, report);
    plan_fill_settings(plan, report);
    if (!plan->config.is_run) {
        return false; /* the rest would only complain about blocks that were not read */
    }
    resolver_resolve(plan->instances, plan->count, plan->order, &plan->arena, report);
    plan_create(plan, report);
    if (source->front == NULL) {
        plan_judge_posture(plan, report);
    }
    return report->count == 0;
}

void plan_unmake(struct plan *plan)
{
    for (size_t i = plan->count; i > 0; i--) {
        life_destroy(&plan->instances[plan->order[i - 1]]);
    }
}

void plan_fini(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        settings_fini(&plan->instances[i].settings);
        settings_fini(&plan->instances[i].created);
    }
    core_settings_fini(&plan->core);
    arena_fini(&plan->arena);
    config_fini(&plan->config);
    *plan = (struct plan){.instances = NULL};
}

size_t plan_find(const struct plan *plan, const char *name)
{
    size_t i = 0;
    while (i < plan->count && strcmp(plan->instances[i].block->name, name) != 0) {
        i++;
    }
    return i;
}

static bool core_plan_block_at(const struct plan *plan, size_t i, struct plan_block *block_out)
{
    const struct config_block *const blocks[] = {&plan->config.node, &plan->config.posture,
                                                 &plan->config.log, &plan->config.decisions};
    const void *const data[] = {&plan->core.node, &plan->core.posture, &plan->core.log,
                                &plan->core.decisions};
    struct core_block block;
    if (!core_block_at(i, &block)) {
        return false;
    }
    *block_out = (struct plan_block){blocks[i], block.table, data[i], NULL};
    return true;
}

bool plan_block_at(const struct plan *plan, size_t i, struct plan_block *block_out)
{
    if (i < CORE_BLOCKS) {
        return core_plan_block_at(plan, i, block_out);
    }
    i -= CORE_BLOCKS;
    if (i >= plan->count) {
        return false;
    }
    const struct instance *instance = &plan->instances[i];
    *block_out = (struct plan_block){instance->block, fields_of(&instance->loaded.module),
                                     instance->settings.data, instance};
    return true;
}
