/* SPDX-License-Identifier: Apache-2.0
 *
 * A module as an operator sees it. */
#include <stdio.h>

#include <jansson.h>

#include "health_collect.h"

static json_t *version_json(const char *iface, unsigned major, unsigned minor)
{
    return json_sprintf("%s %u.%u", iface, major, minor);
}

static json_t *provides_json(const struct ub_module *module)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < module->provide_count; i++) {
        struct ub_provide provide = provide_at(module, i);
        json_array_append_new(list, version_json(provide.iface, provide.major, provide.minor));
    }
    return list;
}

/* By whom each requirement is met. */
static json_t *requires_json(const struct instance *instance)
{
    json_t *list = json_array();
    for (size_t i = 0; i < instance->binding_count; i++) {
        const struct binding *binding = &instance->bindings[i];
        struct ub_require require = require_at(&instance->loaded.module, binding->require);
        json_array_append_new(
            list, json_pack("{so, ss}", "interface",
                            version_json(require.iface, require.major, require.min_minor), "module",
                            binding->name));
    }
    return list;
}

static const char *state_word(const struct instance *instance, const json_t *waiting,
                              const json_t *problems)
{
    if (instance->step != STEP_STARTED) {
        return "stopped";
    }
    return json_array_size(problems) > 0  ? "degraded"
           : json_array_size(waiting) > 0 ? "waiting"
                                          : "running";
}

json_t *module_view(const struct instance *instance, json_t *take_waiting, json_t *take_problems)
{
    const struct ub_module *module = &instance->loaded.module;
    const char *state = state_word(instance, take_waiting, take_problems);
    return json_pack("{ss, ss*, ss*, so, ss?, so, so, ss, so, so}", "name", module->name, "version",
                     module->version, "summary", module->summary, "abi",
                     json_sprintf("%u.%u", module->abi_major, module->abi_minor), "file",
                     instance->loaded.file, "provides", provides_json(module), "requires",
                     requires_json(instance), "state", state, "waiting", take_waiting, "problems",
                     take_problems);
}
