/* SPDX-License-Identifier: Apache-2.0 */
#include "ops.h"

#include <jansson.h>

static const struct ub_http_header as_text[] = {{"Content-Type", "text/plain; charset=utf-8"},
                                                {NULL, NULL}};
static const struct ub_http_header as_json[] = {{"Content-Type", "application/json"}, {NULL, NULL}};

static void reply_text(const struct ub_http_request *request, int status,
                       const struct ub_http_header *headers, const char *text)
{
    http_ops.reply(request, status, headers,
                   (struct ub_bytes){(const uint8_t *)text, strlen(text)});
}

static void get_livez(void *arg, const struct ub_http_request *request)
{
    (void)arg;
    reply_text(request, 200, as_text, "ok\n");
}

static bool is_admin(const struct ub_http_request *request)
{
    return request->principal.role == UB_ROLE_ADMIN || request->principal.role == UB_ROLE_OPERATOR;
}

static void get_healthz(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    bool is_healthy = false;
    char *json = server->host->node->health_json(
        server->host, is_admin(request) ? UB_DETAIL_ADMIN : UB_DETAIL_PUBLIC, &is_healthy, NULL);
    if (json == NULL) {
        http_ops.problem(request, UB_P_INTERNAL, NULL, "no memory for the report");
        return;
    }
    reply_text(request, is_healthy ? 200 : 503, as_json, json);
    server->host->node->free_text(server->host, json);
}

/* "waiting" of the report is a list of what is awaited. */
static void waiting_text(const char *json, char *out, size_t out_size)
{
    json_t *report = json_loads(json, 0, NULL);
    const json_t *waiting = json_object_get(report, "waiting"), *item;
    size_t index, len = 0;
    snprintf(out, out_size, "not ready\n");
    json_array_foreach(waiting, index, item)
    {
        const char *what = json_string_value(item);
        if (what != NULL && len < out_size) {
            len += (size_t)snprintf(out + len, out_size - len, "waiting for %s\n", what);
        }
    }
    json_decref(report);
}

static void get_readyz(void *arg, const struct ub_http_request *request)
{
    struct ub_http_server *server = arg;
    bool is_ready = false;
    char text[1024];
    char *json = server->host->node->health_json(server->host, UB_DETAIL_PUBLIC, NULL, &is_ready);
    if (is_ready) {
        snprintf(text, sizeof(text), "ready\n");
    } else {
        waiting_text(json == NULL ? "" : json, text, sizeof(text));
    }
    reply_text(request, is_ready ? 200 : 503, as_text, text);
    if (json != NULL) {
        server->host->node->free_text(server->host, json);
    }
}

enum ub_status http_health_routes(struct ub_http_server *server, struct ub_err *err)
{
    static const struct http_route_row rows[] = {
        {"GET", "/livez", get_livez},
        {"GET", "/readyz", get_readyz},
        {"GET", "/healthz", get_healthz},
    };
    return http_router_add_rows(&server->router, rows, sizeof(rows) / sizeof(rows[0]),
                                UB_HTTP_OPEN | UB_HTTP_PLAIN | HTTP_INLINE, server, err);
}
