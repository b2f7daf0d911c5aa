/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog names the module and the call that hold up the main loop, in every life-cycle call.
 */
#include "test_core_reload.h"

static void slow_node(struct test_node *node, const char *step)
{
    char lua[128];
    snprintf(lua, sizeof(lua), LUA("module \"good\" { slow = '%s', slow_for = '300 ms' }\n"), step);
    node_open(node, lua, reload_statics, 1);
    watchdog_stop(&node->boot.node.watchdog);
    node->boot.node.watchdog.after_ms = 100;
    assert_int_equal(watchdog_start(&node->boot.node.watchdog, NULL), UB_OK);
}

static bool is_named(const char *log, const char *step)
{
    char text[128];
    snprintf(text, sizeof(text), "module-slow: module \"good\" has been in %s for 0.", step);
    return log != NULL && strstr(log, text) != NULL;
}

static void each_slow_step_is_named(void **state)
{
    (void)state;
    static const char *const steps[] = {"create", "start", "ready", "drain", "stop", "destroy"};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct test_node node;
        slow_node(&node, steps[i]);
        assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
        boot_stop(&node.boot);
        assert_true(boot_run(&node.boot));
        assert_true(is_named(node.boot.node.log.kept, steps[i]));
        assert_non_null(strstr(node.boot.node.log.kept, "module-back"));
        for (size_t j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
            assert_int_equal(is_named(node.boot.node.log.kept, steps[j]), j == i);
        }
        node_close(&node);
    }
}

static void slow_steps_of_a_reload_are_named(void **state)
{
    (void)state;
    static const char *const steps[] = {"prepare", "commit", "abort"};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct test_node node;
        struct reload_result result;
        char lua[128];
        slow_node(&node, "none");
        assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
        snprintf(lua, sizeof(lua), LUA("module \"good\" { slow = '%s', slow_for = '300 ms' }\n"),
                 steps[i]);
        file_write("unibus.lua", lua, 0600);
        reload_run(&node.boot.reload, strcmp(steps[i], "abort") == 0, &result);
        reload_result_fini(&result);
        assert_true(is_named(node.boot.node.log.kept, steps[i]));
        node_close(&node);
    }
}

static void a_swift_node_is_not_named(void **state)
{
    (void)state;
    struct test_node node;
    slow_node(&node, "none");
    assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
    usleep(300000);
    assert_null(strstr(node.boot.node.log.kept, "module-slow"));
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(each_slow_step_is_named),
        FOLDER_TEST(slow_steps_of_a_reload_are_named),
        FOLDER_TEST(a_swift_node_is_not_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
