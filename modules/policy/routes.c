/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /v1/policy, POST /v1/policy:test, POST /v1/policy:explain; for admins. What is tried out here
 * runs on a thread of its own and never touches the active script. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "site.h"

#define BODY_MAX (1024 * 1024)
#define PATIENCE 20

/* False = it has answered; a refusal is a decision. */
static bool is_admin(const struct plcy *site, const struct ub_http_request *request,
                     const char *action)
{
    char id[UB_DECISION_ID_MAX] = "", members[UB_DECISION_ID_MAX + 16];
    if (request->is_admin_socket || request->principal.role == UB_ROLE_ADMIN ||
        request->principal.role == UB_ROLE_OPERATOR) {
        return true;
    }
    const struct ub_decision decision = {
        .size = sizeof(decision),
        .action = action,
        .resource_kind = "policy",
        .id = request->principal.id,
        .handle = request->principal.handle,
        .role = ub_role_name(request->principal.role),
        .address = request->address,
        .provider = "policy",
        .code = "role",
        .text = "only for admins",
        .took_us = -1,
    };
    if (site->host->size > offsetof(struct ub_host, decision) && site->host->decision != NULL) {
        site->host->decision->record(site->host, &decision, id);
    }
    snprintf(members, sizeof(members), "\"decision\":\"%s\"", id);
    site->httpd->problem(request, UB_P_FORBIDDEN, id[0] != '\0' ? members : NULL, decision.text);
    return false;
}

static void reply_json(const struct plcy *site, const struct ub_http_request *request,
                       json_t *take_json)
{
    static const struct ub_http_header headers[] = {{"Content-Type", "application/json"},
                                                    {NULL, NULL}};
    char *text = take_json != NULL ? json_dumps(take_json, JSON_COMPACT) : NULL;
    json_decref(take_json);
    if (text == NULL) {
        site->httpd->problem(request, UB_P_INTERNAL, NULL, "no memory for the answer");
        return;
    }
    site->httpd->reply(request, 200, headers,
                       (struct ub_bytes){(const uint8_t *)text, strlen(text)});
    free(text);
}

/* ---- what is active ---------------------------------------------------------------------------
 */

static json_t *state_json(struct plcy *site, struct plcy_engine *engine)
{
    const struct plcy_source *source = plcy_engine_source(engine);
    unsigned abandoned = plcy_engine_abandoned(engine);
    const char *state = abandoned > PLCY_RESTARTS ? "denies-everything"
                        : abandoned > 0           ? "failed"
                                                  : "active";
    return json_pack("{s:s,s:s,s:s,s:o,s:i,s:{s:I,s:I,s:I,s:I}}", "script", source->path, "digest",
                     source->digest, "state", state, "tests", plcy_engine_tests(engine),
                     "abandoned_threads", (int)abandoned, "counters", "calls",
                     (json_int_t)atomic_load(&site->calls), "denials",
                     (json_int_t)atomic_load(&site->denials), "failures",
                     (json_int_t)atomic_load(&site->failures), "activations",
                     (json_int_t)atomic_load(&site->activations));
}

static struct plcy_engine *engine_or_problem(struct plcy *site,
                                             const struct ub_http_request *request)
{
    int64_t log_allows;
    struct plcy_engine *engine = plcy_engine_now(site, &log_allows);
    if (engine == NULL) {
        site->httpd->problem(request, UB_P_MODULE_UNAVAILABLE, NULL, "the policy does not run");
    }
    return engine;
}

static void get_policy(void *arg, const struct ub_http_request *request)
{
    struct plcy *site = arg;
    struct plcy_engine *engine =
        is_admin(site, request, "policy.read") ? engine_or_problem(site, request) : NULL;
    if (engine != NULL) {
        reply_json(site, request, state_json(site, engine));
        plcy_engine_unref(&engine);
    }
}

/* ---- trying out -------------------------------------------------------------------------------
 */

/* The body as an object with no members but these; NULL = the problem was sent. */
static json_t *read_body(struct plcy *site, const struct ub_http_request *request,
                         const char *const *members, size_t count)
{
    const char *name;
    json_t *value, *body = request->body.len == 0
                               ? json_object()
                               : json_loadb((const char *)request->body.ptr, request->body.len,
                                            JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        json_decref(body);
        site->httpd->problem(request, UB_P_BAD_REQUEST, NULL, "the body is no JSON object");
        return NULL;
    }
    json_object_foreach(body, name, value)
    {
        size_t i = 0;
        while (i < count && strcmp(members[i], name) != 0) {
            i++;
        }
        if (i == count) {
            char detail[128];
            snprintf(detail, sizeof(detail), "\"%.64s\" is unknown", name);
            site->httpd->problem(request, UB_P_UNKNOWN_FIELD, NULL, detail);
            json_decref(body);
            return NULL;
        }
    }
    return body;
}

static struct plcy_tuning tuning_now(struct plcy *site)
{
    pthread_rwlock_rdlock(&site->lock);
    struct plcy_tuning tuning = site->tuning;
    pthread_rwlock_unlock(&site->lock);
    return tuning;
}

/* The script of the body in a fresh state, or one more of the active script. NULL with err. */
static struct plcy_engine *trial_open(struct plcy *site, const json_t *body, json_t **tests_out,
                                      struct ub_err *err)
{
    const json_t *script = json_object_get(body, "script");
    int64_t log_allows;
    struct plcy_source *source = NULL;
    const struct plcy_tuning tuning = tuning_now(site);
    struct plcy_engine *active = plcy_engine_now(site, &log_allows);
    if (script != NULL && !json_is_string(script)) {
        err->status = UB_EINVAL;
        snprintf(err->message, sizeof(err->message), "script: a text is wanted");
    } else if (script != NULL) {
        source = plcy_source_new("script", json_string_value(script), json_string_length(script));
    } else if (active != NULL) {
        const struct plcy_source *it = plcy_engine_source(active);
        source = plcy_source_new(it->path, it->text, it->len);
    }
    plcy_engine_unref(&active);
    return source != NULL ? plcy_engine_open(&source, &tuning, tests_out, err) : NULL;
}

static void problem_of_script(struct plcy *site, const struct ub_http_request *request,
                              const struct ub_err *err, const json_t *tests)
{
    char members[512] = "";
    char *text = json_array_size(tests) > 0 ? json_dumps(tests, JSON_COMPACT) : NULL;
    if (text != NULL && strlen(text) < sizeof(members) - 16) {
        snprintf(members, sizeof(members), "\"tests\":%s", text);
    }
    site->httpd->problem(request, UB_P_TESTS_FAILED, members[0] != '\0' ? members : NULL,
                         err->message);
    free(text);
}

/* {"script": "…"}: the script of the body, or the active one without it */
static void post_test(void *arg, const struct ub_http_request *request)
{
    static const char *const members[] = {"script"};
    struct plcy *site = arg;
    struct ub_err err = UB_ERR_INIT;
    json_t *tests = NULL, *body = is_admin(site, request, "policy.test")
                                      ? read_body(site, request, members, 1)
                                      : NULL;
    if (body == NULL) {
        return;
    }
    struct plcy_engine *engine = trial_open(site, body, &tests, &err);
    if (engine == NULL) {
        problem_of_script(site, request, &err, tests);
    } else {
        reply_json(
            site, request,
            json_pack("{s:s,s:O}", "digest", plcy_engine_source(engine)->digest, "tests", tests));
    }
    json_decref(tests);
    json_decref(body);
    plcy_engine_unref(&engine);
}

static json_t *permissions_json(const struct ubp_permissions *permissions)
{
    json_t *lines = json_array();
    for (uint32_t i = 0; i < permissions->count; i++) {
        const struct ubp_line *line = &permissions->lines[i];
        json_array_append_new(
            lines, json_pack("{s:s,s:b,s:s,s:s*}", "action",
                             line->actions == UBP_PUBLISH ? "publish" : "subscribe", "deny",
                             line->is_deny, "subject", line->subject, "queue", line->queue));
    }
    return json_pack("{s:o,s:I,s:I}", "lines", lines, "max_subs", (json_int_t)permissions->max_subs,
                     "max_payload", (json_int_t)permissions->max_payload_bytes);
}

static json_t *answer_json(const struct plcy_engine *engine, const struct ubp_decision *decision,
                           const struct ubp_trace *trace, int64_t took_us)
{
    char place[4200];
    json_t *lines = json_array();
    plcy_source_place(plcy_engine_source(engine), decision->line, place, sizeof(place));
    for (uint32_t i = 0; i < trace->count; i++) {
        json_array_append_new(lines, json_integer(trace->lines[i]));
    }
    json_t *text = json_string(decision->text); /* NULL when the script gave no UTF-8 */
    return json_pack("{s:s,s:s,s:o,s:s,s:b,s:s,s:o,s:b,s:I,s:I,s:o}", "verdict",
                     ubp_verdict_name(decision->verdict), "code", decision->code, "reason",
                     text != NULL ? text : json_string("(not UTF-8)"), "place",
                     decision->line != 0 ? place : "", "failed", decision->error != UBP_OK,
                     "digest", plcy_engine_source(engine)->digest, "trace", lines, "trace_cut",
                     trace->is_cut, "steps", (json_int_t)decision->steps, "took_us",
                     (json_int_t)took_us, "permissions", permissions_json(&decision->permissions));
}

static void explain(struct plcy *site, const struct ub_http_request *request, const json_t *body,
                    struct plcy_question *question)
{
    struct ub_err err = UB_ERR_INIT;
    struct ubp_decision decision;
    struct ubp_trace trace;
    int64_t took_us;
    json_t *tests = NULL;
    struct plcy_engine *engine = trial_open(site, body, &tests, &err);
    if (engine == NULL) {
        problem_of_script(site, request, &err, tests);
    } else {
        plcy_engine_ask(engine, question, PATIENCE, &trace, &decision, &took_us);
        reply_json(site, request, answer_json(engine, &decision, &trace, took_us));
        ubp_decision_fini(&decision);
    }
    json_decref(tests);
    plcy_engine_unref(&engine);
}

/* {"action": "room.create", "principal": {…}, "resource": {…}, "context": {…}, "conn": {…},
 *  "script": "…"} */
static void post_explain(void *arg, const struct ub_http_request *request)
{
    static const char *const members[] = {"action",  "principal", "resource",
                                          "context", "conn",      "script"};
    struct plcy *site = arg;
    char detail[192];
    json_t *body =
        is_admin(site, request, "policy.explain") ? read_body(site, request, members, 6) : NULL;
    if (body == NULL) {
        return;
    }
    struct plcy_question *question = plcy_question_json(body, detail, sizeof(detail));
    if (question == NULL) {
        site->httpd->problem(request, UB_P_BAD_REQUEST, NULL, detail);
    } else {
        explain(site, request, body, question);
    }
    plcy_question_unref(&question);
    json_decref(body);
}

enum ub_status plcy_routes_register(struct plcy *site, const struct ub_service *httpd,
                                    struct ub_err *err)
{
    static const struct {
        const char *method, *pattern;
        int64_t body_max;
        ub_http_handler_fn handler;
    } routes[] = {{"GET", "/v1/policy", 0, get_policy},
                  {"POST", "/v1/policy:test", BODY_MAX, post_test},
                  {"POST", "/v1/policy:explain", BODY_MAX, post_explain}};
    enum ub_status status = UB_OK;
    site->httpd = httpd->ops;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && status == UB_OK; i++) {
        const struct ub_http_route route = {.size = sizeof(route),
                                            .method = routes[i].method,
                                            .pattern = routes[i].pattern,
                                            .flags = UB_HTTP_SIGNED,
                                            .body_max_bytes = routes[i].body_max,
                                            .handler = routes[i].handler,
                                            .arg = site};
        status = site->httpd->route(httpd->self, &route, err);
    }
    return status;
}
