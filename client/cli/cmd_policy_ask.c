/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ubp/actions.h>

#include "cmd_policy.h"
#include "policy_question.h"

/* ---- the question -----------------------------------------------------------------------------
 */

static enum unibus_status check_action(const char *action, struct unibus_err *err)
{
    char hint[96];
    if (strcmp(action, "connect") == 0 || !ubp_action_is_suspect(action, hint, sizeof(hint))) {
        return UNIBUS_OK;
    }
    unibus_fail(err, UNIBUS_USAGE, "there is no action \"%.64s\"%s", action, hint);
    return unibus_fix(err, "docs/policy.md lists them; \"connect\" asks about a login");
}

static enum unibus_status read_context(struct cli *cli, json_t *question, struct unibus_err *err)
{
    const char *text = cli_option(cli, "context");
    json_error_t fault;
    if (text == NULL) {
        return UNIBUS_OK;
    }
    json_t *context = json_loads(text, JSON_REJECT_DUPLICATES, &fault);
    if (!json_is_object(context)) {
        json_decref(context);
        unibus_fail(err, UNIBUS_USAGE, "--context is no JSON object");
        return unibus_fix(err, "for example --context '{\"role\": \"admin\"}'");
    }
    json_object_set_new(question, "context", context);
    return UNIBUS_OK;
}

/* Who is asked about: the node's word on him, or without a node what the caller says. */
static enum unibus_status add_who(struct cli *cli, const char *who, bool is_offline,
                                  json_t *question, struct unibus_err *err)
{
    const char *role = cli_option(cli, "role");
    json_t *identity = NULL;
    if (role != NULL && !ubp_role_is_known(role)) {
        unibus_fail(err, UNIBUS_USAGE, "there is no role \"%.32s\"", role);
        return unibus_fix(err, "operator, admin, auditor, service or member");
    }
    if (!is_offline) {
        enum unibus_status status = unibus_client_look_up(cli->client, who, &identity, err);
        if (status != UNIBUS_OK) {
            return status;
        }
    }
    const char *known[3] = {NULL};
    static const char *const names[3] = {"id", "handle", "role"};
    for (size_t i = 0; i < 3 && identity != NULL; i++) {
        known[i] = json_string_value(json_object_get(identity, names[i]));
    }
    json_object_set_new(question, "principal",
                        json_pack("{s:s, s:s, s:s}", "id", known[0] != NULL ? known[0] : "",
                                  "handle", known[1] != NULL ? known[1] : who, "role",
                                  role != NULL       ? role
                                  : known[2] != NULL ? known[2]
                                                     : "member"));
    json_decref(identity);
    return UNIBUS_OK;
}

/* A target that the node knows by another name is meant by its id. */
static void find_target(struct cli *cli, const char *kind, const char *target, char id_out[80])
{
    struct unibus_err ignored = UNIBUS_ERR_INIT;
    json_t *identity = NULL;
    snprintf(id_out, 80, "%s", target);
    if (strcmp(kind, "identity") == 0 &&
        unibus_client_look_up(cli->client, target, &identity, &ignored) == UNIBUS_OK) {
        snprintf(id_out, 80, "%s", json_string_value(json_object_get(identity, "id")));
        json_decref(identity);
    }
}

static enum unibus_status make_question(struct cli *cli, bool is_offline, json_t **question_out,
                                        struct unibus_err *err)
{
    const char *action = cli->args[0], *target = cli->args[1], *who = cli_option(cli, "as");
    const char *ip = cli_option(cli, "from");
    const struct ubp_action_info *info = ubp_action_find(action);
    const char *kind = info != NULL ? info->kind : "";
    bool is_connect = strcmp(action, "connect") == 0;
    char id[80] = "";
    if (who == NULL) {
        unibus_fail(err, UNIBUS_USAGE, "whose action is it?");
        return unibus_fix(err, "--as WHO");
    }
    json_t *question =
        json_pack("{s:s, s:{s:s, s:s, s:b, s:b}}", "action", action, "conn", "transport",
                  is_connect ? "nats" : "http", "ip", ip != NULL ? ip : "127.0.0.1", "tls",
                  ip != NULL, "loopback", ip == NULL);
    enum unibus_status status = add_who(cli, who, is_offline, question, err);
    status = status == UNIBUS_OK ? read_context(cli, question, err) : status;
    if (status != UNIBUS_OK) {
        json_decref(question);
        return status;
    }
    if (target != NULL && is_offline) {
        snprintf(id, sizeof(id), "%s", target);
    } else if (target != NULL) {
        find_target(cli, kind, target, id);
    }
    if (!is_connect) {
        json_object_set_new(question, "resource", json_pack("{s:s, s:s}", "kind", kind, "id", id));
    }
    *question_out = question;
    return UNIBUS_OK;
}

/* ---- the answer -------------------------------------------------------------------------------
 */

static json_t *line_json(const struct ubp_line *line)
{
    return json_pack("{s:s, s:b, s:o, s:o*}", "action",
                     line->actions == UBP_PUBLISH ? "publish" : "subscribe", "deny", line->is_deny,
                     "subject", out_json_text(line->subject), "queue",
                     line->queue != NULL ? out_json_text(line->queue) : NULL);
}

static json_t *permissions_json(const struct ubp_permissions *permissions)
{
    json_t *lines = json_array();
    for (uint32_t i = 0; i < permissions->count; i++) {
        json_array_append_new(lines, line_json(&permissions->lines[i]));
    }
    return json_pack("{s:o, s:I, s:I}", "lines", lines, "max_subs",
                     (json_int_t)permissions->max_subs, "max_payload",
                     (json_int_t)permissions->max_payload_bytes);
}

/* The same document as POST /v1/policy:explain answers. */
static json_t *answer_json(const char *path, const struct ubp_decision *decision,
                           const struct ubp_trace *trace)
{
    char place[300];
    json_t *lines = json_array();
    policy_place(path, decision->line, place, sizeof(place));
    for (uint32_t i = 0; i < trace->count; i++) {
        json_array_append_new(lines, json_integer(trace->lines[i]));
    }
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:b, s:o, s:b, s:I, s:o}", "verdict",
        ubp_verdict_name(decision->verdict), "code", decision->code, "reason",
        out_json_text(decision->text), "place", out_json_text(decision->line > 0 ? place : ""),
        "failed", decision->error != UBP_OK, "trace", lines, "trace_cut", trace->is_cut, "steps",
        (json_int_t)decision->steps, "permissions", permissions_json(&decision->permissions));
}

static enum unibus_status ask_here(const char *path, const json_t *question, json_t **answer_out,
                                   struct unibus_err *err)
{
    struct ubp_script *script = NULL;
    struct policy_question asked;
    struct ubp_decision decision;
    struct ubp_trace trace = {0};
    const char *why = policy_question_read(question, &asked);
    enum unibus_status status = policy_load(path, &script, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    if (why != NULL) {
        ubp_script_free(&script);
        return unibus_fail(err, UNIBUS_USAGE, "this cannot be asked: %s", why);
    }
    policy_question_ask(script, &asked, &trace, &decision);
    *answer_out = answer_json(path, &decision, &trace);
    ubp_decision_fini(&decision);
    ubp_script_free(&script);
    return UNIBUS_OK;
}

static enum unibus_status ask_node(struct cli *cli, json_t *question, json_t **answer_out,
                                   struct unibus_err *err)
{
    const struct unibus_request request = {
        .method = "POST", .path = "/v1/policy:explain", .body = question};
    struct unibus_reply reply;
    enum unibus_status status =
        unibus_node_call(unibus_client_node(cli->client), &request, &reply, err);
    *answer_out = status == UNIBUS_OK ? json_incref(reply.json) : NULL;
    unibus_reply_clear(&reply);
    if (status == UNIBUS_NOT_FOUND) {
        unibus_fail(err, UNIBUS_NOT_FOUND, "the node has no site policy");
        return unibus_fix(err, "--script FILE asks a script without the node");
    }
    return status;
}

static void show_answer(const struct cli *cli, json_t *answer)
{
    static const struct out_column fields[] = {
        {"verdict", "verdict"}, {"reason", "because"}, {"code", "code"},     {"place", "rule"},
        {"trace", "lines run"}, {"steps", "steps"},    {"digest", "script"}, {NULL, NULL}};
    static const struct out_column columns[] = {{"action", "ACTION"},
                                                {"deny", "DENY"},
                                                {"subject", "SUBJECT"},
                                                {"queue", "QUEUE"},
                                                {NULL, NULL}};
    json_t *lines = json_object_get(json_object_get(answer, "permissions"), "lines");
    json_incref(lines);
    out_fields(cli, answer, fields);
    if (!out_is_json(cli) && json_array_size(lines) > 0) {
        out_say(cli, "%s", "");
        out_table(cli, json_incref(lines), columns);
    }
    json_decref(lines);
}

enum unibus_status cli_policy_explain(struct cli *cli, struct unibus_err *err)
{
    const char *script = cli_option(cli, "script");
    json_t *question = NULL, *answer = NULL;
    enum unibus_status status = check_action(cli->args[0], err);
    if (status == UNIBUS_OK && script == NULL) {
        status = cli_open(cli, err);
    }
    if (status == UNIBUS_OK) {
        status = make_question(cli, script != NULL, &question, err);
    }
    if (status == UNIBUS_OK) {
        status = script != NULL ? ask_here(script, question, &answer, err)
                                : ask_node(cli, question, &answer, err);
    }
    json_decref(question);
    if (status == UNIBUS_OK) {
        show_answer(cli, answer);
    }
    return status;
}
