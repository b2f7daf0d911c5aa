/* SPDX-License-Identifier: Apache-2.0
 *
 * Posture, life cycle and its unwinding, state folder, health: nodes of the module "good". */
#include "test_core_node.h"

#include <fcntl.h>
#include <sys/file.h>

#include <jansson.h>

#include <core/loop.h>

extern const struct ub_module unibus_module_good;

static struct ub_module second; /* the same code under the name "second" */
static struct ub_module silent; /* listens, and states neither auth nor acl */
static struct ub_module_ops silent_ops;
static const struct ub_module *const statics[] = {&unibus_module_good, &second, &silent};

static void silent_posture(void *self, const struct ub_posture_sink *sink)
{
    (void)self;
    sink->listener(sink->ctx, "127.0.0.1:1", true, false, NULL);
}

#define FAILS(lua, expected) plan_fails(lua, statics, 3, expected)
#define ONE(message)         "unibus.lua:" message "\n1 error, nothing was started.\n"

/* The life-cycle calls that the log holds: "good.create good.start …". */
static void calls_are(const struct test_node *node, const char *expected)
{
    char calls[1024] = "";
    const char *log = node->boot.node.log.kept != NULL ? node->boot.node.log.kept : "";
    for (const char *at = log; (at = strstr(at, " life: life-cycle call call=")) != NULL; at++) {
        const char *module = at;
        while (module[-1] != ' ') {
            module--;
        }
        const char *call = strchr(at, '=') + 1;
        snprintf(calls + strlen(calls), sizeof(calls) - strlen(calls), "%.*s.%.*s ",
                 (int)(at - module), module, (int)strcspn(call, "\n"), call);
    }
    assert_string_equal(calls, expected);
}

/* ---- posture ----------------------------------------------------------------------------------
 */

static void posture_names_what_is_too_weak(void **state)
{
    (void)state;
    FAILS(LUA("posture { require = \"enforce\" }\nmodule \"good\" {\n auth = \"off\",\n"
              " listen = \"0.0.0.0:4250\",\n acl = \"external\" }\n"),
          "unibus.lua:2: posture \"enforce\" is required, but module \"good\" (line 4) has auth = "
          "\"off\"\n"
          "unibus.lua:2: posture \"enforce\" is required, but module \"good\" (line 6) has acl = "
          "\"external\"\n"
          "unibus.lua:2: posture \"enforce\" is required, but module \"good\" (line 5) listens on "
          "0.0.0.0:4250 without TLS\n"
          "3 errors, nothing was started.\n");
}

/* The two errors of DESIGN 4, in one go. */
static void posture_is_judged_beside_other_errors(void **state)
{
    (void)state;
    FAILS(LUA("posture { require = \"enforce\" }\nmodule \"good\" { auth = \"observe\" }\n"
              "module \"second\" { fle = 1 }\n"),
          "unibus.lua:2: posture \"enforce\" is required, but module \"good\" (line 3) has auth = "
          "\"observe\"\n"
          "unibus.lua:4: module \"second\": unknown setting \"fle\" (did you mean \"file\"?)\n"
          "2 errors, nothing was started.\n");
}

static void posture_dev_is_loopback_only(void **state)
{
    (void)state;
    FAILS(LUA("posture { require = \"dev\" }\nmodule \"good\" { auth = \"off\", listen = { "
              "\"[::1]:1\", \"[::]:2\" } }\n"),
          ONE("2: posture \"dev\" allows loopback listeners only, but module \"good\" (line 3) "
              "listens on [::]:2: require \"enforce\" and meet it, or listen on 127.0.0.1"));
}

static void posture_cluster_names_what_is_missing(void **state)
{
    (void)state;
    FAILS(
        LUA("posture { require = \"cluster\" }\nmodule \"good\" {}\n"),
        "unibus.lua:2: posture \"cluster\" is required, but route is stated by no module: "
        "\"mutual-tls\" is needed\n"
        "unibus.lua:2: posture \"cluster\" is required, but engine is stated by no module: "
        "\"supported\" is needed\n"
        "unibus.lua:2: posture \"cluster\" is required, but blob is stated by no module: "
        "\"replicated\" is needed\n"
        "unibus.lua:2: posture \"cluster\" is required, but replicas is stated by no module: 3 or "
        "more is needed\n"
        "4 errors, nothing was started.\n");
}

/* Without a posture block the node wants "enforce". */
static void posture_default_is_enforce(void **state)
{
    (void)state;
    FAILS(LUA("module \"good\" { acl = \"off\" }\n"),
          "unibus.lua: posture \"enforce\" is required, but module \"good\" (line 2) has acl = "
          "\"off\"\n1 error, nothing was started.\n");
}

/* Who listens must say who comes in: silence is no strength. */
static void unstated_facts_are_faults(void **state)
{
    (void)state;
    FAILS(LUA("posture { require = \"enforce\" }\nmodule \"silent\" {}\n"),
          "unibus.lua:2: posture \"enforce\" is required, but no module states auth\n"
          "unibus.lua:2: posture \"enforce\" is required, but no module states acl\n"
          "2 errors, nothing was started.\n");
}

struct posture_row {
    const char *settings, *required, *level; /* level NULL = refused */
};

static void posture_matrix(void **state)
{
    (void)state;
    static const struct posture_row rows[] = {
        {"listen = '127.0.0.1:1'", "enforce", "enforce"},
        {"listen = '127.0.0.1:1'", "dev", "enforce"},
        {"listen = '127.0.0.1:1'", "cluster", NULL},
        {"listen = '127.0.0.1:1', auth = 'off'", "dev", "dev"},
        {"listen = '127.0.0.1:1', auth = 'observe'", "enforce", NULL},
        {"listen = '127.0.0.1:1', acl = 'external'", "enforce", NULL},
        {"listen = '0.0.0.0:1', tls = { on = true }", "enforce", "enforce"},
        {"listen = '0.0.0.0:1', tls = { on = true }", "dev", "enforce"},
        {"listen = '0.0.0.0:1'", "enforce", NULL},
        {"listen = '0.0.0.0:1'", "dev", NULL},
        {"listen = '0.0.0.0:1', tls = { on = true }, auth = 'off'", "dev", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct test_node node;
        struct posture posture;
        char lua[256];
        snprintf(lua, sizeof(lua), LUA("posture { require = '%s' } module \"good\" { %s }"),
                 rows[i].required, rows[i].settings);
        node_open(&node, lua, statics, 2);
        assert_int_equal(boot_plan(&node.boot), rows[i].level != NULL);
        posture_gather(&posture, node.boot.plan.instances, node.boot.plan.count);
        if (rows[i].level != NULL) {
            assert_string_equal(posture_level_name(posture_level(&posture)), rows[i].level);
        }
        posture_fini(&posture);
        node_close(&node);
    }
}

/* ---- life cycle -------------------------------------------------------------------------------
 */

static void stop_node(void *arg)
{
    boot_stop(arg);
}

static void whole_life_in_order(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"good\" { drain_polls = 3 }\nmodule \"second\" {}"), statics, 2);
    assert_true(boot_plan(&node.boot));
    calls_are(&node, "good.create second.create ");
    assert_int_not_equal(access("local_files", F_OK), 0);
    assert_true(boot_start(&node.boot));
    loop_post(node.boot.node.main, stop_node, &node.boot);
    assert_true(boot_run(&node.boot));
    calls_are(&node, "good.create second.create good.start second.start good.ready second.ready "
                     "second.drain good.drain second.stop good.stop second.destroy good.destroy ");
    assert_null(strstr(node.boot.node.log.kept, "drain-late"));
    node_close(&node);
}

static void stop_twice_does_not_wait(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"good\" { drain_polls = 1000000 }"), statics, 2);
    assert_true(boot_plan(&node.boot));
    assert_true(boot_start(&node.boot));
    loop_post(node.boot.node.main, stop_node, &node.boot);
    loop_post(node.boot.node.main, stop_node, &node.boot);
    assert_true(boot_run(&node.boot));
    assert_non_null(strstr(node.boot.node.log.kept, "stop-now"));
    node_close(&node);
}

static void drain_has_a_deadline(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"good\" { drain_polls = 1000000 }"), statics, 2);
    assert_true(boot_plan(&node.boot));
    assert_true(boot_start(&node.boot));
    clock_set(&node.boot.node.clock, 0, 0);
    boot_stop(&node.boot);
    loop_step(node.boot.node.main, 50);
    clock_set(&node.boot.node.clock, 0, (int64_t)BOOT_DRAIN_MS * 1000000);
    assert_true(boot_run(&node.boot));
    assert_non_null(strstr(node.boot.node.log.kept, "drain-late"));
    node_close(&node);
}

/* A module that asks for the end gets an orderly one, and the node has failed. */
static void module_can_ask_for_the_end(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"good\" {}"), statics, 2);
    assert_true(boot_plan(&node.boot));
    assert_true(boot_start(&node.boot));
    const struct ub_host *host = &node.boot.plan.instances[0].host.pub;
    (host->node->fail)(host, "disk-gone", "the disk is gone");
    assert_false(boot_run(&node.boot));
    assert_non_null(strstr(node.boot.node.log.kept, "module-failed: the disk is gone"));
    calls_are(&node, "good.create good.start good.ready good.drain good.stop good.destroy ");
    node_close(&node);
}

static void failing_create_is_a_fault(void **state)
{
    (void)state;
    FAILS(LUA("module \"second\" {}\nmodule \"good\" { fails = \"create\" }"),
          ONE("3: module \"good\": fails = \"create\", so create fails"));
}

/* Exactly what was done is undone, the other way round; then the state folder is free again. */
static void failing_start_unwinds(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"second\" {}\nmodule \"good\" { fails = \"start\" }"), statics,
              2);
    assert_true(boot_plan(&node.boot));
    assert_false(boot_start(&node.boot));
    assert_string_equal(node_report(&node, "everything that had started was stopped again"),
                        "unibus.lua:3: module \"good\": fails = \"start\", so start fails\n"
                        "1 error, everything that had started was stopped again.\n");
    assert_string_equal(node.boot.report.items[0].code, "E-GOOD-001");
    calls_are(&node, "second.create good.create second.start second.stop good.destroy "
                     "second.destroy ");
    int fd = open("local_files/lock", O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    node_close(&node);
}

/* ---- state folder -----------------------------------------------------------------------------
 */

static void start_fails(const char *lua, const char *expected)
{
    struct test_node node;
    node_open(&node, lua, statics, 2);
    assert_true(boot_plan(&node.boot));
    assert_false(boot_start(&node.boot));
    assert_string_equal(node_report(&node, "nothing was started"), expected);
    node_close(&node);
}

static void state_folder_is_private(void **state)
{
    (void)state;
    struct test_node node;
    struct stat st;
    char expected[512];
    node_open(&node, LUA("module \"good\" {}"), statics, 2);
    assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
    assert_int_equal(stat("local_files", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    node_close(&node);
    assert_int_equal(chmod("local_files", 0750), 0);
    snprintf(
        expected, sizeof(expected),
        ONE("2: node: state folder %s/local_files can be used by others (mode 0750): run chmod "
            "700 %s/local_files"),
        test_folder, test_folder);
    start_fails(LUA("node { state = 'local_files' } module \"good\" {}"), expected);
    if (geteuid() == 0) {
        assert_int_equal(chown("local_files", 12345, 0), 0);
        snprintf(expected, sizeof(expected),
                 ONE("2: node: state folder %s/local_files belongs to user 12345, but this process "
                     "runs as user 0: run chown -R 0 %s/local_files"),
                 test_folder, test_folder);
        start_fails(LUA("node { state = 'local_files' } module \"good\" {}"), expected);
    }
    node_open(&node, LUA("node { state = 'new/er/est' } module \"good\" {}"), statics, 2);
    assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
    for (size_t i = 0; i < 3; i++) {
        static const char *const made[] = {"new", "new/er", "new/er/est"};
        assert_int_equal(stat(made[i], &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
    node_close(&node);
    file_write("plain", "", 0600);
    snprintf(expected, sizeof(expected),
             ONE("2: node: cannot make state folder %s/plain/x: Not a directory"), test_folder);
    start_fails(LUA("node { state = 'plain/x' } module \"good\" {}"), expected);
    start_fails(LUA("node { state = '/none/x' } module \"good\" {}"),
                ONE("2: node: cannot make state folder /none/x: No such file or directory"));
}

static void second_daemon_is_refused_with_the_pid(void **state)
{
    (void)state;
    struct test_node node;
    char expected[512];
    node_open(&node, LUA("module \"good\" {}"), statics, 2);
    assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
    snprintf(expected, sizeof(expected),
             ONE("2: node: state folder %s/local_files is in use by process %ld: stop it, or give "
                 "this node another node.state"),
             test_folder, (long)getpid());
    start_fails(LUA("node { state = 'local_files' } module \"good\" {}"), expected);
    node_close(&node);
}

/* ---- health -----------------------------------------------------------------------------------
 */

static json_t *health_of(struct test_node *node, enum ub_detail detail, bool *is_healthy,
                         bool *is_ready)
{
    const struct ub_host *host = &node->boot.plan.instances[0].host.pub;
    char *text = host->node->health_json(host, detail, is_healthy, is_ready);
    json_t *json = json_loads(text, 0, NULL);
    host->node->free_text(host, text);
    assert_non_null(json);
    return json;
}

static const char *text_at(const json_t *json, const char *outer, const char *inner)
{
    const char *text = json_string_value(json_object_get(json_object_get(json, outer), inner));
    return text != NULL ? text : "(missing)";
}

static void health_is_complete(void **state)
{
    (void)state;
    struct test_node node;
    bool is_healthy = false, is_ready = false;
    node_open(&node,
              LUA("node { name = 'alpha' } posture { require = 'dev' }\n"
                  "module \"good\" { auth = 'off', listen = '127.0.0.1:4250' }"),
              statics, 2);
    assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
    json_t *health = health_of(&node, UB_DETAIL_PUBLIC, &is_healthy, &is_ready);
    assert_true(is_healthy && is_ready);
    assert_string_equal(json_string_value(json_object_get(health, "status")), "ok");
    assert_string_equal(json_string_value(json_object_get(health, "node")), "alpha");
    assert_string_equal(text_at(health, "posture", "level"), "dev");
    assert_string_equal(text_at(health, "posture", "auth"), "off");
    assert_string_equal(text_at(health, "posture", "acl"), "on");
    assert_string_equal(text_at(health, "posture", "tls"), "loopback");
    const json_t *codes = json_object_get(json_object_get(health, "posture"), "codes");
    assert_int_equal(json_array_size(codes), 1);
    assert_string_equal(json_string_value(json_array_get(codes, 0)), "E-POSTURE-001");
    assert_string_equal(text_at(health, "cluster", "id"), "c1");
    assert_int_equal(json_integer_value(json_object_get(health, "generation")), 7);
    assert_true(json_is_integer(json_object_get(health, "uptime_s")));
    assert_null(json_object_get(health, "modules"));
    assert_null(json_object_get(health, "listeners"));
    json_decref(health);
    health = health_of(&node, UB_DETAIL_ADMIN, NULL, NULL);
    const json_t *listener = json_array_get(json_object_get(health, "listeners"), 0);
    assert_string_equal(json_string_value(json_object_get(listener, "address")), "127.0.0.1:4250");
    const json_t *module = json_array_get(json_object_get(health, "modules"), 0);
    assert_string_equal(json_string_value(json_object_get(module, "name")), "good");
    json_decref(health);
    node_close(&node);
}

static void problems_and_waiting_are_shown(void **state)
{
    (void)state;
    struct test_node node;
    bool is_healthy = true, is_ready = true;
    node_open(&node,
              LUA("module \"good\" { problem = 'disk is full' }\n"
                  "module \"second\" { waiting = 'a quorum' }"),
              statics, 2);
    assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
    json_t *health = health_of(&node, UB_DETAIL_PUBLIC, &is_healthy, &is_ready);
    assert_false(is_healthy || is_ready);
    assert_string_equal(json_string_value(json_object_get(health, "status")), "degraded");
    const json_t *problem = json_array_get(json_object_get(health, "problems"), 0);
    assert_string_equal(json_string_value(json_object_get(problem, "code")), "E-GOOD-002");
    assert_int_equal(json_object_size(problem), 1); /* words are for admins */
    const json_t *waiting = json_array_get(json_object_get(health, "waiting"), 0);
    assert_string_equal(json_string_value(waiting), "a quorum");
    json_decref(health);
    health = health_of(&node, UB_DETAIL_ADMIN, NULL, NULL);
    problem = json_array_get(json_object_get(health, "problems"), 0);
    assert_string_equal(json_string_value(json_object_get(problem, "what")), "disk is full");
    assert_string_equal(json_string_value(json_object_get(problem, "fix")), "do something");
    assert_string_equal(json_string_value(json_object_get(problem, "module")), "good");
    json_decref(health);
    node_close(&node);
    node_open(&node, LUA("module \"good\" { waiting = 'a quorum' }"), statics, 2);
    assert_true(boot_plan(&node.boot) && boot_start(&node.boot));
    health = health_of(&node, UB_DETAIL_PUBLIC, &is_healthy, &is_ready);
    assert_true(is_healthy);
    assert_false(is_ready);
    assert_string_equal(json_string_value(json_object_get(health, "status")), "waiting");
    json_decref(health);
    node_close(&node);
}

/* --check --json: code, line, fix and doc of each fault. */
static void check_result_is_json(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"good\" { workers = 0 }"), statics, 2);
    assert_false(boot_plan(&node.boot));
    char *text = boot_json(&node.boot);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_true(json_is_false(json_object_get(json, "ok")));
    const json_t *error = json_array_get(json_object_get(json, "errors"), 0);
    assert_string_equal(json_string_value(json_object_get(error, "code")), "E-CONFIG-011");
    assert_string_equal(json_string_value(json_object_get(error, "file")), "unibus.lua");
    assert_int_equal(json_integer_value(json_object_get(error, "line")), 2);
    assert_string_equal(json_string_value(json_object_get(error, "doc")),
                        "docs/errors.md#e-config-011");
    json_decref(json);
    free(text);
    node_close(&node);
}

int main(void)
{
    second = unibus_module_good;
    second.name = "second";
    silent = unibus_module_good;
    silent.name = "silent";
    silent_ops = *unibus_module_good.ops;
    silent_ops.posture = silent_posture;
    silent.ops = &silent_ops;
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(posture_names_what_is_too_weak),
        FOLDER_TEST(posture_is_judged_beside_other_errors),
        FOLDER_TEST(posture_dev_is_loopback_only),
        FOLDER_TEST(posture_cluster_names_what_is_missing),
        FOLDER_TEST(posture_default_is_enforce),
        FOLDER_TEST(unstated_facts_are_faults),
        FOLDER_TEST(posture_matrix),
        FOLDER_TEST(whole_life_in_order),
        FOLDER_TEST(stop_twice_does_not_wait),
        FOLDER_TEST(drain_has_a_deadline),
        FOLDER_TEST(module_can_ask_for_the_end),
        FOLDER_TEST(failing_create_is_a_fault),
        FOLDER_TEST(failing_start_unwinds),
        FOLDER_TEST(state_folder_is_private),
        FOLDER_TEST(second_daemon_is_refused_with_the_pid),
        FOLDER_TEST(health_is_complete),
        FOLDER_TEST(problems_and_waiting_are_shown),
        FOLDER_TEST(check_result_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
