/* SPDX-License-Identifier: Apache-2.0
 *
 * The settings in force: value, text and origin of each kind, and what counts as the same. */
#include "test_core_node.h"

#include <jansson.h>

#include <core/effective.h>

extern const struct ub_module unibus_module_good;
static const struct ub_module *const statics[] = {&unibus_module_good};

static const json_t *setting(const json_t *all, const char *name)
{
    const json_t *list = json_object_get(all, "settings"), *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0) {
            return item;
        }
    }
    return NULL;
}

static void setting_is(const json_t *all, const char *name, const char *text, const char *origin)
{
    const json_t *one = setting(all, name);
    assert_non_null(one);
    assert_string_equal(json_string_value(json_object_get(one, "text")), text);
    assert_string_equal(json_string_value(json_object_get(one, "origin")), origin);
}

static void each_kind_with_its_origin(void **state)
{
    (void)state;
    static const char *const sets[] = {"good.workers=9"};
    struct test_node node;
    char secret_text[128], path_text[128];
    file_write("node.key", "hunter2\n", 0600);
    node_open(&node,
              LUA("node { name = \"alpha\" }\nmodule \"good\" {\n"
                  "  flag = false, max_item = 1048576,\n"
                  "  listen = { \"127.0.0.1:1\", \"[::1]:2\" },\n"
                  "  key = secret \"node.key\", text = \"a \\\"b\\\"\\n\", dir = \"d\" }\n"),
              statics, 1);
    node.source.sets = sets;
    node.source.set_count = 1;
    assert_true(boot_plan(&node.boot));
    json_t *all = effective_json(&node.boot.plan);
    setting_is(all, "node.name", "\"alpha\"", "unibus.lua:2");
    setting_is(all, "log.level", "\"info\"", "default");
    setting_is(all, "posture.require", "\"enforce\"", "default");
    setting_is(all, "good.flag", "false", "unibus.lua:4");
    setting_is(all, "good.workers", "9", "--set");
    setting_is(all, "good.max_item", "\"1 MiB\"", "unibus.lua:4");
    setting_is(all, "good.timeout", "\"5 s\"", "default");
    setting_is(all, "good.mode", "\"safe\"", "default");
    setting_is(all, "good.listen", "{ \"127.0.0.1:1\", \"[::1]:2\" }", "unibus.lua:5");
    setting_is(all, "good.names", "{ \"a\", \"b\" }", "default");
    setting_is(all, "good.text", "\"a \\\"b\\\"\\n\"", "unibus.lua:6");
    setting_is(all, "good.tls.on", "false", "default");
    setting_is(all, "good.waiting", "nil", "default");
    snprintf(secret_text, sizeof(secret_text), "secret \"node.key\"");
    setting_is(all, "good.key", secret_text, "unibus.lua:6");
    snprintf(path_text, sizeof(path_text), "\"%s/local_files/d\"", test_folder);
    setting_is(all, "good.dir", path_text, "unibus.lua:6");
    assert_true(json_is_null(json_object_get(setting(all, "good.key"), "value")));
    assert_true(json_is_false(json_object_get(setting(all, "good.flag"), "value")));
    assert_int_equal(json_array_size(json_object_get(setting(all, "good.names"), "value")), 2);
    assert_true(json_is_true(json_object_get(setting(all, "log.level"), "live")));
    char *dump = json_dumps(all, 0);
    assert_null(strstr(dump, "hunter2"));
    free(dump);
    json_decref(all);
    node_close(&node);
}

/* What module "good" has under `name` in two configs. */
static bool is_same(const char *left, const char *right, const char *name)
{
    struct test_node nodes[2];
    struct effective values[2];
    struct plan_block block;
    const char *const texts[] = {left, right};
    for (size_t i = 0; i < 2; i++) {
        char lua[256];
        snprintf(lua, sizeof(lua), LUA("module \"good\" { %s }"), texts[i]);
        node_open(&nodes[i], lua, statics, 1);
        assert_true(boot_plan(&nodes[i].boot));
        file_write("node.key", "changed\n", 0600);
        assert_true(plan_block_at(&nodes[i].boot.plan, CORE_BLOCKS, &block));
        uint32_t at = 0;
        while (effective_at(&block, at, &values[i]) && values[i].field.name != NULL &&
               strcmp(values[i].field.name, name) != 0) {
            at++;
        }
    }
    bool is_same = effective_is_same(&values[0], &values[1]);
    node_close(&nodes[0]);
    node_close(&nodes[1]);
    return is_same;
}

static void same_is_what_the_module_sees(void **state)
{
    (void)state;
    file_write("node.key", "first\n", 0600);
    assert_true(is_same("max_item = '1 MiB'", "max_item = 1048576", "max_item"));
    assert_true(is_same("", "workers = 8", "workers"));
    assert_true(is_same("file = 'x'", "file = './x'", "flag"));
    assert_true(is_same("names = 'a'", "names = { 'a' }", "names"));
    assert_false(is_same("names = { 'a', 'b' }", "names = { 'b', 'a' }", "names"));
    assert_false(is_same("workers = 7", "workers = 8", "workers"));
    assert_false(is_same("", "text = ''", "text"));
    assert_false(is_same("listen = '127.0.0.1:1'", "listen = '127.0.0.1:2'", "listen"));
    /* is_same changes the file in between */
    file_write("node.key", "first\n", 0600);
    assert_false(is_same("key = secret 'node.key'", "key = secret 'node.key'", "key"));
    assert_true(is_same("key = secret 'node.key'", "key = secret 'node.key'", "key"));
}

static char *printed(struct test_node *node, const char *lua)
{
    char *text = NULL;
    size_t len = 0;
    node_open(node, lua, statics, 1);
    bool is_planned = boot_plan(&node->boot);
    assert_string_equal(is_planned ? "" : node_report(node, ""), "");
    FILE *out = open_memstream(&text, &len);
    effective_print(&node->boot.plan, out);
    fclose(out);
    return text;
}

static void line_is_in(const char *text, const char *line)
{
    if (strstr(text, line) == NULL) {
        print_error("%s\nhas no line %s\n", text, line);
        assert_true(false);
    }
}

/* What is printed is a config that means the same, wherever it is read. */
static void print_reads_as_the_same_config(void **state)
{
    (void)state;
    struct test_node first, second;
    struct plan_block left, right;
    struct effective a, b;
    assert_int_equal(mkdir("sub", 0700), 0);
    file_write("sub/node.key", "hunter2\n", 0600);
    file_write("sub/good.lua",
               "module \"good\" { flag = false, file = \"own\", key = secret \"node.key\",\n"
               " text = \"a \\\"\\\\\\n\\u{202e}\\u{85}\\u{e4}\\x01\", dir = \"d/e\", tls = { on = "
               "true },\n"
               " names = {}, listen = { \"127.0.0.1:1\", \"[::1]:2\" } }",
               0600);
    char *text = printed(&first, LUA("include \"sub/good.lua\"\nnode { name = \"alpha\" }"));
    assert_null(strstr(text, "hunter2"));
    line_is_in(text, "\nmodule \"good\" {\n");
    line_is_in(text, "\n  flag        = false,                              -- sub/good.lua:1\n");
    line_is_in(text, "\n  workers     = 8,                                  -- default\n");
    line_is_in(text, "\n  dir         = \"d/e\",                              -- sub/good.lua:2\n");
    line_is_in(text, "\n  [\"tls.on\"]  = true,                               -- sub/good.lua:2\n");
    line_is_in(text, "\n  text        = \"a \\\"\\\\\\n\\u{202e}\\u{85}\u00e4\\x01\",");
    char *again = printed(&second, text);
    for (size_t i = 0; plan_block_at(&first.boot.plan, i, &left); i++) {
        assert_true(plan_block_at(&second.boot.plan, i, &right));
        for (uint32_t j = 0; effective_at(&left, j, &a); j++) {
            assert_true(effective_at(&right, j, &b));
            char *name = effective_name(&a);
            if (!effective_is_same(&a, &b)) {
                print_error("%s differs\n%s", name, text);
            }
            assert_true(effective_is_same(&a, &b));
            free(name);
        }
    }
    node_close(&first);
    node_close(&second);
    free(text);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(each_kind_with_its_origin),
        FOLDER_TEST(same_is_what_the_module_sees),
        FOLDER_TEST(print_reads_as_the_same_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
