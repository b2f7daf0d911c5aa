/* SPDX-License-Identifier: Apache-2.0 */
#include "config_sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>

#define SANDBOX_HOOK_EVERY 100

static const char hole_type[] = "value with an error";

static int64_t sandbox_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct sandbox *sandbox_of(lua_State *lua)
{
    return *(struct sandbox **)lua_getextraspace(lua);
}

static void *sandbox_alloc(void *ud, void *old, size_t old_size, size_t new_size)
{
    struct sandbox *sandbox = ud;
    size_t before = old != NULL ? old_size : 0;
    if (new_size == 0) {
        sandbox->memory -= before;
        free(old);
        return NULL;
    }
    if (new_size > before && new_size - before > SANDBOX_MEMORY_MAX - sandbox->memory) {
        sandbox->hit = SANDBOX_MEMORY;
        return NULL;
    }
    void *bytes = realloc(old, new_size);
    if (bytes != NULL) {
        sandbox->memory += new_size - before;
    }
    return bytes;
}

static void place_copy(lua_State *lua, lua_Debug *at, uint32_t *line_out,
                       char chunk_out[SANDBOX_CHUNK_MAX])
{
    lua_getinfo(lua, "Sl", at);
    *line_out = at->currentline > 0 ? (uint32_t)at->currentline : 0;
    snprintf(chunk_out, SANDBOX_CHUNK_MAX, "%s", at->source[0] == '=' ? at->source + 1 : "");
}

static void sandbox_on_count(lua_State *lua, lua_Debug *at)
{
    struct sandbox *sandbox = sandbox_of(lua);
    sandbox->steps += SANDBOX_HOOK_EVERY;
    bool is_late = sandbox_now_ms() > sandbox->deadline_ms;
    if (sandbox->steps <= SANDBOX_STEPS_MAX && !is_late) {
        return;
    }
    sandbox->hit = is_late ? SANDBOX_TIME : SANDBOX_STEPS;
    place_copy(lua, at, &sandbox->hit_line, sandbox->hit_chunk);
    lua_sethook(lua, sandbox_on_count, LUA_MASKCOUNT, 1);
    lua_pushliteral(lua, "limit");
    lua_error(lua);
}

bool sandbox_init(struct sandbox *sandbox)
{
    sandbox->memory = 0;
    sandbox->steps = 0;
    sandbox->hit = SANDBOX_NO_LIMIT;
    sandbox->hit_line = 0;
    sandbox->hit_chunk[0] = '\0';
    sandbox->deadline_ms = sandbox_now_ms() + SANDBOX_TIME_MS;
    sandbox->lua = lua_newstate(sandbox_alloc, sandbox);
    if (sandbox->lua == NULL) {
        return false;
    }
    *(struct sandbox **)lua_getextraspace(sandbox->lua) = sandbox;
    lua_sethook(sandbox->lua, sandbox_on_count, LUA_MASKCOUNT, SANDBOX_HOOK_EVERY);
    return true;
}

void sandbox_fini(struct sandbox *sandbox)
{
    if (sandbox->lua != NULL) {
        lua_sethook(sandbox->lua, NULL, 0, 0);
        lua_close(sandbox->lua);
        sandbox->lua = NULL;
    }
}

uint32_t sandbox_at(lua_State *lua, char chunk_out[SANDBOX_CHUNK_MAX])
{
    lua_Debug at;
    uint32_t line = 0;
    chunk_out[0] = '\0';
    for (int level = 0; line == 0 && lua_getstack(lua, level, &at) != 0; level++) {
        place_copy(lua, &at, &line, chunk_out);
    }
    return line;
}

/* ---- holes ------------------------------------------------------------------------------------
 */

static int hole_again(lua_State *lua)
{
    sandbox_push_hole(lua);
    return 1;
}

/* Its items end at once, else ipairs would find holes for ever. */
static int hole_index(lua_State *lua)
{
    if (lua_type(lua, 2) == LUA_TNUMBER) {
        return 0;
    }
    return hole_again(lua);
}

static int hole_none(lua_State *lua)
{
    (void)lua;
    return 0;
}

static int hole_pairs(lua_State *lua)
{
    lua_pushcfunction(lua, hole_none);
    return 1;
}

static int hole_len(lua_State *lua)
{
    lua_pushinteger(lua, 0);
    return 1;
}

void sandbox_push_hole(lua_State *lua)
{
    static const luaL_Reg events[] = {{"__index", hole_index},
                                      {"__pairs", hole_pairs},
                                      {"__len", hole_len},
                                      {"__call", hole_again},
                                      {"__newindex", hole_none},
                                      {"__concat", hole_again},
                                      {"__add", hole_again},
                                      {"__sub", hole_again},
                                      {"__mul", hole_again},
                                      {"__div", hole_again},
                                      {"__mod", hole_again},
                                      {"__pow", hole_again},
                                      {"__unm", hole_again},
                                      {"__idiv", hole_again},
                                      {"__lt", hole_again},
                                      {"__le", hole_again},
                                      {NULL, NULL}};
    lua_newuserdatauv(lua, 1, 0);
    if (luaL_newmetatable(lua, hole_type) != 0) {
        luaL_setfuncs(lua, events, 0);
    }
    lua_setmetatable(lua, -2);
}

bool sandbox_is_hole(lua_State *lua, int index)
{
    return luaL_testudata(lua, index, hole_type) != NULL;
}

/* ---- the allow-list ---------------------------------------------------------------------------
 */

struct pure_library {
    const char *name; /* of the global table; NULL = the globals themselves */
    lua_CFunction open;
    const char *names[20];
};

static const struct pure_library pure_libraries[] = {
    {NULL,
     luaopen_base,
     {"assert", "error", "ipairs", "next", "pairs", "select", "tonumber", "tostring", "type"}},
    {"string", luaopen_string, {"byte", "char", "len", "lower", "reverse", "sub", "upper"}},
    {"table", luaopen_table, {"concat", "insert", "pack", "remove", "sort", "unpack"}},
    {"math",
     luaopen_math,
     {"abs", "ceil", "floor", "fmod", "huge", "max", "maxinteger", "min", "mininteger", "modf",
      "pi", "tointeger", "type"}},
};

/* __index of a library's table: upvalue 1 is the table, 2 its name. */
static int pure_unknown(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    if (lua_type(lua, 2) != LUA_TSTRING) {
        return 0;
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    sandbox->on_unknown(sandbox, lua, lua_tostring(lua, lua_upvalueindex(2)), lua_tostring(lua, 2));
    sandbox_push_hole(lua);
    return 1;
}

/* Copies the allowed names of the library on top into the table below it. */
static void pure_copy(lua_State *lua, const struct pure_library *library)
{
    for (size_t i = 0; i < 20 && library->names[i] != NULL; i++) {
        lua_getfield(lua, -1, library->names[i]);
        lua_setfield(lua, -3, library->names[i]);
    }
}

/* Makes every missing field of the table on top an error with a suggestion. */
static void pure_guard(lua_State *lua, const char *name)
{
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, -2);
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, pure_unknown, 2);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}

/* ("x"):upper() finds the pure functions, and only these. */
static void pure_string_methods(lua_State *lua)
{
    lua_pushliteral(lua, "");
    if (lua_getmetatable(lua, -1) != 0) {
        lua_pushvalue(lua, -3);
        lua_setfield(lua, -2, "__index");
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
}

/* The order of table.sort when the script gives none: Lua's own, but never past the deadline. */
static int sort_less(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    if (sandbox_now_ms() > sandbox->deadline_ms) {
        sandbox->hit = SANDBOX_TIME;
        sandbox->hit_line = sandbox_at(lua, sandbox->hit_chunk);
        return luaL_error(lua, "limit");
    }
    lua_pushboolean(lua, lua_compare(lua, 1, 2, LUA_OPLT));
    return 1;
}

/* Upvalue 1 is Lua's table.sort. */
static int pure_sort(lua_State *lua)
{
    if (lua_isnoneornil(lua, 2)) {
        lua_settop(lua, 1);
        lua_pushcfunction(lua, sort_less);
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 0);
    return 0;
}

static void pure_bound_sort(lua_State *lua)
{
    lua_getfield(lua, -1, "sort");
    lua_pushcclosure(lua, pure_sort, 1);
    lua_setfield(lua, -2, "sort");
}

static void pure_open(lua_State *lua, const struct pure_library *library)
{
    lua_createtable(lua, 0, 20);
    lua_pushcfunction(lua, library->open);
    lua_pushstring(lua, library->name);
    lua_call(lua, 1, 1);
    pure_copy(lua, library);
    lua_pop(lua, 1);
    if (library->open == luaopen_table) {
        pure_bound_sort(lua);
    }
    pure_guard(lua, library->name);
    if (library->open == luaopen_string) {
        pure_string_methods(lua);
    }
    lua_setfield(lua, -2, library->name);
}

void sandbox_push_globals(lua_State *lua)
{
    lua_createtable(lua, 0, 24);
    lua_pushcfunction(lua, pure_libraries[0].open);
    lua_pushliteral(lua, "_G");
    lua_call(lua, 1, 1);
    pure_copy(lua, &pure_libraries[0]);
    lua_pop(lua, 1);
    for (size_t i = 1; i < sizeof(pure_libraries) / sizeof(pure_libraries[0]); i++) {
        pure_open(lua, &pure_libraries[i]);
    }
}

/* ---- the environment: a proxy, so that an assignment is always seen ----------------------------
 */

static int global_get(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    lua_pushvalue(lua, 2);
    lua_rawget(lua, lua_upvalueindex(1));
    if (!lua_isnil(lua, -1) || lua_type(lua, 2) != LUA_TSTRING) {
        return 1;
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    sandbox->on_unknown(sandbox, lua, NULL, lua_tostring(lua, 2));
    sandbox_push_hole(lua);
    return 1;
}

static int global_set(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
    sandbox->on_assign(sandbox, lua, name);
    return 0;
}

static const char env_key[] = "environment";

void sandbox_keep_globals(lua_State *lua)
{
    lua_createtable(lua, 0, 0);
    lua_createtable(lua, 0, 2);
    lua_pushvalue(lua, -3);
    lua_pushcclosure(lua, global_get, 1);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, global_set);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, LUA_REGISTRYINDEX, env_key);
    lua_pop(lua, 1);
}

void sandbox_set_globals(lua_State *lua)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, env_key);
    lua_setupvalue(lua, -2, 1); /* of a main chunk: _ENV */
}
