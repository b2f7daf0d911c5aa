/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver.h"

#include <string.h>

#include "suggest.h"

struct resolver {
    struct instance *instances;
    size_t count;
    struct arena *arena;
    struct report *report;
    bool is_sound;
    bool
        is_partial; /* some module could not be loaded: do not complain about what it may provide */
};

/* One requirement of one module on its way to its providers. */
struct need {
    struct resolver *resolver;
    struct instance *instance;
    uint32_t number;
    struct ub_require require;
    struct ub_where where;
    const char *chosen; /* the setting's value, or NULL */
};

#define need_fault(need, id, ...)                                                                  \
    ((need)->resolver->is_sound = false,                                                           \
     report_add((need)->resolver->report, (id), (need)->where, __VA_ARGS__))

/* The number of the module's provide of this interface, or -1; `fits` tells whether its version
 * does. */
static int provide_of(const struct instance *instance, const struct ub_require *require,
                      bool *fits_out, struct ub_provide *provide_out)
{
    for (uint32_t i = 0; instance->is_loaded && i < instance->loaded.module.provide_count; i++) {
        *provide_out = provide_at(&instance->loaded.module, i);
        if (strcmp(provide_out->iface, require->iface) == 0) {
            *fits_out =
                provide_out->major == require->major && provide_out->minor >= require->min_minor;
            return (int)i;
        }
    }
    return -1;
}

static void need_bind(const struct need *need, size_t provider, int provide)
{
    struct instance *instance = need->instance;
    struct binding *bindings =
        arena_alloc(need->resolver->arena, instance->binding_count + 1, sizeof(*bindings));
    if (instance->binding_count > 0) {
        memcpy(bindings, instance->bindings, instance->binding_count * sizeof(*bindings));
    }
    bindings[instance->binding_count++] =
        (struct binding){need->number, (uint32_t)provide, provider,
                         need->resolver->instances[provider].loaded.module.name};
    instance->bindings = bindings;
}

static void need_version_fault(const struct need *need, const struct instance *provider,
                               const struct ub_provide *provide)
{
    need_fault(need, ERROR_MODULE_VERSION,
               "%s needs %s %u.%u or a later %u.x, but module \"%s\" provides %s %u.%u",
               need->instance->block->title, need->require.iface, need->require.major,
               need->require.min_minor, need->require.major, provider->block->name, provide->iface,
               provide->major, provide->minor);
}

/* The provider that the setting names. */
static void need_chosen(const struct need *need)
{
    const struct resolver *resolver = need->resolver;
    struct suggest suggest = {.written = need->chosen};
    for (size_t i = 0; i < resolver->count; i++) {
        struct instance *provider = &resolver->instances[i];
        struct ub_provide provide;
        bool fits = false;
        int number = provide_of(provider, &need->require, &fits, &provide);
        if (number >= 0) {
            suggest_offer(&suggest, provider->block->name);
        }
        if (strcmp(provider->block->name, need->chosen) != 0) {
            continue;
        }
        if (number >= 0 && fits) {
            need_bind(need, i, number);
        } else if (number >= 0) {
            need_version_fault(need, provider, &provide);
        } else if (provider->is_loaded) {
            need_fault(need, ERROR_CONFIG_SERVICE,
                       "%s: %s = \"%s\" names a module that does not provide %s",
                       need->instance->block->title, need->require.setting, need->chosen,
                       need->require.iface);
        }
        return;
    }
    char hint[128];
    suggest_text(&suggest, hint, sizeof(hint));
    need_fault(need, ERROR_CONFIG_SERVICE, "%s: %s = \"%s\" names no module of this config%s",
               need->instance->block->title, need->require.setting, need->chosen, hint);
}

static void need_none_fault(const struct need *need)
{
    if ((need->require.flags & UB_OPTIONAL) == 0 && !need->resolver->is_partial) {
        need_fault(need, ERROR_MODULE_NEEDS,
                   "%s needs %s %u.x, and no module of this config provides it: add one that does",
                   need->instance->block->title, need->require.iface, need->require.major);
    }
}

static void need_ambiguous_fault(const struct need *need, const struct instance *first,
                                 const struct instance *second)
{
    const char *remedy =
        need->require.setting != NULL
            ? arena_printf(need->resolver->arena, "add %s = \"%s\" to %s", need->require.setting,
                           first->block->name, need->instance->block->title)
            : arena_printf(need->resolver->arena, "remove the line of one of them");
    char places[2][256];
    report_place(first->block->where, need->where, places[0], sizeof(places[0]));
    report_place(second->block->where, need->where, places[1], sizeof(places[1]));
    need_fault(need, ERROR_MODULE_AMBIGUOUS,
               "%s needs one %s, but \"%s\" (%s) and \"%s\" (%s) provide it: %s",
               need->instance->block->title, need->require.iface, first->block->name, places[0],
               second->block->name, places[1], remedy);
}

static bool need_may_bind(const struct need *need, const struct instance *provider)
{
    if (provider != need->instance) {
        return true;
    }
    /* A single service is always somebody else's. */
    return (need->require.flags & UB_EVERY) != 0 && (need->require.flags & UB_NOT_SELF) == 0;
}

/* Every provider with UB_EVERY, else the only one. */
static void need_any(const struct need *need)
{
    const struct resolver *resolver = need->resolver;
    const struct instance *first = NULL;
    bool is_every = (need->require.flags & UB_EVERY) != 0;
    for (size_t i = 0; i < resolver->count; i++) {
        struct instance *provider = &resolver->instances[i];
        struct ub_provide provide;
        bool fits = false;
        int number = provide_of(provider, &need->require, &fits, &provide);
        if (number < 0 || !need_may_bind(need, provider)) {
            continue;
        }
        if (!fits) {
            need_version_fault(need, provider, &provide);
            return;
        }
        if (first != NULL && !is_every) {
            need_ambiguous_fault(need, first, provider);
            return;
        }
        first = first == NULL ? provider : first;
        need_bind(need, i, number);
    }
    if (first == NULL) {
        need_none_fault(need);
    }
}

static void resolve_one(struct resolver *resolver, struct instance *instance, uint32_t number)
{
    struct need need = {resolver,
                        instance,
                        number,
                        require_at(&instance->loaded.module, number),
                        instance->block->where,
                        NULL};
    const struct config_value *value =
        need.require.setting != NULL ? block_find(instance->block, need.require.setting) : NULL;
    if (value != NULL && value->kind == VALUE_STRING) {
        need.chosen = value->text;
        need.where = value->where;
        need_chosen(&need);
    } else if (value == NULL) {
        need_any(&need);
    }
}

/* ---- order ------------------------------------------------------------------------------------
 */

enum visit { VISIT_NEW = 0, VISIT_OPEN, VISIT_DONE };

struct order {
    struct resolver *resolver;
    enum visit *visits;
    size_t *path; /* modules whose providers are being visited */
    size_t depth;
    size_t *out;
    size_t out_count;
};

static const char *iface_between(const struct instance *from, size_t provider)
{
    for (size_t i = 0; i < from->binding_count; i++) {
        if (from->bindings[i].provider == provider) {
            return require_at(&from->loaded.module, from->bindings[i].require).iface;
        }
    }
    return "?";
}

static void order_cycle_fault(const struct order *order, size_t again)
{
    const struct resolver *resolver = order->resolver;
    size_t start = 0;
    while (order->path[start] != again) {
        start++;
    }
    const char *circle = "";
    for (size_t i = start; i < order->depth; i++) {
        const struct instance *from = &resolver->instances[order->path[i]];
        size_t next = i + 1 < order->depth ? order->path[i + 1] : again;
        circle = arena_printf(resolver->arena, "%s%s -(%s)-> ", circle, from->block->name,
                              iface_between(from, next));
    }
    order->resolver->is_sound = false;
    report_add(resolver->report, ERROR_MODULE_CYCLE, resolver->instances[again].block->where,
               "%s needs itself: %s%s: name another provider for one of these interfaces",
               resolver->instances[again].block->title, circle,
               resolver->instances[again].block->name);
}

static void order_visit(struct order *order, size_t number)
{
    const struct instance *instance = &order->resolver->instances[number];
    if (order->visits[number] == VISIT_OPEN) {
        order_cycle_fault(order, number);
    }
    if (order->visits[number] != VISIT_NEW) {
        return;
    }
    order->visits[number] = VISIT_OPEN;
    order->path[order->depth++] = number;
    for (size_t i = 0; i < instance->binding_count; i++) {
        if (instance->bindings[i].provider != number) { /* UB_EVERY may bind a module to itself */
            order_visit(order, instance->bindings[i].provider);
        }
    }
    order->depth--;
    order->visits[number] = VISIT_DONE;
    order->out[order->out_count++] = number;
}

bool resolver_resolve(struct instance *instances, size_t count, size_t *order_out,
                      struct arena *arena, struct report *report)
{
    struct resolver resolver = {instances, count, arena, report, true, false};
    for (size_t i = 0; i < count; i++) {
        resolver.is_partial |= !instances[i].is_loaded;
    }
    for (size_t i = 0; i < count; i++) {
        const struct ub_module *module = &instances[i].loaded.module;
        for (uint32_t j = 0; instances[i].is_loaded && j < module->require_count; j++) {
            resolve_one(&resolver, &instances[i], j);
        }
    }
    struct order order = {.resolver = &resolver,
                          .visits = arena_alloc(arena, count + 1, sizeof(enum visit)),
                          .path = arena_alloc(arena, count + 1, sizeof(size_t)),
                          .out = order_out};
    for (size_t i = 0; i < count; i++) {
        order_visit(&order, i);
    }
    return resolver.is_sound;
}
