/* SPDX-License-Identifier: Apache-2.0
 *
 * unibus, node, posture, log, module, secret. */
#include <ctype.h>
#include <limits.h>
#include <string.h>

#include <lauxlib.h>

#include "config_reader.h"

#define CONFIG_MODULES_MAX 128

static const char secret_type[] = "secret";

static bool is_given_twice(lua_State *lua, const struct config_block *block)
{
    if (block == NULL || block->where.file == NULL) {
        return false;
    }
    struct ub_where here = reader_where(lua);
    char first[256];
    report_place(block->where, here, first, sizeof(first));
    report_add(reader_of(lua)->report, ERROR_CONFIG_TWICE, here, "%s is given twice (first %s%s)",
               block->title, first[0] == 'l' ? "on " : "at ", first);
    return true;
}

/* node, posture …; upvalue 1 is the name. */
static int word_core(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    struct config_block *block =
        config_find(reader->config, lua_tostring(lua, lua_upvalueindex(1)));
    if (!is_given_twice(lua, block)) {
        block->where = reader_where(lua);
        collect_block(lua, block);
    }
    return 0;
}

/* Receives the table of `module "x" {…}`; upvalue 1 is the number of the block, -1 = ignore. */
static int word_module_table(lua_State *lua)
{
    struct config *config = reader_of(lua)->config;
    lua_Integer index = lua_tointeger(lua, lua_upvalueindex(1));
    if (index >= 0 && (size_t)index < config->module_count) {
        collect_block(lua, &config->modules[index]);
    }
    return 0;
}

static bool is_module_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
            name[i] != '-') {
            return false;
        }
    }
    return len > 0 && len <= 64 && name[0] != '-';
}

static lua_Integer module_block(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    size_t len = 0;
    const char *name = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : "";
    if (sandbox_is_hole(lua, 1)) {
        return -1;
    }
    if (!is_module_name(name, len)) {
        report_add(reader->report, ERROR_CONFIG_SHAPE, reader_where(lua),
                   "module needs a name of a-z, 0-9 and \"-\": module \"kv-sqlite\" { … }");
        return -1;
    }
    const struct config_block *known = config_find(reader->config, name);
    if (known != NULL && !known->is_module) {
        report_add(reader->report, ERROR_CONFIG_SHAPE, reader_where(lua),
                   "module \"%s\": this is a block of the node itself: write %s { … }", name, name);
        return -1;
    }
    if (is_given_twice(lua, known)) {
        return -1;
    }
    if (reader->config->module_count == CONFIG_MODULES_MAX) {
        luaL_error(lua, "more than %d modules", CONFIG_MODULES_MAX);
    }
    config_add_module(reader->config, name, reader_where(lua));
    return (lua_Integer)reader->config->module_count - 1;
}

static int word_module(lua_State *lua)
{
    lua_pushinteger(lua, module_block(lua));
    lua_pushcclosure(lua, word_module_table, 1);
    return 1;
}

static int word_unibus(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    const char *version = lua_type(lua, 1) == LUA_TSTRING ? lua_tostring(lua, 1) : "";
    reader->config->has_version = true;
    if (strcmp(version, CONFIG_LANGUAGE) != 0) {
        report_add(reader->report, ERROR_CONFIG_VERSION, reader_where(lua),
                   "config language \"%s\" is unknown: this membershipd understands unibus \"%s\"",
                   version, CONFIG_LANGUAGE);
    }
    return 0;
}

/* The file is read when the settings are filled; Lua only ever holds its name. */
static int word_secret(lua_State *lua)
{
    struct reader *reader = reader_of(lua);
    size_t len = 0;
    const char *path = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : "";
    if (len == 0 || len >= PATH_MAX || memchr(path, '\0', len) != NULL) {
        if (!sandbox_is_hole(lua, 1)) {
            report_add(reader->report, ERROR_CONFIG_SHAPE, reader_where(lua),
                       "secret needs the name of a file: secret \"node.key\"");
        }
        sandbox_push_hole(lua);
        return 1;
    }
    struct secret_box *box = lua_newuserdatauv(lua, sizeof(*box), 0);
    *box =
        (struct secret_box){arena_copy(&reader->config->arena, path, len), reader_source(lua)->dir};
    reader_count_copy(lua, len);
    luaL_newmetatable(lua, secret_type);
    lua_setmetatable(lua, -2);
    return 1;
}

const struct secret_box *words_secret(lua_State *lua, int index)
{
    return luaL_testudata(lua, index, secret_type);
}

void words_add(lua_State *lua)
{
    static const luaL_Reg words[] = {
        {"unibus", word_unibus}, {"module", word_module}, {"secret", word_secret}, {NULL, NULL}};
    static const char *const core[] = {"node", "posture", "log", "decisions"};
    luaL_setfuncs(lua, words, 0);
    for (size_t i = 0; i < sizeof(core) / sizeof(core[0]); i++) {
        lua_pushstring(lua, core[i]);
        lua_pushcclosure(lua, word_core, 1);
        lua_setfield(lua, -2, core[i]);
    }
}
