/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of permissions of allow{…}:
 *
 *     publish   = {"orders.>"}                          grants, outside the reserved name spaces
 *     subscribe = {allow = {…}, deny = {…}}             grants, and takes away everywhere
 *     max_subs = 500, max_payload = 65536               limits; the lowest of all providers counts
 *
 * An empty publish or subscribe list takes away everything. */
#include "lang.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

struct permits {
    struct ubp_permissions *out; /* NULL = check only */
    uint32_t count;
    size_t text_len;
    char *text; /* behind the lines */
};

static int fail_at(lua_State *lua, const char *where, const char *what)
{
    return luaL_error(lua, "%s: %s", where, what);
}

static const char *add_text(struct permits *permits, const char *text, size_t len)
{
    size_t start = permits->text_len;
    permits->text_len += len + 1;
    if (permits->out == NULL) {
        return NULL;
    }
    char *at = permits->text + start;
    memcpy(at, text, len);
    at[len] = '\0';
    return at;
}

static void add_line(struct permits *permits, uint32_t actions, bool is_deny, const char *subject,
                     size_t subject_len, const char *queue)
{
    const char *own = add_text(permits, subject, subject_len);
    const char *own_queue = queue != NULL ? add_text(permits, queue, strlen(queue)) : NULL;
    if (permits->out != NULL) {
        permits->out->lines[permits->count] = (struct ubp_line){actions, is_deny, own, own_queue};
    }
    permits->count++;
}

static bool queue_is_sound(const char *queue)
{
    return queue[0] != '\0' && strpbrk(queue, " \t\r\n") == NULL;
}

/* "orders.>" or, to subscribe, "orders.> workers" */
static void read_line(lua_State *lua, struct permits *permits, uint32_t actions, bool is_deny,
                      const char *where)
{
    size_t len;
    if (lua_type(lua, -1) != LUA_TSTRING) {
        fail_at(lua, where, "a line is a text such as \"orders.>\"");
    }
    const char *text = lua_tolstring(lua, -1, &len);
    const char *space = strchr(text, ' ');
    size_t subject_len = space != NULL ? (size_t)(space - text) : strlen(text);
    if (strlen(text) != len || !ubp_subject_is_pattern(text, subject_len) ||
        (space != NULL && (actions != UBP_SUBSCRIBE || !queue_is_sound(space + 1)))) {
        luaL_error(lua, "%s: \"%s\" is no subject pattern", where, text);
    }
    const char *reserved = is_deny ? NULL : ubp_subject_reserved(text, subject_len);
    if (reserved != NULL) {
        luaL_error(lua,
                   "%s: \"%s\" reaches into %s, where only membership and users grant: name the "
                   "first token",
                   where, text, reserved);
    }
    if (permits->count >= UBP_LINES_MAX) {
        fail_at(lua, where, "too many lines");
    }
    ubp_box_charge(lua, 4 + len / 16);
    add_line(permits, actions, is_deny, text, subject_len, space != NULL ? space + 1 : NULL);
}

/* The list is on top; pops it. Answers the number of its lines. */
static size_t read_list(lua_State *lua, struct permits *permits, uint32_t actions, bool is_deny,
                        const char *where)
{
    if (lua_type(lua, -1) != LUA_TTABLE) {
        fail_at(lua, where, "a list of subjects, such as {\"orders.>\"}");
    }
    ubp_frozen_content(lua, -1);
    int list = lua_gettop(lua);
    size_t len = lua_rawlen(lua, list), keys = 0;
    lua_pushnil(lua);
    while (lua_next(lua, list) != 0) {
        keys++;
        lua_pop(lua, 1);
        ubp_box_charge(lua, 1);
    }
    if (keys != len) {
        fail_at(lua, where, "a list of subjects has no names in it but allow and deny");
    }
    for (size_t i = 1; i <= len; i++) {
        lua_rawgeti(lua, list, (lua_Integer)i);
        read_line(lua, permits, actions, is_deny, where);
        lua_pop(lua, 1);
    }
    lua_settop(lua, list - 2);
    return len;
}

/* Both keys of {allow = …, deny = …} are read; others are an error. */
static bool is_pair(lua_State *lua, int table, const char *where)
{
    bool has_pair = false, has_other = false;
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        lua_pop(lua, 1);
        const char *name = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "";
        bool is_known = strcmp(name, "allow") == 0 || strcmp(name, "deny") == 0;
        has_pair = has_pair || is_known;
        has_other = has_other || !is_known;
        ubp_box_charge(lua, 1);
    }
    if (has_pair && has_other) {
        fail_at(lua, where, "either a list, or allow and deny");
    }
    return has_pair;
}

/* publish or subscribe is on top; pops it. */
static void read_side(lua_State *lua, struct permits *permits, uint32_t actions, const char *where)
{
    if (lua_type(lua, -1) != LUA_TTABLE) {
        fail_at(lua, where, "a list of subjects, such as {\"orders.>\"}");
    }
    ubp_frozen_content(lua, -1);
    int side = lua_gettop(lua);
    size_t allowed = 1;
    if (!is_pair(lua, side, where)) {
        lua_pushvalue(lua, side);
        allowed = read_list(lua, permits, actions, false, where);
    } else {
        if (lua_getfield(lua, side, "allow") != LUA_TNIL) {
            lua_pushvalue(lua, -1);
            allowed = read_list(lua, permits, actions, false, where);
        }
        if (lua_getfield(lua, side, "deny") != LUA_TNIL) {
            lua_pushvalue(lua, -1);
            read_list(lua, permits, actions, true, where);
        }
    }
    if (allowed == 0 && permits->count < UBP_LINES_MAX) {
        add_line(permits, actions, true, ">", 1, NULL);
    }
    lua_settop(lua, side - 2);
}

static int64_t read_limit(lua_State *lua, const char *where)
{
    int is_integer = 0;
    lua_Integer limit = lua_type(lua, -1) == LUA_TNUMBER ? lua_tointegerx(lua, -1, &is_integer) : 0;
    if (!is_integer || limit < 1) {
        fail_at(lua, where, "a whole number of 1 or more");
    }
    lua_pop(lua, 1);
    return limit;
}

/* Name at -2, value at -1, which it pops. */
static void read_member(lua_State *lua, struct permits *permits, struct ubp_permissions *limits)
{
    const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "?";
    if (strcmp(name, "publish") == 0) {
        read_side(lua, permits, UBP_PUBLISH, "publish");
    } else if (strcmp(name, "subscribe") == 0) {
        read_side(lua, permits, UBP_SUBSCRIBE, "subscribe");
    } else if (strcmp(name, "max_subs") == 0) {
        limits->max_subs = read_limit(lua, "max_subs");
    } else if (strcmp(name, "max_payload") == 0) {
        limits->max_payload_bytes = read_limit(lua, "max_payload");
    } else {
        luaL_error(lua, "allow: there is no \"%s\", only publish, subscribe, max_subs, max_payload",
                   name);
    }
}

static void read_table(lua_State *lua, int table, struct permits *permits,
                       struct ubp_permissions *limits)
{
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        read_member(lua, permits, limits);
    }
}

void ubp_permits_read(lua_State *lua, int index, struct ubp_permissions *out)
{
    struct permits permits = {.out = NULL};
    struct ubp_permissions limits = {0};
    luaL_checkstack(lua, 16, NULL);
    ubp_frozen_content(lua, index);
    int table = lua_gettop(lua);
    read_table(lua, table, &permits, &limits);
    if (out != NULL) {
        char *block = calloc(1, permits.count * sizeof(struct ubp_line) + permits.text_len + 1);
        if (block == NULL) {
            luaL_error(lua, "no memory for the permissions");
        }
        *out = limits;
        out->count = permits.count;
        out->lines = (struct ubp_line *)(void *)block;
        permits =
            (struct permits){.out = out, .text = block + permits.count * sizeof(struct ubp_line)};
        read_table(lua, table, &permits, &limits);
    }
    lua_settop(lua, table - 1);
}
