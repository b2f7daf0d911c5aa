/* SPDX-License-Identifier: Apache-2.0
 *
 * The environment of a script. It is an empty table, so that every assignment is seen: a global
 * that is neither on_connect nor on_action is a mistake, and a misspelt on_connect must not be a
 * policy that allows everything. */
#include "script_state.h"

#include <string.h>

#include <lauxlib.h>

#include <ubp/actions.h>

#include "suggest.h"

#define LANGUAGE "1"

static int env_unknown(lua_State *lua)
{
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
    if (strcmp(name, "on_connect") == 0 || strcmp(name, "on_action") == 0) {
        return luaL_error(lua, "this script does not define %s", name);
    }
    lua_pushvalue(lua, 1); /* the content */
    return ubp_lang_unknown(lua, NULL, name);
}

static int env_refuse(lua_State *lua, const char *name)
{
    struct ubp_suggest suggest = {.written = name};
    char hint[64];
    ubp_suggest_offer(&suggest, "on_connect");
    ubp_suggest_offer(&suggest, "on_action");
    ubp_suggest_text(&suggest, hint, sizeof(hint));
    return luaL_error(lua,
                      "\"%s\" cannot be a global%s: write local, or one of on_connect and "
                      "on_action",
                      name, hint);
}

static int env_set(lua_State *lua)
{
    struct ubp_script *script = ubp_script_of(lua);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?";
    bool is_connect = strcmp(name, "on_connect") == 0;
    if (!is_connect && strcmp(name, "on_action") != 0) {
        return env_refuse(lua, name);
    }
    int *slot = is_connect ? &script->on_connect : &script->on_action;
    if (script->is_loaded || *slot != LUA_NOREF) {
        return luaL_error(lua, "%s is defined once, while the script is loaded", name);
    }
    if (lua_type(lua, 3) != LUA_TFUNCTION || lua_iscfunction(lua, 3)) {
        return luaL_error(lua, "%s is a function of the script", name);
    }
    lua_settop(lua, 3);
    *slot = luaL_ref(lua, LUA_REGISTRYINDEX);
    return 0;
}

static int env_policy(lua_State *lua)
{
    const char *version = lua_type(lua, 1) == LUA_TSTRING ? lua_tostring(lua, 1) : "";
    if (strcmp(version, LANGUAGE) != 0) {
        return luaL_error(lua, "policy \"%s\" is unknown: this version understands policy \"1\"",
                          version);
    }
    ubp_script_of(lua)->has_version = true;
    return 0;
}

/* ---- calling one's own functions, as tests do --------------------------------------------------
 */

static int call_function(lua_State *lua, int reference, const char *name)
{
    int arguments = lua_gettop(lua);
    if (reference == LUA_NOREF) {
        return luaL_error(lua, "this script does not define %s", name);
    }
    luaL_checkstack(lua, 4, NULL);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
    lua_insert(lua, 1);
    lua_call(lua, arguments, 1);
    ubp_answer_check(lua, 1, name);
    return 1;
}

/* on_connect(who, conn) from within the script */
static int env_on_connect(lua_State *lua)
{
    lua_settop(lua, 2);
    ubp_record_from_test(lua, 1, UBP_RECORD_WHO, "");
    lua_replace(lua, 1);
    ubp_record_from_test(lua, 2, UBP_RECORD_CONN, "");
    lua_replace(lua, 2);
    return call_function(lua, ubp_script_of(lua)->on_connect, "on_connect");
}

/* The fields that a test may give the target of an action; NULL = any, it is a third party's. */
static const char *action_fields(lua_State *lua, const char *name)
{
    char hint[96];
    if (ubp_action_is_suspect(name, hint, sizeof(hint))) {
        luaL_error(lua, "\"%s\" is no action%s", name, hint);
    }
    const struct ubp_action_info *action = ubp_action_find(name);
    return action != NULL ? action->fields : NULL;
}

/* on_action(who, action, target, conn) from within the script */
static int env_on_action(lua_State *lua)
{
    lua_settop(lua, 4);
    const char *fields = action_fields(lua, luaL_checkstring(lua, 2));
    ubp_record_from_test(lua, 1, UBP_RECORD_WHO, "");
    lua_replace(lua, 1);
    ubp_record_from_test(lua, 3, UBP_RECORD_TARGET, fields);
    lua_replace(lua, 3);
    ubp_record_from_test(lua, 4, UBP_RECORD_CONN, "");
    lua_replace(lua, 4);
    return call_function(lua, ubp_script_of(lua)->on_action, "on_action");
}

static void env_content(lua_State *lua)
{
    static const luaL_Reg own[] = {{"policy", env_policy},
                                   {"on_connect", env_on_connect},
                                   {"on_action", env_on_action},
                                   {NULL, NULL}};
    lua_createtable(lua, 0, 32);
    ubp_base_open(lua);
    ubp_table_open(lua);
    ubp_help_open(lua);
    ubp_answer_open(lua);
    ubp_tests_open(lua);
    luaL_setfuncs(lua, own, 0);
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, env_unknown);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
}

void ubp_env_push(lua_State *lua)
{
    lua_createtable(lua, 0, 0);
    lua_createtable(lua, 0, 2);
    env_content(lua);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, env_set);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
}
