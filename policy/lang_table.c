/* SPDX-License-Identifier: Apache-2.0
 *
 * table.*: own versions, because the originals believe a table's length and run in C for as long.
 * Here the length is bounded and every element is charged. */
#include "lang.h"

#include <stdint.h>

#include <lauxlib.h>

#define ELEMENTS_MAX 8192
#define SORT_MAX     256
#define UNPACK_MAX   250

static lua_Integer checked_len(lua_State *lua, int index)
{
    luaL_checktype(lua, index, LUA_TTABLE);
    lua_Integer len = luaL_len(lua, index);
    if (len < 0 || len > ELEMENTS_MAX) {
        return luaL_error(lua, "a table of more than %d elements", ELEMENTS_MAX);
    }
    return len;
}

/* The number of elements from first to last; an error above max. */
static lua_Integer checked_range(lua_State *lua, lua_Integer first, lua_Integer last,
                                 lua_Integer max)
{
    if (first > last) {
        return 0;
    }
    lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first;
    if (count >= (lua_Unsigned)max) {
        return luaL_error(lua, "more than %d elements", (int)max);
    }
    ubp_box_charge(lua, (size_t)count + 1);
    return (lua_Integer)count + 1;
}

static int table_insert(lua_State *lua)
{
    lua_Integer len = checked_len(lua, 1);
    lua_Integer at = len + 1;
    if (lua_gettop(lua) == 3) {
        at = luaL_checkinteger(lua, 2);
    } else if (lua_gettop(lua) != 2) {
        return luaL_error(lua, "table.insert takes a table, perhaps a place, and a value");
    }
    if (at < 1 || at > len + 1) {
        return luaL_error(lua, "table.insert: the place is outside of the table");
    }
    checked_range(lua, at, len, ELEMENTS_MAX);
    for (lua_Integer i = len; i >= at; i--) {
        lua_geti(lua, 1, i);
        lua_seti(lua, 1, i + 1);
    }
    lua_seti(lua, 1, at);
    return 0;
}

static int table_remove(lua_State *lua)
{
    lua_Integer len = checked_len(lua, 1);
    lua_Integer at = luaL_optinteger(lua, 2, len);
    if (len == 0 || at < 1 || at > len) {
        return 0;
    }
    checked_range(lua, at, len, ELEMENTS_MAX);
    lua_geti(lua, 1, at);
    for (lua_Integer i = at; i < len; i++) {
        lua_geti(lua, 1, i + 1);
        lua_seti(lua, 1, i);
    }
    lua_pushnil(lua);
    lua_seti(lua, 1, len);
    return 1;
}

static int table_move(lua_State *lua)
{
    lua_Integer first = luaL_checkinteger(lua, 2), last = luaL_checkinteger(lua, 3);
    lua_Integer to = luaL_checkinteger(lua, 4);
    int target = lua_isnoneornil(lua, 5) ? 1 : 5;
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checktype(lua, target, LUA_TTABLE);
    lua_Integer count = checked_range(lua, first, last, ELEMENTS_MAX);
    if (count > 0 && to > INT64_MAX - count) {
        return luaL_error(lua, "table.move: the place is too large");
    }
    bool is_upward = to > first && target == 1; /* then from the end, or it reads what it wrote */
    for (lua_Integer i = 0; i < count; i++) {
        lua_Integer step = is_upward ? count - 1 - i : i;
        lua_geti(lua, 1, first + step);
        lua_seti(lua, target, to + step);
    }
    lua_pushvalue(lua, target);
    return 1;
}

static int table_concat(lua_State *lua)
{
    luaL_Buffer out;
    size_t gap_len;
    lua_Integer len = checked_len(lua, 1);
    const char *gap = luaL_optlstring(lua, 2, "", &gap_len);
    lua_Integer first = luaL_optinteger(lua, 3, 1), last = luaL_optinteger(lua, 4, len);
    lua_Integer count = checked_range(lua, first, last, ELEMENTS_MAX);
    luaL_buffinit(lua, &out);
    for (lua_Integer i = 0; i < count; i++) {
        if (i > 0) {
            luaL_addlstring(&out, gap, gap_len);
        }
        lua_geti(lua, 1, first + i);
        if (lua_type(lua, -1) != LUA_TSTRING && lua_type(lua, -1) != LUA_TNUMBER) {
            return luaL_error(lua, "table.concat: an element is a %s value",
                              luaL_typename(lua, -1));
        }
        luaL_addvalue(&out);
    }
    luaL_pushresult(&out);
    return 1;
}

static int table_unpack(lua_State *lua)
{
    lua_Integer first = luaL_optinteger(lua, 2, 1);
    lua_Integer last = lua_isnoneornil(lua, 3) ? checked_len(lua, 1) : luaL_checkinteger(lua, 3);
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_Integer count = checked_range(lua, first, last, UNPACK_MAX);
    luaL_checkstack(lua, (int)count, "too many values");
    for (lua_Integer i = 0; i < count; i++) {
        lua_geti(lua, 1, first + i);
    }
    return (int)count;
}

/* ---- sort: by insertion, which no comparison function can confuse ------------------------------
 */

/* Is value `a` of the stack before `b`? 2 may be a function. */
static bool sort_is_before(lua_State *lua, int a, int b)
{
    if (lua_isnoneornil(lua, 2)) {
        return lua_compare(lua, a, b, LUA_OPLT) != 0;
    }
    a = lua_absindex(lua, a);
    b = lua_absindex(lua, b);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, a);
    lua_pushvalue(lua, b);
    lua_call(lua, 2, 1);
    bool is_before = lua_toboolean(lua, -1) != 0;
    lua_pop(lua, 1);
    return is_before;
}

/* Where the value on top belongs among the first `count`. */
static lua_Integer sort_place(lua_State *lua, lua_Integer count)
{
    lua_Integer low = 1, high = count + 1;
    while (low < high) {
        lua_Integer middle = low + (high - low) / 2;
        lua_geti(lua, 1, middle);
        if (sort_is_before(lua, -2, -1)) {
            high = middle;
        } else {
            low = middle + 1;
        }
        lua_pop(lua, 1);
    }
    return low;
}

static int table_sort(lua_State *lua)
{
    lua_Integer len = checked_len(lua, 1);
    if (!lua_isnoneornil(lua, 2)) {
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    }
    if (len > SORT_MAX) {
        return luaL_error(lua, "table.sort takes at most %d elements", SORT_MAX);
    }
    lua_settop(lua, 2);
    for (lua_Integer i = 2; i <= len; i++) {
        lua_geti(lua, 1, i);
        lua_Integer place = sort_place(lua, i - 1);
        ubp_box_charge(lua, (size_t)(i - place) + 1);
        for (lua_Integer j = i; j > place; j--) {
            lua_geti(lua, 1, j - 1);
            lua_seti(lua, 1, j);
        }
        lua_seti(lua, 1, place);
    }
    return 0;
}

void ubp_table_open(lua_State *lua)
{
    static const luaL_Reg own[] = {{"concat", table_concat},
                                   {"insert", table_insert},
                                   {"move", table_move},
                                   {"remove", table_remove},
                                   {"sort", table_sort},
                                   {"unpack", table_unpack},
                                   {NULL, NULL}};
    lua_createtable(lua, 0, 6);
    luaL_setfuncs(lua, own, 0);
    ubp_lang_seal(lua, "table");
    lua_setfield(lua, -2, "table");
}
