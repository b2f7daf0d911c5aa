/* SPDX-License-Identifier: Apache-2.0
 *
 * Every attack on the sandbox by name: the verdict is deny, it is over soon, and the next question
 * is answered as if nothing had been. */
#include <stdlib.h>

#include "test_policy_rig.h"

/* Sanitizers make everything some 10 times slower; what escapes the budget runs for minutes. */
#define TOO_LONG_US 2000000

struct attack {
    const char *name, *body;
    enum ubp_error error; /* EITHER = steps or memory, whichever is used up first */
};

#define EITHER UBP_OK

#define FOREVER "while true do end"

static const struct attack attacks[] = {
    {"endless loop", "while true do end", UBP_E_STEPS},
    {"endless repeat", "repeat until false", UBP_E_STEPS},
    {"endless for", "for i = 1, math.huge do end", UBP_E_STEPS},
    {"goto loop", "::a:: goto a", UBP_E_STEPS},
    {"pcall loop", "while true do pcall(function() while true do end end) end", UBP_E_STEPS},
    {"pcall of pcall", "while true do pcall(pcall, pcall, error) end", UBP_E_STEPS},
    {"pcall that catches the limit", "pcall(function() " FOREVER " end) return allow()",
     UBP_E_STEPS},
    {"error handler as error", "while true do pcall(error, error) end", UBP_E_STEPS},
    {"coroutine", "coroutine.wrap(function() " FOREVER " end)()", UBP_E_RUNTIME},
    {"coroutine by rawget", "local c = _ENV.coroutine", UBP_E_RUNTIME},
    {"string.rep", "string.rep('x', 1 << 30)", UBP_E_RUNTIME},
    {"rep through the metatable", "return deny(('x'):rep(1 << 30))", UBP_E_RUNTIME},
    {"string.find", "string.find(('a'):rep(150), '.-.-b')", UBP_E_RUNTIME},
    {"find through the metatable", "return deny(('aaaa'):find('.-.-b'))", UBP_E_RUNTIME},
    {"string.match", "string.match('a', '.-')", UBP_E_RUNTIME},
    {"string.gmatch", "for w in ('a'):gmatch('.-') do end", UBP_E_RUNTIME},
    {"string.gsub", "('a'):gsub('.-', 'x')", UBP_E_RUNTIME},
    {"string.format", "string.format('%99.99f', 1)", UBP_E_RUNTIME},
    {"format through the metatable", "('%99.99f'):format(1)", UBP_E_RUNTIME},
    {"string.dump", "string.dump(on_connect)", UBP_E_RUNTIME},
    {"string.pack", "string.pack('s4', 'x')", UBP_E_RUNTIME},
    {"string metatable", "local m = ('').__index", UBP_E_RUNTIME},
    {"writing into strings", "('').x = 1", UBP_E_RUNTIME},
    {"load bytecode", "load('\\27Lua')()", UBP_E_RUNTIME},
    {"load text", "load('return 1')()", UBP_E_RUNTIME},
    {"loadstring", "loadstring('x')", UBP_E_RUNTIME},
    {"dofile", "dofile('/etc/passwd')", UBP_E_RUNTIME},
    {"require", "require('os')", UBP_E_RUNTIME},
    {"io", "io.open('/etc/passwd')", UBP_E_RUNTIME},
    {"os", "os.execute('true')", UBP_E_RUNTIME},
    {"debug", "debug.sethook()", UBP_E_RUNTIME},
    {"package", "package.loadlib('x', 'y')", UBP_E_RUNTIME},
    {"collectgarbage", "collectgarbage('stop')", UBP_E_RUNTIME},
    {"__gc", "setmetatable({}, {__gc = function() " FOREVER " end})", UBP_E_RUNTIME},
    {"getmetatable", "getmetatable('').__index = nil", UBP_E_RUNTIME},
    {"rawset", "rawset(who, 'role', 'admin')", UBP_E_RUNTIME},
    {"rawget", "rawget(who, 'x')", UBP_E_RUNTIME},
    {"next", "next(who)", UBP_E_RUNTIME},
    {"_G", "_G.allow = nil", UBP_E_RUNTIME},
    {"table.move over 2^60", "table.move({}, 1, 1 << 60, 2)", UBP_E_RUNTIME},
    {"table.move at the end of the numbers", "table.move({1, 2, 3}, 1, 3, math.maxinteger - 1)",
     UBP_E_RUNTIME},
    {"table.move from the lowest", "table.move({}, math.mininteger, math.maxinteger, 1)",
     UBP_E_RUNTIME},
    {"lying __len", "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 0)",
     UBP_E_RUNTIME},
    {"__len by hand", "table.insert({__len = function() return 1 << 60 end}, 9, 0)", UBP_E_RUNTIME},
    {"table.concat over 2^60", "table.concat({}, 'x', 1, 1 << 60)", UBP_E_RUNTIME},
    {"table.concat that doubles",
     "local t = {} for i = 1, 64 do t[i] = 'xxxxxxxxxxxxxxxx' end while true do t[1] = "
     "table.concat(t) end",
     UBP_E_MEMORY},
    {"table.unpack over 2^30", "table.unpack({}, 1, 1 << 30)", UBP_E_RUNTIME},
    {"table.unpack from the lowest", "table.unpack({}, math.mininteger, math.maxinteger)",
     UBP_E_RUNTIME},
    {"table.sort that lies",
     "local t = {} for i = 1, 256 do t[i] = i end table.sort(t, function() return true end) "
     "return deny(who.x)",
     UBP_E_RUNTIME},
    {"table.sort that empties",
     "local t = {} for i = 1, 200 do t[i] = i end table.sort(t, function(a, b) t[1] = nil t[2] = "
     "nil return a < b end)",
     UBP_E_RUNTIME},
    {"table.sort without end", "table.sort({1, 2}, function() " FOREVER " end)", UBP_E_STEPS},
    {"table.sort of many", "local t = {} for i = 1, 300 do t[i] = i end table.sort(t)",
     UBP_E_RUNTIME},
    {"sorting again and again",
     "local t = {} for i = 1, 256 do t[i] = 256 - i end while true do table.sort(t, function(a, b) "
     "return a > b end) table.sort(t) end",
     UBP_E_STEPS},
    {"inserting at the front", "local t = {} while true do table.insert(t, 1, 1) end", UBP_E_STEPS},
    {"removing from the front",
     "local t = {} for i = 1, 4000 do t[i] = i end while true do table.remove(t, 1) t[4000] = 1 "
     "end",
     UBP_E_STEPS},
    {"concatenation that doubles", "local s = 'xxxxxxxx' while true do s = s .. s end",
     UBP_E_MEMORY},
    {"concatenation, caught",
     "local s = 'xxxxxxxx' while true do pcall(function() while true do s = s .. s end end) end",
     UBP_E_MEMORY},
    {"memory in a table", "local t = {} local i = 0 while true do i = i + 1 t[i] = {} end", EITHER},
    {"memory in keys", "local t = {} local i = 0 while true do i = i + 1 t['k' .. i] = i end",
     EITHER},
    {"memory in strings",
     "local t = {} local i = 0 while true do i = i + 1 t[i] = i .. "
     "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' end",
     EITHER},
    {"memory in closures",
     "local t = {} local i = 0 while true do i = i + 1 t[i] = function() return i, t end end",
     EITHER},
    {"memory, caught",
     "local t = {} while true do pcall(function() local i = #t while true do i = i + 1 t[i] = {} "
     "end end) end",
     EITHER},
    {"deep recursion", "local function f() return 1 + f() end f()", UBP_E_MEMORY},
    {"deep recursion, caught", "local function f() pcall(f) return f() end f()", EITHER},
    {"endless tail call", "local function f() return f() end f()", UBP_E_STEPS},
    {"growing varargs", "local function f(...) return f(1, ...) end f()", EITHER},
    {"varargs in a table", "local function f(...) local t = {...} return f(1, ...) end f()",
     EITHER},
    {"select with a huge count", "while true do select(1 << 62, 1) end", UBP_E_STEPS},
    {"select with the lowest", "select(math.mininteger)", UBP_E_RUNTIME},
    {"string.char of many",
     "local t = {} for i = 1, 240 do t[i] = 65 end while true do "
     "string.char(table.unpack(t)) end",
     UBP_E_STEPS},
    {"integer overflow", "local i = math.maxinteger while i + 1 ~= 0 do i = i + 1 end",
     UBP_E_STEPS},
    {"for over the whole range", "for i = math.mininteger, math.maxinteger do end", UBP_E_STEPS},
    {"division by zero", "return deny(1 // 0)", UBP_E_RUNTIME},
    {"number from a long text",
     "local s = '1' for i = 1, 11 do s = s .. s end while true do pcall(function() return s | 1 "
     "end) "
     "end",
     UBP_E_STEPS},
    {"arithmetic on strings", "return deny('10' + 1)", UBP_E_RUNTIME},
    {"comparing long strings",
     "local s = 'x' for i = 1, 11 do s = s .. s end local a, b = s .. 'a', s .. 'b' while a < b do "
     "end",
     UBP_E_STEPS},
    {"walking over empty places",
     "local t = {} for i = 1, 3000 do t[i] = 1 end for i = 1, 3000 do t[i] = nil end while true do "
     "pairs(t) end",
     UBP_E_STEPS},
    {"contains in long texts",
     "local s = 'a' for i = 1, 11 do s = s .. s end while true do contains(s, s .. 'b') end",
     UBP_E_STEPS},
    {"error with a table", "error({})", UBP_E_RUNTIME},
    {"error with nil", "error()", UBP_E_RUNTIME},
    {"error with a function", "error(function() " FOREVER " end)", UBP_E_RUNTIME},
    {"error with an answer", "error(allow())", UBP_E_RUNTIME},
    {"error with a long text", "local s = 'x' for i = 1, 11 do s = s .. s end error(s)",
     UBP_E_RUNTIME},
    {"__tostring of an error", "error({__tostring = function() " FOREVER " end})", UBP_E_RUNTIME},
    {"__name", "error({__name = 'x'})", UBP_E_RUNTIME},
    {"__index by hand", "local t = {__index = function() " FOREVER " end} return t.x",
     UBP_E_ANSWER},
    {"__close", "local x <close> = {__close = function() " FOREVER " end}", UBP_E_RUNTIME},
    {"__close of nil", "local x <close> = nil " FOREVER, UBP_E_STEPS},
    {"print", "while true do print('x') end", UBP_E_RUNTIME},
    {"warn", "warn('@on')", UBP_E_RUNTIME},
    {"_ENV of a call", "_ENV = {} return default()", UBP_E_RUNTIME},
    {"_ENV tampering", "local a = allow _ENV = {} return a()", UBP_E_STATE},
    {"_ENV field", "_ENV.allow = deny", UBP_E_RUNTIME},
    {"a new global", "x = 1", UBP_E_RUNTIME},
    {"changing deny", "deny = allow", UBP_E_RUNTIME},
    {"changing on_action", "on_action = on_connect", UBP_E_RUNTIME},
    {"calling itself", "return on_connect(who, conn)", UBP_E_RUNTIME},
    {"an answer of another", "return pcall", UBP_E_ANSWER},
    {"a list without end",
     "local l = {} for i = 1, 5000 do l[i] = 'a' end return allow{publish = l}", UBP_E_RUNTIME},
    {"keys of one hash",
     "local t = {} for i = 1, 3000 do t[i * 4095] = 1 end while true do local x = t[0 - 4095] end",
     EITHER},
    {"_ENV that is a constant", "local _ENV <const> = 11 X = 'hi'", UBP_E_RUNTIME},
    {"_ENV that is a text", "local _ENV = 'x' return deny(nothing.x)", UBP_E_RUNTIME},
    {"xpcall", "xpcall(error, error)", UBP_E_RUNTIME},
    {"utf8", "for p, c in utf8.codes('x') do end", UBP_E_RUNTIME},
    {"sort in sort", "local function f(a, b) table.sort({1, 2}, f) end f()", UBP_E_RUNTIME},
    {"sort in sort, caught",
     "local function f(a, b) pcall(table.sort, {1, 2}, f) return f() end f()", EITHER},
    {"error of a huge level", "error('x', 1 << 62)", UBP_E_RUNTIME},
    {"error with an unknown long name",
     "local s = 'x' for i = 1, 12 do s = s .. s end return deny(who[s])", UBP_E_RUNTIME},
    {"assert with a table", "assert(false, {})", UBP_E_RUNTIME},
    {"catching with a full stack", "local function f(...) pcall(f, 1, ...) error('x') end f()",
     EITHER},
    {"loop of goto over a local that closes",
     "::a:: do local x <close> = nil local f = function() return x end end goto a", UBP_E_STEPS},
    {"pairs with keys that have no order", "for k in pairs({[pcall] = 1}) do end", UBP_E_RUNTIME},
    {"the iterator of pairs by hand", "local n = pairs({a = 1}) while true do n() end",
     UBP_E_STEPS},
    {"joining many long texts",
     "local s = 'x' for i = 1, 11 do s = s .. s end while true do local x = s .. s .. s end",
     UBP_E_MEMORY},
    {"a test within a call", "test('x', function(t) end) return allow()", UBP_E_RUNTIME},
    {"permissions within themselves", "local t = {} t.publish = t return allow(t)", UBP_E_RUNTIME},
    {"permissions changed after their check",
     "local l = {'a'} local yes = allow{publish = l} l[1] = {} return yes", UBP_E_ANSWER},
    {"subject_match of long patterns",
     "local s = 'a' for i = 1, 9 do s = s .. '.' .. s end local p = '*' for i = 1, 9 do p = p .. "
     "'.' .. p end while true do subject_match(p, s) end",
     UBP_E_STEPS},
    {"ip_in with a huge list",
     "local l = {} for i = 1, 4000 do l[i] = '10.0.0.0/8' end while true do ip_in('1.1.1.1', l) "
     "end",
     UBP_E_STEPS},
};

static const char good_tail[] = "\nfunction on_action(who, action, target) return deny \"still "
                                "here\" end";

static void still_answers(struct ubp_script *script, const char *name)
{
    const struct ubp_action action = {.name = "room.list"};
    struct ubp_decision d;
    ubp_on_action(script, &rig_alice, &action, &rig_office, NULL, &d);
    if (d.error != UBP_OK || strcmp(d.text, "still here") != 0) {
        fail_msg("after \"%s\": %s", name, d.text);
    }
    ubp_decision_fini(&d);
}

static bool error_is(const struct attack *attack, enum ubp_error error)
{
    return attack->error == EITHER ? error == UBP_E_STEPS || error == UBP_E_MEMORY
                                   : error == attack->error;
}

static void run_attack(const struct attack *attack)
{
    char text[2048];
    snprintf(text, sizeof(text), "function on_connect(who, conn) %s end%s", attack->body,
             good_tail);
    struct ubp_script *script = rig_load(text);
    for (int i = 0; i < 3; i++) { /* the second time it may find what the first one left */
        struct ubp_decision d;
        int64_t start = rig_now_us();
        rig_connect(script, &d);
        int64_t took = rig_now_us() - start;
        if (d.verdict != UBP_DENY || !error_is(attack, d.error) || took > TOO_LONG_US) {
            fail_msg("\"%s\": verdict %d, error %d (%s), %lld us", attack->name, d.verdict, d.error,
                     d.text, (long long)took);
        }
        if (getenv("POLICY_TIMES") != NULL) {
            printf("%8lld us %7lld steps  %s: %s\n", (long long)took, (long long)d.steps,
                   attack->name, d.text);
        }
        ubp_decision_fini(&d);
        still_answers(script, attack->name);
        assert_true(ubp_script_memory(script) <= UBP_MEMORY_DEFAULT);
    }
    ubp_script_free(&script);
}

static void attacks_on_a_call(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        run_attack(&attacks[i]);
    }
}

/* The same while the script is loaded, and within a test of it. */
static void attacks_on_loading(void **state)
{
    char text[2048];
    struct ubp_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        if (strstr(attacks[i].body, "who") != NULL || strstr(attacks[i].body, "conn") != NULL ||
            attacks[i].error == UBP_E_ANSWER || attacks[i].error == UBP_E_STATE) {
            continue;
        }
        snprintf(text, sizeof(text), "do %s end", attacks[i].body);
        struct ubp_script *script = rig_try(text, &fault);
        if (script != NULL || fault.error == UBP_OK) {
            fail_msg("\"%s\" was loaded", attacks[i].name);
        }
        snprintf(text, sizeof(text),
                 "function on_connect() return default() end test(\"x\", function(t) t.ok(true) %s "
                 "end)",
                 attacks[i].body);
        script = rig_load(text);
        if (ubp_script_test(script, NULL, NULL, &fault)) {
            fail_msg("\"%s\" passed as a test", attacks[i].name);
        }
        ubp_script_free(&script);
    }
}

static void bytecode_is_refused(void **state)
{
    static const char bytecode[] = "\x1bLua\x54\x00\x19\x93\r\n\x1a\n";
    struct ubp_fault fault;
    (void)state;
    assert_null(ubp_script_load("x.lua", bytecode, sizeof(bytecode) - 1, NULL, &fault));
    assert_int_equal(fault.error, UBP_E_SYNTAX);
    assert_non_null(strstr(fault.text, "binary chunk"));
}

static void deep_text_is_refused(void **state)
{
    char *text = malloc(200001);
    struct ubp_fault fault;
    (void)state;
    assert_non_null(text);
    memset(text, '(', 200000);
    text[200000] = '\0';
    rig_refused(text, UBP_E_SYNTAX, 0, "C stack overflow");
    memset(text, '{', 200000);
    assert_null(ubp_script_load("x.lua", text, 200000, NULL, &fault));
    memset(text, 'x', 200000); /* one long name */
    assert_null(ubp_script_load("x.lua", text, 200000, NULL, &fault));
    assert_int_equal(fault.error, UBP_E_MEMORY);
    free(text);
}

/* ---- no state between calls --------------------------------------------------------------------
 */

static void twice(const char *text, enum ubp_error error, const char *part)
{
    struct ubp_script *script = rig_load(text);
    for (int i = 0; i < 2; i++) {
        struct ubp_decision d;
        rig_connect(script, &d);
        if (d.verdict != UBP_DENY || d.error != error || strstr(d.text, part) == NULL) {
            fail_msg("%s\ncall %d: verdict %d, error %d: %s", text, i, d.verdict, d.error, d.text);
        }
        ubp_decision_fini(&d);
    }
    ubp_script_free(&script);
}

static void nothing_is_remembered(void **state)
{
    (void)state;
    twice("local n = 0 function on_connect() n = n + 1 if n > 1 then return allow() end return "
          "default() end",
          UBP_E_STATE, "assigned \"n\"");
    twice("local t = {} function on_connect() t[1] = 1 return allow() end", UBP_E_RUNTIME,
          "can only be read");
    twice("local t = {a = {b = {}}} function on_connect() t.a.b.c = 1 return allow() end",
          UBP_E_RUNTIME, "can only be read");
    twice("local t = {1, 2} function on_connect() table.remove(t) return allow() end",
          UBP_E_RUNTIME, "can only be read");
    twice("local t = {2, 1} function on_connect() table.sort(t) return allow() end", UBP_E_RUNTIME,
          "can only be read");
    twice("local t = {} local function get() return t end function on_connect() get().x = 1 return "
          "allow() end",
          UBP_E_RUNTIME, "can only be read");
    twice("local t = {} t.self = t function on_connect() t.self.self.x = 1 return allow() end",
          UBP_E_RUNTIME, "can only be read");
    twice("local k = {} local t = {[k] = 1} function on_connect() for i = 1, 2 do k.x = i end "
          "return allow() end",
          UBP_E_RUNTIME, "can only be read");
    twice("local f = function() return 1 end local function g() f = nil end function on_connect() "
          "if f == nil then return allow() end g() return default() end",
          UBP_E_STATE, "assigned \"f\"");
    twice("local list = {\"a\"} local yes = allow{publish = list} function on_connect() "
          "list[2] = \"b\" return yes end",
          UBP_E_RUNTIME, "can only be read");
    /* A call that fails puts back what it changed, too. */
    twice("local n = 0 function on_connect() if n > 0 then return allow() end n = 1 error \"stop\" "
          "end",
          UBP_E_RUNTIME, "stop");
    twice(
        "local nan = 0/0 function on_connect() if nan ~= nan then return deny \"same\" end return "
        "allow() end",
        UBP_OK, "same");
}

static void what_is_frozen_can_be_read(void **state)
{
    (void)state;
    twice("local t = {b = 1, a = 2, 5, 6, 7} local deep = {x = {y = {\"z\"}}}\n"
          "function on_connect()\n"
          " local s = \"\" for k, v in pairs(t) do s = s .. k .. v end\n"
          " for i, v in ipairs(t) do s = s .. v end\n"
          " s = s .. #t .. deep.x.y[1] .. table.concat(t, \",\") .. table.unpack(t, 2, 2)\n"
          " if contains(t, 6) and t.nothing == nil then return deny(s) end return allow() end",
          UBP_OK, "152637a2b15673z5,6,76");
}

/* The order of pairs is fixed; Lua's own depends on an address. */
static void the_same_question_has_the_same_answer(void **state)
{
    char first[256] = "";
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct ubp_decision d = rig_body(
            "local t = {} for i = 1, 60 do t['k' .. i * 7919 % 101] = i end local s = '' for k in "
            "pairs(t) do s = s .. k end return deny(s)");
        assert_int_equal(d.error, UBP_OK);
        if (i == 0) {
            memcpy(first, d.text, sizeof(first));
        }
        assert_string_equal(d.text, first);
    }
}

static void stop_ends_a_script(void **state)
{
    struct ubp_script *script = rig_load("function on_connect() while true do end end");
    struct ubp_decision d;
    (void)state;
    ubp_script_stop(script);
    rig_connect(script, &d);
    assert_int_equal(d.error, UBP_E_STOPPED);
    assert_true(d.steps < UBP_STEPS_DEFAULT);
    ubp_script_free(&script);
}

/* The control: without the budget the same loop runs for ever, so the tests above do see it. */
static void the_control_is_not_stopped(void **state)
{
    const struct ubp_limits wide = {50 * 1000 * 1000, UBP_MEMORY_DEFAULT};
    const char *text = "policy \"1\" function on_connect() while true do end end";
    struct ubp_fault fault;
    struct ubp_decision d;
    (void)state;
    struct ubp_script *script = ubp_script_load("x.lua", text, strlen(text), &wide, &fault);
    assert_non_null(script);
    int64_t start = rig_now_us();
    rig_connect(script, &d);
    assert_true(rig_now_us() - start > 20000);
    assert_int_equal(d.error, UBP_E_STEPS);
    ubp_script_free(&script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attacks_on_a_call),
        cmocka_unit_test(attacks_on_loading),
        cmocka_unit_test(bytecode_is_refused),
        cmocka_unit_test(deep_text_is_refused),
        cmocka_unit_test(nothing_is_remembered),
        cmocka_unit_test(what_is_frozen_can_be_read),
        cmocka_unit_test(the_same_question_has_the_same_answer),
        cmocka_unit_test(stop_ends_a_script),
        cmocka_unit_test(the_control_is_not_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
