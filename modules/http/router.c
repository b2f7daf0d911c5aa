/* SPDX-License-Identifier: Apache-2.0 */
#include "router.h"

#include <stdlib.h>

void http_router_init(struct http_router *router)
{
    *router = (struct http_router){NULL, 0};
}

static void route_free(struct http_route **route)
{
    if (*route != NULL) {
        free((*route)->words);
        free(*route);
        *route = NULL;
    }
}

void http_router_fini(struct http_router *router)
{
    for (size_t i = 0; i < router->count; i++) {
        route_free(&router->routes[i]);
    }
    free(router->routes);
    http_router_init(router);
}

/* "{name}" or "{name}:verb" or a literal. */
static bool segment_parse(const char *text, uint32_t len, struct http_segment *segment_out)
{
    *segment_out = (struct http_segment){text, len, false};
    if (len == 0 || text[0] != '{') {
        return len > 0 && memchr(text, '{', len) == NULL && memchr(text, '}', len) == NULL;
    }
    const char *close = memchr(text, '}', len);
    if (close == NULL || close == text + 1) {
        return false;
    }
    uint32_t rest = len - (uint32_t)(close + 1 - text);
    *segment_out = (struct http_segment){close + 1, rest, true};
    return rest == 0 || (rest > 1 && close[1] == ':' && memchr(close + 1, '{', rest) == NULL);
}

static bool route_parse(struct http_route *route)
{
    const char *at = route->pub.pattern;
    uint32_t params = 0;
    while (*at == '/') {
        at++;
        uint32_t len = (uint32_t)strcspn(at, "/");
        struct http_segment *segment = &route->segments[route->segment_count];
        if (route->segment_count == HTTP_SEGMENTS_MAX || !segment_parse(at, len, segment)) {
            return false;
        }
        params += segment->is_param;
        route->segment_count++;
        at += len;
    }
    return *at == '\0' && route->segment_count > 0 && params <= UB_HTTP_PARAMS_MAX;
}

static struct http_route *route_new(const struct ub_http_route *from)
{
    struct http_route *route = calloc(1, sizeof(*route));
    size_t method_size = strlen(from->method) + 1, pattern_size = strlen(from->pattern) + 1;
    char *words = malloc(method_size + pattern_size);
    if (route == NULL || words == NULL) {
        free(route);
        free(words);
        return NULL;
    }
    memcpy(&route->pub, from, from->size < sizeof(*from) ? from->size : sizeof(*from));
    memcpy(words, from->method, method_size);
    memcpy(words + method_size, from->pattern, pattern_size);
    route->words = words;
    route->pub.method = words;
    route->pub.pattern = words + method_size;
    return route;
}

/* Which of two segments that match the same bytes says more about them: > 0 = the left one. */
static int segment_compare(const struct http_segment *left, const struct http_segment *right)
{
    if (left->is_param != right->is_param) {
        return left->is_param ? -1 : 1;
    }
    return left->is_param ? (left->len > right->len) - (left->len < right->len) : 0;
}

static int route_compare(const struct http_route *left, const struct http_route *right)
{
    int order = 0;
    for (uint32_t i = 0; i < left->segment_count && order == 0; i++) {
        order = segment_compare(&left->segments[i], &right->segments[i]);
    }
    return order;
}

static bool segment_equals(const struct http_segment *left, const struct http_segment *right)
{
    return left->is_param == right->is_param && left->len == right->len &&
           memcmp(left->text, right->text, left->len) == 0;
}

static bool route_equals(const struct http_route *left, const struct http_route *right)
{
    bool is_equal = left->segment_count == right->segment_count &&
                    strcmp(left->pub.method, right->pub.method) == 0;
    for (uint32_t i = 0; i < left->segment_count && is_equal; i++) {
        is_equal = segment_equals(&left->segments[i], &right->segments[i]);
    }
    return is_equal;
}

static enum ub_status route_judge(const struct http_router *router, struct http_route *route,
                                  struct ub_err *err)
{
    if (!route_parse(route)) {
        return ub_fail(err, UB_EINVAL,
                       "route %s %s: not a pattern; segments are words, {name} or {name}:verb, at "
                       "most %d with %d parameters",
                       route->pub.method, route->pub.pattern, HTTP_SEGMENTS_MAX,
                       UB_HTTP_PARAMS_MAX);
    }
    for (size_t i = 0; i < router->count; i++) {
        if (route_equals(router->routes[i], route)) {
            return ub_fail(err, UB_EEXISTS, "route %s %s is there already", route->pub.method,
                           route->pub.pattern);
        }
    }
    return UB_OK;
}

enum ub_status http_router_add(struct http_router *router, const struct ub_http_route *from,
                               struct ub_err *err)
{
    if (from->handler == NULL || from->method == NULL || from->pattern == NULL) {
        return ub_fail(err, UB_EINVAL, "a route needs a method, a pattern and a handler");
    }
    struct http_route *route = route_new(from);
    if (route == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for route %s", from->pattern);
    }
    enum ub_status status = route_judge(router, route, err);
    struct http_route **routes = NULL;
    if (status == UB_OK) {
        routes = reallocarray(router->routes, router->count + 1, sizeof(struct http_route *));
        status = routes == NULL ? ub_fail(err, UB_ENOMEM, "no memory for a route") : UB_OK;
    }
    if (routes == NULL) {
        route_free(&route);
        return status;
    }
    router->routes = routes;
    router->routes[router->count++] = route;
    return UB_OK;
}

enum ub_status http_router_add_rows(struct http_router *router, const struct http_route_row *rows,
                                    size_t count, uint32_t flags, void *arg, struct ub_err *err)
{
    enum ub_status status = UB_OK;
    for (size_t i = 0; i < count && status == UB_OK; i++) {
        const struct ub_http_route route = {.size = sizeof(route),
                                            .method = rows[i].method,
                                            .pattern = rows[i].pattern,
                                            .flags = flags,
                                            .handler = rows[i].handler,
                                            .arg = arg};
        status = http_router_add(router, &route, err);
    }
    return status;
}

static bool segment_matches(const struct http_segment *segment, const char *raw, uint32_t len)
{
    if (!segment->is_param) {
        return segment->len == len && memcmp(segment->text, raw, len) == 0;
    }
    return len > segment->len && memcmp(raw + len - segment->len, segment->text, segment->len) == 0;
}

static bool route_matches(const struct http_route *route, const char *path)
{
    const char *at = path;
    for (uint32_t i = 0; i < route->segment_count; i++) {
        if (*at != '/') {
            return false;
        }
        at++;
        uint32_t len = (uint32_t)strcspn(at, "/");
        if (!segment_matches(&route->segments[i], at, len)) {
            return false;
        }
        at += len;
    }
    return *at == '\0';
}

static void match_params(const struct http_route *route, const char *path, struct http_match *match)
{
    const char *at = path;
    for (uint32_t i = 0; i < route->segment_count; i++) {
        uint32_t len = (uint32_t)strcspn(++at, "/");
        const struct http_segment *segment = &route->segments[i];
        if (segment->is_param) {
            match->params[match->param_count++] =
                (struct http_span){(uint32_t)(at - path), len - segment->len};
        }
        at += len;
    }
}

static void allow_add(struct http_match *match, const char *method)
{
    size_t len = strlen(match->allow);
    snprintf(match->allow + len, sizeof(match->allow) - len, "%s%s%s", len > 0 ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

static bool method_matches(const struct http_route *route, const char *method)
{
    const char *own = route->pub.method;
    return strcmp(own, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(own, "GET") == 0);
}

static const struct http_route *best_of(const struct http_router *router, const char *path)
{
    const struct http_route *best = NULL;
    for (size_t i = 0; i < router->count; i++) {
        const struct http_route *route = router->routes[i];
        if (route_matches(route, path) && (best == NULL || route_compare(route, best) > 0)) {
            best = route;
        }
    }
    return best;
}

void http_router_match(const struct http_router *router, const char *method, const char *path,
                       struct http_match *match_out)
{
    memset(match_out, 0, sizeof(*match_out));
    const struct http_route *best = best_of(router, path);
    for (size_t i = 0; best != NULL && i < router->count; i++) {
        const struct http_route *route = router->routes[i];
        if (!route_matches(route, path) || route_compare(route, best) != 0) {
            continue;
        }
        allow_add(match_out, route->pub.method);
        if (method_matches(route, method)) {
            match_out->route = route;
        }
    }
    if (match_out->route != NULL) {
        match_params(match_out->route, path, match_out);
    }
}
