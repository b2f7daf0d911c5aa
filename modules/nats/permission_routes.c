/* SPDX-License-Identifier: Apache-2.0 */
#include "permission_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>
#include <sodium.h>

#include "decision.h"
#include "session.h"

static const struct ub_http_header as_json[] = {{"Content-Type", "application/json"}, {NULL, NULL}};

/* ---- one set ----------------------------------------------------------------------------------
 */

static json_t *actions_json(uint32_t actions)
{
    json_t *names = json_array();
    if ((actions & UB_PUBLISH) != 0) {
        json_array_append_new(names, json_string("publish"));
    }
    if ((actions & UB_SUBSCRIBE) != 0) {
        json_array_append_new(names, json_string("subscribe"));
    }
    return names;
}

static json_t *rule_json(const struct nats_perms *perms, const struct ub_perm_rule *rule)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:s, s:s*, s:s*, s:s*}", "provider", nats_perms_provider(perms, rule),
        "verdict", rule->is_deny ? "deny" : "allow", "actions", actions_json(rule->actions),
        "subject", rule->subject, "queue", rule->queue, "guard",
        rule->guard != NULL ? rule->guard->what : NULL, "why", rule->why);
    if (json != NULL && rule->family_token > 0) { /* the token of this place, or it and "_…" */
        json_object_set_new(json, "family_token", json_integer(rule->family_token));
    }
    return json;
}

static json_t *verdict_json(const struct nats_perms *perms, uint32_t right, const char *subject)
{
    struct ub_bytes bytes = nats_text(subject);
    bool needs_filter = false, is_publish = right == UB_PUBLISH;
    bool is_inbox = perms->has_inbox_rules && nats_is_inbox(bytes);
    bool is_literal = nats_subject_is_literal(bytes);
    struct nats_verdict verdict = {0};
    struct nats_why why;
    const char *condition = NULL;
    char guard[128];
    nats_perms_why(perms, right, bytes, nats_text(""), &why);
    bool is_allowed =
        !is_publish && nats_perms_subscribe(perms, bytes, nats_text(""), &needs_filter);
    if (is_publish && is_literal) {
        verdict = nats_perms_publish(perms, bytes);
        is_allowed = verdict.right != NATS_PUBLISH_DENIED;
        if (verdict.right == NATS_PUBLISH_GUARDED) {
            snprintf(guard, sizeof(guard), "only %s", verdict.guards[0]->what);
            condition = guard;
        }
    }
    if (is_inbox) {
        is_allowed = is_publish ? is_literal && !verdict.has_denial : is_allowed;
        condition = is_publish ? "only as the reply to a message that was delivered"
                               : "while no other identity holds the token";
        snprintf(why.text, sizeof(why.text), "the rules of inboxes");
    } else if (needs_filter) {
        condition = "without the messages of subjects that are denied";
    }
    return json_pack("{s:b, s:s, s:s, s:s*}", "allowed", is_allowed, "provider", why.provider,
                     "why", why.text, "condition", is_allowed ? condition : NULL);
}

static json_t *set_json(const struct nats_perms *perms, const char *subject)
{
    json_t *rules = json_array();
    for (uint32_t i = 0; i < perms->rule_count; i++) {
        json_array_append_new(rules, rule_json(perms, &perms->rules[i]));
    }
    json_t *json =
        json_pack("{s:s, s:b, s:s*, s:o}", "provider", perms->sets[0]->provider, "inbox_rules",
                  perms->has_inbox_rules, "inbox_token", perms->inbox_token, "rules", rules);
    const struct {
        const char *name;
        int64_t value;
    } limits[] = {{"max_subscriptions", perms->max_subscriptions},
                  {"max_payload_bytes", perms->max_payload_bytes},
                  {"max_response_count", perms->max_response_count}};
    for (size_t i = 0; json != NULL && i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (limits[i].value > 0) {
            json_object_set_new(json, limits[i].name, json_integer(limits[i].value));
        }
    }
    if (json != NULL && subject != NULL) {
        json_object_set_new(json, "publish", verdict_json(perms, UB_PUBLISH, subject));
        json_object_set_new(json, "subscribe", verdict_json(perms, UB_SUBSCRIBE, subject));
    }
    return json;
}

/* ---- all sets of an identity ------------------------------------------------------------------
 */

struct gather {
    const struct nats_perms *seen[32]; /* borrowed from `held` */
    json_t *sets;
};

/* Sessions of one set are one entry with their devices. */
static void gather_session(struct gather *gather, const struct nats_perms *perms,
                           const struct ub_principal *principal, const char *subject)
{
    char device[2 * sizeof(principal->device) + 1];
    size_t count = json_array_size(gather->sets), at = 0;
    while (at < count && gather->seen[at] != perms) {
        at++;
    }
    if (at == sizeof(gather->seen) / sizeof(gather->seen[0])) {
        return; /* more different sets than devices are likely: the rest is like these */
    }
    if (at == count) {
        json_t *set = set_json(perms, subject);
        json_object_set_new(set, "devices", json_array());
        json_array_append_new(gather->sets, set);
        gather->seen[at] = perms;
    }
    if (!sodium_is_zero(principal->device, sizeof(principal->device))) {
        sodium_bin2hex(device, sizeof(device), principal->device, sizeof(principal->device));
        json_array_append_new(json_object_get(json_array_get(gather->sets, at), "devices"),
                              json_string(device));
    }
}

/* The sets of those who are connected, as they are at this moment. */
static bool gather_sessions(struct nats_server *server, const char *id, const char *subject,
                            json_t *sets)
{
    struct nats_session **sessions;
    struct gather gather = {.sets = sets};
    size_t count;
    if (!nats_sessions_of(server, id, &sessions, &count)) {
        return false;
    }
    const struct nats_perms **held = calloc(count + 1, sizeof(*held));
    for (size_t i = 0; i < count; i++) {
        const struct nats_perms *perms =
            held != NULL ? nats_session_perms(server, sessions[i]) : NULL;
        if (perms != NULL) {
            gather_session(&gather, perms, &sessions[i]->principal, subject);
            held[i] = perms;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (held != NULL) {
            nats_perms_unref(&held[i]);
        }
        nats_session_unref(server, &sessions[i]);
    }
    bool is_done = held != NULL;
    free(held);
    free(sessions);
    return is_done;
}

/* What he would get: judges look at the connection too, so they are not asked without one. */
static bool gather_absent(struct nats_server *server, const char *id, const char *subject,
                          json_t *sets, json_t *not_asked)
{
    struct ub_principal principal = {.size = sizeof(principal), .serial = UINT64_MAX};
    const struct ub_perms *given[NATS_SETS_MAX] = {NULL};
    struct ub_err err = UB_ERR_INIT;
    uint32_t count = 0;
    snprintf(principal.id, sizeof(principal.id), "%s", id);
    for (uint32_t i = 0; i < server->provider_count; i++) {
        const struct nats_provider *provider = &server->providers[i];
        if (ub_authz_is_judge(provider->ops)) {
            json_array_append_new(not_asked, json_string(provider->module));
        } else if ((given[count] = provider->ops->permissions(provider->self, &principal)) !=
                   NULL) {
            count++;
        }
    }
    struct nats_perms *perms = count > 0 ? nats_perms_new(given, count, &err) : NULL;
    if (perms != NULL) {
        const struct nats_perms *it = perms;
        json_array_append_new(sets, set_json(perms, subject));
        nats_perms_unref(&it);
    }
    for (uint32_t i = 0; i < count; i++) {
        ub_perms_unref(&given[i]);
    }
    return count == 0 || perms != NULL;
}

/* With auth = "off" there is nobody, and no set. */
static json_t *open_json(void)
{
    return json_pack("{s:s, s:b, s:[{s:s, s:s, s:[s, s], s:s, s:s}]}", "provider", "nats",
                     "inbox_rules", false, "rules", "provider", "nats", "verdict", "allow",
                     "actions", "publish", "subscribe", "subject", ">", "why", "auth = \"off\"");
}

/* NULL = no memory. */
static json_t *answer_json(struct nats_server *server, const char *id, const char *subject)
{
    json_t *sets = json_array(), *not_asked = json_array();
    bool is_off = server->settings->auth == NATS_AUTH_OFF;
    bool is_done = is_off || gather_sessions(server, id, subject, sets);
    bool is_connected = json_array_size(sets) > 0;
    if (is_off) {
        json_array_append_new(sets, open_json());
    } else if (is_done && !is_connected) {
        is_done = gather_absent(server, id, subject, sets, not_asked);
    }
    json_t *answer = json_pack("{s:s, s:s, s:b, s:s*, s:o, s:o}", "id", id, "auth",
                               is_off ? "off" : "enforce", "connected", is_connected, "subject",
                               subject, "sets", sets, "not_asked", not_asked);
    if (!is_done) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

/* ---- the route --------------------------------------------------------------------------------
 */

static bool may_see(const struct ub_http_request *request, const char *id)
{
    enum ub_role role = request->principal.role;
    return role == UB_ROLE_AUDITOR || role == UB_ROLE_ADMIN || role == UB_ROLE_OPERATOR ||
           (request->principal.id[0] != '\0' && strcmp(request->principal.id, id) == 0);
}

static void refuse(struct nats_server *server, const struct ub_http_request *request,
                   const char *id)
{
    static const char *const text = "only the identity itself, auditors, admins and operators";
    char decision_id[UB_DECISION_ID_MAX], members[UB_DECISION_ID_MAX + 16];
    const struct ub_decision decision = {
        .size = sizeof(decision),
        .action = "permissions.read",
        .resource_kind = "identity",
        .resource_id = id,
        .id = request->principal.id,
        .handle = request->principal.handle,
        .address = request->address,
        .provider = "nats",
        .code = "role",
        .text = text,
        .took_us = -1,
    };
    server->host->decision->record(server->host, &decision, decision_id);
    snprintf(members, sizeof(members), "\"decision\":\"%s\"", decision_id);
    server->httpd->problem(request, UB_P_FORBIDDEN, members, text);
}

static void answer(struct nats_server *server, const struct ub_http_request *request)
{
    const char *id = request->params[0];
    const char *subject = request->param_count > 1 ? request->params[1] : NULL;
    if (!may_see(request, id)) {
        refuse(server, request, id);
        return;
    }
    if (subject != NULL && !nats_subject_is_pattern(nats_text(subject))) {
        server->httpd->problem(request, UB_P_BAD_REQUEST, NULL, "that is not a subject");
        return;
    }
    json_t *json = id[0] != '\0' ? answer_json(server, id, subject) : NULL;
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text == NULL) {
        server->httpd->problem(request, UB_P_INTERNAL, NULL, "no memory for the set");
    } else if (json_array_size(json_object_get(json, "sets")) == 0) {
        server->httpd->problem(request, UB_P_NOT_FOUND, NULL, "no module knows this identity");
    } else {
        server->httpd->reply(request, 200, as_json,
                             (struct ub_bytes){(const uint8_t *)text, strlen(text)});
    }
    free(text);
    json_decref(json);
}

static void get_permissions(void *arg, const struct ub_http_request *request)
{
    struct nats_server *server = arg;
    atomic_fetch_add(&server->visitors, 1);
    if (atomic_load(&server->is_running)) {
        answer(server, request);
    } else {
        server->httpd->problem(request, UB_P_MODULE_UNAVAILABLE, NULL,
                               "nats is starting or stopping");
    }
    atomic_fetch_sub(&server->visitors, 1);
}

enum ub_status nats_permission_routes(struct nats_server *server, const struct ub_service *httpd,
                                      struct ub_err *err)
{
    static const char *const patterns[] = {"/v1/identities/{id}/permissions",
                                           "/v1/identities/{id}/permissions/{subject}"};
    enum ub_status status = UB_OK;
    server->httpd = httpd->ops;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]) && status == UB_OK; i++) {
        const struct ub_http_route route = {.size = sizeof(route),
                                            .method = "GET",
                                            .pattern = patterns[i],
                                            .flags = UB_HTTP_SIGNED,
                                            .handler = get_permissions,
                                            .arg = server};
        status = server->httpd->route(httpd->self, &route, err);
    }
    return status;
}

void nats_permission_routes_leave(struct nats_server *server)
{
    const struct timespec ms = {0, 1000000};
    while (atomic_load(&server->visitors) > 0) {
        nanosleep(&ms, NULL);
    }
}
