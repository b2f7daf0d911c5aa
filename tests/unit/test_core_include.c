/* SPDX-License-Identifier: Apache-2.0
 *
 * include and envfile: a config of several files. */
#include "test_core_node.h"

#include <dirent.h>

extern const struct ub_module unibus_module_good;

static const struct ub_module *const statics[] = {&unibus_module_good};

#define FAILS(lua, expected) plan_fails(lua, statics, 1, expected)
#define ERRORS1              "\n1 error, nothing was started.\n"
#define ONE(message)         message ERRORS1

static void folder_make(const char *name)
{
    assert_int_equal(mkdir(name, 0700), 0);
}

static const struct config_value *value_of(struct test_node *node, const char *name)
{
    struct config_block *block = config_find(&node->boot.plan.config, "good");
    assert_non_null(block);
    const struct config_value *value = block_find(block, name);
    assert_non_null(value);
    return value;
}

static const char *list_of_modules(struct test_node *node)
{
    static char list[256];
    list[0] = '\0';
    for (size_t i = 0; i < node->boot.plan.config.module_count; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s ", node->boot.plan.config.modules[i].name);
    }
    return list;
}

static void opens(struct test_node *node, const char *lua)
{
    node_open(node, lua, statics, 1);
    bool is_planned = boot_plan(&node->boot);
    assert_string_equal(is_planned ? "" : node_report(node, "?"), "");
}

static void a_folder_is_read_in_lexical_order(void **state)
{
    (void)state;
    struct test_node node;
    folder_make("conf.d");
    file_write("conf.d/20-b.lua", "module \"zoo-sound\" {}", 0600);
    file_write("conf.d/10-a.lua", "module \"good\" {\n text = \"x\" }", 0600);
    file_write("conf.d/.hidden.lua", "nonsense", 0600);
    file_write("conf.d/30-c.lua~", "nonsense", 0600);
    file_write("conf.d/README", "nonsense", 0600);
    opens(&node, LUA("include \"conf.d\"\n"));
    assert_string_equal(list_of_modules(&node), "good zoo-sound ");
    assert_string_equal(value_of(&node, "text")->where.file, "conf.d/10-a.lua");
    assert_int_equal(value_of(&node, "text")->where.line, 2);
    const struct ub_host *host = &node.boot.plan.instances[0].host.pub;
    assert_string_equal(host->node->where(host, "text").file, "conf.d/10-a.lua");
    node_close(&node);
    folder_make("empty.d");
    opens(&node, LUA("include \"empty.d/\"\nmodule \"good\" {}"));
    node_close(&node);
}

/* Paths and secrets start at the file that names them, through links and in other folders. */
static void paths_start_at_the_file_that_names_them(void **state)
{
    (void)state;
    struct test_node node;
    char expected[256];
    struct {
        bool flag;
        int64_t workers, max_item, timeout;
        const char *text;
        int mode;
        const char *file, *dir;
    } * settings;
    folder_make("a");
    folder_make("a/b");
    file_write("a/b/good.key", "hunter2\n", 0600);
    file_write("a/b/x.lua",
               "module \"good\" { file = \"own.txt\", key = secret \"good.key\",\n dir = \"s\" }",
               0600);
    file_write("a/y.lua", "include \"b/x.lua\"", 0600);
    assert_int_equal(symlink("a/y.lua", "link.lua"), 0);
    opens(&node, LUA("include \"link.lua\""));
    settings = node.boot.plan.instances[0].settings.data;
    snprintf(expected, sizeof(expected), "%s/a/b/own.txt", test_folder);
    assert_string_equal(settings->file, expected);
    snprintf(expected, sizeof(expected), "%s/local_files/s", test_folder);
    assert_string_equal(settings->dir, expected);
    node_close(&node);
}

static void the_same_twice_names_both_places(void **state)
{
    (void)state;
    folder_make("d");
    file_write("d/a.lua", "module \"good\" {}\nlog { level = \"info\" }", 0600);
    file_write("d/b.lua", "\n\nmodule \"good\" {}\nlog {}\nlog {}", 0600);
    FAILS(LUA("include \"d\"\nmodule \"good\" {}"),
          "d/b.lua:3: module \"good\" is given twice (first at d/a.lua:1)\n"
          "d/b.lua:4: log is given twice (first at d/a.lua:2)\n"
          "d/b.lua:5: log is given twice (first at d/a.lua:2)\n"
          "unibus.lua:3: module \"good\" is given twice (first at d/a.lua:1)\n"
          "4 errors, nothing was started.\n");
    FAILS(LUA("include \"d/a.lua\"\ninclude \"d/../d/a.lua\""),
          ONE("unibus.lua:3: d/a.lua is included twice (first on line 2)"));
    FAILS(LUA("module \"good\" {\n text = \"a\",\n tls = { on = true, on = false },\n"
              " text = \"b\" }"),
          "unibus.lua:4: module \"good\": tls.on is given twice (first on line 4)\n"
          "unibus.lua:5: module \"good\": text is given twice (first on line 3)\n"
          "2 errors, nothing was started.\n");
    FAILS(LUA("module \"good\" { tls = { on = true }, [\"tls.on\"] = true }"),
          ONE("unibus.lua:2: module \"good\": tls.on is given twice, in two forms"));
}

/* What only looks like a key given twice. */
static void other_tables_and_calls_are_no_second_time(void **state)
{
    (void)state;
    struct test_node node;
    opens(&node, LUA("local function pick(a, b) return b end\n"
                     "module \"good\" { text = pick({ text = 1 }, \"x\"),\n"
                     " workers = (function() local w, workers = 1, 7 return workers end)(),\n"
                     " tls = { on = true }, flag = 1 == 1, -- flag = false\n"
                     " names = { [=[ text = 3, ]=] } }"));
    node_close(&node);
}

static void circles_and_depth_are_refused(void **state)
{
    (void)state;
    char name[32], text[64];
    file_write("a.lua", "include \"b.lua\"", 0600);
    file_write("b.lua", "\ninclude \"a.lua\"", 0600);
    FAILS(LUA("module \"good\" {}\ninclude \"a.lua\""),
          ONE("b.lua:2: a.lua includes itself: a.lua -> b.lua -> a.lua"));
    FAILS(LUA("module \"good\" {}\ninclude \"unibus.lua\""),
          ONE("unibus.lua:3: unibus.lua includes itself: unibus.lua -> unibus.lua"));
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "deep%d.lua", i);
        snprintf(text, sizeof(text), "include \"deep%d.lua\"", i + 1);
        file_write(name, text, 0600);
    }
    FAILS(LUA("module \"good\" {}\ninclude \"deep0.lua\""),
          ONE("deep7.lua:1: include of deep8.lua: files include each other more than 8 deep"));
}

static void every_file_is_judged_like_the_main_one(void **state)
{
    (void)state;
    folder_make("d");
    file_write("d/a.lua", "module \"good\" {}", 0602);
    file_write("d/b.lua", "x = \"\xff\"", 0600);
    FAILS(LUA("include \"d\""),
          "d/a.lua: can be written by others (mode 0602): run chmod o-w d/a.lua\n"
          "d/b.lua:1: a byte that is not UTF-8 (0xff): save the file as UTF-8\n"
          "2 errors, nothing was started.\n");
    assert_int_equal(chmod("d", 0703), 0);
    FAILS(LUA("include \"d\""), ONE("d: can be written by others (mode 0703): run chmod o-w d"));
    assert_int_equal(chmod("d/a.lua", 0600), 0);
    char expected[512];
    snprintf(expected, sizeof(expected),
             ONE("d/a.lua: lies in folder %1$s/d, which can be written by others (mode 0703): run "
                 "chmod o-w %1$s/d"),
             test_folder);
    FAILS(LUA("include \"d/a.lua\""), expected);
    /* A sticky bit keeps others from replacing the file, and from nothing else. */
    struct test_node node;
    assert_int_equal(chmod("d", 01703), 0);
    opens(&node, LUA("include \"d/a.lua\""));
    node_close(&node);
    FAILS(LUA("include \"d\""), ONE("d: can be written by others (mode 1703): run chmod o-w d"));
    folder_make("e");
    folder_make("e/sub.lua");
    assert_int_equal(mkfifo("e/pipe.lua", 0600), 0);
    assert_int_equal(symlink("nowhere", "e/gone.lua"), 0);
    FAILS(LUA("include \"e\"\ninclude \"none.lua\"\ninclude \"/dev/zero\"\ninclude(5)"),
          "/dev/zero: is a device, not a file\n"
          "e/pipe.lua: is a pipe (FIFO), not a file\n"
          "e/sub.lua: is a folder, not a file\n"
          "unibus.lua:2: e/gone.lua cannot be read: No such file or directory\n"
          "unibus.lua:3: none.lua cannot be read: No such file or directory\n"
          "unibus.lua:5: include needs a path: include \"conf.d\"\n"
          "6 errors, nothing was started.\n");
}

/* A broken file hides neither the others nor what was read before. */
static void every_file_tells_its_faults(void **state)
{
    (void)state;
    folder_make("d");
    file_write("d/a.lua", "module \"good\" {\n workers = 0 }\nlocal x = nil + 1", 0600);
    file_write("d/b.lua", "\nmodule \"x\" {", 0600);
    file_write("d/c.lua", "local function f()\n error(\"no\")\nend\nf()", 0600);
    file_write("d/d.lua", "\nerror({})", 0600);
    file_write("d/e.lua", "lgo {}", 0600);
    FAILS(LUA("include \"d\"\nlog { levl = 1 }"),
          "d/a.lua:2: module \"good\": workers = 0 is too small: 1 to 512 (default 8)\n"
          "d/a.lua:3: attempt to perform arithmetic on a nil value\n"
          "d/b.lua:2: unexpected symbol near <eof>\n"
          "d/c.lua:2: no\n"
          "d/d.lua:2: error with a value that is no text\n"
          "d/e.lua:1: unknown name \"lgo\" (did you mean \"log\"?)\n"
          "unibus.lua:3: log: unknown setting \"levl\" (did you mean \"level\"?)\n"
          "7 errors, nothing was started.\n");
}

static void limits_hold_over_all_files(void **state)
{
    (void)state;
    file_write("loop.lua", "\n\nwhile true do end", 0600);
    FAILS(LUA("module \"good\" {}\ninclude \"loop.lua\"\ninclude \"loop.lua\""),
          ONE("loop.lua:3: the config runs too long: more than 1000000 steps (an endless loop?)"));
    file_write("fat.lua", "local s = \"x\"\nwhile true do s = s .. s end", 0600);
    FAILS(LUA("module \"good\" {}\ninclude \"fat.lua\""),
          ONE("fat.lua: the config needs more than 4 MiB of memory"));
    folder_make("many");
    for (int i = 0; i < 257; i++) {
        char name[32];
        snprintf(name, sizeof(name), "many/%d.lua", i);
        file_write(name, "", 0600);
    }
    FAILS(LUA("module \"good\" {}\ninclude \"many\""),
          ONE("unibus.lua:3: many has more than 256 files"));
    assert_int_equal(unlink("many/0.lua"), 0);
    FAILS(LUA("module \"good\" {}\ninclude \"many\""),
          ONE("unibus.lua:3: the config names more than 256 files"));
}

/* ---- envfile ----------------------------------------------------------------------------------
 */

static void an_env_file_is_a_table_of_texts(void **state)
{
    (void)state;
    struct test_node node;
    file_write("nodes.env",
               "# comment\n; too\n\n A = one two \t\r\nB=\"q \\\" \\\\ \\$ \\n\"  \n"
               "C='as \\ is'\nD=\nE=a\\ \\b\\ \nF=it's # no comment\n_9=last",
               0600);
    opens(&node,
          LUA("local n = envfile \"nodes.env\"\n"
              "local count = 0\nfor name, value in pairs(n) do count = count + 1 end\n"
              "module \"good\" { names = { n.A, n.B, n.C, n.D, n.E, n.F, n._9, n(\"G\", \"g\"),\n"
              " tostring(count), n(\"A\", \"z\"), tostring(#n), tostring(n[1]) } }"));
    const struct config_value *names = value_of(&node, "names");
    static const char *const expected[] = {"one two", "q \" \\ $ \\n",     "as \\ is", "",
                                           "a b ",    "it's # no comment", "last",     "g",
                                           "7",       "one two",           "0",        "nil"};
    assert_int_equal(names->item_count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < names->item_count; i++) {
        assert_string_equal(names->items[i], expected[i]);
    }
    node_close(&node);
}

static void faults_of_an_env_file_come_at_once(void **state)
{
    (void)state;
    file_write("nodes.env", "A\nexport B=1\n9=1\nC=\"x\nD='x' y\nE=x\\\nF=1\nF=2\n=1\nG=\"x\\\"\n",
               0600);
    FAILS(LUA("local n = envfile \"nodes.env\"\nmodule \"good\" { text = n.A }"),
          "nodes.env:1: no \"=\" on this line: write NAME=value, or # before a comment\n"
          "nodes.env:2: \"export B\" is no name: leave out \"export\", this is no shell\n"
          "nodes.env:3: \"9\" is no name: letters, digits and \"_\", not a digit first\n"
          "nodes.env:4: the value's \" quote is not closed on this line\n"
          "nodes.env:5: text after the closing quote: quote the whole value\n"
          "nodes.env:6: the line ends with \"\\\": a value cannot go on in the next line\n"
          "nodes.env:8: F is given twice (first on line 7)\n"
          "nodes.env:9: \"\" is no name: letters, digits and \"_\", not a digit first\n"
          "nodes.env:10: the value's \" quote is not closed on this line\n"
          "9 errors, nothing was started.\n");
}

static void names_that_an_env_file_lacks(void **state)
{
    (void)state;
    file_write("nodes.env", "ADDRESS=127.0.0.1\n", 0600);
    FAILS(LUA("local n = envfile \"nodes.env\"\nmodule \"good\" { text = n.ADRESS,\n"
              " workers = n.ADDRESS,\n names = { n.X } }\nn.Y = 1\nlocal m = envfile \"m.env\"\n"
              "local p = envfile {}\nmodule \"zoo-sound\" { number = m.A + p.B }"),
          "unibus.lua:3: nodes.env does not set ADRESS (did you mean \"ADDRESS\"?): add the line "
          "ADRESS=…, or write (\"ADRESS\", \"default\") in place of .ADRESS\n"
          "unibus.lua:4: module \"good\": workers = \"127.0.0.1\": a whole number is needed\n"
          "unibus.lua:5: nodes.env does not set X: add the line X=…, or write (\"X\", "
          "\"default\") in place of .X\n"
          "unibus.lua:6: the values of nodes.env cannot be changed here\n"
          "unibus.lua:7: m.env cannot be read: No such file or directory\n"
          "unibus.lua:8: envfile needs a path: envfile \"nodes.env\"\n"
          "6 errors, nothing was started.\n");
    assert_int_equal(chmod("nodes.env", 0606), 0);
    FAILS(LUA("module \"good\" { text = (envfile \"nodes.env\").ADDRESS }"),
          ONE("nodes.env: can be written by others (mode 0606): run chmod o-w nodes.env"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(a_folder_is_read_in_lexical_order),
        FOLDER_TEST(paths_start_at_the_file_that_names_them),
        FOLDER_TEST(the_same_twice_names_both_places),
        FOLDER_TEST(other_tables_and_calls_are_no_second_time),
        FOLDER_TEST(circles_and_depth_are_refused),
        FOLDER_TEST(every_file_is_judged_like_the_main_one),
        FOLDER_TEST(every_file_tells_its_faults),
        FOLDER_TEST(limits_hold_over_all_files),
        FOLDER_TEST(an_env_file_is_a_table_of_texts),
        FOLDER_TEST(faults_of_an_env_file_come_at_once),
        FOLDER_TEST(names_that_an_env_file_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
