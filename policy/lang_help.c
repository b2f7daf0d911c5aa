/* SPDX-License-Identifier: Apache-2.0
 *
 * starts, ends, contains, subject_match, ip_in. */
#include "lang.h"

#include <string.h>

#include <lauxlib.h>

static const char *text_at(lua_State *lua, int index, size_t *len_out)
{
    luaL_checktype(lua, index, LUA_TSTRING);
    const char *text = lua_tolstring(lua, index, len_out);
    ubp_box_charge(lua, *len_out / 64);
    return text;
}

static int help_starts(lua_State *lua)
{
    size_t len, part_len;
    const char *text = text_at(lua, 1, &len), *part = text_at(lua, 2, &part_len);
    lua_pushboolean(lua, part_len <= len && memcmp(text, part, part_len) == 0);
    return 1;
}

static int help_ends(lua_State *lua)
{
    size_t len, part_len;
    const char *text = text_at(lua, 1, &len), *part = text_at(lua, 2, &part_len);
    lua_pushboolean(lua, part_len <= len && memcmp(text + len - part_len, part, part_len) == 0);
    return 1;
}

static int list_contains(lua_State *lua)
{
    ubp_frozen_content(lua, 1);
    int list = lua_gettop(lua);
    size_t len = lua_rawlen(lua, list);
    bool is_found = false;
    ubp_box_charge(lua, len);
    for (size_t i = 1; i <= len && !is_found; i++) {
        lua_rawgeti(lua, list, (lua_Integer)i);
        is_found = lua_rawequal(lua, -1, 2) != 0;
        lua_pop(lua, 1);
    }
    lua_pushboolean(lua, is_found);
    return 1;
}

/* contains(text, part) or contains(list, value) */
static int help_contains(lua_State *lua)
{
    size_t len, part_len;
    luaL_checkany(lua, 2);
    if (lua_type(lua, 1) == LUA_TTABLE) {
        return list_contains(lua);
    }
    const char *text = text_at(lua, 1, &len), *part = text_at(lua, 2, &part_len);
    lua_pushboolean(lua, part_len == 0 || memmem(text, len, part, part_len) != NULL);
    return 1;
}

static int help_subject_match(lua_State *lua)
{
    size_t pattern_len, len;
    const char *pattern = text_at(lua, 1, &pattern_len), *subject = text_at(lua, 2, &len);
    if (!ubp_subject_is_pattern(pattern, pattern_len)) {
        return luaL_error(lua, "subject_match: \"%s\" is no subject pattern", pattern);
    }
    lua_pushboolean(lua, ubp_subject_matches(pattern, pattern_len, subject, len));
    return 1;
}

/* ip_in(ip, net) or ip_in(ip, {net, net}). An address that is none is in no net; a net that is
 * none is a mistake of the script. */
static bool net_holds(lua_State *lua, const char *address, int index)
{
    size_t len;
    const char *net = text_at(lua, index, &len);
    enum ubp_ip answer = ubp_ip_in(address, net);
    if (answer == UBP_IP_BAD_NET) {
        luaL_error(lua, "ip_in: \"%s\" is no address and no net such as 10.80.0.0/16", net);
    }
    return answer == UBP_IP_IN;
}

static int help_ip_in(lua_State *lua)
{
    size_t len;
    const char *address = text_at(lua, 1, &len);
    bool is_in = false;
    if (lua_type(lua, 2) != LUA_TTABLE) {
        lua_pushboolean(lua, net_holds(lua, address, 2));
        return 1;
    }
    ubp_frozen_content(lua, 2);
    int list = lua_gettop(lua);
    for (size_t i = 1; i <= lua_rawlen(lua, list); i++) { /* all: a mistake further on shows too */
        lua_rawgeti(lua, list, (lua_Integer)i);
        is_in = net_holds(lua, address, -1) || is_in;
        lua_pop(lua, 1);
        ubp_box_charge(lua, 4);
    }
    lua_pushboolean(lua, is_in);
    return 1;
}

void ubp_help_open(lua_State *lua)
{
    static const luaL_Reg own[] = {{"starts", help_starts},
                                   {"ends", help_ends},
                                   {"contains", help_contains},
                                   {"ip_in", help_ip_in},
                                   {"subject_match", help_subject_match},
                                   {NULL, NULL}};
    luaL_setfuncs(lua, own, 0);
}
