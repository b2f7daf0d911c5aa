/* SPDX-License-Identifier: Apache-2.0
 *
 * A hundred failing reloads of each kind leave everything as it was: the settings in force and what
 * the module sees, descriptors, threads, memory. (Mosquitto's CVE-2017-7652: SIGHUP without a free
 * descriptor put its security back to the defaults.) */
#include "test_core_reload.h"

#include <dirent.h>
#include <malloc.h>
#include <sys/resource.h>

#define ROUNDS     100
#define HEAP_SLACK 4096 /* bytes that libc may keep for itself */
#define POSTURE    "posture { require = 'enforce' }\n"
#define GOOD(text) "module \"good\" { " text " }\n"
#define SECOND     "module \"second\" { workers = 5 }\n"
#define CONFIG     LUA(POSTURE GOOD("workers = 3, listen = '127.0.0.1:1'") SECOND)

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

struct snapshot {
    char *config, *modules;
    size_t files, threads, heap;
    int64_t generation;
    void *settings;
};

static void snapshot_take(struct test_node *node, struct snapshot *snapshot)
{
    const struct ub_host *host = &node->boot.plan.instances[0].host.pub;
    snapshot->heap = mallinfo2().uordblks;
    snapshot->config = host->config->effective_json(host);
    snapshot->modules = host->config->modules_json(host);
    snapshot->files = count_entries("/proc/self/fd");
    snapshot->threads = count_entries("/proc/self/task");
    snapshot->generation = node->boot.reload.status.generation;
    snapshot->settings = node->boot.plan.instances[0].settings.data;
}

static void snapshot_fini(struct snapshot *snapshot)
{
    free(snapshot->config);
    free(snapshot->modules);
}

static void nothing_changed(const struct snapshot *before, const struct snapshot *after)
{
    assert_string_equal(before->config, after->config);
    assert_string_equal(before->modules, after->modules);
    assert_int_equal(before->files, after->files);
    assert_int_equal(before->threads, after->threads);
    assert_int_equal(before->generation, after->generation);
    assert_ptr_equal(before->settings, after->settings);
#ifndef __SANITIZE_ADDRESS__ /* which finds leaks at the end, and counts otherwise */
    assert_true(after->heap <= before->heap + HEAP_SLACK);
#endif
}

struct failure {
    const char *name;
    const char *lua; /* NULL = the file itself is in the way */
    enum ub_status status;
    const char *code;
    void (*begin)(void), (*end)(void);
};

static void file_gone(void)
{
    assert_int_equal(unlink("unibus.lua"), 0);
}

static void file_is_folder(void)
{
    file_gone();
    assert_int_equal(mkdir("unibus.lua", 0700), 0);
}

static void folder_gone(void)
{
    assert_int_equal(rmdir("unibus.lua"), 0);
}

static void file_for_all(void)
{
    file_write("unibus.lua", CONFIG, 0602);
}

static struct rlimit files_before;

/* Nothing above the descriptors that are open. */
static void no_free_file(void)
{
    struct rlimit none;
    file_write("unibus.lua", CONFIG, 0600);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files_before), 0);
    int lowest = dup(0);
    assert_true(lowest >= 0);
    close(lowest);
    none = (struct rlimit){(rlim_t)lowest, files_before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void files_again(void)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files_before), 0);
}

static const struct failure failures[] = {
    {"syntax", "unibus \"1\"\nmodule \"good\" {", UB_EINVAL, "E-CONFIG-002", NULL, NULL},
    {"empty", "", UB_EINVAL, "E-CONFIG-004", NULL, NULL},
    {"endless", "unibus \"1\"\nwhile true do end", UB_EINVAL, "E-CONFIG-003", NULL, NULL},
    {"unknown key", LUA(POSTURE GOOD("wrokers = 4") SECOND), UB_EINVAL, "E-CONFIG-009", NULL, NULL},
    {"out of range", LUA(POSTURE GOOD("workers = 0") SECOND), UB_EINVAL, "E-CONFIG-011", NULL,
     NULL},
    {"secret gone", LUA(POSTURE GOOD("key = secret 'none'") SECOND), UB_EINVAL, "E-CONFIG-016",
     NULL, NULL},
    {"restart-only", LUA(POSTURE GOOD("workers = 4, listen = '127.0.0.1:2'") SECOND), UB_ECONFLICT,
     "E-RELOAD-001", NULL, NULL},
    {"module removed", LUA(POSTURE GOOD("workers = 4, listen = '127.0.0.1:1'")), UB_ECONFLICT,
     "E-RELOAD-002", NULL, NULL},
    {"module unknown", CONFIG "module \"none\" {}\n", UB_EINVAL, "E-MODULE-002", NULL, NULL},
    {"weaker posture", LUA(POSTURE GOOD("auth = 'off', listen = '127.0.0.1:1'") SECOND),
     UB_ECONFLICT, "E-POSTURE-001", NULL, NULL},
    {"create fails", LUA(POSTURE GOOD("fails = 'create', listen = '127.0.0.1:1'") SECOND),
     UB_EINVAL, "E-MODULE-016", NULL, NULL},
    {"prepare fails",
     LUA(POSTURE GOOD("workers = 4, listen = '127.0.0.1:1'") "module \"second\" { workers = 6, "
                                                             "fails = 'prepare' }\n"),
     UB_EINVAL, "E-GOOD-003", NULL, NULL},
    {"file gone", NULL, UB_EINVAL, "E-CONFIG-001", file_gone, NULL},
    {"file is a folder", NULL, UB_EINVAL, "E-CONFIG-001", file_is_folder, folder_gone},
    {"file open to all", NULL, UB_EINVAL, "E-CONFIG-021", file_for_all, NULL},
    {"no free descriptor", NULL, UB_EINVAL, "E-CONFIG-001", no_free_file, files_again},
};

static void fail_once(struct test_node *node, const struct failure *failure)
{
    struct reload_result result;
    reload_run(&node->boot.reload, false, &result);
    assert_int_equal(result.status, failure->status);
    assert_true(error_count(&result) > 0);
    assert_string_equal(error_at(&result, 0, "code"), failure->code);
    assert_true(json_is_false(json_object_get(result.json, "applied")));
    reload_result_fini(&result);
}

static void fail_often(struct test_node *node, const struct failure *failure)
{
    struct snapshot before, after;
    file_write("unibus.lua", failure->lua != NULL ? failure->lua : CONFIG, 0600);
    if (failure->begin != NULL) {
        failure->begin();
    }
    fail_once(node, failure); /* what libc and the loader keep for ever, they keep now */
    if (failure->begin == no_free_file) {
        files_again(); /* to count, a descriptor is needed */
    }
    snapshot_take(node, &before);
    before.heap = mallinfo2().uordblks; /* with the texts of `before` itself */
    if (failure->begin == no_free_file) {
        no_free_file();
    }
    for (int i = 0; i < ROUNDS; i++) {
        fail_once(node, failure);
    }
    if (failure->end != NULL) {
        failure->end();
    }
    snapshot_take(node, &after);
    nothing_changed(&before, &after);
    snapshot_fini(&before);
    snapshot_fini(&after);
}

static void a_hundred_failures_of_each_kind(void **state)
{
    (void)state;
    struct test_node node;
    struct reload_result result;
    run_node(&node, CONFIG);
    node.boot.node.log.is_kept = false;
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        fail_often(&node, &failures[i]);
    }
    assert_int_equal(node.boot.reload.status.generation, 1);
    /* And it can still reload. */
    reload_with(&node, LUA(POSTURE GOOD("workers = 7, listen = '127.0.0.1:1'") SECOND), &result);
    assert_int_equal(result.status, UB_OK);
    reload_result_fini(&result);
    shows(&node, "good.workers", "7");
    node_close(&node);
}

/* The comparison itself can fail: a reload that is applied is seen. */
static void control_a_change_is_seen(void **state)
{
    (void)state;
    struct test_node node;
    struct snapshot before, after;
    struct reload_result result;
    run_node(&node, CONFIG);
    snapshot_take(&node, &before);
    reload_with(&node, LUA(POSTURE GOOD("workers = 7, listen = '127.0.0.1:1'") SECOND), &result);
    reload_result_fini(&result);
    snapshot_take(&node, &after);
    assert_string_not_equal(before.config, after.config);
    assert_int_not_equal(before.generation, after.generation);
    assert_ptr_not_equal(before.settings, after.settings);
    snapshot_fini(&before);
    snapshot_fini(&after);
    node_close(&node);
}

/* Chunks that wait in a thread's cache count as used: without the cache the count is exact. */
#define EXACT "glibc.malloc.tcache_count=0"

int main(int argc, char **argv)
{
    const char *tunables = getenv("GLIBC_TUNABLES");
    if (argc > 0 && (tunables == NULL || strcmp(tunables, EXACT) != 0)) {
        setenv("GLIBC_TUNABLES", EXACT, 1);
        execv("/proc/self/exe", argv);
    }
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(a_hundred_failures_of_each_kind),
        FOLDER_TEST(control_a_change_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
