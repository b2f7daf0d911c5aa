/* SPDX-License-Identifier: Apache-2.0 */
#include "boot.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <unibus/error.h>

#include "check.h"
#include "life.h"
#include "loop.h"
#include "state.h"

#define BOOT_HEALTH_MS     1000
#define BOOT_DRAIN_POLL_MS 10

static struct ub_where boot_where(const struct boot *boot, const struct config_block *block,
                                  const char *setting)
{
    struct ub_where where = block_where(block, setting);
    where = where.file != NULL ? where : block->where;
    return where.file != NULL ? where : (struct ub_where){boot->options->config_file, 0};
}

/* ---- the plan: no side effects ----------------------------------------------------------------
 */

/* False when the config could not be run to its end. */
static bool boot_read_config(struct boot *boot)
{
    config_load(&boot->config, boot->options->config_file, &boot->report);
    if (!boot->config.is_run) {
        return false; /* what follows would only complain about what was not read */
    }
    for (size_t i = 0; i < boot->options->set_count; i++) {
        config_set(&boot->config, boot->options->sets[i], &boot->report);
    }
    if (core_settings_fill(&boot->core, &boot->config, &boot->report)) {
        decisions_configure(&boot->node.decisions, &boot->core.decisions);
    }
    snprintf(boot->node.name, sizeof(boot->node.name), "%s",
             boot->core.node.name != NULL ? boot->core.node.name : "node");
    boot->node.log.level = boot->core.log.level;
    boot->node.log.format = (enum log_format)boot->core.log.format;
    const char *state = boot->core.node.state != NULL ? boot->core.node.state : "local_files";
    if (state[0] == '\0' ||
        !state_path(state, boot->node.state_dir, sizeof(boot->node.state_dir))) {
        report_add(&boot->report, ERROR_CONFIG_STATE, boot_where(boot, &boot->config.node, "state"),
                   "node: state = \"%.100s\" is no usable path", state);
    }
    return true;
}

static void boot_load_modules(struct boot *boot)
{
    boot->count = boot->config.module_count;
    boot->instances = arena_alloc(&boot->arena, boot->count + 1, sizeof(*boot->instances));
    boot->order = arena_alloc(&boot->arena, boot->count + 1, sizeof(*boot->order));
    for (size_t i = 0; i < boot->count; i++) {
        struct instance *instance = &boot->instances[i];
        instance->block = &boot->config.modules[i];
        host_init(&instance->host, &boot->node, instance->block->name);
        instance->is_loaded = loader_load(&boot->options->loader, &boot->config, instance->block,
                                          &instance->loaded, &boot->report);
    }
}

static void boot_fill_settings(struct boot *boot)
{
    const struct fill_context context = {.config_dir = boot->config.dir,
                                         .state_dir = boot->node.state_dir};
    for (size_t i = 0; i < boot->count; i++) {
        struct instance *instance = &boot->instances[i];
        if (instance->is_loaded) {
            const struct field_table table = fields_of(&instance->loaded.module);
            instance->is_settled = settings_fill(&instance->settings, &table, instance->block,
                                                 &context, &boot->report);
        }
    }
}

/* Also when others are at fault: what a module says of its own settings is worth hearing now. */
static void boot_create(struct boot *boot)
{
    for (size_t i = 0; i < boot->count; i++) {
        struct instance *instance = &boot->instances[boot->order[i]];
        if (instance->is_settled) {
            life_create(instance, &boot->report);
        }
    }
}

static void boot_judge_posture(struct boot *boot)
{
    struct posture posture;
    bool is_partial = boot->report.count > 0;
    posture_gather(&posture, boot->instances, boot->count);
    posture_judge(&posture, (enum posture_level)boot->core.posture.require,
                  boot_where(boot, &boot->config.posture, "require"), is_partial, &boot->report);
    posture_fini(&posture);
}

bool boot_plan(struct boot *boot)
{
    if (!boot_read_config(boot)) {
        return false;
    }
    boot_load_modules(boot);
    boot_fill_settings(boot);
    resolver_resolve(boot->instances, boot->count, boot->order, &boot->arena, &boot->report);
    boot_create(boot);
    boot_judge_posture(boot);
    return boot->report.count == 0;
}

/* ---- the start --------------------------------------------------------------------------------
 */

static bool boot_open_state(struct boot *boot)
{
    return state_open(boot->node.state_dir, boot_where(boot, &boot->config.node, "state"),
                      &boot->lock_fd, &boot->report);
}

static bool boot_bind(struct boot *boot)
{
    for (size_t i = 0; i < boot->count; i++) {
        struct instance *instance = &boot->instances[boot->order[i]];
        if (!life_bind(instance, boot->instances, &boot->report)) {
            return false;
        }
    }
    return true;
}

static bool boot_start_modules(struct boot *boot)
{
    for (size_t i = 0; i < boot->count; i++) {
        if (!life_start(&boot->instances[boot->order[i]], &boot->report)) {
            return false;
        }
    }
    return true;
}

static void boot_on_health(void *arg)
{
    struct boot *boot = arg;
    health_collect(&boot->health);
    decisions_tick(&boot->node.decisions);
}

static void boot_ready(struct boot *boot)
{
    for (size_t i = 0; i < boot->count; i++) {
        life_ready(&boot->instances[boot->order[i]]);
    }
    boot->health = (struct health_source){
        .node = &boot->node,
        .instances = boot->instances,
        .count = boot->count,
        .required = (enum posture_level)boot->core.posture.require,
        .started_mono_ns = clock_mono_ns(&boot->node.clock),
        .is_started = true,
    };
    health_collect(&boot->health);
    boot->health_timer = loop_timer_start(boot->node.main, BOOT_HEALTH_MS, boot_on_health, boot);
    CHECK(boot->health_timer != NULL);
    log_core(&boot->node.log, UB_LOG_INFO, "ready", "the node is up",
             UB_TEXT("node", boot->node.name), UB_TEXT("version", node_version()),
             UB_NUMBER("modules", boot->count), UB_TEXT("state", boot->node.state_dir));
}

static void boot_undo(struct boot *boot)
{
    loop_timer_stop(&boot->health_timer);
    loop_timer_stop(&boot->drain_timer);
    for (size_t i = boot->count; i > 0; i--) {
        life_stop(&boot->instances[boot->order[i - 1]]);
    }
    for (size_t i = boot->count; i > 0; i--) {
        life_destroy(&boot->instances[boot->order[i - 1]]);
    }
    state_close(&boot->lock_fd);
}

bool boot_start(struct boot *boot)
{
    if (!boot_open_state(boot) || !boot_bind(boot) || !boot_start_modules(boot)) {
        boot_undo(boot);
        return false;
    }
    boot_ready(boot);
    return true;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static int64_t boot_mono_ms(const struct boot *boot)
{
    return clock_mono_ns(&boot->node.clock) / 1000000;
}

static bool boot_is_drained(struct boot *boot)
{
    for (size_t i = 0; i < boot->count; i++) {
        if (!life_is_drained(&boot->instances[i])) {
            return false;
        }
    }
    return true;
}

static void boot_on_drain(void *arg)
{
    struct boot *boot = arg;
    bool is_late = boot_mono_ms(boot) >= boot->drain_end_mono_ms;
    if (!is_late && !boot_is_drained(boot)) {
        return;
    }
    if (is_late) {
        log_core(&boot->node.log, UB_LOG_WARN, "drain-late",
                 "not everything was finished in time, stopping now",
                 UB_NUMBER("waited_ms", BOOT_DRAIN_MS));
    }
    loop_quit(boot->node.main);
}

void boot_stop(struct boot *boot)
{
    if (boot->drain_timer != NULL) {
        log_core(&boot->node.log, UB_LOG_WARN, "stop-now", "asked again, stopping at once",
                 UB_TEXT("node", boot->node.name));
        loop_quit(boot->node.main);
        return;
    }
    log_core(&boot->node.log, UB_LOG_INFO, "draining", "finishing what is under way",
             UB_NUMBER("at_most_ms", BOOT_DRAIN_MS));
    boot->drain_end_mono_ms = boot_mono_ms(boot) + BOOT_DRAIN_MS;
    boot->health.is_stopping = true;
    health_collect(&boot->health);
    for (size_t i = boot->count; i > 0; i--) {
        life_drain(&boot->instances[boot->order[i - 1]], boot->drain_end_mono_ms);
    }
    boot->drain_timer = loop_timer_start(boot->node.main, BOOT_DRAIN_POLL_MS, boot_on_drain, boot);
    CHECK(boot->drain_timer != NULL);
}

bool boot_run(struct boot *boot)
{
    loop_run(boot->node.main);
    bool is_wanted = !boot->has_failed;
    boot->has_failed = true; /* from here on it is too late to ask for the end */
    boot_undo(boot);
    return is_wanted;
}

static void boot_fail_task(void *arg)
{
    struct boot *boot = arg;
    if (!boot->has_failed) {
        boot->has_failed = true;
        if (boot->drain_timer == NULL) {
            boot_stop(boot);
        }
    }
}

static void boot_on_fail(struct node *node, const char *module, const char *code, const char *why)
{
    log_core(&node->log, UB_LOG_ERROR, "module-failed", why, UB_TEXT("module", module),
             UB_TEXT("code", code));
    loop_post(node->main, boot_fail_task, node->fail_ctx);
}

bool boot_init(struct boot *boot, const struct boot_options *options, int log_fd)
{
    struct ub_err err = UB_ERR_INIT;
    *boot = (struct boot){.options = options, .lock_fd = -1};
    config_init(&boot->config);
    if (node_init(&boot->node, log_fd, &err) != UB_OK) {
        report_add(&boot->report, ERROR_MODULE_LOAD, (struct ub_where){NULL, 0}, "%s", err.message);
        return false;
    }
    boot->node.fail = boot_on_fail;
    boot->node.fail_ctx = boot;
    return true;
}

void boot_fini(struct boot *boot)
{
    boot->has_failed = true;
    boot_undo(boot);
    node_fini(&boot->node);
    for (size_t i = 0; i < boot->count; i++) {
        settings_fini(&boot->instances[i].settings);
    }
    core_settings_fini(&boot->core);
    arena_fini(&boot->arena);
    config_fini(&boot->config);
    report_fini(&boot->report);
}

char *boot_json(struct boot *boot)
{
    struct posture posture;
    json_t *modules = json_array();
    posture_gather(&posture, boot->instances, boot->count);
    for (size_t i = 0; i < boot->count; i++) {
        json_array_append_new(modules, json_string(boot->instances[boot->order[i]].block->name));
    }
    json_t *all =
        json_pack("{ss, sb, so, s{ss, ss}, so}", "file", boot->options->config_file, "ok",
                  boot->report.count == 0, "errors", report_json(&boot->report), "posture",
                  "required", posture_level_name((enum posture_level)boot->core.posture.require),
                  "level", posture_level_name(posture_level(&posture)), "modules", modules);
    char *text = json_dumps(all, JSON_INDENT(2));
    json_decref(all);
    posture_fini(&posture);
    return text;
}
