/* SPDX-License-Identifier: Apache-2.0 */
#include "authz.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include <unibus/error.h>

#include "decision.h"
#include "errors.h"
#include "info.h"
#include "monitor/monitor.h"
#include "tls.h"

#define AUTHZ_TRIES 100 /* while rights change under our hands */

/* A question on its way; owned by the pool, then by the loop. */
struct authz_task {
    struct nats_server *server;
    struct nats_shard *shard;
    uint64_t cid;
    struct nats_connect_options options;
    char nonce[NATS_NONCE_LEN + 1], address[NATS_ADDRESS_MAX];
    bool is_loopback, has_tls;
    char *cert_subject;           /* NULL = none was shown */
    struct nats_session *session; /* the answer; NULL = no */
    char why[UB_ERR_MESSAGE_MAX]; /* with no answer and not told: what went wrong */
    bool is_told;                 /* as a decision */
};

static const char *text_or_null(bool is_sent, const char *text)
{
    return is_sent ? text : NULL;
}

static struct ub_cred task_cred(const struct authz_task *task)
{
    const struct nats_connect_options *options = &task->options;
    return (struct ub_cred){
        .size = sizeof(struct ub_cred),
        .transport = "nats",
        .address = task->address,
        .is_loopback = task->is_loopback,
        .has_tls = task->has_tls,
        .nkey = text_or_null(options->has_nkey, options->nkey),
        .signature = {options->signature, options->signature_len},
        .nonce = {(const uint8_t *)task->nonce, NATS_NONCE_LEN},
        .user = text_or_null(options->has_user, options->user),
        .password = text_or_null(options->has_password, options->password),
        .token = text_or_null(options->has_token, options->token),
        .client_name = options->name,
        .cert_subject = task->cert_subject,
    };
}

static void grant_name(struct nats_grant *grant, const struct ub_principal *principal)
{
    size_t size = principal->size < sizeof(*principal) ? principal->size : sizeof(*principal);
    memcpy(&grant->principal, principal, size);
    grant->principal.size = sizeof(grant->principal);
    grant->principal.id[UB_ID_MAX - 1] = grant->principal.handle[UB_HANDLE_MAX] = '\0';
}

/* What one provider answered; takes the reference to its set. false: the whole is a deny. */
static bool grant_add(struct nats_grant *grant, struct ub_authz_tally *tally, uint32_t source,
                      const struct nats_provider *provider, enum ub_verdict verdict,
                      const struct ub_principal *principal, const struct ub_perms *perms)
{
    bool is_first = verdict == UB_ALLOW && !tally->is_allowed;
    bool is_counted = ub_authz_count(tally, ub_authz_is_judge(provider->ops), verdict);
    /* An identity without a set has no rights: whoever authenticates must say which. */
    if (!is_counted || (is_first && perms == NULL)) {
        ub_perms_unref(&perms);
        return false;
    }
    if (verdict == UB_ABSTAIN || perms == NULL) {
        ub_perms_unref(&perms);
        return true;
    }
    if (is_first) {
        grant_name(grant, principal);
    }
    grant->sources[grant->count] = source;
    grant->sets[grant->count++] = perms;
    return true;
}

/* Asks one provider; false: the whole is a deny, for *reason_out. */
static bool decide_one(struct nats_server *server, uint32_t source, const struct ub_cred *cred,
                       struct ub_authz_tally *tally, struct nats_grant *grant,
                       struct ub_reason *reason_out)
{
    const struct nats_provider *provider = &server->providers[source];
    struct ub_principal principal = {.size = sizeof(principal)};
    const struct ub_perms *perms = NULL;
    struct ub_cred asked = *cred;
    if (ub_authz_is_judge(provider->ops) && !tally->is_allowed) {
        return true; /* nobody is there to be judged */
    }
    asked.principal = tally->is_allowed ? &grant->principal : NULL;
    *reason_out = (struct ub_reason){.size = sizeof(*reason_out)};
    enum ub_verdict verdict =
        provider->ops->connect(provider->self, &asked, &principal, &perms, reason_out);
    if (grant_add(grant, tally, source, provider, verdict, &principal, perms)) {
        return true;
    }
    grant->refused_by = provider->module;
    if (reason_out->text[0] == '\0') {
        snprintf(reason_out->text, sizeof(reason_out->text), "module \"%s\" denied it",
                 provider->module);
    }
    return false;
}

enum ub_verdict nats_authz_decide(struct nats_server *server, const struct ub_cred *cred,
                                  struct nats_grant *grant_out, struct ub_reason *reason_out)
{
    struct ub_authz_tally tally = {false, false};
    memset(grant_out, 0, sizeof(*grant_out));
    for (uint32_t i = 0; i < server->provider_count; i++) {
        if (!decide_one(server, i, cred, &tally, grant_out, reason_out)) {
            nats_grant_fini(grant_out);
            return UB_DENY;
        }
    }
    if (ub_authz_outcome(&tally) != UB_ALLOW) {
        *reason_out = (struct ub_reason){.size = sizeof(*reason_out)};
        snprintf(reason_out->text, sizeof(reason_out->text), "no module knows these credentials");
    }
    return ub_authz_outcome(&tally);
}

static void task_ask_once(struct authz_task *task, bool *is_stale_out)
{
    struct ub_cred cred = task_cred(task);
    struct ub_reason reason = {.size = sizeof(reason)};
    struct ub_err err = UB_ERR_INIT;
    struct nats_grant grant;
    uint64_t version = nats_sessions_version(task->server->sessions);
    int64_t start_ns = task->server->host->clock->mono_ns(task->server->host);
    *is_stale_out = false;
    if (nats_authz_decide(task->server, &cred, &grant, &reason) != UB_ALLOW) {
        int64_t end_ns = task->server->host->clock->mono_ns(task->server->host);
        nats_decide_login(task->server, &cred, &grant, &reason, (end_ns - start_ns) / 1000);
        task->is_told = true;
        return;
    }
    task->session = nats_session_open(task->server, &grant, version, is_stale_out, &err);
    if (task->session == NULL) {
        snprintf(task->why, sizeof(task->why), "%s", err.message);
    }
    nats_grant_fini(&grant);
}

static void task_work(void *arg)
{
    struct authz_task *task = arg;
    bool is_stale = true;
    for (int tries = 0; is_stale && tries < AUTHZ_TRIES; tries++) {
        task_ask_once(task, &is_stale);
    }
}

static void task_free(struct authz_task *task)
{
    sodium_memzero(&task->options, sizeof(task->options));
    free(task->cert_subject);
    free(task);
}

const char *nats_conn_identity(const struct nats_conn *conn, char *room)
{
    if (conn->session != NULL && conn->session->principal.id[0] != '\0') {
        return conn->session->principal.id;
    }
    snprintf(room, UB_ID_MAX + 24, "connection %llu", (unsigned long long)conn->cid);
    return room;
}

static void conn_reserve_inbox(struct nats_conn *conn, const struct nats_perms *perms,
                               bool is_reserving)
{
    if (perms == NULL || perms->inbox_token == NULL) {
        return;
    }
    struct nats_server *server = conn->shard->server;
    struct ub_bytes token = nats_text(perms->inbox_token);
    char room[UB_ID_MAX + 24];
    const char *identity = nats_conn_identity(conn, room);
    bool is_taken_over = false;
    if (!is_reserving) {
        nats_inbox_unreserve(server->inboxes, token, identity, conn->shard->now_ms);
    } else if (nats_inbox_reserve(server->inboxes, token, identity, conn->shard->now_ms,
                                  &is_taken_over) &&
               is_taken_over) {
        nats_authz_inbox_taken(server);
    }
}

void nats_conn_take_perms(struct nats_conn *conn, const struct nats_perms *perms)
{
    const struct nats_settings *settings = conn->shard->server->settings;
    const struct nats_perms *old = conn->perms;
    size_t old_payload = conn->max_payload;
    conn_reserve_inbox(conn, perms, true);
    conn_reserve_inbox(conn, old, false);
    conn->perms = nats_perms_ref(perms);
    conn->max_payload = (size_t)settings->max_payload;
    conn->max_subscriptions = conn->shard->server->live.max_subscriptions;
    if (perms != NULL && perms->max_payload_bytes > 0 &&
        perms->max_payload_bytes < settings->max_payload) {
        conn->max_payload = (size_t)perms->max_payload_bytes;
    }
    if (perms != NULL && perms->max_subscriptions > 0 &&
        (conn->max_subscriptions == 0 || perms->max_subscriptions < conn->max_subscriptions)) {
        conn->max_subscriptions = perms->max_subscriptions;
    }
    if (conn->has_ponged && conn->max_payload != old_payload && perms != NULL) {
        nats_info_send(conn);
    }
    nats_perms_unref(&old);
}

static void conn_refuse_login(struct nats_conn *conn, const struct authz_task *task)
{
    if (!task->is_told) {
        ub_log(conn->shard->server->host, UB_LOG_WARN, "login-failed", "a client was not let in",
               UB_TEXT("address", conn->address), UB_TEXT("nkey", task->options.nkey),
               UB_TEXT("name", task->options.name), UB_TEXT("why", task->why));
    }
    nats_conn_fail(conn, NATS_ERR_AUTHORIZATION, NULL, NULL);
    conn->close_code = "login-refused";
}

static void conn_accept_login(struct nats_conn *conn, struct authz_task *task,
                              const struct nats_perms *perms)
{
    if (conn->session != NULL) { /* a second CONNECT */
        struct nats_session *old = conn->session;
        nats_proto_drop_all(conn);
        nats_conn_take_perms(conn, NULL);
        nats_session_leave(old, conn);
        nats_session_unref(task->server, &old);
        nats_replies_free(&conn->replies);
    }
    nats_session_join(task->session, conn);
    task->session = NULL;
    nats_conn_take_perms(conn, perms);
    conn->state = NATS_CONN_OPEN;
    nats_monitor_connected(conn);
    conn->is_connected = true;
    nats_conn_clock_stop(conn);
    if (conn->is_verbose) {
        nats_conn_send(conn, "+OK\r\n", 5);
    }
}

/* The connection may have gone meanwhile, and rights may have changed once more. */
static void task_done(void *arg)
{
    struct authz_task *task = arg;
    nats_shard_enter(task->shard);
    struct nats_conn *conn = nats_shard_conn(task->shard, task->cid);
    if (conn != NULL && !conn->is_doomed && conn->state == NATS_CONN_ASKING) {
        const struct nats_perms *perms =
            task->session == NULL ? NULL : nats_session_perms(task->server, task->session);
        if (perms == NULL) {
            conn_refuse_login(conn, task);
        } else {
            conn_accept_login(conn, task, perms);
            nats_perms_unref(&perms);
            nats_conn_continue(conn);
        }
    }
    nats_session_unref(task->server, &task->session);
    task_free(task);
}

/* false: no memory. */
static bool task_take_tls(struct authz_task *task, const struct nats_conn *conn)
{
    const char *subject = nats_tls_subject(conn);
    task->has_tls = conn->tls != NULL;
    task->cert_subject = subject == NULL ? NULL : strdup(subject);
    return subject == NULL || task->cert_subject != NULL;
}

void nats_authz_ask(struct nats_conn *conn, const struct nats_connect_options *options)
{
    struct nats_server *server = conn->shard->server;
    struct authz_task *task = calloc(1, sizeof(*task));
    if (task == NULL || !task_take_tls(task, conn)) {
        free(task);
        nats_conn_fail(conn, NATS_ERR_THROTTLED, "out-of-memory", "no memory for a login");
        return;
    }
    task->server = server;
    task->shard = conn->shard;
    task->cid = conn->cid;
    task->options = *options;
    memcpy(task->nonce, conn->nonce, sizeof(task->nonce));
    memcpy(task->address, conn->address, sizeof(task->address));
    task->is_loopback = conn->is_loopback;
    if (server->host->pool->offload(server->auth_pool, task_work, conn->shard->loop, task_done,
                                    task) != UB_OK) {
        task_free(task);
        nats_conn_fail(conn, NATS_ERR_THROTTLED, "login-queue-full", "too many logins at once");
        return;
    }
    conn->state = NATS_CONN_ASKING;
    nats_conn_pause(conn);
}

enum ub_status nats_authz_watch(struct nats_server *server, struct ub_err *err)
{
    for (; server->watched_count < server->provider_count; server->watched_count++) {
        struct nats_provider *provider = &server->providers[server->watched_count];
        enum ub_status status =
            provider->ops->watch(provider->self, nats_authz_changed, provider, err);
        if (status != UB_OK) {
            return status;
        }
    }
    return UB_OK;
}

void nats_authz_unwatch(struct nats_server *server)
{
    while (server->watched_count > 0) {
        struct nats_provider *provider = &server->providers[--server->watched_count];
        provider->ops->unwatch(provider->self, nats_authz_changed, provider);
    }
}
