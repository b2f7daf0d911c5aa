/* SPDX-License-Identifier: Apache-2.0 */
#include "box.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#define HOOK_EVERY       100
#define BYTES_A_STEP     64   /* of memory asked for: so joining long strings is not free */
#define COLLECTION_STEPS 2000 /* a request that is refused makes Lua collect everything first */

struct ubp_box *ubp_box_of(lua_State *lua)
{
    return *(struct ubp_box **)lua_getextraspace(lua);
}

uint32_t ubp_box_line(lua_State *lua)
{
    lua_Debug at;
    for (int level = 0; lua_getstack(lua, level, &at) != 0; level++) {
        lua_getinfo(lua, "l", &at);
        if (at.currentline > 0) {
            return (uint32_t)at.currentline;
        }
    }
    return 0;
}

/* ---- memory ------------------------------------------------------------------------------------
 */

/* `kind` is LUA_TSTRING for a new string (lua_Alloc: osize of a new object is its type). */
static bool box_has_room(struct ubp_box *box, size_t kind, size_t growth, size_t new_size)
{
    if (kind == LUA_TSTRING && new_size > BOX_STRING_MAX + 64) {
        box->has_long_string = true;
        return false;
    }
    return new_size <= BOX_BLOCK_MAX && growth <= box->memory_max - box->memory;
}

/* Lua asks again after a full collection; what is refused twice ends the call, or a script could
 * make us collect for ever. */
static void *box_refuse(struct ubp_box *box)
{
    box->steps += COLLECTION_STEPS;
    if (box->is_tight && box->hit == UBP_OK && box->lua != NULL) {
        box->hit = UBP_E_MEMORY;
        box->hit_line = ubp_box_line(box->lua);
    }
    box->is_tight = true;
    return NULL;
}

static void *box_alloc(void *ud, void *old, size_t old_size, size_t new_size)
{
    struct ubp_box *box = ud;
    size_t before = old != NULL ? old_size : 0;
    if (new_size == 0) {
        box->memory -= before;
        free(old);
        return NULL;
    }
    if (new_size > before) {
        if (!box_has_room(box, old != NULL ? 0 : old_size, new_size - before, new_size)) {
            return box_refuse(box);
        }
        box->steps += (int64_t)(new_size / BYTES_A_STEP);
    }
    void *bytes = realloc(old, new_size);
    if (bytes != NULL) {
        box->memory = box->memory - before + new_size;
        box->is_tight = box->is_tight && new_size <= before;
    }
    return bytes;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

static void box_trace(struct ubp_trace *trace, int line)
{
    if (line <= 0 || (trace->count > 0 && trace->lines[trace->count - 1] == (uint32_t)line)) {
        return;
    }
    if (trace->count == UBP_TRACE_MAX) {
        trace->is_cut = true;
    } else {
        trace->lines[trace->count++] = (uint32_t)line;
    }
}

static void box_check(lua_State *lua, struct ubp_box *box)
{
    if (box->hit == UBP_OK) {
        bool is_stopped = atomic_load_explicit(&box->is_stopped, memory_order_relaxed);
        if (!is_stopped && box->steps <= box->steps_max) {
            return;
        }
        box->hit = is_stopped ? UBP_E_STOPPED : UBP_E_STEPS;
        box->hit_line = ubp_box_line(lua);
    }
    lua_pushliteral(lua, "limit");
    lua_error(lua);
}

/* After the first hit each single instruction is one: a script that catches the error gets no
 * further than to the next. */
static void box_on_hook(lua_State *lua, lua_Debug *at)
{
    struct ubp_box *box = ubp_box_of(lua);
    if (at->event == LUA_HOOKLINE) {
        box_trace(box->trace, at->currentline);
        return;
    }
    box->steps += HOOK_EVERY;
    if (box->hit != UBP_OK || box->steps > box->steps_max ||
        atomic_load_explicit(&box->is_stopped, memory_order_relaxed)) {
        lua_sethook(lua, box_on_hook, LUA_MASKCOUNT, 1);
        box_check(lua, box);
    }
}

void ubp_box_charge(lua_State *lua, size_t steps)
{
    struct ubp_box *box = ubp_box_of(lua);
    box->steps += (int64_t)steps;
    box_check(lua, box);
}

int ubp_box_pcall(lua_State *lua)
{
    luaL_checkany(lua, 1);
    lua_pushboolean(lua, 1);
    lua_insert(lua, 1);
    int status = lua_pcall(lua, lua_gettop(lua) - 2, LUA_MULTRET, 0);
    if (ubp_box_of(lua)->hit != UBP_OK) {
        return lua_error(lua);
    }
    if (status != LUA_OK) {
        lua_pushboolean(lua, 0);
        lua_replace(lua, 1);
    }
    return lua_gettop(lua);
}

/* ---- running -----------------------------------------------------------------------------------
 */

const char *ubp_box_strip(const char *text, uint32_t *line_out)
{
    unsigned long line = 0;
    char *end = NULL;
    static const char prefix[] = BOX_NAME ":";
    if (strncmp(text, prefix, sizeof(prefix) - 1) == 0) {
        line = strtoul(text + sizeof(prefix) - 1, &end, 10);
    }
    if (end == NULL || end[0] != ':' || end[1] != ' ') {
        return text;
    }
    *line_out = (uint32_t)line;
    return end + 2;
}

/* The message handler: 1 is the error object, which may be anything. The line is where it was
 * raised; the message's own prefix is the caller's and wins later. */
static int box_on_error(lua_State *lua)
{
    struct ubp_box *box = ubp_box_of(lua);
    if (box->hit == UBP_OK) {
        box->hit_line = ubp_box_line(lua);
    }
    if (lua_type(lua, 1) != LUA_TSTRING) {
        lua_pushfstring(lua, "the error is a %s value: raise a text", luaL_typename(lua, 1));
    }
    return 1;
}

static void fault_of_limit(const struct ubp_box *box, struct ubp_fault *fault)
{
    if (box->hit == UBP_E_STEPS) {
        snprintf(fault->text, sizeof(fault->text),
                 "more than %lld steps: is there a loop without an end?",
                 (long long)box->steps_max);
    } else if (box->hit == UBP_E_STOPPED) {
        snprintf(fault->text, sizeof(fault->text), "stopped, because it took too long");
    } else if (box->has_long_string) {
        snprintf(fault->text, sizeof(fault->text), "a string above %d bytes", BOX_STRING_MAX);
    } else {
        snprintf(fault->text, sizeof(fault->text), "more than %zu KiB of memory",
                 box->memory_max / 1024);
    }
}

static void fault_fill(struct ubp_box *box, int status, enum ubp_error usual,
                       struct ubp_fault *fault)
{
    lua_State *lua = box->lua;
    fault->line = box->hit_line;
    if (status == LUA_ERRMEM && box->hit == UBP_OK) {
        box->hit = UBP_E_MEMORY;
    }
    fault->error = box->hit != UBP_OK ? box->hit : usual;
    if (box->hit != UBP_OK) {
        fault_of_limit(box, fault);
        return;
    }
    const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : "no message";
    snprintf(fault->text, sizeof(fault->text), "%s", ubp_box_strip(text, &fault->line));
}

static void box_begin(struct ubp_box *box, int64_t steps_max)
{
    box->steps = 0;
    box->steps_max = steps_max;
    box->hit = UBP_OK;
    box->hit_line = 0;
    box->is_tight = box->has_long_string = false;
    lua_sethook(box->lua, box_on_hook, LUA_MASKCOUNT | (box->trace != NULL ? LUA_MASKLINE : 0),
                HOOK_EVERY);
}

bool ubp_box_run(struct ubp_box *box, lua_CFunction function, void *arg, int64_t steps_max,
                 enum ubp_error usual, struct ubp_fault *fault_out)
{
    lua_State *lua = box->lua;
    memset(fault_out, 0, sizeof(*fault_out));
    box_begin(box, steps_max);
    lua_settop(lua, 0); /* nothing here allocates: the first slots of a stack are always there */
    lua_pushcfunction(lua, box_on_error);
    lua_pushcfunction(lua, function);
    lua_pushlightuserdata(lua, arg);
    int status = lua_pcall(lua, 1, 0, 1);
    lua_sethook(lua, NULL, 0, 0);
    if (status != LUA_OK) {
        fault_fill(box, status, usual, fault_out);
    }
    lua_settop(lua, 0);
    return status == LUA_OK;
}

bool ubp_box_init(struct ubp_box *box, size_t memory_max)
{
    memset(box, 0, sizeof(*box));
    atomic_init(&box->is_stopped, false);
    box->memory_max = memory_max;
    lua_State *lua = lua_newstate(box_alloc, box);
    if (lua == NULL) {
        return false;
    }
    *(struct ubp_box **)lua_getextraspace(lua) = box;
    box->lua = lua;
    return true;
}

void ubp_box_fini(struct ubp_box *box)
{
    if (box->lua != NULL) {
        lua_close(box->lua);
        box->lua = NULL;
    }
}
