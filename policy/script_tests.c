/* SPDX-License-Identifier: Apache-2.0
 *
 * test("name", function(t) … end): the tests that stand in a script. A test ends at its first check
 * that fails; one without a check fails, because it cannot. */
#include "script_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

static const char checks_key;

/* ---- checks -----------------------------------------------------------------------------------
 */

static void check_begin(lua_State *lua)
{
    struct ubp_script *script = ubp_script_of(lua);
    if (!script->is_testing) {
        luaL_error(lua, "t is for tests only");
    }
    script->checks++;
}

/* t.<verdict>(answer) and t.<verdict>(answer, part of the reason) */
static int check_verdict(lua_State *lua, enum ubp_verdict wanted)
{
    check_begin(lua);
    const struct ubp_answer *answer = ubp_answer_at(lua, 1);
    if (answer == NULL) {
        return luaL_error(lua, "t checks an answer of on_connect or on_action, not a %s value",
                          luaL_typename(lua, 1));
    }
    if (answer->verdict != wanted) {
        return luaL_error(lua, "wanted %s, got %s (line %d)%s%s", ubp_verdict_name(wanted),
                          ubp_verdict_name(answer->verdict), (int)answer->line,
                          answer->text[0] != '\0' ? ": " : "", answer->text);
    }
    const char *part = luaL_optstring(lua, 2, "");
    if (strstr(answer->text, part) == NULL) {
        return luaL_error(lua, "the reason is \"%s\", without \"%s\"", answer->text, part);
    }
    return 0;
}

static int check_denied(lua_State *lua)
{
    return check_verdict(lua, UBP_DENY);
}

static int check_allowed(lua_State *lua)
{
    return check_verdict(lua, UBP_ALLOW);
}

static int check_abstained(lua_State *lua)
{
    return check_verdict(lua, UBP_ABSTAIN);
}

static const char *shown(lua_State *lua, int index)
{
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        return lua_pushfstring(lua, "\"%s\"", lua_tostring(lua, index));
    case LUA_TNUMBER:
        lua_pushvalue(lua, index);
        return lua_tostring(lua, -1);
    case LUA_TBOOLEAN:
        return lua_toboolean(lua, index) ? "true" : "false";
    default:
        return luaL_typename(lua, index);
    }
}

static int check_equal(lua_State *lua)
{
    check_begin(lua);
    luaL_checkany(lua, 2);
    if (!lua_rawequal(lua, 1, 2)) {
        const char *left = shown(lua, 1), *right = shown(lua, 2);
        return luaL_error(lua, "%s is not equal to %s", left, right);
    }
    return 0;
}

static int check_ok(lua_State *lua)
{
    check_begin(lua);
    luaL_checkany(lua, 1);
    if (!lua_toboolean(lua, 1)) {
        return luaL_error(lua, "%s", luaL_optstring(lua, 2, "not true"));
    }
    return 0;
}

/* t.fails(function) and t.fails(function, part of the message) */
static int check_fails(lua_State *lua)
{
    uint32_t line = 0;
    check_begin(lua);
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    const char *part = luaL_optstring(lua, 2, "");
    lua_pushcfunction(lua, ubp_box_pcall);
    lua_pushvalue(lua, 1);
    lua_call(lua, 1, 2);
    if (lua_toboolean(lua, -2)) {
        return luaL_error(lua, "it did not fail");
    }
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
    if (strstr(text, part) == NULL) {
        return luaL_error(lua, "the error is \"%s\", without \"%s\"", ubp_box_strip(text, &line),
                          part);
    }
    return 0;
}

/* ---- test(…) ----------------------------------------------------------------------------------
 */

/* NULL when there are too many, or no memory. */
static struct ubp_test *tests_add(struct ubp_script *script)
{
    size_t size = (script->test_count + 1) * sizeof(struct ubp_test);
    struct ubp_test *tests =
        script->test_count < UBP_TESTS_MAX ? realloc(script->tests, size) : NULL;
    if (tests == NULL) {
        return NULL;
    }
    script->tests = tests;
    memset(&tests[script->test_count], 0, sizeof(tests[0]));
    return &tests[script->test_count++];
}

static int env_test(lua_State *lua)
{
    struct ubp_script *script = ubp_script_of(lua);
    if (script->is_loaded) {
        return luaL_error(lua, "test(…) stands at the top level of the script");
    }
    size_t len = 0;
    const char *name = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : "";
    if (len == 0 || len >= sizeof(script->tests->name) || lua_type(lua, 2) != LUA_TFUNCTION ||
        lua_iscfunction(lua, 2)) {
        return luaL_error(lua, "write test(\"name\", function(t) … end)");
    }
    lua_settop(lua, 2);
    int function = luaL_ref(lua, LUA_REGISTRYINDEX);
    struct ubp_test *test = tests_add(script);
    if (test == NULL) {
        return luaL_error(lua, "a script has at most %d tests", UBP_TESTS_MAX);
    }
    memcpy(test->name, name, len);
    test->function = function;
    test->line = ubp_box_line(lua);
    return 0;
}

void ubp_tests_open(lua_State *lua)
{
    static const luaL_Reg own[] = {{"denied", check_denied},
                                   {"allowed", check_allowed},
                                   {"abstained", check_abstained},
                                   {"equal", check_equal},
                                   {"ok", check_ok},
                                   {"fails", check_fails},
                                   {NULL, NULL}};
    lua_createtable(lua, 0, 6);
    luaL_setfuncs(lua, own, 0);
    ubp_lang_seal(lua, "t");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &checks_key);
    lua_pushcfunction(lua, env_test);
    lua_setfield(lua, -2, "test");
}

/* ---- running ----------------------------------------------------------------------------------
 */

static int test_run(lua_State *lua)
{
    const struct ubp_test *test = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, test->function);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &checks_key);
    lua_call(lua, 1, 0);
    return 0;
}

static int test_after(lua_State *lua)
{
    lua_settop(lua, 0);
    ubp_constants_check(lua);
    return 0;
}

static struct ubp_test_result test_one(struct ubp_script *script, struct ubp_test *test)
{
    struct ubp_test_result result = {.name = test->name, .line = test->line};
    struct ubp_fault after;
    script->checks = 0;
    script->is_testing = true;
    result.is_good =
        ubp_box_run(&script->box, test_run, test, script->limits.steps * UBP_TEST_STEPS_TIMES,
                    UBP_E_RUNTIME, &result.fault);
    script->is_testing = false;
    result.steps = script->box.steps;
    result.checks = script->checks;
    bool is_clean =
        ubp_box_run(&script->box, test_after, NULL, script->limits.steps, UBP_E_STATE, &after);
    if (result.is_good && !is_clean) {
        result.is_good = false;
        result.fault = after;
    } else if (result.is_good && script->checks == 0) {
        result.is_good = false;
        result.fault.error = UBP_E_RUNTIME;
        snprintf(result.fault.text, sizeof(result.fault.text), "the test checks nothing");
    }
    result.fault.line = result.fault.line != 0 ? result.fault.line : test->line;
    snprintf(result.fault.test, sizeof(result.fault.test), "%s", test->name);
    return result;
}

size_t ubp_script_test_count(const struct ubp_script *script)
{
    return script->test_count;
}

bool ubp_script_test(struct ubp_script *script, ubp_test_fn fn, void *arg,
                     struct ubp_fault *fault_out)
{
    bool are_good = true;
    for (size_t i = 0; i < script->test_count; i++) {
        struct ubp_test_result result = test_one(script, &script->tests[i]);
        if (are_good && !result.is_good && fault_out != NULL) {
            *fault_out = result.fault;
        }
        are_good = are_good && result.is_good;
        if (fn != NULL) {
            fn(arg, &result);
        }
    }
    return are_good;
}
