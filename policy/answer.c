/* SPDX-License-Identifier: Apache-2.0
 *
 * deny "why", allow(…), abstain(…), default(): an answer knows the line that made it. */
#include "lang.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

static const char answer_key;

struct ubp_answer *ubp_answer_at(lua_State *lua, int index)
{
    struct ubp_answer *answer = lua_touserdata(lua, index);
    if (answer == NULL || lua_type(lua, index) != LUA_TUSERDATA ||
        lua_getmetatable(lua, index) == 0) {
        return NULL;
    }
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &answer_key);
    bool is_one = lua_rawequal(lua, -1, -2) != 0;
    lua_pop(lua, 2);
    return is_one ? answer : NULL;
}

struct ubp_answer *ubp_answer_check(lua_State *lua, int index, const char *function)
{
    struct ubp_answer *answer = ubp_answer_at(lua, index);
    if (answer != NULL) {
        return answer;
    }
    if (lua_isnil(lua, index)) {
        luaL_error(lua, "%s returned nothing: end it with return default()", function);
    } else if (lua_iscfunction(lua, index)) {
        luaL_error(lua, "%s returned a function: call it, as in return default()", function);
    } else {
        luaL_error(lua, "%s returned a %s value: return deny \"why\", allow(), or default()",
                   function, luaL_typename(lua, index));
    }
    return NULL;
}

static struct ubp_answer *answer_push(lua_State *lua, enum ubp_verdict verdict)
{
    struct ubp_answer *answer = lua_newuserdatauv(lua, sizeof(*answer), 1);
    memset(answer, 0, sizeof(*answer));
    answer->verdict = verdict;
    answer->line = ubp_box_line(lua);
    lua_rawgetp(lua, LUA_REGISTRYINDEX, &answer_key);
    lua_setmetatable(lua, -2);
    return answer;
}

/* Cuts at the beginning of a character, not within. */
static void copy_text(char *out, size_t out_size, const char *text)
{
    size_t len = strnlen(text, out_size);
    if (len == out_size) {
        len--;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

static void take_code(lua_State *lua, int index, struct ubp_answer *answer)
{
    if (lua_isnoneornil(lua, index)) {
        snprintf(answer->code, sizeof(answer->code), "policy");
        return;
    }
    size_t len;
    const char *code = luaL_checklstring(lua, index, &len);
    if (len == 0 || len >= sizeof(answer->code) ||
        strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
        luaL_error(lua, "a code has 1 to %d of a-z, 0-9 and -", (int)sizeof(answer->code) - 1);
    }
    copy_text(answer->code, sizeof(answer->code), code);
}

/* deny "why" or deny("why", "code") */
static int answer_deny(lua_State *lua)
{
    size_t len = 0;
    lua_settop(lua, 2);
    const char *text = lua_type(lua, 1) == LUA_TSTRING ? lua_tolstring(lua, 1, &len) : "";
    if (len == 0) {
        return luaL_error(lua, "deny wants a reason: deny \"why\"");
    }
    struct ubp_answer *answer = answer_push(lua, UBP_DENY);
    copy_text(answer->text, sizeof(answer->text), text);
    take_code(lua, 2, answer);
    return 1;
}

/* A reason, which may be left out, at index; the answer is on top. */
static void take_reason(lua_State *lua, int index, struct ubp_answer *answer)
{
    if (!lua_isnoneornil(lua, index)) {
        luaL_checktype(lua, index, LUA_TSTRING);
        copy_text(answer->text, sizeof(answer->text), lua_tostring(lua, index));
    }
    snprintf(answer->code, sizeof(answer->code), "policy");
}

/* allow(), allow "why", allow{…} or allow({…}, "why") */
static int answer_allow(lua_State *lua)
{
    lua_settop(lua, 2);
    bool has_table = lua_type(lua, 1) == LUA_TTABLE;
    if (has_table) {
        ubp_permits_read(lua, 1, NULL);
    }
    struct ubp_answer *answer = answer_push(lua, UBP_ALLOW);
    take_reason(lua, has_table ? 2 : 1, answer);
    if (has_table) {
        lua_pushvalue(lua, 1);
        lua_setiuservalue(lua, -2, 1);
    }
    return 1;
}

static int answer_abstain(lua_State *lua)
{
    lua_settop(lua, 1);
    take_reason(lua, 1, answer_push(lua, UBP_ABSTAIN));
    return 1;
}

/* In a test: answer.verdict, .reason, .code, .line */
static int answer_index(lua_State *lua)
{
    const struct ubp_answer *answer = ubp_answer_at(lua, 1);
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    if (answer == NULL) {
        return luaL_error(lua, "not an answer");
    }
    if (strcmp(name, "verdict") == 0) {
        lua_pushstring(lua, ubp_verdict_name(answer->verdict));
    } else if (strcmp(name, "reason") == 0) {
        lua_pushstring(lua, answer->text);
    } else if (strcmp(name, "code") == 0) {
        lua_pushstring(lua, answer->code);
    } else if (strcmp(name, "line") == 0) {
        lua_pushinteger(lua, (lua_Integer)answer->line);
    } else {
        return luaL_error(lua, "an answer has verdict, reason, code and line, no \"%s\"", name);
    }
    return 1;
}

static int answer_newindex(lua_State *lua)
{
    return luaL_error(lua, "an answer cannot be changed");
}

/* Adds deny, allow, abstain and default to the table on top. */
void ubp_answer_open(lua_State *lua)
{
    static const luaL_Reg own[] = {{"deny", answer_deny},
                                   {"allow", answer_allow},
                                   {"abstain", answer_abstain},
                                   {"default", answer_abstain},
                                   {NULL, NULL}};
    luaL_setfuncs(lua, own, 0);
    lua_createtable(lua, 0, 2);
    lua_pushcfunction(lua, answer_index);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, answer_newindex);
    lua_setfield(lua, -2, "__newindex");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, &answer_key);
}
