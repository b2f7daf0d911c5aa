/* SPDX-License-Identifier: Apache-2.0 */
#include "life.h"

#include "check.h"
#include "loop.h"

static void on_main(const struct instance *instance)
{
    CHECK(loop_is_current(instance->host.node->main));
}

static void life_enter(struct instance *instance, const char *step)
{
    on_main(instance);
    watchdog_enter(&instance->host.node->watchdog, instance->host.module, step);
}

static void life_leave(struct instance *instance)
{
    watchdog_leave(&instance->host.node->watchdog);
}

static bool life_fault(struct instance *instance, enum error_id id, const struct ub_err *err,
                       struct report *report)
{
    report_add_err(report, id, instance->block->where, instance->block->name, err);
    return false;
}

/* ---- settings ---------------------------------------------------------------------------------
 */

/* A module judges its settings: what it finds goes to the report. */
struct judging {
    struct instance *instance;
    enum error_id id;
    struct ub_where where; /* of the block, for faults without a place of their own */
    struct report *report;
};

static void judging_fault(void *ctx, const struct ub_err *err)
{
    const struct judging *judging = ctx;
    report_add_err(judging->report, judging->id, judging->where, judging->instance->block->name,
                   err);
}

static void judging_begin(struct judging *judging, const struct config_block *block)
{
    struct host *host = &judging->instance->host;
    judging->where = block->where;
    host->where = block_where;
    host->where_ctx = block; /* so that it can name lines of the new config */
    host->fault = judging_fault;
    host->fault_ctx = judging;
}

static bool judging_end(struct judging *judging, const struct ub_err *err)
{
    struct host *host = &judging->instance->host;
    host->where_ctx = judging->instance->block;
    host->fault = NULL;
    host->fault_ctx = NULL;
    if (err->status != UB_OK) {
        judging_fault(judging, err);
    }
    return err->status == UB_OK;
}

bool life_create(struct instance *instance, struct report *report)
{
    struct ub_err err = UB_ERR_INIT;
    struct judging judging = {.instance = instance, .id = ERROR_MODULE_CREATE, .report = report};
    judging_begin(&judging, instance->block);
    life_enter(instance, "create");
    err.status = instance->loaded.ops.create(&instance->host.pub, instance->settings.data,
                                             &instance->self, &err);
    life_leave(instance);
    if (!judging_end(&judging, &err)) {
        return false;
    }
    instance->step = STEP_CREATED;
    return true;
}

/* ---- life -------------------------------------------------------------------------------------
 */

static struct ub_service service_of(const struct binding *binding, const struct instance *provider)
{
    struct ub_provide provide = provide_at(&provider->loaded.module, binding->provide);
    return (struct ub_service){
        .size = sizeof(struct ub_service),
        .iface = provide.iface,
        .major = provide.major,
        .minor = provide.minor,
        .module = provider->host.module, /* outlives a reload, which block->name does not */
        .ops = provide.ops,
        .self = provider->self};
}

bool life_bind(struct instance *instance, struct instance *all, struct report *report)
{
    on_main(instance);
    for (size_t i = 0; i < instance->binding_count; i++) {
        struct ub_err err = UB_ERR_INIT;
        const struct binding *binding = &instance->bindings[i];
        const struct ub_service service = service_of(binding, &all[binding->provider]);
        if (instance->loaded.ops.bind == NULL) {
            ub_fail(&err, UB_EINTERNAL, "it requires %s, but has no bind: tell its author",
                    service.iface);
        } else {
            life_enter(instance, "bind");
            err.status = instance->loaded.ops.bind(instance->self, &service, &err);
            life_leave(instance);
        }
        if (err.status != UB_OK) {
            return life_fault(instance, ERROR_MODULE_BIND, &err, report);
        }
    }
    return true;
}

bool life_start(struct instance *instance, struct report *report)
{
    struct ub_err err = UB_ERR_INIT;
    on_main(instance);
    if (instance->loaded.ops.start != NULL) {
        life_enter(instance, "start");
        err.status = instance->loaded.ops.start(instance->self, &err);
        life_leave(instance);
    }
    if (err.status != UB_OK) {
        return life_fault(instance, ERROR_MODULE_START, &err, report);
    }
    instance->step = STEP_STARTED;
    return true;
}

void life_ready(struct instance *instance)
{
    on_main(instance);
    if (instance->loaded.ops.ready != NULL) {
        life_enter(instance, "ready");
        instance->loaded.ops.ready(instance->self);
        life_leave(instance);
    }
}

void life_drain(struct instance *instance, int64_t deadline_mono_ms)
{
    on_main(instance);
    if (instance->step == STEP_STARTED && instance->loaded.ops.drain != NULL) {
        life_enter(instance, "drain");
        instance->loaded.ops.drain(instance->self, deadline_mono_ms);
        life_leave(instance);
    }
}

bool life_is_drained(struct instance *instance)
{
    on_main(instance);
    return instance->step != STEP_STARTED || instance->loaded.ops.is_drained == NULL ||
           instance->loaded.ops.is_drained(instance->self);
}

void life_retire(struct instance *instance)
{
    on_main(instance);
    if (instance->step == STEP_STARTED && instance->loaded.ops.retire != NULL) {
        life_enter(instance, "retire");
        instance->loaded.ops.retire(instance->self);
        life_leave(instance);
    }
}

bool life_is_retired(struct instance *instance)
{
    on_main(instance);
    return instance->step != STEP_STARTED || instance->loaded.ops.is_retired == NULL ||
           instance->loaded.ops.is_retired(instance->self);
}

void life_stop(struct instance *instance)
{
    on_main(instance);
    if (instance->step != STEP_STARTED) {
        return;
    }
    if (instance->loaded.ops.stop != NULL) {
        life_enter(instance, "stop");
        instance->loaded.ops.stop(instance->self);
        life_leave(instance);
    }
    instance->step = STEP_CREATED;
    /* Its pools are closed now, and their last answers wait on the main loop: they still find it.
     */
    loop_flush(instance->host.node->main);
}

bool life_prepare(struct instance *instance, const struct config_block *block, const void *settings,
                  void **token_out, struct report *report)
{
    struct ub_err err = UB_ERR_INIT;
    struct judging judging = {.instance = instance, .id = ERROR_RELOAD_PREPARE, .report = report};
    *token_out = NULL;
    judging_begin(&judging, block);
    life_enter(instance, "prepare");
    err.status = instance->loaded.ops.prepare(instance->self, settings, token_out, &err);
    life_leave(instance);
    return judging_end(&judging, &err);
}

void life_commit(struct instance *instance, void *token)
{
    life_enter(instance, "commit");
    instance->loaded.ops.commit(instance->self, token);
    life_leave(instance);
}

void life_abort(struct instance *instance, void *token)
{
    if (instance->loaded.ops.abort != NULL) {
        life_enter(instance, "abort");
        instance->loaded.ops.abort(instance->self, token);
        life_leave(instance);
    }
}

void life_health(struct instance *instance, const struct ub_health_sink *sink)
{
    if (instance->step == STEP_STARTED && instance->loaded.ops.health != NULL) {
        life_enter(instance, "health");
        instance->loaded.ops.health(instance->self, sink);
        life_leave(instance);
    }
}

void life_destroy(struct instance *instance)
{
    on_main(instance);
    if (instance->step == STEP_CREATED) {
        life_enter(instance, "destroy");
        instance->loaded.ops.destroy(instance->self);
        life_leave(instance);
        instance->self = NULL;
        instance->step = STEP_NONE;
    }
}
