/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of reload: a running node of the modules "good" and "second" (the same code). */
#ifndef TEST_CORE_RELOAD_H
#define TEST_CORE_RELOAD_H

#include "test_core_node.h"

#include <jansson.h>

#include <core/loop.h>

extern const struct ub_module unibus_module_good;

static struct ub_module second;
static const struct ub_module *const reload_statics[] = {&unibus_module_good, &second};

static inline void run_node(struct test_node *node, const char *lua)
{
    second = unibus_module_good;
    second.name = "second";
    node_open(node, lua, reload_statics, 2);
    assert_true(boot_plan(&node->boot));
    assert_true(boot_start(&node->boot));
    log_set(&node->boot.node.log, UB_LOG_INFO, LOG_FORMAT_TEXT);
}

/* Writes the config anew and reloads it. */
static inline void reload_with(struct test_node *node, const char *lua,
                               struct reload_result *result)
{
    file_write("unibus.lua", lua, 0600);
    reload_run(&node->boot.reload, false, result);
}

static inline size_t error_count(const struct reload_result *result)
{
    return json_array_size(json_object_get(result->json, "errors"));
}

static inline const char *error_at(const struct reload_result *result, size_t i, const char *member)
{
    const json_t *errors = json_object_get(result->json, "errors");
    const char *text = json_string_value(json_object_get(json_array_get(errors, i), member));
    return text != NULL ? text : "(missing)";
}

/* The life-cycle calls since the log was last cleared: "good.prepare good.commit …". */
static inline void reload_calls_are(struct test_node *node, const char *expected)
{
    char calls[1024] = "";
    struct log *log = &node->boot.node.log;
    const char *kept = log->kept != NULL ? log->kept : "";
    for (const char *at = kept; (at = strstr(at, " life: life-cycle call call=")) != NULL; at++) {
        const char *module = at;
        while (module[-1] != ' ') {
            module--;
        }
        const char *call = strchr(at, '=') + 1;
        int len = (int)strcspn(call, "\n");
        /* Those of the plan that is thrown away are no part of the reload's two phases. */
        if (strncmp(call, "create", 6) != 0 && strncmp(call, "destroy", 7) != 0) {
            snprintf(calls + strlen(calls), sizeof(calls) - strlen(calls), "%.*s.%.*s ",
                     (int)(at - module), module, len, call);
        }
    }
    assert_string_equal(calls, expected);
}

static inline void log_clear(struct test_node *node)
{
    struct log *log = &node->boot.node.log;
    free(log->kept);
    log->kept = NULL;
    log->kept_len = 0;
}

/* "text" of a setting in what operators see. */
static inline void shows(struct test_node *node, const char *name, const char *expected)
{
    const struct ub_host *host = &node->boot.plan.instances[0].host.pub;
    char *text = host->config->effective_json(host);
    json_t *all = json_loads(text, 0, NULL);
    const json_t *list = json_object_get(all, "settings"), *item;
    size_t i;
    const char *found = "(missing)";
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0) {
            found = json_string_value(json_object_get(item, "text"));
        }
    }
    assert_string_equal(found, expected);
    json_decref(all);
    host->node->free_text(host, text);
}

#endif
