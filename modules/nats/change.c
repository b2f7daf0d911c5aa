/* SPDX-License-Identifier: Apache-2.0
 *
 * Rights that change while people are connected. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <unibus/error.h>

#include "authz.h"
#include "errors.h"

#define CHANGE_LATE_MS 60000

struct change_item {
    struct nats_session *session;
    const struct nats_perms *perms; /* NULL = may no longer be connected */
};

/* Shared by the provider's thread and the loops. */
struct change {
    struct nats_server *server;
    pthread_mutex_t lock;
    pthread_cond_t is_applied;
    uint32_t refs, remaining; /* under lock */
    uint32_t changed;         /* under lock: connections */
    size_t count;
    struct change_item items[];
};

struct change_post {
    struct change *change;
    struct nats_shard *shard;
};

static struct timespec deadline_in(int64_t wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += wait_ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static void cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* ---- one after the other, or an older answer could overwrite a newer one ----------------------
 */

void nats_change_gate_init(struct nats_server *server)
{
    pthread_mutex_init(&server->change_lock, NULL);
    cond_init_monotonic(&server->change_is_done);
}

void nats_change_gate_fini(struct nats_server *server)
{
    pthread_cond_destroy(&server->change_is_done);
    pthread_mutex_destroy(&server->change_lock);
}

static bool gate_enter(struct nats_server *server, const struct timespec *deadline)
{
    pthread_mutex_lock(&server->change_lock);
    while (server->is_changing &&
           pthread_cond_timedwait(&server->change_is_done, &server->change_lock, deadline) == 0) {
    }
    bool is_entered = !server->is_changing;
    server->is_changing = true;
    pthread_mutex_unlock(&server->change_lock);
    return is_entered;
}

static void gate_leave(struct nats_server *server)
{
    pthread_mutex_lock(&server->change_lock);
    server->is_changing = false;
    pthread_cond_signal(&server->change_is_done);
    pthread_mutex_unlock(&server->change_lock);
}

/* ---- what changes -----------------------------------------------------------------------------
 */

static void change_unref(struct change *change)
{
    pthread_mutex_lock(&change->lock);
    bool is_last = --change->refs == 0;
    pthread_mutex_unlock(&change->lock);
    if (!is_last) {
        return;
    }
    for (size_t i = 0; i < change->count; i++) {
        nats_session_unref(change->server, &change->items[i].session);
        nats_perms_unref(&change->items[i].perms);
    }
    pthread_cond_destroy(&change->is_applied);
    pthread_mutex_destroy(&change->lock);
    free(change);
}

static struct change *change_new(struct nats_server *server, size_t count)
{
    struct change *change = calloc(1, sizeof(*change) + count * sizeof(struct change_item));
    if (change == NULL) {
        return NULL;
    }
    cond_init_monotonic(&change->is_applied);
    pthread_mutex_init(&change->lock, NULL);
    change->server = server;
    change->refs = 1;
    return change;
}

static bool conn_apply(struct nats_conn *conn, const struct nats_perms *perms)
{
    if (conn->is_doomed || conn->perms == perms) {
        return false;
    }
    if (perms == NULL) {
        nats_conn_fail(conn, NATS_ERR_REVOKED, "login-revoked",
                       "the identity may no longer be connected");
        return true;
    }
    nats_conn_take_perms(conn, perms);
    nats_proto_recheck(conn);
    return true;
}

static uint32_t shard_apply(struct nats_shard *shard, const struct change *change)
{
    uint32_t changed = 0;
    for (size_t i = 0; i < change->count; i++) {
        struct nats_conn *conn = change->items[i].session->conns[shard->index];
        for (; conn != NULL; conn = conn->session_next) {
            changed += conn_apply(conn, change->items[i].perms);
        }
    }
    return changed;
}

static void change_on_shard(void *arg)
{
    struct change_post post = *(struct change_post *)arg;
    free(arg);
    nats_shard_enter(post.shard);
    uint32_t changed = shard_apply(post.shard, post.change);
    pthread_mutex_lock(&post.change->lock);
    post.change->changed += changed;
    if (--post.change->remaining == 0) {
        pthread_cond_broadcast(&post.change->is_applied);
    }
    pthread_mutex_unlock(&post.change->lock);
    change_unref(post.change);
}

static void change_post_to(struct change *change, struct nats_shard *shard)
{
    struct change_post *post = malloc(sizeof(*post));
    if (post == NULL) { /* rights that cannot be taken away: nothing is safe any more */
        shard->server->host->node->fail(shard->server->host, "E-NATS-MEMORY",
                                        "no memory to apply a change of rights");
        return;
    }
    *post = (struct change_post){change, shard};
    pthread_mutex_lock(&change->lock);
    change->refs++;
    change->remaining++;
    pthread_mutex_unlock(&change->lock);
    shard->server->host->loop->post(shard->loop, change_on_shard, post);
}

static uint32_t change_wait(struct change *change, const struct timespec *deadline)
{
    pthread_mutex_lock(&change->lock);
    while (change->remaining > 0 &&
           pthread_cond_timedwait(&change->is_applied, &change->lock, deadline) == 0) {
    }
    uint32_t changed = change->changed;
    pthread_mutex_unlock(&change->lock);
    return changed;
}

/* The present sets of a principal, compiled; NULL: he may no longer be connected. */
static const struct nats_perms *session_ask(struct nats_server *server,
                                            const struct nats_session *session)
{
    const struct ub_perms *sets[NATS_SETS_MAX] = {NULL};
    const struct nats_perms *perms = NULL;
    uint32_t count = 0;
    for (; count < session->source_count; count++) {
        const struct nats_provider *provider = &server->providers[session->sources[count]];
        sets[count] = provider->ops->permissions(provider->self, &session->principal);
        if (sets[count] == NULL) {
            break;
        }
    }
    if (count == session->source_count) {
        struct ub_err err = UB_ERR_INIT;
        perms = nats_sessions_compile(server->sessions, sets, count, &err);
        if (perms == NULL) {
            ub_log(server->host, UB_LOG_ERROR, "rights-not-usable",
                   "an identity is disconnected: its rights cannot be used",
                   UB_TEXT("identity", session->principal.id), UB_TEXT("why", err.message));
        }
    }
    for (uint32_t i = 0; i < NATS_SETS_MAX; i++) {
        ub_perms_unref(&sets[i]);
    }
    return perms;
}

static bool sessions_are_alike(const struct nats_session *a, const struct nats_session *b)
{
    return strcmp(a->principal.id, b->principal.id) == 0 &&
           a->principal.serial == b->principal.serial && a->principal.role == b->principal.role &&
           memcmp(a->principal.device, b->principal.device, sizeof(a->principal.device)) == 0 &&
           a->source_count == b->source_count &&
           memcmp(a->sources, b->sources, a->source_count * sizeof(uint32_t)) == 0;
}

/* Asks for each session, once for those that are alike and follow each other. */
static bool change_fill(struct change *change, struct nats_session **sessions, size_t count)
{
    bool is_any = false;
    for (size_t i = 0; i < count; i++) {
        struct change_item *item = &change->items[i];
        item->session = sessions[i];
        item->perms = i > 0 && sessions_are_alike(sessions[i], sessions[i - 1])
                          ? nats_perms_ref(change->items[i - 1].perms)
                          : session_ask(change->server, sessions[i]);
        change->count++;
        is_any |=
            nats_session_set_perms(change->server, item->session, nats_perms_ref(item->perms));
    }
    return is_any;
}

static struct change *change_prepare(struct nats_server *server, const char *id)
{
    struct nats_session **sessions;
    size_t count;
    nats_sessions_bump(server->sessions);
    if (!nats_sessions_of(server, id, &sessions, &count)) {
        return NULL;
    }
    struct change *change = change_new(server, count);
    for (size_t i = 0; i < count && change == NULL; i++) {
        nats_session_unref(server, &sessions[i]);
    }
    if (change != NULL && change_fill(change, sessions, count)) {
        for (uint32_t i = 0; i < server->shard_count; i++) {
            change_post_to(change, &server->shards[i]);
        }
    }
    free(sessions);
    return change;
}

/* A change that could not be looked at in time is not lost: it waits in the queue of logins, or,
 * when strangers have filled that, here. */
struct change_later {
    struct nats_provider *provider;
    char id[UB_ID_MAX];
};

static void change_on_pool(void *arg)
{
    struct change_later *later = arg;
    nats_authz_changed(later->provider, later->id, CHANGE_LATE_MS);
    free(later);
}

static uint32_t change_put_off(struct nats_provider *provider, const char *id, bool is_last_try)
{
    const struct ub_host *host = provider->server->host;
    struct change_later *later = calloc(1, sizeof(*later));
    if (later != NULL) {
        later->provider = provider;
        snprintf(later->id, sizeof(later->id), "%s", id);
        if (host->pool->submit(provider->server->auth_pool, change_on_pool, later) == UB_OK) {
            return 0;
        }
        free(later);
    }
    if (!is_last_try) {
        return nats_authz_changed(provider, id, CHANGE_LATE_MS);
    }
    host->node->fail(host, "E-NATS-RIGHTS", "a change of rights could not be applied");
    return 0;
}

uint32_t nats_authz_changed(void *arg, const char *id, int64_t wait_ms)
{
    struct nats_provider *provider = arg;
    struct nats_server *server = provider->server;
    struct timespec deadline = deadline_in(wait_ms < 0 ? 0 : wait_ms);
    if (!gate_enter(server, &deadline)) {
        return change_put_off(provider, id, wait_ms >= CHANGE_LATE_MS);
    }
    struct change *change = change_prepare(server, id);
    gate_leave(server);
    if (change == NULL) {
        server->host->node->fail(server->host, "E-NATS-MEMORY",
                                 "no memory to apply a change of rights");
        return 0;
    }
    uint32_t changed = change_wait(change, &deadline);
    change_unref(change);
    return changed;
}

static void inbox_taken_on_shard(void *arg)
{
    struct nats_shard *shard = arg;
    nats_shard_enter(shard);
    for (struct nats_conn *conn = shard->all; conn != NULL; conn = conn->all_next) {
        nats_proto_recheck_inboxes(conn);
    }
}

void nats_authz_inbox_taken(struct nats_server *server)
{
    for (uint32_t i = 0; i < server->shard_count; i++) {
        server->host->loop->post(server->shards[i].loop, inbox_taken_on_shard, &server->shards[i]);
    }
}
