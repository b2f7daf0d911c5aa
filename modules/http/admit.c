/* SPDX-License-Identifier: Apache-2.0
 *
 * What is judged on the loop, from the head alone: route, transport, profile of the signature. */
#include "exchange.h"

#include <stdlib.h>

#include "path.h"

/* Decodes the parameters one behind the other; the path was judged before, so all decode. */
static bool fill_params(struct http_exchange *x, const struct http_match *match)
{
    x->params = malloc(strlen(x->pub.raw_path) + UB_HTTP_PARAMS_MAX);
    char *at = x->params;
    if (at == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < match->param_count; i++) {
        struct http_span raw = match->params[i];
        if (http_segment_decode(x->pub.raw_path + raw.at, raw.len, at) != NULL) {
            return false;
        }
        x->pub.params[i] = at;
        at += strlen(at) + 1;
    }
    x->pub.param_count = match->param_count;
    return true;
}

static const char *path_fault(const struct http_exchange *x)
{
    char *scratch = malloc(strlen(x->pub.raw_path) + 1);
    const char *why = scratch == NULL ? "no memory" : http_path_judge(x->pub.raw_path, scratch);
    free(scratch);
    return why;
}

static bool find_route(struct http_exchange *x)
{
    struct http_match match;
    const char *why = path_fault(x);
    if (why != NULL) {
        http_problem_reply(x, UB_P_BAD_REQUEST, NULL, why);
        return false;
    }
    http_router_match(&x->server->router, x->pub.method, x->pub.raw_path, &match);
    if (match.route == NULL && match.allow[0] == '\0') {
        http_problem_reply(x, UB_P_NOT_FOUND, NULL, "no such path");
        return false;
    }
    if (match.route == NULL) {
        http_problem_method(x, match.allow);
        return false;
    }
    x->route = match.route;
    if (!fill_params(x, &match)) {
        http_problem_reply(x, UB_P_BAD_REQUEST, NULL, "a segment of the path does not decode");
        return false;
    }
    return true;
}

static bool check_transport(struct http_exchange *x)
{
    bool is_private = x->pub.is_loopback || x->pub.has_tls || x->pub.is_admin_socket;
    if (is_private || (x->route->pub.flags & UB_HTTP_PLAIN) != 0) {
        return true;
    }
    http_problem_reply(x, UB_P_TLS_REQUIRED, NULL,
                       "this route is served over TLS or on the loopback interface only");
    return false;
}

/* The digest is compared wherever one was sent, also without a signature. */
static bool read_digest(struct http_exchange *x)
{
    const char *value = http_component_value(&x->head, HTTP_C_CONTENT_DIGEST);
    x->is_digest_sent = value != NULL;
    if (value == NULL || http_digest_parse(value, x->digest)) {
        return true;
    }
    http_problem_reply(x, x->is_signed ? UB_P_SIG_PROFILE : UB_P_BAD_REQUEST, NULL,
                       "header \"content-digest\" must be sha-512=:<base64>:");
    return false;
}

static bool check_profile(struct http_exchange *x)
{
    char why[HTTP_WHY_MAX] = "";
    enum http_profile profile = http_profile_check(&x->head, &x->signature, why);
    if (x->pub.is_admin_socket) {
        x->pub.principal.role = UB_ROLE_OPERATOR;
        snprintf(x->pub.principal.handle, sizeof(x->pub.principal.handle), "admin-socket");
        return true;
    }
    if (profile == HTTP_REFUSED) {
        http_problem_reply(x, UB_P_SIG_PROFILE, NULL, why);
        return false;
    }
    x->is_signed = profile == HTTP_SIGNED;
    if (!x->is_signed && (x->route->pub.flags & UB_HTTP_SIGNED) != 0) {
        http_problem_reply(x, UB_P_UNAUTHENTICATED, NULL, "this route needs a signed request");
        return false;
    }
    return true;
}

void http_admit(struct http_exchange *x)
{
    if (!find_route(x) || !check_transport(x) || !check_profile(x) || !read_digest(x)) {
        return;
    }
    x->is_inline = (x->route->pub.flags & HTTP_INLINE) != 0 && !x->is_signed;
    if (x->is_signed) {
        http_work_authenticate(x);
    } else {
        http_admitted(x);
    }
}

enum ub_problem http_length_judge(const struct http_exchange *x)
{
    int64_t max = x->route->pub.body_max_bytes;
    bool is_over = x->pub.body_length > max || (x->head.is_chunked && max == 0);
    return is_over ? UB_P_TOO_LARGE : UB_P_NONE;
}

/* Large bodies lie in memory until their handler has answered, and come as slowly as the peer
 * likes: so much of one identity, and of all together. */
#define BODY_LARGE    65536
#define BODIES_OF_ONE ((int64_t)32 << 20)
#define BODIES_OF_ALL ((int64_t)256 << 20)

static int64_t large_body(const struct http_exchange *x)
{
    bool is_held = http_head_has_body(&x->head) && (x->route->pub.flags & UB_HTTP_STREAM_BODY) == 0;
    int64_t max = x->head.is_chunked ? x->route->pub.body_max_bytes : x->pub.body_length;
    return is_held && max > BODY_LARGE ? max : 0;
}

static bool has_room_for_body(const struct http_exchange *x)
{
    int64_t one = large_body(x), all = one;
    for (const struct http_conn *conn = x->server->conns; all > 0 && conn != NULL;
         conn = conn->next) {
        const struct http_exchange *it = conn->exchange;
        bool is_admitted = conn->phase == HTTP_PHASE_BODY || conn->phase == HTTP_PHASE_ANSWER;
        if (it == NULL || it == x || !is_admitted || it->route == NULL) {
            continue;
        }
        int64_t body = large_body(it);
        all += body;
        one += strcmp(it->pub.principal.id, x->pub.principal.id) == 0 ? body : 0;
    }
    return one <= BODIES_OF_ONE && all <= BODIES_OF_ALL;
}

void http_admitted(struct http_exchange *x)
{
    bool is_stream = (x->route->pub.flags & UB_HTTP_STREAM_BODY) != 0;
    enum ub_problem problem = http_length_judge(x);
    if (x->conn == NULL) {
        return;
    }
    if (problem != UB_P_NONE) {
        char detail[96];
        snprintf(detail, sizeof(detail), "the body of this route has at most %lld bytes",
                 (long long)x->route->pub.body_max_bytes);
        http_problem_reply(x, problem, NULL, detail);
        return;
    }
    if (!has_room_for_body(x)) {
        http_problem_reply(x, UB_P_MODULE_UNAVAILABLE, NULL,
                           "too many large bodies are under way: try again later");
        return;
    }
    if (http_head_has_body(&x->head)) {
        http_conn_read_body(x->conn);
    } else {
        http_conn_phase(x->conn, HTTP_PHASE_ANSWER);
    }
    if (x->is_inline) {
        http_handler_run(x);
    } else if (!x->is_worked_on && (is_stream || !http_head_has_body(&x->head))) {
        http_work_handle(x);
    }
}

void http_admitted_task(void *arg)
{
    struct http_exchange *x = arg;
    http_admitted(x);
    if (x->conn != NULL) {
        http_conn_settle(x->conn);
    }
    http_exchange_unref(x);
}
