/* SPDX-License-Identifier: Apache-2.0 */
#include "decision.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "perms_index.h"

/* ---- logins -----------------------------------------------------------------------------------
 */

static json_t *conn_json(const struct ub_cred *cred)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:s*, s:s*, s:s*}", "transport", cred->transport, "ip",
                     cred->address, "tls", cred->has_tls, "loopback", cred->is_loopback, "user",
                     cred->user, "client", cred->client_name, "cert", cred->cert_subject);
}

static char *login_json(const struct ub_cred *cred, const struct ub_principal *principal)
{
    const char *role = ub_role_name(principal->role);
    json_t *input = json_pack("{s:s, s:{s:s, s:s, s:s*}, s:o}", "action", "connect", "principal",
                              "id", principal->id, "handle", principal->handle, "role",
                              role[0] != '\0' ? role : NULL, "conn", conn_json(cred));
    char *text = input != NULL ? json_dumps(input, JSON_COMPACT) : NULL;
    json_decref(input);
    return text;
}

static void end_texts(struct ub_reason *reason)
{
    reason->code[sizeof(reason->code) - 1] = '\0';
    reason->text[sizeof(reason->text) - 1] = '\0';
    reason->decision[sizeof(reason->decision) - 1] = '\0';
}

/* What was claimed says who probably is meant; who it is was not proven, so it is no principal. */
void nats_decide_login(const struct nats_server *server, const struct ub_cred *cred,
                       const struct nats_grant *grant, struct ub_reason *reason, int64_t took_us)
{
    end_texts(reason);
    if (reason->decision[0] != '\0') {
        return;
    }
    if (reason->code[0] == '\0') {
        snprintf(reason->code, sizeof(reason->code), "login-refused");
    }
    const char *kind = cred->nkey != NULL    ? "nkey"
                       : cred->user != NULL  ? "user"
                       : cred->token != NULL ? "token"
                                             : "no-credentials";
    char *input = login_json(cred, &grant->principal);
    const struct ub_decision decision = {
        .size = sizeof(decision),
        .action = "connect",
        .resource_kind = kind,
        .resource_id = cred->nkey != NULL ? cred->nkey : cred->user,
        .id = grant->principal.id,
        .handle = grant->principal.handle,
        .role = ub_role_name(grant->principal.role),
        .address = cred->address,
        .provider = grant->refused_by,
        .code = reason->code,
        .text = reason->text,
        .input_json = input,
        .took_us = took_us,
    };
    server->host->decision->record(server->host, &decision, reason->decision);
    free(input);
}

/* ---- subjects ---------------------------------------------------------------------------------
 */

/* The rules that cover a subject: one that denies, one that would grant but for its guard or queue,
 * one that grants the other right only. */
struct why_sum {
    uint32_t right;
    struct ub_bytes queue;
    const struct ub_perm_rule *denial, *grant, *other;
};

static bool why_visit(void *arg, const struct ub_perm_rule *rule)
{
    struct why_sum *sum = arg;
    bool is_of_right = (rule->actions & sum->right) != 0;
    bool is_of_queue = rule->queue == NULL || sum->queue.len > 0;
    if (rule->is_deny && is_of_right && is_of_queue) {
        sum->denial = rule;
        return false;
    }
    if (!rule->is_deny && is_of_right && sum->grant == NULL) {
        sum->grant = rule;
    } else if (!rule->is_deny && !is_of_right && sum->other == NULL) {
        sum->other = rule;
    }
    return true;
}

static const char *right_name(uint32_t right)
{
    return right == UB_PUBLISH ? "publish" : "subscribe";
}

void nats_perms_why(const struct nats_perms *perms, uint32_t right, struct ub_bytes subject,
                    struct ub_bytes queue, struct nats_why *why_out)
{
    struct why_sum sum = {.right = right, .queue = queue};
    nats_perms_index_covering(perms->index, subject, why_visit, &sum);
    const struct ub_perm_rule *rule = sum.denial != NULL  ? sum.denial
                                      : sum.grant != NULL ? sum.grant
                                                          : sum.other;
    why_out->provider = rule != NULL ? nats_perms_provider(perms, rule) : perms->sets[0]->provider;
    if (rule == NULL) {
        snprintf(why_out->text, sizeof(why_out->text), "no rule covers it");
        return;
    }
    char of[160];
    snprintf(of, sizeof(of), "%s%s\"%.100s\"", rule->why != NULL ? rule->why : "",
             rule->why != NULL ? ": " : "", rule->subject);
    if (sum.denial != NULL) {
        snprintf(why_out->text, sizeof(why_out->text), "%s is denied", of);
    } else if (sum.grant == NULL) {
        snprintf(why_out->text, sizeof(why_out->text), "%s may %s only", of,
                 right_name(UB_PUBLISH + UB_SUBSCRIBE - right));
    } else if (rule->queue != NULL) {
        snprintf(why_out->text, sizeof(why_out->text), "%s may %s in queue \"%.40s\" only", of,
                 right_name(right), rule->queue);
    } else {
        snprintf(why_out->text, sizeof(why_out->text), "%s may %s", of, right_name(right));
    }
}

static char *subject_json(const struct nats_conn *conn, const struct nats_refusal *refusal)
{
    json_t *input = json_pack("{s:{s:s, s:s, s:b, s:b}, s:I}", "conn", "transport", "nats", "ip",
                              conn->address, "tls", conn->tls != NULL, "loopback",
                              conn->is_loopback, "connection", (json_int_t)conn->cid);
    if (input != NULL && refusal->queue.len > 0) {
        json_object_set_new(input, "queue",
                            json_stringn((const char *)refusal->queue.ptr, refusal->queue.len));
    }
    char *text = input != NULL ? json_dumps(input, JSON_COMPACT) : NULL;
    json_decref(input);
    return text;
}

static void record(struct nats_conn *conn, const struct nats_refusal *refusal)
{
    const struct ub_host *host = conn->shard->server->host;
    const struct ub_principal *principal = nats_session_principal(conn->session);
    struct nats_why why;
    char subject[320], id[UB_DECISION_ID_MAX], text[sizeof(why.text) + 128];
    nats_perms_why(conn->perms, refusal->right, refusal->subject, refusal->queue, &why);
    snprintf(subject, sizeof(subject), "%.*s",
             (int)(refusal->subject.len < 300 ? refusal->subject.len : 300),
             (const char *)refusal->subject.ptr);
    if (refusal->wanted != NULL) {
        snprintf(text, sizeof(text), "%s; wanted: %.120s", why.text, refusal->wanted);
    } else {
        snprintf(text, sizeof(text), "%s", why.text);
    }
    char *input = subject_json(conn, refusal);
    const struct ub_decision decision = {
        .size = sizeof(decision),
        .action = right_name(refusal->right),
        .resource_kind = "subject",
        .resource_id = subject,
        .id = principal != NULL ? principal->id : "",
        .handle = principal != NULL ? principal->handle : "",
        .role = ub_role_name(principal != NULL ? principal->role : UB_ROLE_NONE),
        .address = conn->address,
        .provider = why.provider,
        .code = refusal->code,
        .text = text,
        .input_json = input,
        .took_us = -1,
    };
    host->decision->record(host, &decision, id);
    free(input);
}

void nats_conn_deny(struct nats_conn *conn, const char *text, const struct nats_refusal *refusal)
{
    if (conn->perms == NULL) { /* nobody decided: it is malformed for everybody */
        nats_conn_refuse(conn, text, refusal->code, refusal->wanted);
        return;
    }
    nats_conn_complain(conn, text);
    if (nats_conn_may_tell(conn)) {
        record(conn, refusal);
    }
}
