/* SPDX-License-Identifier: Apache-2.0 */
#include "reload.h"

#include <string.h>

#include <jansson.h>

#include "check.h"
#include "life.h"
#include "loop.h"
#include "reload_diff.h"

/* One reload on its way. */
struct pass {
    struct reload *reload;
    struct plan next;
    struct report report;
    struct reload_diff diff;
    void **tokens; /* by number of a module in force */
    bool *is_prepared;
    bool is_diffed;
};

/* ---- the plan ---------------------------------------------------------------------------------
 */

static bool is_conflict(const struct report_item *item)
{
    return item->id == ERROR_RELOAD_RESTART || item->id == ERROR_RELOAD_MODULES ||
           (item->id >= ERROR_POSTURE_AUTH && item->id <= ERROR_POSTURE_UNSTATED);
}

static enum ub_status status_of(const struct report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        if (!is_conflict(&report->items[i])) {
            return UB_EINVAL;
        }
    }
    return report->count > 0 ? UB_ECONFLICT : UB_OK;
}

/* The bar may be lowered by a reload, but one that lowers it does not pass below where it was. */
static void judge_old_bar(struct pass *pass)
{
    const struct plan *plan = pass->reload->plan;
    struct posture posture;
    if (pass->next.core.posture.require >= plan->core.posture.require) {
        return;
    }
    posture_gather(&posture, pass->next.instances, pass->next.count);
    posture_judge(&posture, (enum posture_level)plan->core.posture.require,
                  plan_where(plan, &plan->config.posture, "require"), pass->report.count > 0,
                  &pass->report);
    posture_fini(&posture);
}

/* True when nothing speaks against taking the next plan. */
static bool pass_plan(struct pass *pass)
{
    struct reload *reload = pass->reload;
    plan_init(&pass->next);
    if (!plan_read(&pass->next, reload->source, &pass->report)) {
        return false;
    }
    /* Of another node.state only that setting is to be named, not every path below it. */
    snprintf(pass->next.state_dir, sizeof(pass->next.state_dir), "%s", reload->node->state_dir);
    plan_build(&pass->next, reload->source, reload->node, &pass->report);
    if (status_of(&pass->report) != UB_EINVAL) {
        judge_old_bar(pass);
        reload_diff_make(&pass->diff, reload->plan, &pass->next, &pass->report);
        pass->is_diffed = true;
    }
    plan_unmake(&pass->next);
    return pass->report.count == 0;
}

/* ---- the two phases ---------------------------------------------------------------------------
 */

/* Asks every module, also after one has refused: all faults come at once. */
static bool pass_prepare(struct pass *pass)
{
    struct plan *plan = pass->reload->plan;
    bool is_sound = true;
    pass->tokens = arena_alloc(&pass->diff.arena, plan->count + 1, sizeof(void *));
    pass->is_prepared = arena_alloc(&pass->diff.arena, plan->count + 1, sizeof(bool));
    for (size_t i = 0; i < plan->count; i++) {
        size_t number = plan->order[i];
        struct instance *instance = &plan->instances[number];
        if (pass->diff.is_touched[number]) {
            const struct instance *then =
                &pass->next.instances[plan_find(&pass->next, instance->block->name)];
            pass->is_prepared[number] = life_prepare(instance, then->block, then->settings.data,
                                                     &pass->tokens[number], &pass->report);
            is_sound = is_sound && pass->is_prepared[number];
        }
    }
    return is_sound;
}

static void pass_abort(struct pass *pass)
{
    struct plan *plan = pass->reload->plan;
    for (size_t i = plan->count; i > 0; i--) {
        size_t number = plan->order[i - 1];
        if (pass->is_prepared[number]) {
            life_abort(&plan->instances[number], pass->tokens[number]);
        }
    }
}

/* What create was given stays; what a reload had replaced it with goes. */
static void take_settings(struct instance *instance, struct instance *then)
{
    if (instance->created.data == NULL) {
        const struct field_table table = fields_of(&instance->loaded.module);
        instance->created = instance->settings;
        settings_drop_live_secrets(&instance->created, &table);
    } else {
        settings_fini(&instance->settings);
    }
    instance->settings = then->settings;
    then->settings = (struct settings){.data = NULL};
}

/* The config of the next plan becomes the one in force; its arena keeps what the blocks point to.
 */
static void take_config(struct pass *pass)
{
    struct plan *plan = pass->reload->plan, *next = &pass->next;
    for (size_t i = 0; i < plan->count; i++) {
        struct instance *instance = &plan->instances[i];
        struct instance *then = &next->instances[plan_find(next, instance->block->name)];
        if (pass->is_prepared[i]) {
            take_settings(instance, then);
        }
        instance->loaded.file = then->loaded.file;
        instance->block = then->block;
        instance->host.where_ctx = then->block;
    }
    struct config config = plan->config;
    struct core_settings core = plan->core;
    plan->config = next->config;
    plan->core = next->core;
    next->config = config; /* freed with the pass */
    next->core = core;
}

static void pass_commit(struct pass *pass)
{
    struct reload *reload = pass->reload;
    struct plan *plan = reload->plan;
    for (size_t i = 0; i < plan->count; i++) {
        size_t number = plan->order[i];
        if (pass->is_prepared[number]) {
            life_commit(&plan->instances[number], pass->tokens[number]);
        }
    }
    take_config(pass);
    log_set(&reload->node->log, (enum ub_log_level)plan->core.log.level,
            (enum log_format)plan->core.log.format);
    reload->status.generation++;
    reload->status.applied_at_ms = clock_now_ms(&reload->node->clock);
    view_publish(&reload->node->view, VIEW_CONFIG, effective_json(plan));
}

/* ---- the outcome ------------------------------------------------------------------------------
 */

static void summary_text(const struct pass *pass, bool is_dry, char *out, size_t out_size)
{
    size_t errors = pass->report.count + pass->report.dropped;
    size_t len = 0;
    const char *outcome = errors > 0 ? "nothing was applied"
                          : is_dry   ? "all can be applied"
                                     : "applied";
    if (pass->is_diffed) {
        reload_diff_text(&pass->diff, out, out_size);
        len = strlen(out);
        len += (size_t)snprintf(out + len, out_size - len, ": ");
    }
    if (errors > 0 && len < out_size) {
        len += (size_t)snprintf(out + len, out_size - len, "%zu error%s, ", errors,
                                errors == 1 ? "" : "s");
    }
    if (len < out_size) {
        snprintf(out + len, out_size - len, "%s",
                 errors == 0 && pass->diff.count == 0 ? "nothing to do" : outcome);
    }
}

static json_t *result_json(const struct reload *reload, const struct reload_result *result,
                           bool is_dry, json_t *take_changes, json_t *take_errors)
{
    bool is_ok = result->status == UB_OK;
    return json_pack("{sb, sb, sb, sI, ss, so, so}", "ok", is_ok, "applied", is_ok && !is_dry,
                     "dry", is_dry, "generation", (json_int_t)reload->status.generation, "summary",
                     result->summary, "changes", take_changes, "errors", take_errors);
}

static void log_outcome(struct pass *pass, const struct reload_result *result)
{
    struct log *log = &pass->reload->node->log;
    for (size_t i = 0; i < pass->report.count; i++) {
        const struct report_item *item = &pass->report.items[i];
        log_core(log, UB_LOG_ERROR, "reload-fault", item->message, UB_TEXT("code", item->code),
                 UB_TEXT("file", item->file), UB_NUMBER("line", item->line),
                 UB_TEXT("fix", error_entry(item->id)->fix));
    }
    bool is_ok = result->status == UB_OK;
    log_core(log, is_ok ? UB_LOG_INFO : UB_LOG_ERROR, is_ok ? "reloaded" : "reload-refused",
             result->summary, UB_NUMBER("generation", pass->reload->status.generation),
             UB_TEXT("file", pass->reload->source->config_file));
}

static void pass_end(struct pass *pass, bool is_dry, struct reload_result *result)
{
    struct reload *reload = pass->reload;
    result->status = status_of(&pass->report);
    report_sort(&pass->report);
    summary_text(pass, is_dry, result->summary, sizeof(result->summary));
    result->json = result_json(reload, result, is_dry, reload_diff_json(&pass->diff),
                               report_json(&pass->report));
    if (!is_dry) {
        reload->status.last_at_ms = clock_now_ms(&reload->node->clock);
        reload->status.was_applied = result->status == UB_OK;
        snprintf(reload->status.summary, sizeof(reload->status.summary), "%s", result->summary);
        log_outcome(pass, result);
    }
}

void reload_run(struct reload *reload, bool is_dry, struct reload_result *result_out)
{
    struct pass pass = {.reload = reload};
    CHECK(loop_is_current(reload->node->main));
    *result_out = (struct reload_result){.status = UB_OK};
    if (pass_plan(&pass)) {
        bool is_prepared = pass_prepare(&pass);
        if (is_prepared && !is_dry) {
            pass_commit(&pass);
        } else {
            pass_abort(&pass);
        }
    }
    pass_end(&pass, is_dry, result_out);
    plan_fini(&pass.next);
    reload_diff_fini(&pass.diff);
    report_fini(&pass.report);
    if (!is_dry && reload->on_end != NULL) {
        reload->on_end(reload->ctx);
    }
}

void reload_result_fini(struct reload_result *result)
{
    json_decref(result->json);
    *result = (struct reload_result){.json = NULL};
}

/* ---- other threads ----------------------------------------------------------------------------
 */

struct reload_ask {
    bool is_dry, has_ended;
    struct reload_result *result;
};

void reload_init(struct reload *reload, struct node *node, const struct plan_source *source,
                 struct plan *plan)
{
    *reload = (struct reload){.node = node, .source = source, .plan = plan};
    pthread_mutex_init(&reload->lock, NULL);
    pthread_cond_init(&reload->has_ended, NULL);
}

void reload_fini(struct reload *reload)
{
    pthread_cond_destroy(&reload->has_ended);
    pthread_mutex_destroy(&reload->lock);
}

void reload_open(struct reload *reload)
{
    reload->status.generation = 1;
    reload->status.applied_at_ms = clock_now_ms(&reload->node->clock);
    view_publish(&reload->node->view, VIEW_CONFIG, effective_json(reload->plan));
    pthread_mutex_lock(&reload->lock);
    reload->is_open = true;
    pthread_mutex_unlock(&reload->lock);
}

void reload_close(struct reload *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->is_open = false;
    pthread_cond_broadcast(&reload->has_ended);
    pthread_mutex_unlock(&reload->lock);
}

static void reload_task(void *arg)
{
    struct reload *reload = arg;
    pthread_mutex_lock(&reload->lock);
    struct reload_ask *ask = reload->is_open ? reload->ask : NULL;
    pthread_mutex_unlock(&reload->lock);
    if (ask == NULL) {
        return; /* it was told that the node stops, and has gone */
    }
    reload_run(reload, ask->is_dry, ask->result);
    pthread_mutex_lock(&reload->lock);
    ask->has_ended = true;
    reload->ask = NULL;
    pthread_cond_broadcast(&reload->has_ended);
    pthread_mutex_unlock(&reload->lock);
}

/* An answer without a pass. */
static void result_refuse(const struct reload *reload, enum ub_status status, enum error_id id,
                          bool is_dry, struct reload_result *result)
{
    struct report report = {.items = NULL};
    result->status = status;
    snprintf(result->summary, sizeof(result->summary), "%s: %s", error_entry(id)->what,
             error_entry(id)->fix);
    report_add(&report, id, (struct ub_where){NULL, 0}, "%s", result->summary);
    result->json = result_json(reload, result, is_dry, json_array(), report_json(&report));
    report_fini(&report);
}

void reload_ask(struct reload *reload, bool is_dry, struct reload_result *result_out)
{
    struct reload_ask ask = {.is_dry = is_dry, .result = result_out};
    CHECK(!loop_is_current(reload->node->main));
    *result_out = (struct reload_result){.status = UB_OK};
    pthread_mutex_lock(&reload->lock);
    bool is_busy = reload->ask != NULL, is_taken = reload->is_open && !is_busy;
    if (is_taken) {
        reload->ask = &ask;
        loop_post(reload->node->main, reload_task, reload);
    }
    while (is_taken && !ask.has_ended && reload->is_open) {
        pthread_cond_wait(&reload->has_ended, &reload->lock);
    }
    if (is_taken && !ask.has_ended) {
        reload->ask = NULL;
    }
    pthread_mutex_unlock(&reload->lock);
    if (!ask.has_ended) {
        result_refuse(reload, is_busy ? UB_EEXISTS : UB_EUNAVAILABLE,
                      is_busy ? ERROR_RELOAD_BUSY : ERROR_RELOAD_STOPPING, is_dry, result_out);
    }
}
