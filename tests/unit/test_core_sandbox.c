/* SPDX-License-Identifier: Apache-2.0
 *
 * A config that attacks the machine: each known way by its name. The run ends soon, with a clear
 * fault, and the process stays small. */
#include "test_core_node.h"

#include <sys/resource.h>
#include <time.h>

extern const struct ub_module unibus_module_good;

static const struct ub_module *const statics[] = {&unibus_module_good};

#define SECONDS_MAX  4.0 /* SANDBOX_TIME_MS twice: instrumented builds are slow */
#define GROWN_MAX_KB (96L * 1024)

struct attack {
    const char *name, *lua, *said; /* a part of the report */
};

#define DEEP_50 "(((((((((((((((((((((((((((((((((((((((((((((((((("

static const struct attack attacks[] = {
    {"endless loop", "while true do end", "runs too long"},
    {"endless loop of goto", "::again:: goto again", "runs too long"},
    {"endless recursion by tail calls", "local function f() return f() end f()", "runs too long"},
    {"endless recursion", "local function f() return 1 + f() end f()", "more than 4 MiB"},
    {"loop that swallows errors", "while true do pcall(function() while true do end end) end",
     "unknown name \"pcall\""},
    {"coroutines that count from zero",
     "for i = 1, 50 do coroutine.wrap(function() for j = 1, 180000 do end end)() end",
     "unknown name \"coroutine\""},
    {"string of 1 GiB", "local s = string.rep(\"x\", 1 << 30)", "string.rep is not part"},
    {"string of 1 GiB by a method", "local s = (\"x\"):rep(1 << 30)", "string.rep is not part"},
    {"doubling string", "local s = \"x\" while true do s = s .. s end", "more than 4 MiB"},
    {"endless table", "local t = {} for i = 1, 1 << 60 do t[i] = i end", "4 MiB"},
    {"pattern bomb", "string.find((\"a\"):rep(24), (\"a*\"):rep(12) .. \"b\")",
     "string.find is not part"},
    {"pattern bomb by a method", "local s = (\"aaaaaaaa\"):find(\".-.-.-.-b\")",
     "string.find is not part"},
    {"pattern bomb by match, gmatch, gsub",
     "local a, b, c = string.match, string.gmatch, string.gsub", "string.gsub is not part"},
    {"format with a width", "local s = string.format(\"%99999d\", 1)", "string.format is not part"},
    {"byte code by load", "load(\"\\27Lua\")()", "unknown name \"load\""},
    {"byte code by string.dump", "string.dump(function() end)", "string.dump is not part"},
    {"finalizer that does not end", "setmetatable({}, { __gc = function() while true do end end })",
     "unknown name \"setmetatable\""},
    {"length that lies",
     "table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), "
     "1, 0)",
     "unknown name \"setmetatable\""},
    {"table.move over 2^60", "table.move({}, 1, 1 << 60, 2)", "table.move is not part"},
    {"table.unpack over 2^60", "local a = table.unpack({}, 1, 1 << 60)", "too many results"},
    {"table.unpack of a million", "local n = select(\"#\", table.unpack({}, 1, 900000))",
     "more than 4 MiB"},
    {"table.concat over 2^60", "local s = table.concat({}, \"\", 1, 1 << 60)", "invalid value"},
    {"table.insert far away", "table.insert({}, 1 << 60, 0)", "position out of bounds"},
    {"table.sort of long texts",
     "local s = \"x\" for i = 1, 20 do s = s .. s end local t = {} for i = 1, 60000 do t[i] = s "
     "end "
     "table.sort(t)",
     "runs too long: more than 2000 ms"},
    {"table.sort with an order that lies",
     "local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() return true end)",
     "invalid order function"},
    {"table.sort with an order that fails", "table.sort({3, 2, 1}, function() error({}) end)",
     "error with a value that is no text"},
    {"table.sort in its own order",
     "local function f() table.sort({3, 2, 1}, f) end table.sort({3, 2, 1}, f)",
     "C stack overflow"},
    {"string.lower of a long text, again and again",
     "local s = \"x\" for i = 1, 20 do s = s .. s end while true do local t = s:lower() end",
     "runs too long"},
    {"comparing long texts",
     "local s = \"x\" for i = 1, 20 do s = s .. s end local a, b = s .. \"a\", s .. \"b\" "
     "while a < b do end",
     "runs too long"},
    {"keys of one hash",
     "local t = {} for i = 1, 16000 do t[i * 32767] = 1 end while true do local x = t[-32767] end",
     "runs too long"},
    {"_ENV that is a constant", "local _ENV <const> = 11 X = 1", "attempt to index a number"},
    {"deep text", "local a = " DEEP_50 DEEP_50 DEEP_50 DEEP_50 DEEP_50, "C stack overflow"},
    {"holes without end",
     "for i, v in ipairs(none) do end for k, v in pairs(none) do end "
     "local s = \"\" for i = 1, #none do s = s .. none[i] end",
     "unknown name \"none\""},
    {"environment without end",
     "for i, v in ipairs(env) do end for i = 1, 1e5 do local x = env.NO_SUCH "
     "end for i = 1, 1e5 do local x = env[i] end env()",
     "NO_SUCH is not set"},
    {"metatable of a text", "getmetatable(\"\").__index = nil", "unknown name \"getmetatable\""},
    {"global functions overwritten", "string.len = nil tostring = nil module = nil",
     "\"tostring\" cannot be assigned"},
    {"the machine", "os.execute(\"touch escaped\") io.open(\"escaped\", \"w\")",
     "unknown name \"io\""},
    {"other code", "require(\"x\") dofile(\"x\") package.loadlib(\"x\", \"y\") debug.sethook()",
     "unknown name \"debug\""},
    {"value to be closed", "local x <close> = none", "variable 'x' got a non-closable value"},
    {"error without a text", "error(nil)", "error with a value that is no text"},
    {"one large table in many settings",
     "local t, u = {}, {} for i = 1, 100000 do t[i] = i end for i = 1, 500 do u[\"k\" .. i] = t "
     "end "
     "for i = 1, 100 do module(\"m\" .. i)(u) end",
     "is a list of more than 1024 texts"},
    {"one large list in many settings",
     "local t, u = {}, {} for i = 1, 1024 do t[i] = \"\" end for i = 1, 500 do u[\"k\" .. i] = t "
     "end for i = 1, 100 do module(\"m\" .. i)(u) end",
     "more than 4 MiB"},
    {"table of too many names",
     "local t = {} for i = 1, 2000 do t[\"k\" .. i] = 1 end module "
     "\"x\" (t)",
     "has more than 512 settings"},
    {"table in itself", "local t = {} t.t = t module \"x\" (t)", "is nested too deeply"},
    {"too many modules", "for i = 1, 200 do module(\"m\" .. i) {} end", "more than 128 modules"},
    {"the same file again and again", "while true do envfile \"unibus.lua\" end",
     "more than 256 files"},
    {"files that are not there, without end", "while true do include \"none\" end",
     "more than 4 MiB of memory"},
    {"name with a path", "module \"../../x\" {}", "module needs a name"},
    {"text that is no UTF-8", "module \"good\" { text = \"\\xff\" }", "text is not valid UTF-8"},
    {"text with a NUL", "module \"good\" { text = \"a\\0b\" }", "contains a NUL byte"},
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void attack_fails(const struct attack *attack)
{
    char lua[1024];
    struct test_node node;
    snprintf(lua, sizeof(lua), LUA("%s\n"), attack->lua);
    double start = seconds_now();
    node_open(&node, lua, statics, 1);
    bool is_planned = boot_plan(&node.boot);
    double took = seconds_now() - start;
    const char *report = node_report(&node, "nothing was started");
    bool is_clear = !is_planned && strstr(report, attack->said) != NULL &&
                    strncmp(report, "unibus.lua", 10) == 0;
    if (!is_clear || took > SECONDS_MAX) {
        print_error("%s: %.2f s, %.1200s\n", attack->name, took, report);
    }
    assert_true(is_clear);
    assert_true(took <= SECONDS_MAX);
    assert_int_equal(access("escaped", F_OK), -1);
    node_close(&node);
}

static void every_attack_ends_with_a_clear_fault(void **state)
{
    (void)state;
    long before = peak_kb();
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        attack_fails(&attacks[i]);
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* these keep what is freed */
    assert_true(peak_kb() - before < GROWN_MAX_KB);
#else
    (void)before;
#endif
}

/* The pure functions that are left work, so the attacks failed for their own reason. */
static void control_sound_lua_runs(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node,
              LUA("local t = { \"b\", \"c\", \"a\" } table.sort(t)\n"
                  "table.sort(t, function(a, b) return a > b end) table.insert(t, \"d\")\n"
                  "local s = table.concat(t, \",\") .. (\"x\"):upper() .. #t\n"
                  "for i = 1, 100000 do end\n"
                  "module \"good\" { text = s .. tostring(math.max(1, 2)), names = t }\n"),
              statics, 1);
    assert_true(boot_plan(&node.boot));
    const struct config_block *block = config_find(&node.boot.plan.config, "good");
    assert_string_equal(block_find(block, "text")->text, "c,b,a,dX42");
    node_close(&node);
}

static void text_fails(const char *bytes, size_t len, const char *expected)
{
    struct test_node node;
    node_open(&node, "", statics, 1);
    FILE *file = fopen("unibus.lua", "w");
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
    assert_false(boot_plan(&node.boot));
    assert_string_equal(node_report(&node, "nothing was started"), expected);
    node_close(&node);
}

static void files_that_are_no_text(void **state)
{
    (void)state;
    text_fails("unibus \"1\"\n-- \0\n", 16,
               "unibus.lua:2: a NUL byte: this is no text file\n1 error, nothing was started.\n");
    text_fails("unibus \"1\"\n\n-- \xc3(\n", 18,
               "unibus.lua:3: a byte that is not UTF-8 (0xc3): save the file as UTF-8\n"
               "1 error, nothing was started.\n");
    char *large = malloc((1 << 20) + 1);
    memset(large, '\n', (1 << 20) + 1);
    text_fails(large, (1 << 20) + 1,
               "unibus.lua: has more than 1048576 bytes; is it a config?\n"
               "1 error, nothing was started.\n");
    free(large);
    struct test_node node;
    node_open(&node, "\xEF\xBB\xBF" LUA("module \"good\" { text = \"\u00e4\" }"), statics, 1);
    assert_true(boot_plan(&node.boot)); /* a byte order mark is taken off */
    node_close(&node);
}

static void path_fails(const char *path, const char *expected)
{
    struct test_node node;
    node_open(&node, LUA("module \"good\" {}"), statics, 1);
    node.source.config_file = path;
    double start = seconds_now();
    assert_false(boot_plan(&node.boot));
    assert_true(seconds_now() - start < SECONDS_MAX);
    assert_string_equal(node_report(&node, "nothing was started"), expected);
    node_close(&node);
}

static void paths_that_are_no_files(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("pipe.lua", 0600), 0);
    assert_int_equal(symlink("loop.lua", "loop.lua"), 0);
    path_fails("pipe.lua", "pipe.lua: is a pipe (FIFO), not a file\n"
                           "1 error, nothing was started.\n");
    path_fails("/dev/zero", "/dev/zero: is a device, not a file\n1 error, nothing was started.\n");
    path_fails(".", ".: is a folder, not a file\n1 error, nothing was started.\n");
    path_fails("loop.lua", "loop.lua: cannot be read: Too many levels of symbolic links\n"
                           "1 error, nothing was started.\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(every_attack_ends_with_a_clear_fault),
        FOLDER_TEST(control_sound_lua_runs),
        FOLDER_TEST(files_that_are_no_text),
        FOLDER_TEST(paths_that_are_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
