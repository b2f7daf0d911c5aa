/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_SCRIPT_STATE_H
#define POLICY_SCRIPT_STATE_H

#include "lang.h"

struct ubp_test {
    char name[128];
    uint32_t line;
    int function; /* a reference in the registry */
};

/* A script: the box, and references to what the text has defined. The box is first, so that the
 * functions that Lua calls find the script by ubp_box_of. */
struct ubp_script {
    struct ubp_box box;
    struct ubp_limits limits;
    char name[256];
    int on_connect, on_action; /* LUA_NOREF = not defined */
    bool has_version;
    bool is_loaded;  /* nothing can be defined any more */
    bool is_testing; /* t is valid */
    uint32_t checks; /* of the running test */
    struct ubp_test *tests;
    size_t test_count;
};

static inline struct ubp_script *ubp_script_of(lua_State *lua)
{
    return (struct ubp_script *)(void *)ubp_box_of(lua);
}

/* env.c: pushes the environment of the script: built-in names read-only, on_connect and on_action
 * to be set once, nothing else. */
void ubp_env_push(lua_State *lua);

/* script_tests.c: adds `test` to the table on top. */
void ubp_tests_open(lua_State *lua);

/* lint.c: is there a comparison with an action that does not exist? Fills the fault. */
bool ubp_lint(const char *text, size_t len, struct ubp_fault *fault_out);

#endif
