/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision log over HTTP. Auditors, admins and operators see all; anybody else his own, and of
 * others not even whether there is one. */
#include "ops.h"

#include <stdlib.h>

#include <jansson.h>

#include "path.h"
#include "refusal.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX     500
#define QUERY_MAX    128 /* bytes of one value, still encoded */

static const struct ub_http_header as_json[] = {{"Content-Type", "application/json"}, {NULL, NULL}};

static bool sees_all(const struct ub_http_request *request)
{
    enum ub_role role = request->principal.role;
    return role == UB_ROLE_AUDITOR || role == UB_ROLE_ADMIN || role == UB_ROLE_OPERATOR;
}

static void reply_json(const struct ub_http_request *request, const char *json)
{
    http_ops.reply(request, 200, as_json, (struct ub_bytes){(const uint8_t *)json, strlen(json)});
}

/* The value of one parameter, decoded; "" when it is not there. false = it has answered. */
static bool query_text(const struct ub_http_request *request, const char *name, char *out)
{
    bool is_fine = http_query_value(request->raw_query, name, out, QUERY_MAX);
    if (!is_fine) {
        http_ops.problem(request, UB_P_BAD_REQUEST, NULL,
                         "since, principal or limit does not decode");
    }
    return is_fine;
}

static bool query_limit(const struct ub_http_request *request, size_t *limit_out)
{
    char text[QUERY_MAX];
    if (!query_text(request, "limit", text)) {
        return false;
    }
    size_t digits = strspn(text, "0123456789");
    long limit = text[0] == '\0' ? PAGE_DEFAULT : digits < 6 ? strtol(text, NULL, 10) : 0;
    if (text[digits] != '\0' || limit < 1 || limit > PAGE_MAX) {
        http_ops.problem(request, UB_P_BAD_REQUEST, "\"errors\":[{\"pointer\":\"?limit\"}]",
                         "limit is 1 to 500");
        return false;
    }
    *limit_out = (size_t)limit;
    return true;
}

static void get_decisions(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    char since[QUERY_MAX], principal[QUERY_MAX];
    size_t limit;
    if (!query_text(request, "since", since) || !query_text(request, "principal", principal) ||
        !query_limit(request, &limit)) {
        return;
    }
    const char *of = principal[0] != '\0' ? principal : NULL;
    if (!sees_all(request)) {
        if (of != NULL && strcmp(of, request->principal.id) != 0) {
            /* Answered alike whether he exists or not. */
            http_refuse(server, request,
                        &(struct http_refusal){
                            "decision.read", "identity", of,
                            "only auditors, admins and operators see decisions of others"});
            return;
        }
        of = request->principal.id;
    }
    char *json = server->host->decision->list_json(server->host, since, of, limit);
    if (json == NULL) {
        http_ops.problem(request, UB_P_INTERNAL, NULL, "no memory for the list");
        return;
    }
    reply_json(request, json);
    server->host->node->free_text(server->host, json);
}

static bool is_of(const char *decision_json, const char *id)
{
    json_t *decision = json_loads(decision_json, 0, NULL);
    const json_t *principal = json_object_get(decision, "principal");
    const char *of = json_string_value(json_object_get(principal, "id"));
    bool is_same = of != NULL && id[0] != '\0' && strcmp(of, id) == 0;
    json_decref(decision);
    return is_same;
}

static void get_decision(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    char *json = server->host->decision->find_json(server->host, request->params[0]);
    if (json != NULL && (sees_all(request) || is_of(json, request->principal.id))) {
        reply_json(request, json);
    } else {
        http_ops.problem(request, UB_P_NOT_FOUND, NULL,
                         "no such decision, or no longer kept, or another's");
    }
    if (json != NULL) {
        server->host->node->free_text(server->host, json);
    }
}

enum ub_status http_decision_routes(struct ub_http_server *server, struct ub_err *err)
{
    static const struct http_route_row rows[] = {
        {"GET", "/v1/decisions", get_decisions},
        {"GET", "/v1/decisions/{id}", get_decision},
    };
    return http_router_add_rows(&server->router, rows, sizeof(rows) / sizeof(rows[0]),
                                UB_HTTP_SIGNED, server, err);
}
