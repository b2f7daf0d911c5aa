/* SPDX-License-Identifier: Apache-2.0
 *
 * who, conn and target: reading a field that does not exist is an error, and so is writing. */
#include "lang.h"

#include <string.h>

#include <lauxlib.h>

#include <ubp/actions.h>

#include "suggest.h"

static const char record_key;

struct record_field {
    const char *name;
    int type;         /* of Lua */
    const char *text; /* default in a test */
};

struct record_kind {
    const char *name;
    struct record_field fields[8];
};

static const struct record_kind kinds[] = {
    [UBP_RECORD_WHO] = {"who",
                        {{"id", LUA_TSTRING, "testidentity"},
                         {"handle", LUA_TSTRING, ""},
                         {"role", LUA_TSTRING, "member"},
                         {"device", LUA_TSTRING, ""}}},
    [UBP_RECORD_CONN] = {"conn",
                         {{"transport", LUA_TSTRING, "nats"},
                          {"ip", LUA_TSTRING, "192.0.2.1"},
                          {"tls", LUA_TBOOLEAN, NULL},
                          {"loopback", LUA_TBOOLEAN, NULL},
                          {"user", LUA_TSTRING, ""},
                          {"client", LUA_TSTRING, ""},
                          {"cert", LUA_TSTRING, ""}}},
    [UBP_RECORD_TARGET] = {"target", {{"kind", LUA_TSTRING, ""}, {"id", LUA_TSTRING, ""}}},
};

/* The user values of a record. */
enum { RECORD_CONTENT = 1, RECORD_VALUES = RECORD_CONTENT };

struct record {
    enum ubp_record kind;
    const char *fields; /* of a target: names with a space between */
};

static struct record *record_at(lua_State *lua, int index)
{
    struct record *record = lua_touserdata(lua, index);
    if (record == NULL || lua_type(lua, index) != LUA_TUSERDATA ||
        lua_getmetatable(lua, index) == 0) {
        return NULL;
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &record_key);
    bool is_one = lua_rawequal(lua, -1, -2) != 0;
    lua_pop(lua, 2);
    return is_one ? record : NULL;
}

bool ubp_record_content(lua_State *lua, int index)
{
    return record_at(lua, index) != NULL &&
           lua_getiuservalue(lua, index, RECORD_CONTENT) == LUA_TTABLE;
}

static const struct record_field *kind_field(const struct record_kind *kind, const char *name)
{
    for (size_t i = 0; i < 8 && kind->fields[i].name != NULL; i++) {
        if (strcmp(kind->fields[i].name, name) == 0) {
            return &kind->fields[i];
        }
    }
    return NULL;
}

static bool fields_have(const char *fields, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = fields; (at = strstr(at, name)) != NULL; at += len) {
        bool is_begin = at == fields || at[-1] == ' ';
        if (is_begin && (at[len] == ' ' || at[len] == '\0') && len > 0) {
            return true;
        }
    }
    return false;
}

static int record_unknown(lua_State *lua, const struct record *record, const char *name)
{
    const struct record_kind *kind = &kinds[record->kind];
    struct ubp_suggest suggest = {.written = name};
    char hint[128], words[128];
    char *rest = NULL;
    for (size_t i = 0; i < 8 && kind->fields[i].name != NULL; i++) {
        ubp_suggest_offer(&suggest, kind->fields[i].name);
    }
    strncpy(words, record->fields, sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        ubp_suggest_offer(&suggest, word);
    }
    ubp_suggest_text(&suggest, hint, sizeof(hint));
    return luaL_error(lua, "%s has no field \"%s\"%s", kind->name, name, hint);
}

static int record_index(lua_State *lua)
{
    const struct record *record = record_at(lua, 1);
    if (record == NULL || lua_type(lua, 2) != LUA_TSTRING) {
        return luaL_error(lua, "a field has a name");
    }
    lua_getiuservalue(lua, 1, RECORD_CONTENT);
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, -2) != LUA_TNIL) {
        return 1;
    }
    const char *name = lua_tostring(lua, 2);
    if (kind_field(&kinds[record->kind], name) == NULL && !fields_have(record->fields, name)) {
        return record_unknown(lua, record, name);
    }
    return 1;
}

static int record_newindex(lua_State *lua)
{
    const struct record *record = record_at(lua, 1);
    return luaL_error(lua, "%s can only be read",
                      record != NULL ? kinds[record->kind].name : "this");
}

void ubp_record_open(lua_State *lua)
{
    lua_createtable(lua, 0, 3);
    lua_pushcfunction(lua, record_index);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, record_newindex);
    lua_setfield(lua, -2, "__newindex");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &record_key);
}

void ubp_record_push(lua_State *lua, enum ubp_record kind, const char *fields)
{
    struct record *record = lua_newuserdatauv(lua, sizeof(*record), RECORD_VALUES);
    *record = (struct record){kind, fields};
    lua_insert(lua, -2);
    lua_setiuservalue(lua, -2, RECORD_CONTENT);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &record_key);
    lua_setmetatable(lua, -2);
}

/* ---- from a test ------------------------------------------------------------------------------
 */

/* A name and a value that a test gave are at -2 and -1. */
static void given_check(lua_State *lua, const struct record *record)
{
    const struct record_kind *kind = &kinds[record->kind];
    if (lua_type(lua, -2) != LUA_TSTRING) {
        luaL_error(lua, "%s: a field has a name", kind->name);
    }
    const char *name = lua_tostring(lua, -2);
    const struct record_field *field = kind_field(kind, name);
    if (field == NULL && record->fields != NULL && !fields_have(record->fields, name)) {
        record_unknown(lua, record, name);
    }
    int type = lua_type(lua, -1);
    bool is_scalar = type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN;
    if (field != NULL ? type != field->type : !is_scalar) {
        luaL_error(lua, "%s.%s cannot be a %s value", kind->name, name, luaL_typename(lua, -1));
    }
    if (strcmp(name, "role") == 0 &&
        (type != LUA_TSTRING || !ubp_role_is_known(lua_tostring(lua, -1)))) {
        luaL_error(lua, "%s.role is one of member, service, auditor, admin, operator", kind->name);
    }
}

static void content_default(lua_State *lua, const struct record_kind *kind)
{
    for (size_t i = 0; i < 8 && kind->fields[i].name != NULL; i++) {
        const struct record_field *field = &kind->fields[i];
        if (field->type == LUA_TBOOLEAN) {
            lua_pushboolean(lua, 0);
        } else {
            lua_pushstring(lua, field->text);
        }
        lua_setfield(lua, -2, field->name);
    }
}

void ubp_record_from_test(lua_State *lua, int index, enum ubp_record kind, const char *fields)
{
    const struct record record = {kind, fields};
    const char *named = fields != NULL ? fields : "";
    index = lua_absindex(lua, index);
    if (record_at(lua, index) != NULL) { /* it was a real call, not a test's */
        lua_pushvalue(lua, index);
        return;
    }
    lua_createtable(lua, 0, 8);
    int content = lua_gettop(lua);
    content_default(lua, &kinds[kind]);
    if (!lua_isnoneornil(lua, index)) {
        if (lua_type(lua, index) != LUA_TTABLE) {
            luaL_error(lua, "%s is a table, not a %s value", kinds[kind].name,
                       luaL_typename(lua, index));
        }
        ubp_frozen_content(lua, index);
        int given = lua_gettop(lua);
        lua_pushnil(lua);
        while (lua_next(lua, given) != 0) {
            given_check(lua, &record);
            lua_pushvalue(lua, -2);
            lua_insert(lua, -2);
            lua_rawset(lua, content);
        }
        lua_settop(lua, content);
    }
    ubp_record_push(lua, kind, named);
}
