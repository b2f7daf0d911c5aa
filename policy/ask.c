/* SPDX-License-Identifier: Apache-2.0 */
#include "script_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include <ubp/actions.h>

/* One question on its way through Lua. */
struct question {
    const char *name; /* of the function */
    int function;
    const struct ubp_who *who;
    const struct ubp_conn *conn;
    const struct ubp_action *action; /* NULL = on_connect */
    struct ubp_decision *decision;
};

const char *ubp_verdict_name(enum ubp_verdict verdict)
{
    static const char *const names[] = {"abstain", "allow", "deny"};
    return (unsigned)verdict <= UBP_DENY ? names[verdict] : "deny";
}

const char *ubp_error_code(enum ubp_error error)
{
    static const char *const codes[] = {"",
#define ERROR_CODE(name, code, what) code,
                                        UBP_ERRORS(ERROR_CODE)
#undef ERROR_CODE
    };
    return (size_t)error < sizeof(codes) / sizeof(codes[0]) ? codes[error] : "policy-error";
}

void ubp_decision_fini(struct ubp_decision *decision)
{
    free(decision->permissions.lines);
    memset(decision, 0, sizeof(*decision));
}

/* ---- the question as Lua values ----------------------------------------------------------------
 */

static void set_text(lua_State *lua, const char *name, const char *text)
{
    lua_pushstring(lua, text != NULL ? text : "");
    lua_setfield(lua, -2, name);
}

static void set_bool(lua_State *lua, const char *name, bool truth)
{
    lua_pushboolean(lua, truth);
    lua_setfield(lua, -2, name);
}

static void push_who(lua_State *lua, const struct ubp_who *who)
{
    lua_createtable(lua, 0, 4);
    set_text(lua, "id", who->id);
    set_text(lua, "handle", who->handle);
    set_text(lua, "role", who->role);
    set_text(lua, "device", who->device);
    ubp_record_push(lua, UBP_RECORD_WHO, "");
}

static void push_conn(lua_State *lua, const struct ubp_conn *conn)
{
    lua_createtable(lua, 0, 8);
    set_text(lua, "transport", conn->transport);
    set_text(lua, "ip", conn->ip);
    set_bool(lua, "tls", conn->has_tls);
    set_bool(lua, "loopback", conn->is_loopback);
    set_text(lua, "user", conn->user);
    set_text(lua, "client", conn->client);
    set_text(lua, "cert", conn->cert);
    ubp_record_push(lua, UBP_RECORD_CONN, "");
}

static void push_target(lua_State *lua, const struct ubp_action *action)
{
    const struct ubp_action_info *info = ubp_action_find(action->name);
    lua_createtable(lua, 0, 4);
    for (size_t i = 0; i < action->field_count; i++) {
        const struct ubp_field *field = &action->fields[i];
        if (field->kind == UBP_FIELD_NUMBER) {
            lua_pushnumber(lua, field->number);
            lua_setfield(lua, -2, field->name);
        } else if (field->kind == UBP_FIELD_BOOL) {
            set_bool(lua, field->name, field->truth);
        } else {
            set_text(lua, field->name, field->text);
        }
    }
    set_text(lua, "kind", action->kind);
    set_text(lua, "id", action->id);
    ubp_record_push(lua, UBP_RECORD_TARGET, info != NULL ? info->fields : "");
}

/* ---- asking -----------------------------------------------------------------------------------
 */

static void take_answer(lua_State *lua, const struct question *question)
{
    struct ubp_decision *decision = question->decision;
    const struct ubp_answer *answer = ubp_answer_check(lua, -1, question->name);
    decision->verdict = answer->verdict;
    decision->line = answer->line;
    memcpy(decision->code, answer->code, sizeof(decision->code));
    memcpy(decision->text, answer->text, sizeof(decision->text));
    if (lua_getiuservalue(lua, -1, 1) == LUA_TTABLE && question->action == NULL) {
        ubp_permits_read(lua, -1, &decision->permissions);
    }
}

static int ask_run(lua_State *lua)
{
    const struct question *question = lua_touserdata(lua, 1);
    luaL_checkstack(lua, 16, NULL);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, question->function);
    push_who(lua, question->who);
    if (question->action != NULL) {
        lua_pushstring(lua, question->action->name);
        push_target(lua, question->action);
    }
    push_conn(lua, question->conn);
    lua_call(lua, question->action != NULL ? 4 : 2, 1);
    ubp_box_of(lua)->has_returned = true;
    take_answer(lua, question);
    return 0;
}

static int ask_after(lua_State *lua)
{
    lua_settop(lua, 0);
    ubp_constants_check(lua);
    return 0;
}

static void decide_fault(struct ubp_decision *decision, const struct ubp_fault *fault)
{
    ubp_decision_fini(decision);
    decision->verdict = UBP_DENY;
    decision->error = fault->error;
    decision->line = fault->line;
    snprintf(decision->code, sizeof(decision->code), "%s", ubp_error_code(fault->error));
    snprintf(decision->text, sizeof(decision->text), "%s", fault->text);
}

static void ask(struct ubp_script *script, struct question *question, struct ubp_trace *trace)
{
    struct ubp_decision *decision = question->decision;
    struct ubp_fault fault, after;
    memset(decision, 0, sizeof(*decision));
    if (trace != NULL) {
        memset(trace, 0, sizeof(*trace));
    }
    if (question->function == LUA_NOREF) {
        snprintf(decision->text, sizeof(decision->text), "the script has no %s", question->name);
        return;
    }
    script->box.trace = trace;
    script->box.has_returned = false;
    bool is_good =
        ubp_box_run(&script->box, ask_run, question, script->limits.steps, UBP_E_RUNTIME, &fault);
    bool has_answer = script->box.has_returned;
    script->box.trace = NULL;
    int64_t steps = script->box.steps;
    bool is_clean =
        ubp_box_run(&script->box, ask_after, NULL, script->limits.steps, UBP_E_STATE, &after);
    if (!is_good) {
        fault.error = fault.error == UBP_E_RUNTIME && has_answer ? UBP_E_ANSWER : fault.error;
        decide_fault(decision, &fault);
    } else if (!is_clean) {
        decide_fault(decision, &after);
    }
    decision->steps = steps;
}

void ubp_on_connect(struct ubp_script *script, const struct ubp_who *who,
                    const struct ubp_conn *conn, struct ubp_trace *trace,
                    struct ubp_decision *decision_out)
{
    struct question question = {.name = "on_connect",
                                .function = script->on_connect,
                                .who = who,
                                .conn = conn,
                                .decision = decision_out};
    ask(script, &question, trace);
}

void ubp_on_action(struct ubp_script *script, const struct ubp_who *who,
                   const struct ubp_action *action, const struct ubp_conn *conn,
                   struct ubp_trace *trace, struct ubp_decision *decision_out)
{
    struct question question = {.name = "on_action",
                                .function = script->on_action,
                                .who = who,
                                .conn = conn,
                                .action = action,
                                .decision = decision_out};
    ask(script, &question, trace);
}
