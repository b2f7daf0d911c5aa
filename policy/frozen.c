/* SPDX-License-Identifier: Apache-2.0
 *
 * No state from one call to the next. A table is emptied into another one that only its metatable
 * knows, so that every reference to it sees the same content and nobody can write. A local that
 * several functions share cannot be made read-only in Lua: it is compared after each call. */
#include "lang.h"

#include <lauxlib.h>

static const char constants_key, frozen_key;

/* The lists that ubp_freeze works with, at fixed places of its stack. */
enum { FREEZE_QUEUE = 1, FREEZE_SEEN, FREEZE_CONSTANTS, FREEZE_SLOTS = FREEZE_CONSTANTS };

static int frozen_refuse(lua_State *lua)
{
    return luaL_error(lua, "this table was made while the script was loaded and can only be read: "
                           "a policy remembers nothing between calls");
}

static int frozen_len(lua_State *lua)
{
    ubp_frozen_content(lua, 1);
    lua_pushinteger(lua, (lua_Integer)lua_rawlen(lua, -1));
    return 1;
}

void ubp_frozen_content(lua_State *lua, int index)
{
    index = lua_absindex(lua, index);
    if (lua_getmetatable(lua, index) == 0) {
        lua_pushvalue(lua, index);
        return;
    }
    if (lua_rawgetp(lua, -1, &frozen_key) != LUA_TTABLE) {
        lua_pop(lua, 2);
        lua_pushvalue(lua, index);
        return;
    }
    lua_remove(lua, -2);
}

/* ---- walking -----------------------------------------------------------------------------------
 */

static void queue_add(lua_State *lua, int index)
{
    lua_pushvalue(lua, index);
    lua_rawseti(lua, FREEZE_QUEUE, (lua_Integer)lua_rawlen(lua, FREEZE_QUEUE) + 1);
}

static bool freeze_is_new(lua_State *lua, const void *what)
{
    bool is_new = lua_rawgetp(lua, FREEZE_SEEN, what) == LUA_TNIL;
    lua_pop(lua, 1);
    lua_pushboolean(lua, 1);
    lua_rawsetp(lua, FREEZE_SEEN, what);
    return is_new;
}

/* The value of upvalue n of the function at index is on top: notes and pops it. */
static void constant_note(lua_State *lua, int index, int n)
{
    lua_Integer count = (lua_Integer)lua_rawlen(lua, FREEZE_CONSTANTS);
    lua_createtable(lua, 3, 0);
    lua_pushvalue(lua, index);
    lua_rawseti(lua, -2, 1);
    lua_pushinteger(lua, n);
    lua_rawseti(lua, -2, 2);
    lua_pushvalue(lua, -2);
    lua_rawseti(lua, -2, 3);
    lua_rawseti(lua, FREEZE_CONSTANTS, count + 1);
    lua_pop(lua, 1);
}

static void freeze_function(lua_State *lua, int index)
{
    if (lua_iscfunction(lua, index)) {
        return;
    }
    for (int n = 1; lua_getupvalue(lua, index, n) != NULL; n++) {
        queue_add(lua, lua_gettop(lua));
        if (freeze_is_new(lua, lua_upvalueid(lua, index, n))) {
            constant_note(lua, index, n);
        } else {
            lua_pop(lua, 1);
        }
    }
}

/* Moves what the table at index holds into the new table on top. */
static void freeze_move(lua_State *lua, int index)
{
    int content = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, index) != 0) {
        queue_add(lua, content + 1);
        queue_add(lua, content + 2);
        lua_pushvalue(lua, content + 1);
        lua_insert(lua, -2);
        lua_rawset(lua, content);
    }
    lua_pushnil(lua);
    while (lua_next(lua, content) != 0) {
        lua_pop(lua, 1);
        lua_pushvalue(lua, -1);
        lua_pushnil(lua);
        lua_rawset(lua, index);
    }
}

static void freeze_table(lua_State *lua, int index)
{
    if (lua_getmetatable(lua, index) != 0) { /* one of ours */
        lua_pop(lua, 1);
        return;
    }
    lua_createtable(lua, 0, 4);
    lua_createtable(lua, (int)lua_rawlen(lua, index), 0);
    freeze_move(lua, index);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -3, "__index");
    lua_rawsetp(lua, -2, &frozen_key);
    lua_pushcfunction(lua, frozen_refuse);
    lua_setfield(lua, -2, "__newindex");
    lua_pushcfunction(lua, frozen_len);
    lua_setfield(lua, -2, "__len");
    lua_setmetatable(lua, index);
}

static void freeze_one(lua_State *lua, int index)
{
    int type = lua_type(lua, index);
    bool can_hold = type == LUA_TFUNCTION || type == LUA_TTABLE || type == LUA_TUSERDATA;
    if (!can_hold || !freeze_is_new(lua, lua_topointer(lua, index))) {
        return;
    }
    if (type == LUA_TFUNCTION) {
        freeze_function(lua, index);
    } else if (type == LUA_TTABLE) {
        freeze_table(lua, index);
    } else {
        lua_getiuservalue(lua, index, 1);
        queue_add(lua, lua_gettop(lua));
        lua_pop(lua, 1);
    }
}

/* Stack: the array. */
static int freeze_all(lua_State *lua)
{
    lua_createtable(lua, 0, 0);
    lua_createtable(lua, 0, 0);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(lua, FREEZE_QUEUE); i++) {
        lua_rawgeti(lua, FREEZE_QUEUE, i);
        freeze_one(lua, FREEZE_SLOTS + 1);
        lua_settop(lua, FREEZE_SLOTS);
        ubp_box_charge(lua, 1);
    }
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &constants_key);
    return 0;
}

void ubp_freeze(lua_State *lua)
{
    lua_pushcfunction(lua, freeze_all);
    lua_insert(lua, -2);
    lua_call(lua, 1, 0);
}

/* ---- shared locals -----------------------------------------------------------------------------
 */

/* NaN is not equal to itself, and still the same. */
static bool is_same(lua_State *lua, int a, int b)
{
    return lua_rawequal(lua, a, b) ||
           (lua_type(lua, a) == LUA_TNUMBER && lua_type(lua, b) == LUA_TNUMBER &&
            !lua_rawequal(lua, a, a) && !lua_rawequal(lua, b, b));
}

/* The note is on top; its local is put back. Answers its name when it had been changed. */
static const char *constant_restore(lua_State *lua)
{
    int note = lua_gettop(lua);
    lua_rawgeti(lua, note, 1);
    lua_rawgeti(lua, note, 2);
    int n = (int)lua_tointeger(lua, -1);
    const char *name = lua_getupvalue(lua, note + 1, n);
    lua_rawgeti(lua, note, 3);
    if (is_same(lua, -1, -2)) {
        name = NULL;
    } else {
        lua_setupvalue(lua, note + 1, n);
    }
    lua_settop(lua, note);
    return name;
}

void ubp_constants_check(lua_State *lua)
{
    const char *changed = NULL;
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &constants_key);
    int notes = lua_gettop(lua);
    lua_Integer count = (lua_Integer)lua_rawlen(lua, notes);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(lua, notes, i);
        const char *name = constant_restore(lua);
        changed = name != NULL ? name : changed;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    if (changed != NULL) {
        luaL_error(lua,
                   "the call assigned \"%s\", which outlives it: a policy remembers nothing "
                   "between calls",
                   changed);
    }
}
