/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator's view of the node: the settings in force, what a reload would change, the reload,
 * and the modules. All work is the host's. */
#include "ops.h"

#include "refusal.h"

static const struct ub_http_header as_json[] = {{"Content-Type", "application/json"}, {NULL, NULL}};

/* False = it has answered: only an operator passes, and a refusal is a decision. */
static bool is_operator(struct ub_http_server *server, const struct ub_http_request *request,
                        const char *action)
{
    const struct http_refusal refusal = {action, "node", server->host->node->name(server->host),
                                         "only operators see and reload the config"};
    bool is_one = request->principal.role == UB_ROLE_OPERATOR;
    if (!is_one) {
        http_refuse(server, request, &refusal);
    }
    return is_one;
}

/* Takes the text of the host. */
static void reply_json(struct ub_http_server *server, const struct ub_http_request *request,
                       char *take_json)
{
    if (take_json == NULL) {
        http_ops.problem(request, UB_P_INTERNAL, NULL, "no memory for the answer");
        return;
    }
    http_ops.reply(request, 200, as_json,
                   (struct ub_bytes){(const uint8_t *)take_json, strlen(take_json)});
    server->host->node->free_text(server->host, take_json);
}

static void get_config(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    if (is_operator(server, request, "config.read")) {
        reply_json(server, request, server->host->config->effective_json(server->host));
    }
}

static void get_modules(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    if (is_operator(server, request, "modules.read")) {
        reply_json(server, request, server->host->config->modules_json(server->host));
    }
}

static enum ub_problem problem_of(enum ub_status status)
{
    switch (status) {
    case UB_EINVAL:
        return UB_P_CONFIG_INVALID;
    case UB_ECONFLICT:
        return UB_P_RESTART_NEEDED;
    case UB_EEXISTS:
        return UB_P_IN_PROGRESS;
    case UB_EUNAVAILABLE:
        return UB_P_SHUTTING_DOWN;
    default:
        return UB_P_INTERNAL;
    }
}

/* The problem carries the whole outcome: its members, without the braces. */
static void reply_refusal(struct ub_http_server *server, const struct ub_http_request *request,
                          enum ub_status status, const struct ub_err *err, char *take_json)
{
    size_t len = take_json != NULL ? strlen(take_json) : 0;
    if (len >= 2) {
        take_json[len - 1] = '\0';
    }
    http_ops.problem(request, problem_of(status), len >= 2 ? take_json + 1 : NULL, err->message);
    if (take_json != NULL) {
        server->host->node->free_text(server->host, take_json);
    }
}

/* That a config is faulty is an answer to the question whether it is. */
static void post_check(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    struct ub_err err = UB_ERR_INIT;
    char *json = NULL;
    if (!is_operator(server, request, "config.check")) {
        return;
    }
    enum ub_status status = server->host->config->reload(server->host, true, &json, &err);
    if (status == UB_OK || status == UB_EINVAL || status == UB_ECONFLICT) {
        reply_json(server, request, json);
    } else {
        reply_refusal(server, request, status, &err, json);
    }
}

static void post_reload(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    struct ub_err err = UB_ERR_INIT;
    char *json = NULL;
    if (!is_operator(server, request, "config.reload")) {
        return;
    }
    ub_log(server->host, UB_LOG_INFO, "reload-asked", "a reload was asked for",
           UB_TEXT("identity", request->principal.id), UB_TEXT("address", request->address));
    enum ub_status status = server->host->config->reload(server->host, false, &json, &err);
    if (status == UB_OK) {
        reply_json(server, request, json);
    } else {
        reply_refusal(server, request, status, &err, json);
    }
}

enum ub_status http_config_routes(struct ub_http_server *server, struct ub_err *err)
{
    static const struct http_route_row rows[] = {
        {"GET", "/v1/config", get_config},
        {"POST", "/v1/config:check", post_check},
        {"POST", "/v1/config:reload", post_reload},
        {"GET", "/v1/modules", get_modules},
    };
    return http_router_add_rows(&server->router, rows, sizeof(rows) / sizeof(rows[0]),
                                UB_HTTP_SIGNED, server, err);
}
