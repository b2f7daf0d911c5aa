/* SPDX-License-Identifier: Apache-2.0 */
#include "posture.h"

#include <stdlib.h>
#include <string.h>

/* ---- gathering --------------------------------------------------------------------------------
 */

struct gather {
    struct posture *posture;
    const struct instance *instance;
};

static const char *keep(struct posture *posture, const char *text)
{
    return text != NULL ? arena_copy(&posture->arena, text, strlen(text)) : NULL;
}

static void *append(struct posture *posture, const void *items, size_t count, size_t size)
{
    void *bigger = arena_alloc(&posture->arena, count + 1, size);
    if (count > 0) {
        memcpy(bigger, items, count * size);
    }
    return bigger;
}

static void gather_fact(void *ctx, const char *name, const char *value, const char *setting)
{
    const struct gather *gather = ctx;
    struct posture *posture = gather->posture;
    posture->facts = append(posture, posture->facts, posture->fact_count, sizeof(*posture->facts));
    posture->facts[posture->fact_count++] = (struct posture_fact){
        gather->instance, keep(posture, name), keep(posture, value), keep(posture, setting)};
}

static void gather_listener(void *ctx, const char *address, bool is_loopback, bool has_tls,
                            const char *setting)
{
    const struct gather *gather = ctx;
    struct posture *posture = gather->posture;
    posture->listeners =
        append(posture, posture->listeners, posture->listener_count, sizeof(*posture->listeners));
    posture->listeners[posture->listener_count++] = (struct posture_listener){
        gather->instance, keep(posture, address), keep(posture, setting), is_loopback, has_tls};
}

void posture_gather(struct posture *posture, const struct instance *instances, size_t count)
{
    *posture = (struct posture){.facts = NULL};
    for (size_t i = 0; i < count; i++) {
        const struct instance *instance = &instances[i];
        struct gather gather = {posture, instance};
        const struct ub_posture_sink sink = {sizeof(sink), &gather, gather_fact, gather_listener};
        if (instance->step >= STEP_CREATED && instance->loaded.ops.posture != NULL) {
            instance->loaded.ops.posture(instance->self, &sink);
        }
    }
}

void posture_fini(struct posture *posture)
{
    arena_fini(&posture->arena);
    *posture = (struct posture){.facts = NULL};
}

/* ---- strength ---------------------------------------------------------------------------------
 */

/* Weakest first; what is not in a ladder is as weak as its first step. */
static const char *const auth_ladder[] = {"off", "observe", "enforce", NULL};
static const char *const acl_ladder[] = {"off", "external", "on", NULL};

static int strength(const char *const *ladder, const char *value)
{
    for (int i = 0; ladder[i] != NULL; i++) {
        if (strcmp(ladder[i], value) == 0) {
            return i;
        }
    }
    return 0;
}

/* The fact with the weakest value of this name, or NULL. */
static const struct posture_fact *weakest_fact(const struct posture *posture, const char *name,
                                               const char *const *ladder)
{
    const struct posture_fact *weakest = NULL;
    for (size_t i = 0; i < posture->fact_count; i++) {
        const struct posture_fact *fact = &posture->facts[i];
        bool is_weaker =
            weakest == NULL ||
            (ladder != NULL && strength(ladder, fact->value) < strength(ladder, weakest->value));
        if (strcmp(fact->name, name) == 0 && is_weaker) {
            weakest = fact;
        }
    }
    return weakest;
}

static const char *weakest_tls(const struct posture *posture)
{
    bool is_any_open = false, is_all_tls = posture->listener_count > 0;
    for (size_t i = 0; i < posture->listener_count; i++) {
        const struct posture_listener *listener = &posture->listeners[i];
        is_any_open |= !listener->is_loopback && !listener->has_tls;
        is_all_tls &= listener->has_tls || listener->is_loopback;
    }
    bool is_any_remote = false;
    for (size_t i = 0; i < posture->listener_count; i++) {
        is_any_remote |= !posture->listeners[i].is_loopback;
    }
    return is_any_open ? "off" : is_any_remote && is_all_tls ? "on" : "loopback";
}

const char *posture_weakest(const struct posture *posture, const char *fact)
{
    if (strcmp(fact, "tls") == 0) {
        return weakest_tls(posture);
    }
    const char *const *ladder = strcmp(fact, "auth") == 0 ? auth_ladder : acl_ladder;
    const struct posture_fact *weakest = weakest_fact(posture, fact, ladder);
    return weakest != NULL ? weakest->value : "none";
}

const char *posture_level_name(enum posture_level level)
{
    static const char *const names[] = {"none", "dev", "enforce", "cluster"};
    return names[(int)level + 1];
}

/* ---- judging ----------------------------------------------------------------------------------
 */

struct judge {
    const struct posture *posture;
    const char *required;
    struct ub_where where;
    bool is_partial;
    struct report *report; /* NULL = only count */
    size_t faults;
};

#define judge_fault(judge, id, ...)                                                                \
    do {                                                                                           \
        (judge)->faults++;                                                                         \
        if ((judge)->report != NULL) {                                                             \
            report_add((judge)->report, (id), (judge)->where, __VA_ARGS__);                        \
        }                                                                                          \
    } while (0)

/* `module "nats" (line 11)`: the place of the setting, else of the module's block. */
static void who(const struct judge *judge, const struct instance *instance, const char *setting,
                char *out, size_t size)
{
    const struct config_value *value =
        setting != NULL ? block_find(instance->block, setting) : NULL;
    struct ub_where where = value != NULL ? value->where : instance->block->where;
    char place[256] = "default";
    if (where.file != NULL) {
        report_place(where, judge->where, place, sizeof(place));
    }
    snprintf(out, size, "%s (%s)", instance->block->title, place);
}

/* One setting may weaken two facts (auth = "off" also opens the access list): it is named once, by
 * the fact that bears its name. */
static bool is_said_by_another(const struct posture *posture, const struct posture_fact *fact)
{
    if (fact->setting == NULL || strcmp(fact->setting, fact->name) == 0) {
        return false;
    }
    for (size_t i = 0; i < posture->fact_count; i++) {
        const struct posture_fact *other = &posture->facts[i];
        if (other->instance == fact->instance && strcmp(other->name, fact->setting) == 0) {
            return strength(auth_ladder, other->value) != 2;
        }
    }
    return false;
}

/* The fact must be as strong as the last step of its ladder. */
static void judge_ladder(struct judge *judge, const char *name, const char *const *ladder,
                         enum error_id id)
{
    const struct posture_fact *weakest = weakest_fact(judge->posture, name, ladder);
    if (weakest == NULL) {
        if (!judge->is_partial && judge->posture->listener_count > 0) {
            judge_fault(judge, ERROR_POSTURE_UNSTATED,
                        "posture \"%s\" is required, but no module states %s", judge->required,
                        name);
        }
        return;
    }
    for (size_t i = 0; i < judge->posture->fact_count; i++) {
        const struct posture_fact *fact = &judge->posture->facts[i];
        char module[400];
        if (strcmp(fact->name, name) != 0 || strength(ladder, fact->value) == 2 ||
            is_said_by_another(judge->posture, fact)) {
            continue;
        }
        who(judge, fact->instance, fact->setting, module, sizeof(module));
        judge_fault(judge, id, "posture \"%s\" is required, but %s has %s = \"%s\"",
                    judge->required, module, name, fact->value);
    }
}

static void judge_enforce(struct judge *judge)
{
    judge_ladder(judge, "auth", auth_ladder, ERROR_POSTURE_AUTH);
    judge_ladder(judge, "acl", acl_ladder, ERROR_POSTURE_ACL);
    for (size_t i = 0; i < judge->posture->listener_count; i++) {
        const struct posture_listener *listener = &judge->posture->listeners[i];
        char module[400];
        if (listener->is_loopback || listener->has_tls) {
            continue;
        }
        who(judge, listener->instance, listener->setting, module, sizeof(module));
        judge_fault(judge, ERROR_POSTURE_TLS,
                    "posture \"%s\" is required, but %s listens on %s without TLS", judge->required,
                    module, listener->address);
    }
}

static void judge_dev(struct judge *judge)
{
    for (size_t i = 0; i < judge->posture->listener_count; i++) {
        const struct posture_listener *listener = &judge->posture->listeners[i];
        char module[400];
        if (listener->is_loopback) {
            continue;
        }
        who(judge, listener->instance, listener->setting, module, sizeof(module));
        judge_fault(judge, ERROR_POSTURE_LOOPBACK,
                    "posture \"dev\" allows loopback listeners only, but %s listens on %s: require "
                    "\"enforce\" and meet it, or listen on 127.0.0.1",
                    module, listener->address);
    }
}

/* Stated by modules of later releases (routes, engine, replicated blobs); until then a cluster is
 * refused with what is missing. */
static void judge_cluster(struct judge *judge)
{
    static const struct {
        const char *name, *needed;
    } facts[] = {{"route", "mutual-tls"}, {"engine", "supported"}, {"blob", "replicated"}};
    judge_enforce(judge);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const struct posture_fact *fact = weakest_fact(judge->posture, facts[i].name, NULL);
        if (fact == NULL || strcmp(fact->value, facts[i].needed) != 0) {
            judge_fault(judge, ERROR_POSTURE_CLUSTER,
                        "posture \"cluster\" is required, but %s is %s: \"%s\" is needed",
                        facts[i].name, fact != NULL ? fact->value : "stated by no module",
                        facts[i].needed);
        }
    }
    const struct posture_fact *replicas = weakest_fact(judge->posture, "replicas", NULL);
    if (replicas == NULL || strtol(replicas->value, NULL, 10) < 3) {
        judge_fault(judge, ERROR_POSTURE_CLUSTER,
                    "posture \"cluster\" is required, but replicas is %s: 3 or more is needed",
                    replicas != NULL ? replicas->value : "stated by no module");
    }
}

static size_t judge_level(struct judge *judge, enum posture_level level)
{
    judge->faults = 0;
    judge->required = posture_level_name(level);
    if (level == POSTURE_CLUSTER) {
        judge_cluster(judge);
    } else if (level == POSTURE_ENFORCE) {
        judge_enforce(judge);
    } else {
        judge_dev(judge);
    }
    return judge->faults;
}

enum posture_level posture_level(const struct posture *posture)
{
    struct judge judge = {.posture = posture};
    for (int level = POSTURE_CLUSTER; level >= POSTURE_DEV; level--) {
        if (judge_level(&judge, (enum posture_level)level) == 0) {
            return (enum posture_level)level;
        }
    }
    return POSTURE_NONE;
}

bool posture_judge(const struct posture *posture, enum posture_level required,
                   struct ub_where where, bool is_partial, struct report *report)
{
    struct judge judge = {
        .posture = posture, .where = where, .is_partial = is_partial, .report = NULL};
    /* What is stronger than required is enough. */
    for (int level = required; level <= POSTURE_CLUSTER; level++) {
        if (judge_level(&judge, (enum posture_level)level) == 0) {
            return true;
        }
    }
    judge.report = report;
    judge_level(&judge, required);
    return false;
}
