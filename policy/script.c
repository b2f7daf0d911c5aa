/* SPDX-License-Identifier: Apache-2.0 */
#include "script_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

struct source {
    const char *text;
    size_t len;
    int function; /* a reference to the compiled text */
};

static const char env_key;

static int load_language(lua_State *lua)
{
    ubp_record_open(lua);
    ubp_env_push(lua);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &env_key);
    return 0;
}

static int load_compile(lua_State *lua)
{
    struct source *source = lua_touserdata(lua, 1);
    if (luaL_loadbufferx(lua, source->text, source->len, BOX_CHUNK, "t") != LUA_OK) {
        return lua_error(lua);
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &env_key);
    lua_setupvalue(lua, -2, 1); /* _ENV, the first one of every main chunk */
    source->function = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

static int load_execute(lua_State *lua)
{
    struct source *source = lua_touserdata(lua, 1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, source->function);
    luaL_unref(lua, LUA_REGISTRYINDEX, source->function);
    lua_call(lua, 0, 0);
    return 0;
}

static void list_add(lua_State *lua, int reference)
{
    if (reference != LUA_NOREF) {
        lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
        lua_rawseti(lua, -2, (lua_Integer)lua_rawlen(lua, -2) + 1);
    }
}

static int load_freeze(lua_State *lua)
{
    struct ubp_script *script = ubp_script_of(lua);
    if (!script->has_version) {
        return luaL_error(lua, "a policy begins with policy \"1\"");
    }
    if (script->on_connect == LUA_NOREF && script->on_action == LUA_NOREF) {
        return luaL_error(lua, "the script defines neither on_connect nor on_action");
    }
    lua_createtable(lua, 4, 0);
    list_add(lua, script->on_connect);
    list_add(lua, script->on_action);
    for (size_t i = 0; i < script->test_count; i++) {
        list_add(lua, script->tests[i].function);
    }
    ubp_freeze(lua);
    lua_gc(lua, LUA_GCCOLLECT);
    return 0;
}

static bool script_load(struct ubp_script *script, struct source *source,
                        struct ubp_fault *fault_out)
{
    const struct {
        lua_CFunction step;
        enum ubp_error usual;
    } steps[] = {{load_language, UBP_E_SCRIPT},
                 {load_compile, UBP_E_SYNTAX},
                 {load_execute, UBP_E_SCRIPT},
                 {load_freeze, UBP_E_SCRIPT}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (!ubp_box_run(&script->box, steps[i].step, source,
                         script->limits.steps * UBP_LOAD_STEPS_TIMES, steps[i].usual, fault_out)) {
            return false;
        }
    }
    script->is_loaded = true;
    return true;
}

static bool refuse(struct ubp_fault *fault, enum ubp_error error, const char *text)
{
    memset(fault, 0, sizeof(*fault));
    fault->error = error;
    snprintf(fault->text, sizeof(fault->text), "%s", text);
    return false;
}

static bool limits_take(struct ubp_script *script, const struct ubp_limits *limits)
{
    static const struct ubp_limits usual = {UBP_STEPS_DEFAULT, UBP_MEMORY_DEFAULT};
    script->limits = limits != NULL ? *limits : usual;
    return script->limits.steps >= UBP_STEPS_MIN && script->limits.steps <= INT32_MAX &&
           script->limits.memory_max >= UBP_MEMORY_MIN;
}

static bool script_init(struct ubp_script *script, const char *name, const char *text, size_t len,
                        const struct ubp_limits *limits, struct ubp_fault *fault_out)
{
    struct source source = {text, len, LUA_NOREF};
    snprintf(script->name, sizeof(script->name), "%s", name);
    script->on_connect = script->on_action = LUA_NOREF;
    if (len > UBP_TEXT_MAX) {
        return refuse(fault_out, UBP_E_SYNTAX, "a script has at most 256 KiB");
    }
    if (!limits_take(script, limits)) {
        return refuse(fault_out, UBP_E_SCRIPT, "the limits are too low: 1000 steps, 256 KiB");
    }
    memset(fault_out, 0, sizeof(*fault_out));
    if (!ubp_lint(text, len, fault_out)) {
        return false;
    }
    if (!ubp_box_init(&script->box, script->limits.memory_max)) {
        return refuse(fault_out, UBP_E_MEMORY, "no memory for a script");
    }
    return script_load(script, &source, fault_out);
}

struct ubp_script *ubp_script_load(const char *name, const char *text, size_t len,
                                   const struct ubp_limits *limits, struct ubp_fault *fault_out)
{
    struct ubp_script *script = calloc(1, sizeof(*script));
    if (script == NULL) {
        refuse(fault_out, UBP_E_MEMORY, "no memory for a script");
        return NULL;
    }
    if (!script_init(script, name, text, len, limits, fault_out)) {
        ubp_script_free(&script);
    }
    return script;
}

void ubp_script_free(struct ubp_script **script)
{
    if (*script != NULL) {
        ubp_box_fini(&(*script)->box);
        free((*script)->tests);
        free(*script);
        *script = NULL;
    }
}

const char *ubp_script_name(const struct ubp_script *script)
{
    return script->name;
}

bool ubp_script_has_on_connect(const struct ubp_script *script)
{
    return script->on_connect != LUA_NOREF;
}

bool ubp_script_has_on_action(const struct ubp_script *script)
{
    return script->on_action != LUA_NOREF;
}

size_t ubp_script_memory(const struct ubp_script *script)
{
    return script->box.memory;
}

void ubp_script_stop(struct ubp_script *script)
{
    atomic_store_explicit(&script->box.is_stopped, true, memory_order_relaxed);
}
