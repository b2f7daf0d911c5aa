/* SPDX-License-Identifier: Apache-2.0
 *
 * The allow-list: what of Lua's own libraries a script may use, taken over or written anew where
 * the original can run for long inside C, tells addresses, or depends on the order of a hash. */
#include "lang.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "suggest.h"

#define NUMBER_TEXT_MAX 64
#define PAIRS_MAX       8192

/* ---- names that do not exist ------------------------------------------------------------------
 */

int ubp_lang_unknown(lua_State *lua, const char *of, const char *name)
{
    struct ubp_suggest suggest = {.written = name};
    char hint[128];
    int table = lua_gettop(lua);
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        if (lua_type(lua, -2) == LUA_TSTRING) {
            ubp_suggest_offer(&suggest, lua_tostring(lua, -2));
        }
        lua_pop(lua, 1);
    }
    ubp_suggest_text(&suggest, hint, sizeof(hint));
    if (of == NULL) {
        return luaL_error(lua, "unknown name \"%s\"%s", name, hint);
    }
    return luaL_error(lua, "%s has no \"%s\"%s", of, name, hint);
}

/* __index of a sealed table; upvalues: the functions, the name. */
static int sealed_unknown(lua_State *lua)
{
    const char *of = lua_tostring(lua, lua_upvalueindex(2));
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
    lua_pushvalue(lua, lua_upvalueindex(1));
    return ubp_lang_unknown(lua, of, name);
}

static int sealed_refuse(lua_State *lua)
{
    return luaL_error(lua, "%s cannot be changed", lua_tostring(lua, lua_upvalueindex(1)));
}

void ubp_lang_seal(lua_State *lua, const char *name)
{
    int content = lua_gettop(lua);
    lua_createtable(lua, 0, 1); /* of the content: what happens for an unknown name */
    lua_pushvalue(lua, content);
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, sealed_unknown, 2);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, content);
    lua_createtable(lua, 0, 0); /* the view */
    lua_createtable(lua, 0, 2);
    lua_pushvalue(lua, content);
    lua_setfield(lua, -2, "__index");
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, sealed_refuse, 1);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
    lua_remove(lua, content);
}

/* ---- of the base library ----------------------------------------------------------------------
 */

static const char *kind_of(lua_State *lua, int index)
{
    if (lua_type(lua, index) != LUA_TUSERDATA) {
        return luaL_typename(lua, index);
    }
    return ubp_answer_at(lua, index) != NULL ? "answer" : "table"; /* a record reads like a table */
}

static int base_type(lua_State *lua)
{
    luaL_checkany(lua, 1);
    lua_pushstring(lua, kind_of(lua, 1));
    return 1;
}

/* Without the addresses that the original tells. */
static int base_tostring(lua_State *lua)
{
    luaL_checkany(lua, 1);
    switch (lua_type(lua, 1)) {
    case LUA_TNUMBER:
        lua_settop(lua, 1);
        lua_tostring(lua, 1);
        break;
    case LUA_TSTRING:
        lua_settop(lua, 1);
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(lua, lua_toboolean(lua, 1) ? "true" : "false");
        break;
    default:
        lua_pushstring(lua, kind_of(lua, 1));
    }
    return 1;
}

static int base_tonumber(lua_State *lua)
{
    size_t len = 0;
    const char *text = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : NULL;
    luaL_checkany(lua, 1);
    if (lua_type(lua, 1) == LUA_TNUMBER) {
        lua_settop(lua, 1);
    } else if (text == NULL || len > NUMBER_TEXT_MAX || lua_stringtonumber(lua, text) != len + 1) {
        lua_pushnil(lua);
    }
    return 1;
}

/* ---- pairs: a fixed order, so that the same question always has the same answer ----------------
 */

static int key_rank(lua_State *lua, int index)
{
    switch (lua_type(lua, index)) {
    case LUA_TNUMBER:
        return 0;
    case LUA_TSTRING:
        return 1;
    case LUA_TBOOLEAN:
        return 2;
    default:
        return luaL_error(lua, "pairs: a key of type %s has no order", kind_of(lua, index));
    }
}

/* Compares the keys at two places of the array on top. */
static bool key_is_before(lua_State *lua, int array, lua_Integer a, lua_Integer b)
{
    lua_rawgeti(lua, array, a);
    lua_rawgeti(lua, array, b);
    int rank_a = key_rank(lua, -2), rank_b = key_rank(lua, -1);
    bool is_before;
    if (rank_a != rank_b) {
        is_before = rank_a < rank_b;
    } else if (rank_a == 2) {
        is_before = !lua_toboolean(lua, -2) && lua_toboolean(lua, -1);
    } else {
        is_before = lua_compare(lua, -2, -1, LUA_OPLT) != 0;
    }
    lua_pop(lua, 2);
    return is_before;
}

static void key_swap(lua_State *lua, int array, lua_Integer a, lua_Integer b)
{
    lua_rawgeti(lua, array, a);
    lua_rawgeti(lua, array, b);
    lua_rawseti(lua, array, a);
    lua_rawseti(lua, array, b);
}

static void heap_sink(lua_State *lua, int array, lua_Integer at, lua_Integer count)
{
    for (;;) {
        lua_Integer child = 2 * at;
        if (child > count) {
            return;
        }
        if (child < count && key_is_before(lua, array, child, child + 1)) {
            child++;
        }
        if (!key_is_before(lua, array, at, child)) {
            return;
        }
        key_swap(lua, array, at, child);
        at = child;
        ubp_box_charge(lua, 1);
    }
}

static void keys_sort(lua_State *lua, int array, lua_Integer count)
{
    for (lua_Integer i = count / 2; i >= 1; i--) {
        heap_sink(lua, array, i, count);
    }
    for (lua_Integer i = count; i > 1; i--) {
        key_swap(lua, array, 1, i);
        heap_sink(lua, array, 1, i - 1);
    }
}

/* The iterator; upvalues: the keys, the table, the place. */
static int pairs_next(lua_State *lua)
{
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(3)) + 1;
    lua_pushinteger(lua, at);
    lua_replace(lua, lua_upvalueindex(3));
    if (lua_rawgeti(lua, lua_upvalueindex(1), at) == LUA_TNIL) {
        return 1;
    }
    lua_pushvalue(lua, -1);
    lua_rawget(lua, lua_upvalueindex(2));
    return 2;
}

static int base_pairs(lua_State *lua)
{
    if (lua_type(lua, 1) == LUA_TTABLE) {
        ubp_frozen_content(lua, 1);
    } else if (!ubp_record_content(lua, 1)) {
        return luaL_error(lua, "pairs wants a table, not a %s value", luaL_typename(lua, 1));
    }
    int content = lua_gettop(lua);
    lua_Integer count = 0;
    /* Lua walks over the empty places of a table too; they can be no more than fit into memory. */
    ubp_box_charge(lua, ubp_box_of(lua)->memory / 1024);
    lua_createtable(lua, 0, 0);
    lua_pushnil(lua);
    while (lua_next(lua, content) != 0) {
        lua_pop(lua, 1);
        key_rank(lua, -1);
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, content + 1, ++count);
        ubp_box_charge(lua, 1);
    }
    keys_sort(lua, content + 1, count);
    lua_pushvalue(lua, content);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, pairs_next, 3);
    return 1;
}

/* ---- of the string library --------------------------------------------------------------------
 */

static int map_bytes(lua_State *lua, char from, char to, int shift)
{
    char out[BOX_STRING_MAX];
    size_t len;
    const char *text = luaL_checklstring(lua, 1, &len);
    if (len > sizeof(out)) {
        return luaL_error(lua, "a string above %d bytes", BOX_STRING_MAX);
    }
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(text[i] >= from && text[i] <= to ? text[i] + shift : text[i]);
    }
    ubp_box_charge(lua, len / 64);
    lua_pushlstring(lua, out, len);
    return 1;
}

/* ASCII only: the original follows the locale. */
static int string_lower(lua_State *lua)
{
    return map_bytes(lua, 'A', 'Z', 'a' - 'A');
}

static int string_upper(lua_State *lua)
{
    return map_bytes(lua, 'a', 'z', 'A' - 'a');
}

static int string_byte(lua_State *lua)
{
    size_t len;
    const char *text = luaL_checklstring(lua, 1, &len);
    lua_Integer at = luaL_optinteger(lua, 2, 1);
    at = at < 0 ? (lua_Integer)len + at + 1 : at;
    if (at < 1 || at > (lua_Integer)len) {
        return 0;
    }
    lua_pushinteger(lua, (unsigned char)text[at - 1]);
    return 1;
}

/* ---- taking over ------------------------------------------------------------------------------
 */

struct taken {
    lua_CFunction open;
    const char *names[12];
};

static const struct taken taken_base = {luaopen_base, {"assert", "error", "ipairs", "select"}};
static const struct taken taken_string = {luaopen_string, {"char", "len", "reverse", "sub"}};
static const struct taken taken_math = {luaopen_math,
                                        {"abs", "ceil", "floor", "fmod", "huge", "max",
                                         "maxinteger", "min", "mininteger", "tointeger", "type"}};

/* Copies the allowed functions into the table on top. luaopen_base fills the real globals, which no
 * script ever sees. */
static void take(lua_State *lua, const struct taken *taken)
{
    lua_pushcfunction(lua, taken->open);
    lua_call(lua, 0, 1);
    for (size_t i = 0; i < 12 && taken->names[i] != NULL; i++) {
        lua_getfield(lua, -1, taken->names[i]);
        lua_setfield(lua, -3, taken->names[i]);
    }
    lua_pop(lua, 1);
}

/* ("x"):lower() finds the sealed functions, and only these. luaopen_string left the metatable, and
 * arithmetic on strings in it. */
static void string_methods(lua_State *lua)
{
    lua_pushliteral(lua, "");
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}

static void open_string(lua_State *lua)
{
    static const luaL_Reg own[] = {
        {"byte", string_byte}, {"lower", string_lower}, {"upper", string_upper}, {NULL, NULL}};
    lua_createtable(lua, 0, 8);
    take(lua, &taken_string);
    luaL_setfuncs(lua, own, 0);
    ubp_lang_seal(lua, "string");
    string_methods(lua);
    lua_setfield(lua, -2, "string");
}

void ubp_base_open(lua_State *lua)
{
    static const luaL_Reg own[] = {{"pairs", base_pairs},       {"pcall", ubp_box_pcall},
                                   {"tonumber", base_tonumber}, {"tostring", base_tostring},
                                   {"type", base_type},         {NULL, NULL}};
    take(lua, &taken_base);
    luaL_setfuncs(lua, own, 0);
    open_string(lua);
    lua_createtable(lua, 0, 12);
    take(lua, &taken_math);
    ubp_lang_seal(lua, "math");
    lua_setfield(lua, -2, "math");
}
