/* SPDX-License-Identifier: Apache-2.0
 *
 * For the tests of the core: a fresh folder with a config in it, and a node from that config. */
#ifndef TEST_CORE_NODE_H
#define TEST_CORE_NODE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <core/boot.h>

#define TEST_MODULES UB_BUILD_DIR "/tests/modules"
#define LUA(...)     "unibus \"1\"\n" __VA_ARGS__

static char test_folder[64];

/* Makes a folder and goes there, so that messages name files without a path. */
static inline int folder_setup(void **state)
{
    (void)state;
    snprintf(test_folder, sizeof(test_folder), "/tmp/unibus-core-XXXXXX");
    return mkdtemp(test_folder) == NULL || chdir(test_folder) != 0;
}

static inline int folder_teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", test_folder);
    return chdir("/") != 0 || system(command) != 0;
}

static inline void file_write(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(name, mode), 0);
}

struct test_node {
    struct boot boot;
    struct plan_source source;
    char *text; /* the report as printed */
};

/* A node of unibus.lua with this content; its modules come from `statics` and TEST_MODULES. */
static inline void node_open(struct test_node *node, const char *lua,
                             const struct ub_module *const *statics, size_t static_count)
{
    memset(node, 0, sizeof(*node));
    file_write("unibus.lua", lua, 0600);
    node->source.config_file = "unibus.lua";
    node->source.loader = (struct loader){TEST_MODULES, statics, static_count};
    assert_true(boot_init(&node->boot, &node->source, -1));
    node->boot.node.log.is_kept = true;
}

static inline void node_close(struct test_node *node)
{
    free(node->text);
    boot_fini(&node->boot);
}

static inline const char *node_report(struct test_node *node, const char *outcome)
{
    size_t len = 0;
    free(node->text);
    FILE *out = open_memstream(&node->text, &len);
    report_print(&node->boot.report, out, outcome);
    fclose(out);
    return node->text;
}

/* The plan of this config fails with exactly these lines. */
static inline void plan_fails(const char *lua, const struct ub_module *const *statics,
                              size_t static_count, const char *expected)
{
    struct test_node node;
    node_open(&node, lua, statics, static_count);
    assert_false(boot_plan(&node.boot));
    assert_string_equal(node_report(&node, "nothing was started"), expected);
    node_close(&node);
}

#define FOLDER_TEST(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

#endif
