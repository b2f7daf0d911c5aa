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

bool boot_plan(struct boot *boot)
{
    struct plan *plan = &boot->plan;
    struct node *node = &boot->node;
    plan_read(plan, boot->source, &boot->report);
    snprintf(node->name, sizeof(node->name), "%s", plan->name);
    snprintf(node->state_dir, sizeof(node->state_dir), "%s", plan->state_dir);
    log_set(&node->log, (enum ub_log_level)plan->core.log.level,
            (enum log_format)plan->core.log.format);
    if (plan->is_core_sound) {
        decisions_configure(&node->decisions, &plan->core.decisions);
    }
    return plan_build(plan, boot->source, node, &boot->report);
}

/* ---- the start --------------------------------------------------------------------------------
 */

static bool boot_open_state(struct boot *boot)
{
    return boot->source->front != NULL ||
           state_open(boot->node.state_dir,
                      plan_where(&boot->plan, &boot->plan.config.node, "state"), &boot->lock_fd,
                      &boot->report);
}

static bool boot_bind(struct boot *boot)
{
    for (size_t i = 0; i < boot->plan.count; i++) {
        struct instance *instance = &boot->plan.instances[boot->plan.order[i]];
        if (!life_bind(instance, boot->plan.instances, &boot->report)) {
            return false;
        }
    }
    return true;
}

static bool boot_start_modules(struct boot *boot)
{
    for (size_t i = 0; i < boot->plan.count; i++) {
        if (!life_start(&boot->plan.instances[boot->plan.order[i]], &boot->report)) {
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
    boot->health = (struct health_source){
        .node = &boot->node,
        .plan = &boot->plan,
        .reload = &boot->reload.status,
        .started_mono_ns = clock_mono_ns(&boot->node.clock),
    };
    reload_open(&boot->reload);
    health_collect(&boot->health); /* who serves from ready on knows already what is awaited */
    for (size_t i = 0; i < boot->plan.count; i++) {
        life_ready(&boot->plan.instances[boot->plan.order[i]]);
    }
    boot->health.is_started = true;
    health_collect(&boot->health);
    boot->health_timer = loop_timer_start(boot->node.main, BOOT_HEALTH_MS, boot_on_health, boot);
    CHECK(boot->health_timer != NULL);
    log_core(&boot->node.log, UB_LOG_INFO, "ready", "the node is up",
             UB_TEXT("node", boot->node.name), UB_TEXT("version", node_version()),
             UB_NUMBER("modules", boot->plan.count), UB_TEXT("state", boot->node.state_dir));
}

static void boot_undo(struct boot *boot)
{
    loop_timer_stop(&boot->health_timer);
    loop_timer_stop(&boot->drain_timer);
    loop_timer_stop(&boot->retire_timer);
    for (size_t i = boot->plan.count; i > 0; i--) {
        life_stop(&boot->plan.instances[boot->plan.order[i - 1]]);
    }
    for (size_t i = boot->plan.count; i > 0; i--) {
        life_destroy(&boot->plan.instances[boot->plan.order[i - 1]]);
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
    for (size_t i = 0; i < boot->plan.count; i++) {
        if (!life_is_drained(&boot->plan.instances[i])) {
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

bool boot_reload(struct boot *boot)
{
    struct reload_result result;
    if (!boot->reload.is_open) {
        log_core(&boot->node.log, UB_LOG_WARN, "reload-refused",
                 error_entry(ERROR_RELOAD_STOPPING)->what,
                 UB_TEXT("code", error_entry(ERROR_RELOAD_STOPPING)->code));
        return false;
    }
    reload_run(&boot->reload, false, &result);
    bool is_applied = result.status == UB_OK;
    reload_result_fini(&result);
    return is_applied;
}

static void boot_on_reload(void *ctx)
{
    struct boot *boot = ctx;
    health_collect(&boot->health);
}

void boot_stop(struct boot *boot)
{
    reload_close(&boot->reload); /* its answer would come too late */
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
    for (size_t i = boot->plan.count; i > 0; i--) {
        life_drain(&boot->plan.instances[boot->plan.order[i - 1]], boot->drain_end_mono_ms);
    }
    boot->drain_timer = loop_timer_start(boot->node.main, BOOT_DRAIN_POLL_MS, boot_on_drain, boot);
    CHECK(boot->drain_timer != NULL);
}

static bool boot_is_retired(struct boot *boot)
{
    for (size_t i = 0; i < boot->plan.count; i++) {
        if (!life_is_retired(&boot->plan.instances[i])) {
            return false;
        }
    }
    return true;
}

static void boot_on_retire(void *arg)
{
    struct boot *boot = arg;
    if (boot->drain_timer == NULL && boot_is_retired(boot)) {
        boot_stop(boot);
    }
}

void boot_retire(struct boot *boot)
{
    if (boot->drain_timer != NULL || boot->retire_timer != NULL) {
        return; /* it is on its way already */
    }
    log_core(&boot->node.log, UB_LOG_INFO, "retiring",
             "clients are sent elsewhere, then the node stops; SIGTERM stops it sooner",
             UB_TEXT("node", boot->node.name));
    reload_close(&boot->reload);
    boot->health.is_stopping = true;
    health_collect(&boot->health);
    for (size_t i = boot->plan.count; i > 0; i--) {
        life_retire(&boot->plan.instances[boot->plan.order[i - 1]]);
    }
    boot->retire_timer =
        loop_timer_start(boot->node.main, BOOT_DRAIN_POLL_MS, boot_on_retire, boot);
    CHECK(boot->retire_timer != NULL);
}

bool boot_run(struct boot *boot)
{
    loop_run(boot->node.main);
    reload_close(&boot->reload);
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

bool boot_init(struct boot *boot, const struct plan_source *source, int log_fd)
{
    struct ub_err err = UB_ERR_INIT;
    *boot = (struct boot){.source = source, .lock_fd = -1};
    plan_init(&boot->plan);
    reload_init(&boot->reload, &boot->node, source, &boot->plan);
    boot->reload.on_end = boot_on_reload;
    boot->reload.ctx = boot;
    if (node_init(&boot->node, log_fd, &err) != UB_OK) {
        report_add(&boot->report, ERROR_MODULE_LOAD, (struct ub_where){NULL, 0}, "%s", err.message);
        return false;
    }
    if (source->front != NULL) {
        boot->node.log.form = source->front->form;
        boot->node.log.form_ctx = source->front->ctx;
    }
    boot->node.fail = boot_on_fail;
    boot->node.fail_ctx = boot;
    boot->node.reload = &boot->reload;
    if (watchdog_start(&boot->node.watchdog, &err) != UB_OK) {
        log_core(&boot->node.log, UB_LOG_WARN, "no-watchdog", err.message,
                 UB_TEXT("node", boot->node.name));
    }
    return true;
}

void boot_fini(struct boot *boot)
{
    boot->has_failed = true;
    boot_undo(boot);
    node_fini(&boot->node);
    reload_fini(&boot->reload);
    plan_fini(&boot->plan);
    report_fini(&boot->report);
}

char *boot_json(struct boot *boot)
{
    struct posture posture;
    json_t *modules = json_array();
    posture_gather(&posture, boot->plan.instances, boot->plan.count);
    for (size_t i = 0; i < boot->plan.count; i++) {
        json_array_append_new(modules,
                              json_string(boot->plan.instances[boot->plan.order[i]].block->name));
    }
    json_t *all = json_pack(
        "{ss, sb, so, s{ss, ss}, so}", "file", boot->source->config_file, "ok",
        boot->report.count == 0, "errors", report_json(&boot->report), "posture", "required",
        posture_level_name((enum posture_level)boot->plan.core.posture.require), "level",
        posture_level_name(posture_level(&posture)), "modules", modules);
    char *text = json_dumps(all, JSON_INDENT(2));
    json_decref(all);
    posture_fini(&posture);
    return text;
}
