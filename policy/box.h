/* SPDX-License-Identifier: Apache-2.0
 *
 * The box around a Lua state: memory cap, budget of steps, the end of a call. The step counter
 * does not run inside C, so whatever C does for a script is bounded and charged (box_charge). */
#ifndef POLICY_BOX_H
#define POLICY_BOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include <ubp/ask.h>
#include <ubp/script.h>

/* No string is longer: what one instruction can cost is bounded by it (compare, convert, join). */
#define BOX_STRING_MAX 4096
/* No table part and no stack is larger, so 8192 elements or 8192 values. */
#define BOX_BLOCK_MAX (128u * 1024u)

struct ubp_box {
    lua_State *lua;
    size_t memory, memory_max;
    int64_t steps, steps_max;
    enum ubp_error hit; /* the limit that ended the call; nothing catches it */
    uint32_t hit_line;
    bool is_tight; /* the last request for memory was refused once already */
    bool has_long_string;
    bool has_returned; /* the script has returned, its answer is being read */
    atomic_bool is_stopped;
    struct ubp_trace *trace;
};

/* Makes the Lua state; false without memory. */
bool ubp_box_init(struct ubp_box *box, size_t memory_max);
void ubp_box_fini(struct ubp_box *box);

struct ubp_box *ubp_box_of(lua_State *lua);

/* Runs function(lua) protected, with `arg` as light userdata at 1 and steps of its own. False with
 * a filled fault when it failed; a plain error has the code `usual`. Nothing stays on the stack. */
bool ubp_box_run(struct ubp_box *box, lua_CFunction function, void *arg, int64_t steps_max,
                 enum ubp_error usual, struct ubp_fault *fault_out);

/* Adds to the steps and ends the call when they are used up. Inside ubp_box_run. */
void ubp_box_charge(lua_State *lua, size_t steps);

/* The line that the script is at, 0 = none. */
uint32_t ubp_box_line(lua_State *lua);

/* pcall that does not catch a limit. */
int ubp_box_pcall(lua_State *lua);

/* "policy:12: text" -> line 12 and "text"; other texts stay. */
const char *ubp_box_strip(const char *text, uint32_t *line_out);

/* What stands before the messages of Lua, and the chunk name that makes it so. */
#define BOX_NAME  "policy"
#define BOX_CHUNK "=" BOX_NAME

#endif
