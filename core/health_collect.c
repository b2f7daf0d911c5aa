/* SPDX-License-Identifier: Apache-2.0 */
#include "health_collect.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "life.h"

struct collect {
    json_t *top;    /* what modules state to everybody, nested by dots */
    json_t *module; /* of the one that is asked */
    json_t *modules, *problems, *waiting;
    json_t *my_problems, *my_waiting; /* of the one that is asked */
    json_t *views;                    /* of the modules, for operators */
    const char *name;                 /* of the one that is asked */
};

/* What everybody may see of the values that modules state (posture.h). */
static bool is_public(const char *name)
{
    return strcmp(name, "generation") == 0 || strncmp(name, "cluster.", 8) == 0;
}

/* Sets "a.b.c" as {"a": {"b": {"c": value}}}; takes the value. */
static void set_nested(json_t *root, const char *name, json_t *take_value)
{
    char part[128];
    for (const char *dot; (dot = strchr(name, '.')) != NULL; name = dot + 1) {
        snprintf(part, sizeof(part), "%.*s", (int)(dot - name), name);
        json_t *inner = json_object_get(root, part);
        if (!json_is_object(inner)) {
            inner = json_object();
            json_object_set_new(root, part, inner);
        }
        root = inner;
    }
    json_object_set_new(root, name, take_value);
}

static void collect_value(struct collect *collect, const char *name, json_t *take_value)
{
    if (take_value == NULL) {
        return; /* a text that is not UTF-8 */
    }
    if (is_public(name)) {
        set_nested(collect->top, name, json_incref(take_value));
    }
    json_object_set_new(collect->module, name, take_value);
}

static void collect_number(void *ctx, const char *name, int64_t value)
{
    collect_value(ctx, name, json_integer(value));
}

static void collect_text(void *ctx, const char *name, const char *value)
{
    collect_value(ctx, name, json_string(value));
}

static void collect_problem(void *ctx, const char *code, const char *what, const char *fix)
{
    struct collect *collect = ctx;
    json_t *problem = json_pack("{ss, ss, ss*, ss}", "code", code, "what", what, "fix", fix,
                                "module", collect->name);
    json_array_append(collect->problems, problem);
    json_array_append_new(collect->my_problems, problem);
}

static void collect_waiting(void *ctx, const char *what)
{
    struct collect *collect = ctx;
    json_array_append_new(collect->waiting, json_string(what));
    json_array_append_new(collect->my_waiting, json_string(what));
}

static void collect_module(struct collect *collect, struct instance *instance)
{
    const struct ub_health_sink sink = {.size = sizeof(sink),
                                        .ctx = collect,
                                        .number = collect_number,
                                        .text = collect_text,
                                        .problem = collect_problem,
                                        .waiting = collect_waiting};
    collect->name = instance->block->name;
    collect->module = json_object();
    collect->my_problems = json_array();
    collect->my_waiting = json_array();
    life_health(instance, &sink);
    const char *version = instance->loaded.module.version;
    json_array_append_new(collect->modules,
                          json_pack("{ss, ss*, so}", "name", collect->name, "version", version,
                                    "health", collect->module));
    json_array_append_new(collect->views,
                          module_view(instance, collect->my_waiting, collect->my_problems));
    collect->my_problems = collect->my_waiting = NULL; /* the core's own belong to no module */
}

/* ---- posture ----------------------------------------------------------------------------------
 */

/* Codes of what keeps the node below "enforce", each once. */
static json_t *posture_codes(const struct posture *posture)
{
    json_t *codes = json_array();
    struct report report = {.items = NULL};
    posture_judge(posture, POSTURE_ENFORCE, (struct ub_where){NULL, 0}, false, &report);
    report_sort(&report);
    for (size_t i = 0; i < report.count; i++) {
        bool is_known = false;
        for (size_t j = 0; j < json_array_size(codes); j++) {
            const char *known = json_string_value(json_array_get(codes, j));
            is_known |= known != NULL && strcmp(known, report.items[i].code) == 0;
        }
        if (!is_known) {
            json_array_append_new(codes, json_string(report.items[i].code));
        }
    }
    report_fini(&report);
    return codes;
}

/* A module may state weaker facts than at the start (a policy that failed): the node says so. */
static void judge_posture(struct collect *collect, const struct posture *posture,
                          enum posture_level required)
{
    struct report report = {.items = NULL};
    posture_judge(posture, required, (struct ub_where){NULL, 0}, false, &report);
    for (size_t i = 0; i < report.count; i++) {
        const struct report_item *item = &report.items[i];
        collect->name = "core";
        collect_problem(collect, item->code, item->message, error_entry(item->id)->fix);
    }
    report_fini(&report);
}

static json_t *posture_json(const struct posture *posture, enum posture_level required)
{
    return json_pack("{ss, ss, ss, ss, ss, so}", "level",
                     posture_level_name(posture_level(posture)), "auth",
                     posture_weakest(posture, "auth"), "acl", posture_weakest(posture, "acl"),
                     "tls", posture_weakest(posture, "tls"), "required",
                     posture_level_name(required), "codes", posture_codes(posture));
}

static json_t *listeners_json(const struct posture *posture)
{
    json_t *list = json_array();
    for (size_t i = 0; i < posture->listener_count; i++) {
        const struct posture_listener *listener = &posture->listeners[i];
        json_array_append_new(list, json_pack("{ss, ss, sb, sb}", "module",
                                              listener->instance->block->name, "address",
                                              listener->address, "loopback", listener->is_loopback,
                                              "tls", listener->has_tls));
    }
    return list;
}

static json_t *facts_json(const struct posture *posture)
{
    json_t *list = json_array();
    for (size_t i = 0; i < posture->fact_count; i++) {
        const struct posture_fact *fact = &posture->facts[i];
        json_array_append_new(list, json_pack("{ss, ss, ss}", "module", fact->instance->block->name,
                                              "name", fact->name, "value", fact->value));
    }
    return list;
}

/* ---- the report -------------------------------------------------------------------------------
 */

static const char *status_word(const struct health_source *source, const struct collect *collect)
{
    if (source->is_stopping) {
        return "stopping";
    }
    if (json_array_size(collect->problems) > 0) {
        return "degraded";
    }
    return json_array_size(collect->waiting) > 0 || !source->is_started ? "waiting" : "ok";
}

static json_t *time_json(int64_t now_ms)
{
    char text[32];
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static json_t *base_json(const struct health_source *source, const struct collect *collect,
                         const struct posture *posture)
{
    int64_t up_ns = clock_mono_ns(&source->node->clock) - source->started_mono_ns;
    json_t *base = json_pack(
        "{ss, ss, ss, sI, so, so}", "status", status_word(source, collect), "node",
        source->node->name, "version", node_version(), "uptime_s", (json_int_t)(up_ns / 1000000000),
        "clock", time_json(clock_now_ms(&source->node->clock)), "posture",
        posture_json(posture, (enum posture_level)source->plan->core.posture.require));
    json_object_update(base, collect->top);
    json_object_set(base, "waiting", collect->waiting);
    return base;
}

static json_t *config_json(const struct reload_status *status)
{
    json_t *last = status->last_at_ms == 0
                       ? json_null()
                       : json_pack("{so, sb, ss}", "at", time_json(status->last_at_ms), "applied",
                                   status->was_applied, "summary", status->summary);
    return json_pack("{sI, so, so}", "generation", (json_int_t)status->generation, "applied_at",
                     time_json(status->applied_at_ms), "last_reload", last);
}

/* The codes alone: words may name files and keys. */
static json_t *public_problems(const json_t *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(problems); i++) {
        json_t *code = json_object_get(json_array_get(problems, i), "code");
        json_array_append_new(list, json_pack("{sO}", "code", code));
    }
    return list;
}

static char *dump(json_t *take_json)
{
    char *text = json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    return text;
}

static void publish(const struct health_source *source, const struct collect *collect,
                    const struct posture *posture)
{
    json_t *everyone = base_json(source, collect, posture);
    json_t *admin = json_copy(everyone);
    json_object_set_new(everyone, "problems", public_problems(collect->problems));
    json_object_set(admin, "problems", collect->problems);
    json_object_set(admin, "modules", collect->modules);
    json_object_set_new(admin, "listeners", listeners_json(posture));
    json_object_set_new(admin, "facts", facts_json(posture));
    json_object_set_new(admin, "config", config_json(source->reload));
    bool is_healthy = json_array_size(collect->problems) == 0;
    bool is_ready =
        source->is_started && !source->is_stopping && json_array_size(collect->waiting) == 0;
    health_publish(&source->node->health, dump(everyone), dump(admin), is_healthy, is_ready);
    health_await(&source->node->health, json_string_value(json_array_get(collect->waiting, 0)));
}

void health_collect(const struct health_source *source)
{
    struct collect collect = {.top = json_object(),
                              .modules = json_array(),
                              .views = json_array(),
                              .problems = json_array(),
                              .waiting = json_array()};
    struct posture posture;
    for (size_t i = 0; i < source->plan->count; i++) {
        collect_module(&collect, &source->plan->instances[i]);
    }
    posture_gather(&posture, source->plan->instances, source->plan->count);
    judge_posture(&collect, &posture, (enum posture_level)source->plan->core.posture.require);
    publish(source, &collect, &posture);
    view_publish(&source->node->view, VIEW_MODULES, json_pack("{sO}", "modules", collect.views));
    posture_fini(&posture);
    json_decref(collect.top);
    json_decref(collect.modules);
    json_decref(collect.views);
    json_decref(collect.problems);
    json_decref(collect.waiting);
}
