/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actions.h"
#include "decision.h"
#include "idem.h"
#include "rooms.h"

#define HEADERS_MAX 5

const char *memb_header(const struct memb_call *call, const char *name)
{
    return call->memb->httpd->header(call->request, name);
}

/* Every answer of a resource says how new it is. */
static void reply_text(struct memb_call *call, int status, const char *body, const char *etag,
                       const char *location)
{
    char generation[24];
    struct ub_http_header headers[HEADERS_MAX + 1] = {{"Unibus-Generation", generation}};
    size_t count = 1;
    snprintf(generation, sizeof generation, "%" PRId64,
             memb_generation_now(&call->memb->generation));
    if (body != NULL) {
        headers[count++] = (struct ub_http_header){"Content-Type", "application/json"};
    }
    if (etag != NULL) {
        headers[count++] = (struct ub_http_header){"ETag", etag};
    }
    if (location != NULL && location[0] != '\0') {
        headers[count++] = (struct ub_http_header){"Location", location};
    }
    struct ub_bytes bytes = {(const uint8_t *)body, body != NULL ? strlen(body) : 0};
    memb_idem_end(call);
    call->memb->httpd->reply(call->request, status, headers, bytes);
}

void memb_reply(struct memb_call *call, int status, json_t *take_body, const char *etag,
                const char *location)
{
    if (take_body == NULL) {
        reply_text(call, status, NULL, etag, location);
        return;
    }
    char *text = json_dumps(take_body, JSON_COMPACT);
    json_decref(take_body);
    if (text == NULL) {
        memb_problem(call, UB_P_INTERNAL, "no memory for the answer");
        return;
    }
    reply_text(call, status, text, etag, location);
    free(text);
}

static struct ub_principal principal_of(const struct memb_call *call)
{
    struct ub_principal principal = call->request->principal;
    principal.size = sizeof principal;
    principal.role = call->role;
    return principal;
}

static struct ub_action asked_action(const struct memb_call *call)
{
    const struct ub_http_request *request = call->request;
    return (struct ub_action){
        .size = sizeof(struct ub_action),
        .name = call->asked.name,
        .resource_kind = call->asked.kind,
        .resource_id = call->asked.id,
        .address = request->address,
        .is_loopback = request->is_loopback,
        .has_tls = request->has_tls,
    };
}

static void answer_forbidden(struct memb_call *call, const struct ub_reason *reason)
{
    char members[UB_DECISION_ID_MAX + 16];
    bool is_id = strspn(reason->decision, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
                 strlen(reason->decision); /* a provider wrote it */
    snprintf(members, sizeof members, "\"decision\":\"%s\"", is_id ? reason->decision : "");
    memb_idem_end(call);
    call->memb->httpd->problem(call->request, UB_P_FORBIDDEN, members, reason->text);
}

/* A refusal that no rule of actions.c made: the state of the room, or whose device it is. */
static void decide_forbidden(struct memb_call *call, const char *detail)
{
    struct ub_reason reason = {.size = sizeof reason, .code = "state"};
    struct ub_principal principal = principal_of(call);
    struct ub_action action = asked_action(call);
    snprintf(reason.text, sizeof reason.text, "%s", detail);
    memb_decision_record(call->memb, &principal, &action, "membership", false, -1, &reason);
    answer_forbidden(call, &reason);
}

void memb_problem_with(struct memb_call *call, enum ub_problem problem, const char *members,
                       const char *detail)
{
    if (problem == UB_P_FORBIDDEN) {
        decide_forbidden(call, detail);
        return;
    }
    memb_idem_end(call);
    call->memb->httpd->problem(call->request, problem, members, detail);
}

void memb_problem(struct memb_call *call, enum ub_problem problem, const char *detail)
{
    memb_problem_with(call, problem, NULL, detail);
}

void memb_problem_rule(struct memb_call *call, enum ub_problem problem, enum ubr_error rule)
{
    char members[64];
    snprintf(members, sizeof members, "\"rule\":\"%s\"", ubr_error_name(rule));
    memb_problem_with(call, problem, members, ubr_error_meaning(rule));
}

void memb_problem_json(struct memb_call *call, const struct memb_json_error *error)
{
    json_t *errors = json_pack("[{s:s,s:s}]", "pointer", error->pointer, "detail", error->detail);
    char *text = errors != NULL ? json_dumps(errors, JSON_COMPACT) : NULL;
    char members[512] = "";
    if (text != NULL && strlen(text) < sizeof members - 16) {
        snprintf(members, sizeof members, "\"errors\":%s", text);
    }
    memb_problem_with(call, error->problem, members[0] != '\0' ? members : NULL, error->detail);
    free(text);
    json_decref(errors);
}

void memb_problem_store(struct memb_call *call, enum ub_problem problem, enum ub_problem conflict,
                        const struct ub_err *err)
{
    char epoch[MEMB_NONCE_EPOCH_LEN + 1], members[64];
    switch (problem) {
    case UB_P_HEAD_CONFLICT:
        memb_problem(call, conflict, "somebody else was faster: read again");
        break;
    case UB_P_NONCE_EPOCH:
        memb_nonce_epoch(call->memb, epoch, NULL);
        snprintf(members, sizeof members, "\"nonce_epoch\":\"%s\"", epoch);
        memb_problem_with(call, problem, members, "sign again for the present nonce epoch");
        break;
    case UB_P_NONCE_REPLAYED:
        memb_problem(call, problem, "this signed request has been seen: sign a new one");
        break;
    default:
        ub_log(call->memb->host, UB_LOG_ERROR, "store", "a write failed",
               UB_TEXT("why", err->message));
        memb_problem(call, problem, "nothing was written");
    }
}

/* ---- reading ----------------------------------------------------------------------------------
 */

bool memb_read_body(struct memb_call *call, const struct memb_json_field *fields, size_t count,
                    void *out, json_t **root_out)
{
    struct memb_json_error error;
    json_t *root = memb_json_parse(call->request->body, &error);
    if (root == NULL || !memb_json_read(root, "", fields, count, out, &error)) {
        json_decref(root);
        memb_problem_json(call, &error);
        return false;
    }
    *root_out = root;
    return true;
}

bool memb_query_text(const struct memb_call *call, const char *name, char *out, size_t out_size)
{
    size_t name_len = strlen(name);
    for (const char *at = call->request->raw_query; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "&");
        if (len > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
            size_t value_len = len - name_len - 1;
            if (value_len >= out_size || memchr(at, '%', len) || memchr(at, '+', len)) {
                return false;
            }
            memcpy(out, at + name_len + 1, value_len);
            out[value_len] = '\0';
            return true;
        }
        at += len + (at[len] == '&');
    }
    return false;
}

bool memb_query_number(struct memb_call *call, const char *name, int64_t absent, int64_t min,
                       int64_t max, int64_t *out)
{
    char text[20];
    *out = absent;
    if (!memb_query_text(call, name, text, sizeof text)) {
        return true;
    }
    size_t digits = strspn(text, "0123456789");
    int64_t number = digits > 0 && digits < 17 ? strtoll(text, NULL, 10) : -1;
    if (text[digits] != '\0' || number < min || number > max) {
        struct memb_json_error error = {UB_P_BAD_REQUEST, "", "a number of the query is wrong"};
        snprintf(error.pointer, sizeof error.pointer, "?%s", name);
        memb_problem_json(call, &error);
        return false;
    }
    *out = number;
    return true;
}

bool memb_if_match(struct memb_call *call, char *out, size_t out_size)
{
    const char *text = memb_header(call, "if-match");
    if (text == NULL) {
        memb_problem(call, UB_P_PRECONDITION_REQUIRED, "If-Match with the present ETag is needed");
        return false;
    }
    size_t len = strlen(text);
    bool is_quoted = len >= 2 && text[0] == '"' && text[len - 1] == '"' && len - 2 < out_size;
    out[0] = '\0'; /* anything else matches nothing */
    if (is_quoted) {
        memcpy(out, text + 1, len - 2);
        out[len - 2] = '\0';
    }
    return true;
}

/* On the admin socket only our own rules are asked: a site policy that denies everything must not
 * keep the machine's owner from repairing it. */
bool memb_may(struct memb_call *call, const char *name, const char *kind, const char *id,
              const char *context_json)
{
    struct memb *memb = call->memb;
    const char *provider = "membership";
    struct ub_reason reason = {.size = sizeof reason};
    call->asked.name = name;
    call->asked.kind = kind;
    snprintf(call->asked.id, sizeof call->asked.id, "%s", id);
    struct ub_principal principal = principal_of(call);
    struct ub_action action = asked_action(call);
    action.context_json = context_json;
    int64_t start_ns = memb->host->clock->mono_ns(memb->host);
    enum ub_verdict verdict = call->identity == NULL
                                  ? memb_action(memb, &principal, &action, &reason)
                                  : memb_decide(memb, &principal, &action, &reason, &provider);
    int64_t took_us = (memb->host->clock->mono_ns(memb->host) - start_ns) / 1000;
    memb_decision_record(memb, &principal, &action, provider, verdict == UB_ALLOW, took_us,
                         &reason);
    if (verdict != UB_ALLOW) {
        answer_forbidden(call, &reason);
    }
    return verdict == UB_ALLOW;
}

bool memb_call_is_live(const struct memb_call *call)
{
    const struct memb_identity *identity = call->identity;
    if (identity == NULL) {
        return true;
    }
    memb_model_read(&call->memb->model);
    bool is_live = memb_identity_is_enabled(identity) && identity->role == call->role &&
                   memb_identity_device(identity, call->kid) != NULL;
    memb_model_unlock(&call->memb->model);
    return is_live;
}

struct memb_room *memb_call_room(struct memb_call *call, bool for_operators,
                                 enum ubr_role *role_out)
{
    struct memb *memb = call->memb;
    memb_model_read(&memb->model);
    struct memb_room *room = memb_model_room32(&memb->model, call->request->params[0]);
    memb_model_unlock(&memb->model);
    enum ubr_role role = UBR_ROLE_NONE;
    if (room != NULL && call->identity != NULL) {
        role = memb_room_role(room, call->identity->account_pk);
    }
    bool is_known = role != UBR_ROLE_NONE || (for_operators && call->role == UB_ROLE_OPERATOR);
    if (room == NULL || !is_known) {
        memb_problem(call, UB_P_NOT_FOUND, "no such room, or you are not in it");
        return NULL;
    }
    if (role_out != NULL) {
        *role_out = role;
    }
    return room;
}

/* ---- taking effect ----------------------------------------------------------------------------
 */

bool memb_call_commit(struct memb_call *call, struct memb_txn *txn, enum ub_problem conflict,
                      int status, const char *location, const json_t *body)
{
    struct ub_err err = UB_ERR_INIT;
    void *stored = NULL;
    /* It may have waited: for a generation, its body, a lock. An answered removal has happened. */
    if (!memb_call_is_live(call)) {
        memb_problem(call, UB_P_UNAUTHENTICATED, "the caller's rights changed meanwhile");
        return false;
    }
    if (call->has_idem && !memb_idem_add(call, txn, status, location, body, &stored)) {
        memb_problem(call, UB_P_INTERNAL, "no memory");
        return false;
    }
    enum ub_problem problem = memb_txn_commit(txn, &err);
    free(stored);
    if (problem != UB_P_NONE) {
        memb_problem_store(call, problem, conflict, &err);
        return false;
    }
    return true;
}
