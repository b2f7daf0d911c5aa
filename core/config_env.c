/* SPDX-License-Identifier: Apache-2.0
 *
 * env and envfile: texts from outside of the config. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "config_envfile.h"
#include "config_files.h"
#include "config_reader.h"
#include "suggest.h"

/* ---- env --------------------------------------------------------------------------------------
 */

static int env_get(lua_State *lua, bool has_default)
{
    const char *name = lua_tostring(lua, 2);
    const char *value = getenv(name);
    if (value != NULL) {
        lua_pushstring(lua, value);
    } else if (has_default) {
        lua_pushvalue(lua, 3);
    } else {
        report_add(reader_of(lua)->report, ERROR_CONFIG_ENV, reader_where(lua),
                   "environment variable %s is not set: set it, or write env(\"%s\", \"default\")",
                   name, name);
        sandbox_push_hole(lua);
    }
    return 1;
}

/* env.NAME must be set. */
static int env_index(lua_State *lua)
{
    /* Other keys: ipairs and the like; it has no items. */
    return lua_type(lua, 2) == LUA_TSTRING ? env_get(lua, false) : 0;
}

/* env("NAME", "default") may be unset. */
static int env_call(lua_State *lua)
{
    if (lua_type(lua, 2) == LUA_TSTRING) {
        return env_get(lua, lua_gettop(lua) >= 3);
    }
    if (!sandbox_is_hole(lua, 2)) {
        report_add(reader_of(lua)->report, ERROR_CONFIG_SHAPE, reader_where(lua),
                   "env needs a name: env(\"HOME\", \"default\")");
    }
    sandbox_push_hole(lua);
    return 1;
}

/* ---- envfile ----------------------------------------------------------------------------------
 */

/* Upvalues of both events below: 1 the file's name for messages, 2 whether it has no faults. */
enum { UP_FILE = 1, UP_SOUND, UP_COUNT = UP_SOUND };

static void envfile_suggest(lua_State *lua, const char *name, char *hint, size_t size)
{
    struct suggest suggest = {.written = name};
    lua_pushnil(lua);
    while (lua_next(lua, 1) != 0) {
        if (lua_type(lua, -2) == LUA_TSTRING) {
            suggest_offer(&suggest, lua_tostring(lua, -2));
        }
        lua_pop(lua, 1);
    }
    suggest_text(&suggest, hint, size);
}

/* nodes.NAME, when the file does not set it. */
static int envfile_index(lua_State *lua)
{
    char hint[160];
    if (lua_type(lua, 2) != LUA_TSTRING) {
        return 0; /* ipairs and the like: it has no items */
    }
    const char *name = lua_tostring(lua, 2);
    envfile_suggest(lua, name, hint, sizeof(hint));
    if (lua_toboolean(lua, lua_upvalueindex(UP_SOUND)) != 0) {
        report_add(reader_of(lua)->report, ERROR_CONFIG_ENV, reader_where(lua),
                   "%s does not set %s%s: add the line %s=…, or write (\"%s\", \"default\") in "
                   "place of .%s",
                   lua_tostring(lua, lua_upvalueindex(UP_FILE)), name, hint, name, name, name);
    }
    sandbox_push_hole(lua);
    return 1;
}

/* nodes("NAME", "default") */
static int envfile_call(lua_State *lua)
{
    lua_settop(lua, 3);
    if (lua_type(lua, 2) != LUA_TSTRING) {
        if (!sandbox_is_hole(lua, 2)) {
            report_add(reader_of(lua)->report, ERROR_CONFIG_SHAPE, reader_where(lua),
                       "%s: a name is needed: (\"NAME\", \"default\")",
                       lua_tostring(lua, lua_upvalueindex(UP_FILE)));
        }
        sandbox_push_hole(lua);
        return 1;
    }
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, 1) == LUA_TNIL && lua_isnil(lua, 3)) {
        return envfile_index(lua);
    }
    if (lua_isnil(lua, -1)) {
        lua_pushvalue(lua, 3);
    }
    return 1;
}

static int envfile_assign(lua_State *lua)
{
    report_add(reader_of(lua)->report, ERROR_CONFIG_NAME, reader_where(lua),
               "the values of %s cannot be changed here",
               lua_tostring(lua, lua_upvalueindex(UP_FILE)));
    return 0;
}

static void envfile_push(lua_State *lua, const char *shown, const struct envfile *envfile)
{
    static const luaL_Reg events[] = {{"__index", envfile_index},
                                      {"__call", envfile_call},
                                      {"__newindex", envfile_assign},
                                      {NULL, NULL}};
    lua_createtable(lua, 0, (int)envfile->count);
    for (size_t i = 0; i < envfile->count; i++) {
        lua_pushstring(lua, envfile->items[i].value);
        lua_setfield(lua, -2, envfile->items[i].name);
    }
    lua_createtable(lua, 0, 3);
    lua_pushstring(lua, shown);
    lua_pushboolean(lua, envfile->is_sound);
    luaL_setfuncs(lua, events, UP_COUNT);
    lua_setmetatable(lua, -2);
}

/* The text is not kept: Lua may raise in envfile_push, and nothing is lost then. */
static bool envfile_read(struct reader *reader, const struct config_file *file, size_t *len_out,
                         struct envfile *envfile_out)
{
    char *text = NULL;
    if (!files_read(reader->config, file, reader->report, &text, len_out)) {
        return false;
    }
    envfile_parse(&reader->config->arena, file->shown, text, *len_out, envfile_out, reader->report);
    free(text);
    return true;
}

static int word_envfile(lua_State *lua)
{
    struct config_file file = {.named = reader_where(lua)};
    struct envfile envfile;
    size_t len = 0;
    reader_count_file(lua, 0);
    if (!reader_path(lua, "envfile", &file.path, &file.shown) ||
        !envfile_read(reader_of(lua), &file, &len, &envfile)) {
        sandbox_push_hole(lua);
        return 1;
    }
    reader_of(lua)->bytes += len;
    envfile_push(lua, file.shown, &envfile);
    return 1;
}

void env_add(lua_State *lua)
{
    static const luaL_Reg events[] = {{"__index", env_index}, {"__call", env_call}, {NULL, NULL}};
    lua_createtable(lua, 0, 0);
    lua_createtable(lua, 0, 2);
    luaL_setfuncs(lua, events, 0);
    lua_setmetatable(lua, -2);
    lua_setfield(lua, -2, "env");
    lua_pushcfunction(lua, word_envfile);
    lua_setfield(lua, -2, "envfile");
}
