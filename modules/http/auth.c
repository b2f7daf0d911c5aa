/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <stdlib.h>

static void signed_fill(const struct http_exchange *x, const char *base, struct ub_http_signed *out)
{
    const struct http_signature *signature = &x->signature;
    *out = (struct ub_http_signed){.size = sizeof(*out),
                                   .method = x->pub.method,
                                   .raw_path = x->pub.raw_path,
                                   .raw_query = x->pub.raw_query,
                                   .audience = http_component_value(&x->head, HTTP_C_AUDIENCE),
                                   .created_s = signature->created_s,
                                   .expires_s = signature->expires_s,
                                   .base = {(const uint8_t *)base, strlen(base)},
                                   .is_safe = strcmp(x->pub.method, "GET") == 0 ||
                                              strcmp(x->pub.method, "HEAD") == 0,
                                   .address = x->pub.address};
    memcpy(out->kid, signature->kid, sizeof(out->kid));
    memcpy(out->nonce, signature->nonce, sizeof(out->nonce));
    memcpy(out->signature, signature->bytes, sizeof(out->signature));
}

static enum ub_problem authenticate(struct http_exchange *x, const char *base,
                                    struct ub_http_answer *answer)
{
    struct ub_http_server *server = x->server;
    struct ub_http_signed request;
    signed_fill(x, base, &request);
    return server->auth.authenticate(server->auth_arg, &request, &x->pub.principal, &x->pub.ticket,
                                     answer);
}

bool http_auth_check(struct http_exchange *x)
{
    if (x->server->auth.authenticate == NULL) {
        http_problem_reply(x, UB_P_MODULE_UNAVAILABLE, NULL,
                           "no module of this node checks signatures");
        return false;
    }
    char *base = http_base_new(&x->head, &x->signature);
    if (base == NULL) {
        http_problem_reply(x, UB_P_SIG_PROFILE, NULL, "a covered header is not printable ASCII");
        return false;
    }
    struct ub_http_answer answer = {.size = sizeof(answer)};
    enum ub_problem problem = authenticate(x, base, &answer);
    free(base);
    if (problem != UB_P_NONE) {
        x->pub.principal = (struct ub_principal){.size = sizeof(x->pub.principal)};
        answer.detail[sizeof(answer.detail) - 1] = '\0';
        answer.members[sizeof(answer.members) - 1] = '\0';
        http_problem_reply(x, problem, answer.members, answer.detail);
        return false;
    }
    return true;
}

void http_auth_finish(struct http_exchange *x)
{
    if (x->pub.ticket != NULL) {
        x->server->auth.finish(x->server->auth_arg, &x->pub.ticket);
        x->pub.ticket = NULL;
    }
}
