/* SPDX-License-Identifier: Apache-2.0 */
#include "test_core_node.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

extern const struct ub_module unibus_module_good;

static const struct ub_module *const statics[] = {&unibus_module_good};

/* The settings as tests/modules/good/module.c declares them. */
struct good_settings {
    bool flag;
    int64_t workers, max_item, timeout;
    const char *text;
    int mode;
    const char *file, *dir;
    struct ub_secret *key;
    struct ub_listens listen;
    struct ub_strings names;
    int auth, acl;
    struct {
        bool on;
    } tls;
    const char *waiting, *problem, *fails;
    int64_t drain_polls;
};

#define FAILS(lua, expected) plan_fails(lua, statics, 1, expected)
#define ONE(message)         "unibus.lua:" message "\n1 error, nothing was started.\n"

static void unknown_key_gets_a_suggestion(void **state)
{
    (void)state;
    FAILS(LUA("module \"good\" {\n  workers = 4,\n  tmeout = \"5 s\",\n}\n"),
          ONE("4: module \"good\": unknown setting \"tmeout\" (did you mean \"timeout\"?)"));
    FAILS(LUA("module \"good\" { tls = { oon = true } }\n"),
          ONE("2: module \"good\": unknown setting \"tls.oon\" (did you mean \"tls.on\"?)"));
    FAILS(LUA("node { nmae = \"a\" }\nmodule \"good\" {}\n"),
          ONE("2: node: unknown setting \"nmae\" (did you mean \"name\"?)"));
    FAILS(LUA("log { colour = true }\nmodule \"good\" {}\n"),
          ONE("2: log: unknown setting \"colour\" (known: level, format)"));
}

static void wrong_kinds_are_named(void **state)
{
    (void)state;
    FAILS(LUA("module \"good\" {\n workers = \"8\",\n flag = 1,\n text = 5,\n mode = true,\n"
              " max_item = false,\n timeout = 5,\n key = \"file\",\n listen = 4250,\n"
              " names = { 1 },\n file = {},\n dir = 1.5 }\n"),
          "unibus.lua:3: module \"good\": workers = \"8\": a whole number is needed\n"
          "unibus.lua:4: module \"good\": flag = 1: true or false is needed\n"
          "unibus.lua:5: module \"good\": text = 5: a text is needed\n"
          "unibus.lua:6: module \"good\": mode = true: \"safe\", \"fast\" or \"reckless\" is "
          "needed\n"
          "unibus.lua:7: module \"good\": max_item = false: a size such as \"64 MiB\" is needed\n"
          "unibus.lua:8: module \"good\": timeout = 5: a duration with its unit, such as \"5 "
          "min\", is needed\n"
          "unibus.lua:9: module \"good\": key = …: secret \"file\" is needed\n"
          "unibus.lua:10: module \"good\": listen = 4250: an address such as \"127.0.0.1:8470\", "
          "or a list of them, is needed\n"
          "unibus.lua:11: module \"good\": names is a list with something else than texts in it\n"
          "unibus.lua:12: module \"good\": file = { … }: a path is needed\n"
          "unibus.lua:13: module \"good\": dir = 1.5: a path below node.state is needed\n"
          "11 errors, nothing was started.\n");
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    FAILS(LUA("module \"good\" { workers = 0 }\n"),
          ONE("2: module \"good\": workers = 0 is too small: 1 to 512 (default 8)"));
    FAILS(LUA("module \"good\" { max_item = \"2 GiB\" }\n"),
          ONE("2: module \"good\": max_item = \"2 GiB\" is too large: 1 KiB to 1 GiB (default 64 "
              "MiB)"));
    FAILS(LUA("module \"good\" { timeout = \"50 ms\" }\n"),
          ONE("2: module \"good\": timeout = \"50 ms\" is too small: 100 ms to 1 h (default 5 s)"));
    FAILS(LUA("module \"good\" { drain_polls = -1 }\n"),
          ONE("2: module \"good\": drain_polls = -1 is too small: 0 or more (default 0)"));
    FAILS(LUA("module \"good\" { mode = \"fst\" }\n"),
          ONE("2: module \"good\": mode = \"fst\" is not among the choices: \"safe\", \"fast\" or "
              "\"reckless\" (did you mean \"fast\"?)"));
}

static void texts_without_the_form_of_their_kind(void **state)
{
    (void)state;
    FAILS(LUA("node { state = \"/state\" } module \"good\" {\n max_item = \"64 MBytes\",\n timeout "
              "= \"5 minutes\",\n"
              " listen = \"example.org:80\",\n dir = \"a/../../b\",\n file = \"\" }\n"),
          "unibus.lua:3: module \"good\": max_item = \"64 MBytes\" is no size: write a whole "
          "number with B, KiB, MiB, GiB or TiB, as in \"64 MiB\"\n"
          "unibus.lua:4: module \"good\": timeout = \"5 minutes\" is no duration: write a whole "
          "number with ms, s, min, h or d, as in \"5 min\"\n"
          "unibus.lua:5: module \"good\": listen = \"example.org:80\": the host is no IP address: "
          "names are not looked up, except localhost\n"
          "unibus.lua:6: module \"good\": dir = \"a/../../b\" leaves node.state: write a path "
          "below /state, without \"..\"\n"
          "unibus.lua:7: module \"good\": file = \"\" is empty\n"
          "5 errors, nothing was started.\n");
}

static void listen_faults_are_named(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"\"8470\"", "\"8470\": an address and a port are needed, as in \"127.0.0.1:8470\" or "
                     "\"[::1]:8470\""},
        {"\"::1:8470\"", "\"::1:8470\": an IPv6 address is written in [ ], as in \"[::1]:8470\""},
        {"\"[::g]:1\"", "\"[::g]:1\": what is in [ ] is no IPv6 address"},
        {"\"127.0.0.1:65536\"", "\"127.0.0.1:65536\": the port is no number from 0 to 65535"},
        {"{ \"[::1]:1\", \"[::1]:1\" }", "\"[::1]:1\": named twice"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char lua[256], expected[512];
        snprintf(lua, sizeof(lua), LUA("module \"good\" { listen = %s }\n"), pairs[i][0]);
        snprintf(expected, sizeof(expected), ONE("2: module \"good\": listen = %s"), pairs[i][1]);
        FAILS(lua, expected);
    }
}

static void broken_lua_is_named_with_its_line(void **state)
{
    (void)state;
    FAILS(LUA("module \"good\" {\n  workers = ,\n}\n"), ONE("3: unexpected symbol near ','"));
    FAILS(LUA("local x = nil\nmodule \"good\" { text = x.y }\n"),
          ONE("3: attempt to index a nil value (local 'x')"));
    FAILS("\033Lua", "unibus.lua: is compiled Lua (byte code): a config is read as text only\n"
                     "1 error, nothing was started.\n");
}

static void unknown_names_do_not_hide_each_other(void **state)
{
    (void)state;
    FAILS(LUA("modul \"good\" { a = 1 }\nmodule \"good\" { text = foo.bar .. \"x\", workers = 0 }\n"
              "node = { name = \"a\" }\nspare = 3\n"),
          "unibus.lua:2: unknown name \"modul\" (did you mean \"module\"?)\n"
          "unibus.lua:3: unknown name \"foo\"\n"
          "unibus.lua:3: module \"good\": workers = 0 is too small: 1 to 512 (default 8)\n"
          "unibus.lua:4: \"node\" cannot be assigned: write it without \"=\"\n"
          "unibus.lua:5: \"spare\" cannot be assigned: write \"local\" before a name of your own\n"
          "5 errors, nothing was started.\n");
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What would hang or eat the machine ends soon, with its line. */
static void limits_end_what_would_not_end(void **state)
{
    (void)state;
    double start = seconds_now();
    FAILS(LUA("module \"good\" {}\nwhile true do end\n"),
          ONE("3: the config runs too long: more than 1000000 steps (an endless loop?)"));
    FAILS(LUA("local s = \"x\"\nwhile true do s = s .. s end\n"),
          "unibus.lua: the config needs more than 4 MiB of memory\n"
          "1 error, nothing was started.\n");
    FAILS(LUA("local s = (\"x\"):rep(2^30)\nmodule \"good\" { text = string.rep(\"x\", 2^30) }\n"),
          "unibus.lua:2: string.rep is not part of the config language\n"
          "unibus.lua:3: string.rep is not part of the config language\n"
          "2 errors, nothing was started.\n");
    FAILS(LUA("local s = \"xxxxxxxx\"\nfor i = 1, 16 do s = s .. s end\nlocal t = {}\n"
              "for i = 1, 400 do t[\"k\" .. i] = s end\nmodule \"good\" (t)\n"),
          "unibus.lua:6: the config needs more than 4 MiB of memory\n"
          "1 error, nothing was started.\n");
    assert_true(seconds_now() - start < 5);
}

/* Nothing of the machine can be reached. */
static void sandbox_has_pure_functions_only(void **state)
{
    (void)state;
    static const char *const names[] = {
        "os",           "io",          "require",     "load",           "loadstring",
        "dofile",       "debug",       "package",     "coroutine",      "setmetatable",
        "getmetatable", "rawset",      "rawget",      "collectgarbage", "pcall",
        "print",        "string.find", "string.gsub", "string.format",  "string.dump",
        "table.move",   "math.random"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct test_node node;
        char lua[256];
        snprintf(lua, sizeof(lua), LUA("module \"good\" {}\nlocal x = %s\n"), names[i]);
        node_open(&node, lua, statics, 1);
        assert_false(boot_plan(&node.boot));
        assert_int_equal(node.boot.report.count, 1);
        assert_string_equal(node.boot.report.items[0].code, "E-CONFIG-005");
        node_close(&node);
    }
}

static void blocks_come_once_and_with_names(void **state)
{
    (void)state;
    FAILS(LUA("module \"good\" {}\nmodule \"good\" {}\nnode {}\nnode {}\nmodule \"log\" {}\n"
              "module {}\nmodule \"../x\" {}\nlog { \"info\" }\nposture \"dev\"\n"),
          "unibus.lua:3: module \"good\" is given twice (first on line 2)\n"
          "unibus.lua:5: node is given twice (first on line 4)\n"
          "unibus.lua:6: module \"log\": this is a block of the node itself: write log { … }\n"
          "unibus.lua:7: module needs a name of a-z, 0-9 and \"-\": module \"kv-sqlite\" { … }\n"
          "unibus.lua:8: module needs a name of a-z, 0-9 and \"-\": module \"kv-sqlite\" { … }\n"
          "unibus.lua:9: log: a value has no name: write name = value\n"
          "unibus.lua:10: posture: a table is needed: { name = value, … }\n"
          "7 errors, nothing was started.\n");
}

static void language_version_is_needed(void **state)
{
    (void)state;
    FAILS("module \"good\" {}\n", "unibus.lua: the version of the config language is missing: "
                                  "begin with unibus \"1\"\n1 error, nothing was started.\n");
    FAILS("unibus \"2\"\nmodule \"good\" {}\n",
          ONE("1: config language \"2\" is unknown: this membershipd understands unibus \"1\""));
    FAILS("unibus \"1\"\n", "unibus.lua: no module is named, so nothing would run\n"
                            "1 error, nothing was started.\n");
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, "", NULL, 0);
    node.source.config_file = "missing.lua";
    assert_false(boot_plan(&node.boot));
    assert_string_equal(node_report(&node, "nothing was started"),
                        "missing.lua: cannot be read: No such file or directory\n"
                        "1 error, nothing was started.\n");
    node_close(&node);
    node_open(&node, LUA("module \"good\" {}"), statics, 1);
    chmod("unibus.lua", 0666);
    assert_false(boot_plan(&node.boot));
    assert_string_equal(node_report(&node, "nothing was started"),
                        "unibus.lua: can be written by others (mode 0666): run chmod o-w "
                        "unibus.lua\n1 error, nothing was started.\n");
    node_close(&node);
}

/* Read to its end, and gone when its folder is asked for: as between the two steps of a reload. */
static void file_that_is_taken_away_meanwhile(void **state)
{
    (void)state;
    struct test_node node;
    char path[64];
    node_open(&node, LUA("module \"good\" {}"), statics, 1);
    int fd = open("unibus.lua", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(unlink("unibus.lua"), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    node.source.config_file = path;
    assert_false(boot_plan(&node.boot));
    const char *report = node_report(&node, "nothing was started");
    assert_non_null(strstr(report, ": cannot be read: it was taken away while it was read (No such "
                                   "file or directory)\n1 error, nothing was started.\n"));
    node_close(&node);
    close(fd);
}

/* The secret never becomes a Lua string, and a file that others read is refused with its repair. */
static void secret_files_are_guarded(void **state)
{
    (void)state;
    char expected[512];
    file_write("node.key", "hunter2\n", 0644);
    snprintf(expected, sizeof(expected),
             ONE("3: module \"good\": key: secret \"%s/node.key\" can be read by others (mode "
                 "0644): run chmod 600 %s/node.key"),
             test_folder, test_folder);
    FAILS(LUA("module \"good\" {\n  key = secret \"node.key\" }\n"), expected);
    FAILS(LUA("module \"good\" { text = secret \"node.key\" }\n"),
          ONE("2: module \"good\": text = secret \"node.key\": a text is needed"));
    FAILS(LUA("module \"good\" { text = \"a\" .. secret \"node.key\" }\n"),
          ONE("2: attempt to concatenate a secret value"));
    snprintf(expected, sizeof(expected),
             ONE("2: module \"good\": key: cannot open secret \"%s/none\": No such file or "
                 "directory"),
             test_folder);
    FAILS(LUA("module \"good\" { key = secret \"none\" }\n"), expected);
}

static void environment_must_be_set_or_have_a_default(void **state)
{
    (void)state;
    struct test_node node;
    unsetenv("UNIBUS_TEST_X");
    FAILS(LUA("module \"good\" { text = env.UNIBUS_TEST_X }\n"),
          ONE("2: environment variable UNIBUS_TEST_X is not set: set it, or write "
              "env(\"UNIBUS_TEST_X\", \"default\")"));
    setenv("UNIBUS_TEST_X", "from env", 1);
    node_open(&node,
              LUA("module \"good\" { text = env.UNIBUS_TEST_X, file = env(\"NONE_X\", "
                  "\"/f\") }\n"),
              statics, 1);
    assert_true(boot_plan(&node.boot));
    const struct good_settings *settings = node.boot.plan.instances[0].settings.data;
    assert_string_equal(settings->text, "from env");
    assert_string_equal(settings->file, "/f");
    node_close(&node);
}

static void every_kind_is_filled(void **state)
{
    (void)state;
    struct test_node node;
    char path[128];
    file_write("node.key", "hunter2\n", 0600);
    node_open(&node,
              LUA("node { name = \"alpha\", state = \"data\" }\n"
                  "local key = secret(\"node.key\")\n"
                  "module \"good\" {\n"
                  "  flag = false, workers = 500 + 12, max_item = \"10 MB\", timeout = \"2 min\",\n"
                  "  text = (\"x\"):upper() .. 1, mode = \"fast\", file = \"sub/f\", dir = \"d\",\n"
                  "  key = key,\n"
                  "  listen = { \"127.0.0.1:8470\", \"[::]:1\", \"localhost:0\", "
                  "\"[::ffff:127.0.0.1]:2\" },\n"
                  "  names = \"one\", tls = { on = true },\n"
                  "}\n"),
              statics, 1);
    assert_true(boot_plan(&node.boot));
    const struct good_settings *settings = node.boot.plan.instances[0].settings.data;
    assert_false(settings->flag);
    assert_int_equal(settings->workers, 512);
    assert_int_equal(settings->max_item, 10000000);
    assert_int_equal(settings->timeout, 120000);
    assert_string_equal(settings->text, "X1");
    assert_int_equal(settings->mode, 1);
    snprintf(path, sizeof(path), "%s/sub/f", test_folder);
    assert_string_equal(settings->file, path);
    snprintf(path, sizeof(path), "%s/data/d", test_folder);
    assert_string_equal(settings->dir, path);
    struct ub_bytes key = node.boot.plan.instances[0].host.pub.secret->bytes(settings->key);
    assert_int_equal(key.len, 7);
    assert_memory_equal(key.ptr, "hunter2", 7);
    assert_int_equal(settings->listen.count, 4);
    static const bool loopback[] = {true, false, true, true};
    static const char *const hosts[] = {"127.0.0.1", "::", "localhost", "::ffff:127.0.0.1"};
    static const uint16_t ports[] = {8470, 1, 0, 2};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(settings->listen.items[i].is_loopback, loopback[i]);
        assert_string_equal(settings->listen.items[i].host, hosts[i]);
        assert_int_equal(settings->listen.items[i].port, ports[i]);
    }
    assert_string_equal(settings->listen.items[1].text, "[::]:1");
    assert_int_equal(settings->names.count, 1);
    assert_string_equal(settings->names.items[0], "one");
    assert_true(settings->tls.on);
    assert_string_equal(node.boot.node.name, "alpha");
    node_close(&node);
}

static void defaults_are_written_like_values(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"good\" {}"), statics, 1);
    assert_true(boot_plan(&node.boot));
    const struct good_settings *settings = node.boot.plan.instances[0].settings.data;
    assert_true(settings->flag);
    assert_int_equal(settings->workers, 8);
    assert_int_equal(settings->max_item, 64 << 20);
    assert_int_equal(settings->timeout, 5000);
    assert_null(settings->text);
    assert_null(settings->key);
    assert_int_equal(settings->listen.count, 0);
    assert_int_equal(settings->names.count, 2);
    assert_string_equal(settings->names.items[1], "b");
    char path[128];
    snprintf(path, sizeof(path), "%s/local_files/good", test_folder);
    assert_string_equal(settings->dir, path);
    node_close(&node);
}

static void keys_have_their_own_lines(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node,
              LUA("local shared = { on = true } -- { workers = 1 }\n"
                  "--[[ module \"good\" { text = 1 } ]]\n"
                  "module \"good\" -- workers\n"
                  "{ text = [[ workers = 5\n"
                  "  ]], names = { \"}\", 'x' },\n"
                  "  [\"workers\"] = 9,\n"
                  "  tls = shared,\n"
                  "  flag = 1 == 1 }\n"),
              statics, 1);
    assert_true(boot_plan(&node.boot));
    const struct ub_host *host = &node.boot.plan.instances[0].host.pub;
    assert_int_equal(host->node->where(host, "text").line, 5);
    assert_int_equal(host->node->where(host, "names").line, 6);
    assert_int_equal(host->node->where(host, "workers").line, 7);
    assert_int_equal(host->node->where(host, "tls.on").line, 8);
    assert_int_equal(host->node->where(host, "flag").line, 9);
    assert_int_equal(host->node->where(host, "mode").line, 0);
    assert_string_equal(host->node->where(host, "flag").file, "unibus.lua");
    node_close(&node);
}

static void set_options_read_by_kind(void **state)
{
    (void)state;
    static const char *const sets[] = {
        "good.workers=9",       "good.flag=false",    "good.listen=127.0.0.1:1,[::1]:2",
        "good.tls.on=true",     "good.max_item=4096", "good.text=a=b",
        "node.state=elsewhere", "log.level=debug"};
    struct test_node node;
    node_open(&node, LUA("module \"good\" { workers = 1, text = \"x\" }"), statics, 1);
    node.source.sets = sets;
    node.source.set_count = sizeof(sets) / sizeof(sets[0]);
    assert_true(boot_plan(&node.boot));
    const struct good_settings *settings = node.boot.plan.instances[0].settings.data;
    assert_int_equal(settings->workers, 9);
    assert_false(settings->flag);
    assert_int_equal(settings->listen.count, 2);
    assert_string_equal(settings->listen.items[1].host, "::1");
    assert_true(settings->tls.on);
    assert_int_equal(settings->max_item, 4096);
    assert_string_equal(settings->text, "a=b");
    assert_int_equal(node.boot.node.log.level, UB_LOG_DEBUG);
    assert_non_null(strstr(node.boot.node.state_dir, "/elsewhere"));
    node_close(&node);
}

static void set_options_name_themselves(void **state)
{
    (void)state;
    static const char *const sets[] = {"good.workers=many", "god.workers=1", "nonsense",
                                       "good.wrokers=1"};
    struct test_node node;
    node_open(&node, LUA("module \"good\" {}"), statics, 1);
    node.source.sets = sets;
    node.source.set_count = 4;
    assert_false(boot_plan(&node.boot));
    assert_string_equal(
        node_report(&node, "nothing was started"),
        "--set: god.workers=1: the config has no module \"god\" (did you mean \"good\"?)\n"
        "--set: nonsense is not of the form module.key=value\n"
        "--set: module \"good\": unknown setting \"wrokers\" (did you mean \"workers\"?)\n"
        "--set: module \"good\": workers = \"many\": a whole number is needed\n"
        "4 errors, nothing was started.\n");
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(unknown_key_gets_a_suggestion),
        FOLDER_TEST(wrong_kinds_are_named),
        FOLDER_TEST(values_out_of_range_are_refused),
        FOLDER_TEST(texts_without_the_form_of_their_kind),
        FOLDER_TEST(listen_faults_are_named),
        FOLDER_TEST(broken_lua_is_named_with_its_line),
        FOLDER_TEST(unknown_names_do_not_hide_each_other),
        FOLDER_TEST(limits_end_what_would_not_end),
        FOLDER_TEST(sandbox_has_pure_functions_only),
        FOLDER_TEST(blocks_come_once_and_with_names),
        FOLDER_TEST(language_version_is_needed),
        FOLDER_TEST(files_that_cannot_be_read),
        FOLDER_TEST(file_that_is_taken_away_meanwhile),
        FOLDER_TEST(secret_files_are_guarded),
        FOLDER_TEST(environment_must_be_set_or_have_a_default),
        FOLDER_TEST(every_kind_is_filled),
        FOLDER_TEST(defaults_are_written_like_values),
        FOLDER_TEST(keys_have_their_own_lines),
        FOLDER_TEST(set_options_read_by_kind),
        FOLDER_TEST(set_options_name_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
