/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config.h"
#include "suggest.h"

static const struct ub_where set_where = {"--set", 0};

static void set_unknown_block(struct config *config, const char *assignment, const char *name,
                              struct report *report)
{
    struct suggest suggest = {.written = name};
    char hint[128];
    struct core_block core;
    for (size_t i = 0; core_block_at(i, &core); i++) {
        suggest_offer(&suggest, core.name);
    }
    for (size_t i = 0; i < config->module_count; i++) {
        suggest_offer(&suggest, config->modules[i].name);
    }
    suggest_text(&suggest, hint, sizeof(hint));
    report_add(report, ERROR_CONFIG_SET, set_where, "%s: the config has no module \"%s\"%s",
               assignment, name, hint);
}

void config_set(struct config *config, const char *assignment, struct report *report)
{
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    if (equals == NULL || dot == NULL || dot > equals || dot == assignment || dot + 1 == equals) {
        report_add(report, ERROR_CONFIG_SET, set_where, "%s is not of the form module.key=value",
                   assignment);
        return;
    }
    const char *name = arena_copy(&config->arena, assignment, (size_t)(dot - assignment));
    struct config_block *block = config_find(config, name);
    if (block == NULL) {
        set_unknown_block(config, assignment, name, report);
        return;
    }
    const char *key = arena_copy(&config->arena, dot + 1, (size_t)(equals - dot - 1));
    struct config_value *value = block_put(config, block, key);
    value->kind = VALUE_STRING;
    value->text = arena_copy(&config->arena, equals + 1, strlen(equals + 1));
    value->origin = VALUE_FROM_SET;
    value->where = set_where;
}
