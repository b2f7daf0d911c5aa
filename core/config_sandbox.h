/* SPDX-License-Identifier: Apache-2.0
 *
 * A Lua state that can compute values and nothing else: an allow-list of pure functions, a budget
 * of steps and time, a cap on memory, text chunks only. Left out on purpose, because the step
 * counter does not run inside C: string.find, match, gmatch, gsub, rep, format; table.move;
 * everything with a metatable or a coroutine. table.sort looks at the clock while it compares. */
#ifndef CORE_CONFIG_SANDBOX_H
#define CORE_CONFIG_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#define SANDBOX_MEMORY_MAX (4u * 1024u * 1024u)
#define SANDBOX_STEPS_MAX  1000000
#define SANDBOX_TIME_MS    2000
#define SANDBOX_CHUNK_MAX  32

enum sandbox_limit { SANDBOX_NO_LIMIT = 0, SANDBOX_STEPS, SANDBOX_TIME, SANDBOX_MEMORY };

struct sandbox {
    lua_State *lua;
    size_t memory;
    long steps;
    int64_t deadline_ms;
    enum sandbox_limit hit;            /* which limit ended it */
    uint32_t hit_line;                 /* 0 = unknown */
    char hit_chunk[SANDBOX_CHUNK_MAX]; /* the name of the chunk with that line */
    void *user;                        /* the reader's own */
    /* Called for a name that does not exist, on the Lua stack of the script; may not raise. `of` is
     * "string" and the like, or NULL for a global; the table with the known names is on top. */
    void (*on_unknown)(struct sandbox *sandbox, lua_State *lua, const char *of, const char *name);
    /* Called for `name = value` outside of a local. */
    void (*on_assign)(struct sandbox *sandbox, lua_State *lua, const char *name);
};

/* False when there is no memory. */
bool sandbox_init(struct sandbox *sandbox);
void sandbox_fini(struct sandbox *sandbox);

struct sandbox *sandbox_of(lua_State *lua);

/* The rest is called inside a protected call (lua_pcall). */

/* Pushes the table of globals with the pure functions in it. */
void sandbox_push_globals(lua_State *lua);

/* Takes the table of globals off the stack: the environment of every chunk of this sandbox. */
void sandbox_keep_globals(lua_State *lua);

/* Gives the chunk on top of the stack that environment. */
void sandbox_set_globals(lua_State *lua);

/* Pushes the value that stands for one whose fault is reported: it can be indexed, called and
 * computed with, and stays what it is. */
void sandbox_push_hole(lua_State *lua);
bool sandbox_is_hole(lua_State *lua, int index);

/* The line that the script is at, 0 = unknown, and the name of its chunk, "" = unknown. */
uint32_t sandbox_at(lua_State *lua, char chunk_out[SANDBOX_CHUNK_MAX]);

#endif
