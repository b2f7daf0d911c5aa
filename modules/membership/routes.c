/* SPDX-License-Identifier: Apache-2.0 */
#include "routes.h"

#include <stdlib.h>
#include <string.h>

#include "idem.h"

#define GENERATION_WAIT_MS 2000

/* What a route's arg points to; one array for all, as long as the module lives. */
struct bound_route {
    struct memb *memb;
    const struct memb_route *route;
};

/* Whoever signed may have been removed since: the present role counts. */
static bool find_caller(struct memb_call *call)
{
    const struct ub_http_request *request = call->request;
    struct memb_model *model = &call->memb->model;
    if (request->is_admin_socket && request->principal.id[0] == '\0') {
        call->role = UB_ROLE_OPERATOR;
        return true;
    }
    if (request->principal.id[0] == '\0') {
        return true;
    }
    memb_model_read(model);
    struct memb_identity *identity = memb_model_identity(model, request->principal.id);
    bool is_live = identity != NULL && memb_identity_is_enabled(identity) &&
                   memb_identity_device(identity, request->principal.device) != NULL;
    if (is_live) {
        call->identity = identity;
        call->role = identity->role;
        call->kid = request->principal.device;
    }
    memb_model_unlock(model);
    return is_live;
}

/* Strangers must not keep workers waiting. */
static bool is_new_enough(struct memb_call *call)
{
    int64_t wanted;
    if (call->role == UB_ROLE_NONE) {
        return true;
    }
    if (!memb_query_number(call, "min_generation", 0, 0, (1LL << 53) - 1, &wanted)) {
        return false;
    }
    if (!memb_generation_wait(&call->memb->generation, wanted, GENERATION_WAIT_MS)) {
        memb_problem(call, UB_P_BEHIND, "this node has not reached that generation");
        return false;
    }
    if (!memb_call_is_live(call)) { /* what it waited for may have been the caller's removal */
        memb_problem(call, UB_P_UNAUTHENTICATED, "the caller's rights changed meanwhile");
        return false;
    }
    return true;
}

static void handle(const struct bound_route *bound, struct memb_call *call)
{
    if (!find_caller(call)) {
        memb_problem(call, UB_P_UNAUTHENTICATED, "unknown key or bad signature");
    } else if (is_new_enough(call) && memb_idem_begin(call)) {
        bound->route->handler(call);
        memb_idem_end(call);
    }
}

static void on_request(void *arg, const struct ub_http_request *request)
{
    const struct bound_route *bound = arg;
    struct memb_call call = {.memb = bound->memb, .request = request, .ticket = request->ticket};
    if (!memb_enter(call.memb)) {
        memb_problem(&call, UB_P_MODULE_UNAVAILABLE, "membership is starting or stopping");
        return;
    }
    handle(bound, &call);
    memb_leave(call.memb);
}

static enum ub_status register_table(struct memb *memb, const struct memb_route_table *table,
                                     struct bound_route *bound, struct ub_err *err)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct memb_route *route = &table->routes[i];
        bound[i] = (struct bound_route){memb, route};
        int64_t max = route->body_max_bytes;
        struct ub_http_route hung = {
            .size = sizeof hung,
            .method = route->method,
            .pattern = route->pattern,
            .flags = route->flags,
            .body_max_bytes = max == MEMB_BODY_BLOB ? memb->settings->max_blob : max,
            .handler = on_request,
            .arg = &bound[i],
        };
        enum ub_status status = memb->httpd->route(memb->httpd_self, &hung, err);
        if (status != UB_OK) {
            return status;
        }
    }
    return UB_OK;
}

enum ub_status memb_routes_register(struct memb *memb, struct ub_err *err)
{
    static const struct memb_route_table *const tables[] = {
        &memb_info_routes, &memb_identity_routes, &memb_room_routes,
        &memb_log_routes,  &memb_box_routes,      &memb_blob_routes};
    size_t count = 0;
    for (size_t i = 0; i < MEMB_COUNT(tables); i++) {
        count += tables[i]->count;
    }
    struct bound_route *bound = calloc(count, sizeof *bound);
    if (bound == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for the routes");
    }
    memb->bound_routes = bound;
    for (size_t i = 0; i < MEMB_COUNT(tables); i++) {
        enum ub_status status = register_table(memb, tables[i], bound, err);
        if (status != UB_OK) {
            return status;
        }
        bound += tables[i]->count;
    }
    return UB_OK;
}
