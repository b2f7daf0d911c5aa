/* SPDX-License-Identifier: Apache-2.0
 *
 * Reload: what is applied, what is refused and in which words, who may ask. */
#include "test_core_reload.h"

#include <pthread.h>
#include <stdatomic.h>

#define TWO(good, other) LUA("module \"good\" { " good " }\nmodule \"second\" { " other " }\n")

static void live_changes_are_applied_to_all(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, TWO("workers = 2", ""));
    log_clear(&node);
    reload_with(&node,
                TWO("workers = 3, text = 'x'", "workers = 4") "log { level = 'info', format = "
                                                              "'json' }\n",
                &result);
    assert_int_equal(result.status, UB_OK);
    assert_string_equal(result.summary, "4 changes: 4 live (log.format, good.workers, good.text, "
                                        "second.workers): applied");
    assert_true(json_is_true(json_object_get(result.json, "applied")));
    const json_t *change = json_array_get(json_object_get(result.json, "changes"), 1);
    assert_string_equal(json_string_value(json_object_get(change, "from")), "2");
    assert_string_equal(json_string_value(json_object_get(change, "to")), "3");
    assert_string_equal(json_string_value(json_object_get(change, "to_origin")), "unibus.lua:2");
    reload_result_fini(&result);
    assert_int_equal(node.boot.node.log.format, LOG_FORMAT_JSON);
    log_set(&node.boot.node.log, UB_LOG_INFO, LOG_FORMAT_TEXT);
    reload_calls_are(&node, "good.prepare second.prepare good.commit second.commit ");
    shows(&node, "good.workers", "3");
    shows(&node, "second.workers", "4");
    assert_int_equal(node.boot.reload.status.generation, 2);
    /* Lines of the new config from now on. */
    const struct ub_host *host = &node.boot.plan.instances[1].host.pub;
    assert_int_equal(host->node->where(host, "workers").line, 3);
    node_close(&node);
}

static void only_who_is_touched_is_asked(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, TWO("workers = 2", "max_item = '1 MiB'"));
    log_clear(&node);
    /* Other blocks, another order and spelling, the same meaning. */
    reload_with(&node,
                LUA("-- moved\nmodule \"second\" { max_item = 1048576 }\n\n"
                    "module \"good\" { workers = 2 }\n"),
                &result);
    assert_int_equal(result.status, UB_OK);
    assert_string_equal(result.summary, "no change: nothing to do");
    reload_result_fini(&result);
    reload_calls_are(&node, "");
    reload_with(&node, TWO("workers = 2", "workers = 1, max_item = '1 MiB'"), &result);
    assert_string_equal(result.summary, "1 change: 1 live (second.workers): applied");
    reload_result_fini(&result);
    reload_calls_are(&node, "second.prepare second.commit ");
    shows(&node, "second.workers", "1");
    node_close(&node);
}

/* Again and again: settings of create stay, later ones are replaced (checked by ASan). */
static void many_reloads_after_each_other(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    char lua[256], expected[16];
    file_write("node.key", "first\n", 0600);
    run_node(&node, TWO("key = secret 'node.key'", ""));
    for (int i = 1; i <= 50; i++) {
        snprintf(lua, sizeof(lua), TWO("key = secret 'node.key', text = 't%d', workers = %d", ""),
                 i, i);
        reload_with(&node, lua, &result);
        assert_int_equal(result.status, UB_OK);
        reload_result_fini(&result);
        snprintf(expected, sizeof(expected), "%d", i);
        shows(&node, "good.workers", expected);
    }
    assert_int_equal(node.boot.reload.status.generation, 51);
    node_close(&node);
}

static void a_restart_is_named_with_both_values(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, TWO("workers = 2", "listen = '127.0.0.1:1'"));
    log_clear(&node);
    reload_with(
        &node,
        TWO("workers = 3",
            "max_item = '1 MiB',\n listen = '127.0.0.1:2'") "node { state = 'elsewhere' }\n",
        &result);
    assert_int_equal(result.status, UB_ECONFLICT);
    assert_string_equal(result.summary,
                        "4 changes: 1 live (good.workers), 3 need a restart (node.state, "
                        "second.max_item, second.listen): 3 errors, nothing was applied");
    assert_int_equal(error_count(&result), 3);
    assert_string_equal(error_at(&result, 0, "code"), "E-RELOAD-001");
    assert_string_equal(error_at(&result, 0, "message"),
                        "module \"second\": max_item = \"1 MiB\" (unibus.lua:3) needs a restart: "
                        "the running node has \"64 MiB\" (default)");
    assert_string_equal(error_at(&result, 1, "message"),
                        "module \"second\": listen = \"127.0.0.1:2\" (unibus.lua:4) needs a "
                        "restart: the running node has \"127.0.0.1:1\" (unibus.lua:3)");
    assert_string_equal(error_at(&result, 2, "message"),
                        "node: state = \"elsewhere\" (unibus.lua:5) needs a restart: the running "
                        "node has \"local_files\" (default)");
    reload_result_fini(&result);
    reload_calls_are(&node, "");
    shows(&node, "good.workers", "2");
    node_close(&node);
}

static void modules_come_and_go_by_a_restart(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, LUA("module \"good\" {}\n"));
    reload_with(&node, TWO("workers = 9", ""), &result);
    assert_int_equal(result.status, UB_ECONFLICT);
    assert_string_equal(error_at(&result, 0, "code"), "E-RELOAD-002");
    assert_string_equal(error_at(&result, 0, "message"),
                        "module \"second\" does not run yet: to add a module needs a restart");
    reload_result_fini(&result);
    reload_with(&node, LUA("module \"second\" {}\n"), &result);
    assert_int_equal(error_count(&result), 2);
    assert_string_equal(error_at(&result, 0, "message"),
                        "module \"good\" (unibus.lua:2) is no longer there: to remove a module "
                        "needs a restart");
    reload_result_fini(&result);
    shows(&node, "good.workers", "8");
    node_close(&node);
}

/* `path` names the same file here, but which code runs is a matter of the start. */
static void other_code_needs_a_restart(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, LUA("module \"zoo-sound\" {}\n"));
    reload_with(&node, LUA("module \"zoo-sound\" { path = '" TEST_MODULES "/zoo-sound.so' }\n"),
                &result);
    assert_int_equal(result.status, UB_ECONFLICT);
    assert_string_equal(error_at(&result, 0, "message"),
                        "module \"zoo-sound\": path = \"" TEST_MODULES "/zoo-sound.so\" needs a "
                        "restart: the running node has \"\"");
    reload_result_fini(&result);
    node_close(&node);
}

/* A module of ABI 1.0 may call a setting live and not be able to reload it. */
static void live_without_prepare_needs_a_restart(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, LUA("module \"abi-old\" {}\n"));
    reload_with(&node, LUA("module \"abi-old\" { every = '7 s' }\n"), &result);
    assert_int_equal(result.status, UB_ECONFLICT);
    assert_string_equal(error_at(&result, 0, "code"), "E-RELOAD-001");
    reload_result_fini(&result);
    node_close(&node);
}

/* The bar can be lowered, but one reload does not lower it and pass below it. */
static void a_weaker_posture_is_refused(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, LUA("module \"good\" {}\nposture { require = 'enforce' }\n"));
    reload_with(&node, LUA("module \"good\" { auth = 'off' }\nposture { require = 'enforce' }\n"),
                &result);
    assert_int_equal(result.status, UB_ECONFLICT);
    assert_string_equal(error_at(&result, 0, "code"), "E-POSTURE-001");
    assert_string_equal(result.summary,
                        "1 change: 1 live (good.auth): 1 error, nothing was applied");
    reload_result_fini(&result);
    reload_with(&node, LUA("module \"good\" { auth = 'off' }\nposture { require = 'dev' }\n"),
                &result);
    assert_int_equal(result.status, UB_ECONFLICT);
    assert_string_equal(error_at(&result, 0, "message"),
                        "posture \"enforce\" is required, but module \"good\" (line 2) has auth = "
                        "\"off\"");
    reload_result_fini(&result);
    reload_with(&node, LUA("module \"good\" {}\nposture { require = 'cluster' }\n"), &result);
    assert_int_equal(result.status, UB_ECONFLICT);
    assert_string_equal(error_at(&result, 0, "code"), "E-POSTURE-005");
    reload_result_fini(&result);
    shows(&node, "posture.require", "\"enforce\"");
    reload_with(&node, LUA("module \"good\" {}\nposture { require = 'dev' }\n"), &result);
    assert_string_equal(result.summary, "1 change: 1 live (posture.require): applied");
    reload_result_fini(&result);
    reload_with(&node, LUA("module \"good\" { auth = 'off' }\nposture { require = 'dev' }\n"),
                &result);
    assert_int_equal(result.status, UB_OK);
    reload_result_fini(&result);
    node_close(&node);
}

static void one_refusal_aborts_all(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, TWO("", ""));
    log_clear(&node);
    reload_with(&node, TWO("workers = 3", "workers = 3,\n fails = 'prepare'"), &result);
    assert_int_equal(result.status, UB_EINVAL);
    assert_string_equal(error_at(&result, 0, "code"), "E-GOOD-003");
    assert_int_equal(json_integer_value(json_object_get(
                         json_array_get(json_object_get(result.json, "errors"), 0), "line")),
                     4);
    reload_result_fini(&result);
    reload_calls_are(&node, "good.prepare second.prepare good.abort ");
    shows(&node, "good.workers", "8");
    /* The first refuses: the others are asked all the same. */
    log_clear(&node);
    reload_with(&node, TWO("fails = 'prepare'", "workers = 3"), &result);
    assert_int_equal(error_count(&result), 1);
    reload_result_fini(&result);
    reload_calls_are(&node, "good.prepare second.prepare second.abort ");
    reload_with(&node, TWO("workers = 5", ""), &result);
    assert_int_equal(result.status, UB_OK);
    reload_result_fini(&result);
    node_close(&node);
}

static void a_dry_run_takes_all_back(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, TWO("", ""));
    log_clear(&node);
    file_write("unibus.lua", TWO("workers = 3", "workers = 4"), 0600);
    reload_run(&node.boot.reload, true, &result);
    assert_int_equal(result.status, UB_OK);
    assert_string_equal(result.summary,
                        "2 changes: 2 live (good.workers, second.workers): all can be applied");
    assert_true(json_is_false(json_object_get(result.json, "applied")));
    reload_result_fini(&result);
    reload_calls_are(&node, "good.prepare second.prepare second.abort good.abort ");
    shows(&node, "good.workers", "8");
    assert_int_equal(node.boot.reload.status.last_at_ms, 0);
    node_close(&node);
}

static void a_changed_secret_file_is_a_change(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    file_write("node.key", "first\n", 0600);
    run_node(&node, TWO("key = secret 'node.key'", ""));
    log_clear(&node);
    file_write("node.key", "second\n", 0600);
    boot_reload(&node.boot);
    assert_non_null(
        strstr(node.boot.node.log.kept, "reloaded: 1 change: 1 live (good.key): applied"));
    assert_null(strstr(node.boot.node.log.kept, "second\n"));
    reload_calls_are(&node, "good.prepare good.commit ");
    file_write("node.key", "third\n", 0640);
    reload_run(&node.boot.reload, false, &result);
    assert_int_equal(result.status, UB_EINVAL);
    assert_string_equal(error_at(&result, 0, "code"), "E-CONFIG-016");
    reload_result_fini(&result);
    node_close(&node);
}

static void health_tells_of_the_last_reload(void **state)
{
    (void)state;
    struct test_node node;
    run_node(&node, TWO("", ""));
    const struct ub_host *host = &node.boot.plan.instances[0].host.pub;
    file_write("unibus.lua", "nonsense", 0600);
    boot_reload(&node.boot);
    char *text = host->node->health_json(host, UB_DETAIL_ADMIN, NULL, NULL);
    json_t *health = json_loads(text, 0, NULL);
    const json_t *config = json_object_get(health, "config");
    const json_t *last = json_object_get(config, "last_reload");
    assert_int_equal(json_integer_value(json_object_get(config, "generation")), 1);
    assert_true(json_is_false(json_object_get(last, "applied")));
    assert_string_equal(json_string_value(json_object_get(last, "summary")),
                        "1 error, nothing was applied");
    assert_true(json_is_string(json_object_get(last, "at")));
    json_decref(health);
    host->node->free_text(host, text);
    text = host->node->health_json(host, UB_DETAIL_PUBLIC, NULL, NULL);
    assert_null(strstr(text, "last_reload"));
    host->node->free_text(host, text);
    node_close(&node);
}

static void modules_are_shown_with_their_state(void **state)
{
    (void)state;
    struct test_node node;
    run_node(&node, TWO("waiting = 'a quorum'", "problem = 'disk'"));
    const struct ub_host *host = &node.boot.plan.instances[0].host.pub;
    char awaited[32];
    assert_true(host->node->is_waiting(host, awaited, sizeof(awaited)));
    assert_string_equal(awaited, "a quorum");
    char *text = host->config->modules_json(host);
    json_t *all = json_loads(text, 0, NULL);
    const json_t *list = json_object_get(all, "modules");
    const json_t *first = json_array_get(list, 0), *other = json_array_get(list, 1);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "good");
    assert_string_equal(json_string_value(json_object_get(first, "state")), "waiting");
    assert_string_equal(json_string_value(json_object_get(first, "abi")), "1.0");
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "provides"), 0)),
                        "test.counter 1.2");
    assert_string_equal(json_string_value(json_object_get(other, "state")), "degraded");
    json_decref(all);
    host->node->free_text(host, text);
    /* The wait ends by a reload. */
    struct reload_result result;
    reload_with(&node, TWO("", ""), &result);
    assert_int_equal(result.status, UB_OK);
    reload_result_fini(&result);
    assert_false(host->node->is_waiting(host, awaited, sizeof(awaited)));
    assert_string_equal(awaited, "");
    node_close(&node);
}

/* ---- who asks from another thread -------------------------------------------------------------
 */

struct caller {
    const struct ub_host *host;
    pthread_t thread;
    _Atomic bool has_ended;
    enum ub_status status;
    char *json;
    struct ub_err err;
};

static void *ask(void *arg)
{
    struct caller *caller = arg;
    caller->status = caller->host->config->reload(caller->host, false, &caller->json, &caller->err);
    caller->has_ended = true;
    return NULL;
}

static void caller_start(struct caller *caller, struct test_node *node)
{
    *caller = (struct caller){.host = &node->boot.plan.instances[0].host.pub, .err = UB_ERR_INIT};
    assert_int_equal(pthread_create(&caller->thread, NULL, ask, caller), 0);
}

static void caller_end(struct caller *caller, enum ub_status status, const char *word)
{
    assert_int_equal(pthread_join(caller->thread, NULL), 0);
    assert_int_equal(caller->status, status);
    assert_non_null(caller->json);
    assert_non_null(strstr(caller->json, word));
    caller->host->node->free_text(caller->host, caller->json);
}

static bool is_asked(struct test_node *node)
{
    struct reload *reload = &node->boot.reload;
    pthread_mutex_lock(&reload->lock);
    bool is_there = reload->ask != NULL;
    pthread_mutex_unlock(&reload->lock);
    return is_there;
}

static void wait_until_asked(struct test_node *node)
{
    for (int i = 0; i < 5000 && !is_asked(node); i++) {
        usleep(1000);
    }
    assert_true(is_asked(node));
}

static void another_thread_waits_for_the_main_loop(void **state)
{
    (void)state;
    struct test_node node;
    struct caller first, busy;
    run_node(&node, TWO("", ""));
    file_write("unibus.lua", TWO("workers = 3", ""), 0600);
    caller_start(&first, &node);
    wait_until_asked(&node);
    caller_start(&busy, &node);
    caller_end(&busy, UB_EEXISTS, "E-RELOAD-004");
    while (!first.has_ended) {
        loop_step(node.boot.node.main, 5);
    }
    caller_end(&first, UB_OK, "1 live (good.workers): applied");
    char *json = NULL;
    struct ub_err err = UB_ERR_INIT;
    assert_int_equal(first.host->config->reload(first.host, false, &json, &err), UB_EINVAL);
    assert_null(json); /* on the loop that would have to do it */
    node_close(&node);
}

static void whoever_waits_when_the_node_stops_is_told(void **state)
{
    (void)state;
    struct test_node node;
    struct caller first, late;
    run_node(&node, TWO("", ""));
    caller_start(&first, &node);
    wait_until_asked(&node);
    boot_stop(&node.boot);
    caller_end(&first, UB_EUNAVAILABLE, "E-RELOAD-005");
    caller_start(&late, &node);
    caller_end(&late, UB_EUNAVAILABLE, "E-RELOAD-005");
    log_clear(&node);
    boot_reload(&node.boot);
    assert_non_null(strstr(node.boot.node.log.kept, "E-RELOAD-005"));
    assert_true(boot_run(&node.boot));
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(live_changes_are_applied_to_all),
        FOLDER_TEST(only_who_is_touched_is_asked),
        FOLDER_TEST(many_reloads_after_each_other),
        FOLDER_TEST(a_restart_is_named_with_both_values),
        FOLDER_TEST(modules_come_and_go_by_a_restart),
        FOLDER_TEST(other_code_needs_a_restart),
        FOLDER_TEST(live_without_prepare_needs_a_restart),
        FOLDER_TEST(a_weaker_posture_is_refused),
        FOLDER_TEST(one_refusal_aborts_all),
        FOLDER_TEST(a_dry_run_takes_all_back),
        FOLDER_TEST(a_changed_secret_file_is_a_change),
        FOLDER_TEST(health_tells_of_the_last_reload),
        FOLDER_TEST(modules_are_shown_with_their_state),
        FOLDER_TEST(another_thread_waits_for_the_main_loop),
        FOLDER_TEST(whoever_waits_when_the_node_stops_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
