/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.authz: a judge. It authenticates nobody, and its allow alone lets nobody in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unibus/error.h>

#include "perms.h"
#include "site.h"

#define PATIENCE        2  /* time-outs that somebody waits for his own answer … */
#define PATIENCE_CHANGE 20 /* … and for a permission set, where no answer would disconnect him */
#define NOTIFY_WAIT_MS  5000

/* ---- recording --------------------------------------------------------------------------------
 */

static bool is_recorded(struct plcy *site, const struct ubp_decision *decision, int64_t log_allows)
{
    if (decision->verdict == UBP_DENY) {
        return true;
    }
    uint64_t count = atomic_fetch_add(&site->allows, 1);
    return log_allows > 0 && count % (uint64_t)log_allows == 0;
}

static void record(struct plcy *site, const struct plcy_engine *engine,
                   const struct plcy_question *question, const struct ubp_decision *decision,
                   int64_t took_us, char id_out[UB_DECISION_ID_MAX])
{
    const struct ub_host *host = site->host;
    char place[4200];
    id_out[0] = '\0';
    if (host->size <= offsetof(struct ub_host, decision) || host->decision == NULL) {
        return;
    }
    json_t *input = plcy_question_to_json(question);
    char *input_text = input != NULL ? json_dumps(input, JSON_COMPACT) : NULL;
    plcy_source_place(plcy_engine_source(engine), decision->line, place, sizeof(place));
    const struct ub_decision entry = {
        .size = sizeof(entry),
        .is_allowed = decision->verdict != UBP_DENY,
        .action = question->is_action ? question->action.name : "connect",
        .resource_kind = question->is_action ? question->action.kind : "",
        .resource_id = question->is_action ? question->action.id : "",
        .id = question->who.id,
        .handle = question->who.handle,
        .role = question->who.role,
        .address = question->conn.ip,
        .provider = "policy",
        .code = decision->code,
        .text = decision->text,
        .place = place,
        .digest = plcy_engine_source(engine)->digest,
        .input_json = input_text,
        .took_us = took_us,
    };
    host->decision->record(host, &entry, id_out);
    free(input_text);
    json_decref(input);
}

/* ---- asking -----------------------------------------------------------------------------------
 */

struct plcy_engine *plcy_engine_now(struct plcy *site, int64_t *log_allows_out)
{
    pthread_rwlock_rdlock(&site->lock);
    struct plcy_engine *engine = site->engine != NULL ? plcy_engine_ref(site->engine) : NULL;
    *log_allows_out = site->log_allows;
    pthread_rwlock_unlock(&site->lock);
    return engine;
}

static enum ub_verdict refuse(struct ub_reason *reason, const char *code, const char *text)
{
    if (reason != NULL) {
        snprintf(reason->code, sizeof(reason->code), "%s", code);
        snprintf(reason->text, sizeof(reason->text), "%s", text);
    }
    return UB_DENY;
}

/* What a failing script says is for its author; the one who asked hears that it failed. */
static void explain(struct ub_reason *reason, const struct ubp_decision *decision, const char *id)
{
    if (reason == NULL) {
        return;
    }
    if (decision->error != UBP_OK) {
        refuse(reason, "policy-error", "the site policy failed; an admin sees why in the decision");
    } else {
        refuse(reason, decision->code, decision->text);
    }
    snprintf(reason->decision, sizeof(reason->decision), "%s", id);
}

static void count(struct plcy *site, const struct ubp_decision *decision)
{
    atomic_fetch_add(&site->calls, 1);
    if (decision->verdict == UBP_DENY) {
        atomic_fetch_add(decision->error != UBP_OK ? &site->failures : &site->denials, 1);
    }
}

/* Asks, counts, records; the caller releases the decision. */
static enum ub_verdict ask(struct plcy *site, struct plcy_question *question, unsigned patience,
                           struct ubp_decision *decision_out, struct ub_reason *reason_out)
{
    int64_t took_us, log_allows;
    char id[UB_DECISION_ID_MAX] = "";
    memset(decision_out, 0, sizeof(*decision_out));
    if (question == NULL) {
        return refuse(reason_out, "policy-error", "the site policy cannot be asked about this");
    }
    struct plcy_engine *engine = plcy_engine_now(site, &log_allows);
    if (engine == NULL) {
        return refuse(reason_out, "policy-error", "the site policy does not run");
    }
    plcy_engine_ask(engine, question, patience, NULL, decision_out, &took_us);
    count(site, decision_out);
    if (is_recorded(site, decision_out, log_allows)) {
        record(site, engine, question, decision_out, took_us, id);
    }
    plcy_engine_unref(&engine);
    if (decision_out->verdict == UBP_DENY) {
        explain(reason_out, decision_out, id);
        return UB_DENY;
    }
    return decision_out->verdict == UBP_ALLOW ? UB_ALLOW : UB_ABSTAIN;
}

/* ---- connections ------------------------------------------------------------------------------
 */

static struct ubp_conn conn_of(const struct ub_cred *cred)
{
    return (struct ubp_conn){
        .transport = cred->transport,
        .ip = cred->address,
        .has_tls = cred->has_tls,
        .is_loopback = cred->is_loopback,
        .user = cred->user,
        .client = cred->client_name,
        .cert = cred->size > offsetof(struct ub_cred, cert_subject) ? cred->cert_subject : NULL,
    };
}

/* An abstention is an allow with a set that narrows nothing: the holder then asks again when the
 * script has changed. As the word of a judge it lets nobody in. */
static enum ub_verdict let_in(struct plcy *site, const struct ub_cred *cred,
                              const struct ubp_conn *conn, const struct ubp_decision *decision,
                              const struct ub_perms **perms_out, struct ub_reason *reason_out)
{
    const struct ub_perms *perms = plcy_perms_new(&decision->permissions);
    if (perms == NULL || !plcy_seen_add(&site->seen, cred->principal, conn)) {
        ub_perms_unref(&perms);
        return refuse(reason_out, "policy-error", "no memory");
    }
    *perms_out = perms;
    return UB_ALLOW;
}

static enum ub_verdict on_connect(void *self, const struct ub_cred *cred,
                                  struct ub_principal *principal_out,
                                  const struct ub_perms **perms_out, struct ub_reason *reason_out)
{
    struct plcy *site = self;
    struct ubp_decision decision;
    if (cred->size <= offsetof(struct ub_cred, principal)) {
        return refuse(reason_out, "policy-error", "the transport does not say who connected");
    }
    if (cred->principal == NULL) {
        return UB_ABSTAIN;
    }
    struct ubp_conn conn = conn_of(cred);
    struct plcy_question *question = plcy_question_connect(cred->principal, &conn);
    enum ub_verdict verdict = ask(site, question, PATIENCE, &decision, reason_out);
    if (verdict != UB_DENY) {
        *principal_out = *cred->principal;
        verdict = let_in(site, cred, &conn, &decision, perms_out, reason_out);
    }
    ubp_decision_fini(&decision);
    plcy_question_unref(&question);
    return verdict;
}

/* Judges one connection again and narrows the sum by what it says. */
static bool judge_again(struct plcy *site, const struct ub_principal *principal,
                        const struct ubp_conn *conn, bool is_first, struct ubp_permissions *sum)
{
    struct ubp_decision decision;
    struct plcy_question *question = plcy_question_connect(principal, conn);
    bool is_good = ask(site, question, PATIENCE_CHANGE, &decision, NULL) != UB_DENY;
    if (!is_good) {
        plcy_seen_remove(&site->seen, principal, conn);
    } else if (is_first) {
        *sum = decision.permissions;
        memset(&decision.permissions, 0, sizeof(decision.permissions));
    } else {
        is_good = plcy_permissions_narrow(sum, &decision.permissions);
    }
    ubp_decision_fini(&decision);
    plcy_question_unref(&question);
    return is_good;
}

static const struct ub_perms *on_permissions(void *self, const struct ub_principal *principal)
{
    struct plcy *site = self;
    struct ubp_permissions sum = {0};
    size_t conns;
    struct ubp_conn *list = plcy_seen_list(&site->seen, principal, &conns);
    bool is_good = list != NULL && conns > 0;
    for (size_t i = 0; i < conns; i++) {
        /* All of them: each that is not let in any more must be forgotten. */
        is_good =
            judge_again(site, principal, &list[i], sum.lines == NULL && i == 0, &sum) && is_good;
    }
    const struct ub_perms *perms = is_good ? plcy_perms_new(&sum) : NULL;
    free(sum.lines);
    plcy_seen_list_free(&list);
    return perms;
}

/* ---- actions ----------------------------------------------------------------------------------
 */

static enum ub_verdict on_action(void *self, const struct ub_principal *principal,
                                 const struct ub_action *action, struct ub_reason *reason_out)
{
    struct ubp_decision decision;
    struct plcy_question *question = plcy_question_action(principal, action);
    enum ub_verdict verdict = ask(self, question, PATIENCE, &decision, reason_out);
    ubp_decision_fini(&decision);
    plcy_question_unref(&question);
    return verdict;
}

/* ---- holders of permission sets ---------------------------------------------------------------
 */

static enum ub_status on_watch(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err)
{
    struct plcy *site = self;
    enum ub_status status = UB_OK;
    pthread_mutex_lock(&site->watch_lock);
    if (site->watcher_count == PLCY_WATCHERS_MAX) {
        status = ub_fail(err, UB_ELIMIT, "policy: at most %d modules can watch permissions",
                         PLCY_WATCHERS_MAX);
    } else {
        site->watchers[site->watcher_count++] = (struct plcy_watcher){fn, arg};
    }
    pthread_mutex_unlock(&site->watch_lock);
    return status;
}

static void on_unwatch(void *self, ub_authz_changed_fn fn, void *arg)
{
    struct plcy *site = self;
    pthread_mutex_lock(&site->watch_lock);
    for (size_t i = 0; i < site->watcher_count; i++) {
        if (site->watchers[i].fn == fn && site->watchers[i].arg == arg) {
            site->watchers[i] = site->watchers[--site->watcher_count];
            break;
        }
    }
    pthread_mutex_unlock(&site->watch_lock);
}

void plcy_notify_all(struct plcy *site)
{
    uint32_t changed = 0;
    pthread_mutex_lock(&site->watch_lock);
    for (size_t i = 0; i < site->watcher_count; i++) {
        changed += site->watchers[i].fn(site->watchers[i].arg, "", NOTIFY_WAIT_MS);
    }
    pthread_mutex_unlock(&site->watch_lock);
    ub_log(site->host, UB_LOG_INFO, "permissions-recomputed",
           "open connections have the permissions of the new script",
           UB_NUMBER("changed", changed));
}

const struct ub_authz_ops plcy_authz_ops = {
    .size = sizeof(struct ub_authz_ops),
    .connect = on_connect,
    .permissions = on_permissions,
    .action = on_action,
    .watch = on_watch,
    .unwatch = on_unwatch,
    .flags = UB_AUTHZ_JUDGES,
};
