/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <stdlib.h>

#include <unibus/error.h>

#include "conn.h"
#include "hash.h"
#include "shard.h"

#define SESSION_BUCKETS 4096

struct nats_sessions {
    pthread_mutex_t lock;
    struct nats_session *by_id[SESSION_BUCKETS];
    struct nats_session *by_set[SESSION_BUCKETS]; /* of those that have a set */
    size_t count;
    uint64_t version;
};

static struct nats_session **bucket_of_id(struct nats_sessions *sessions, const char *id)
{
    return &sessions->by_id[nats_hash(nats_text(id), 0) % SESSION_BUCKETS];
}

static struct nats_session **bucket_of_set(struct nats_sessions *sessions, uint64_t content)
{
    return &sessions->by_set[content % SESSION_BUCKETS];
}

void nats_grant_fini(struct nats_grant *grant)
{
    for (uint32_t i = 0; i < grant->count; i++) {
        ub_perms_unref(&grant->sets[i]);
    }
    grant->count = 0;
}

struct nats_sessions *nats_sessions_new(void)
{
    struct nats_sessions *sessions = calloc(1, sizeof(*sessions));
    if (sessions != NULL) {
        pthread_mutex_init(&sessions->lock, NULL);
    }
    return sessions;
}

void nats_sessions_free(struct nats_sessions **sessions)
{
    if (*sessions != NULL) {
        pthread_mutex_destroy(&(*sessions)->lock);
        free(*sessions);
        *sessions = NULL;
    }
}

uint64_t nats_sessions_version(struct nats_sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    uint64_t version = sessions->version;
    pthread_mutex_unlock(&sessions->lock);
    return version;
}

uint64_t nats_sessions_bump(struct nats_sessions *sessions)
{
    pthread_mutex_lock(&sessions->lock);
    uint64_t version = ++sessions->version;
    pthread_mutex_unlock(&sessions->lock);
    return version;
}

const struct nats_perms *nats_sessions_compile(struct nats_sessions *sessions,
                                               const struct ub_perms *const *sets, uint32_t count,
                                               struct ub_err *err)
{
    const struct nats_perms *known = NULL;
    uint64_t content = nats_perms_content(sets, count);
    pthread_mutex_lock(&sessions->lock);
    for (const struct nats_session *it = *bucket_of_set(sessions, content);
         it != NULL && known == NULL; it = it->set_next) {
        if (it->perms->content == content && nats_perms_says(it->perms, sets, count)) {
            known = nats_perms_ref(it->perms);
        }
    }
    pthread_mutex_unlock(&sessions->lock);
    return known != NULL ? known : nats_perms_new(sets, count, err);
}

static bool session_is_of(const struct nats_session *session, const struct nats_grant *grant,
                          const struct nats_perms *perms)
{
    return !session->is_revoked && session->perms == perms &&
           session->source_count == grant->count &&
           strcmp(session->principal.id, grant->principal.id) == 0 &&
           memcmp(session->principal.device, grant->principal.device,
                  sizeof(grant->principal.device)) == 0 &&
           session->principal.role == grant->principal.role &&
           session->principal.serial == grant->principal.serial &&
           memcmp(session->sources, grant->sources, grant->count * sizeof(uint32_t)) == 0;
}

static struct nats_session *session_new(struct nats_server *server, const struct nats_grant *grant,
                                        const struct nats_perms *perms)
{
    struct nats_session *session =
        calloc(1, sizeof(*session) + server->shard_count * sizeof(struct nats_conn *));
    if (session != NULL) {
        session->principal = grant->principal;
        memcpy(session->sources, grant->sources, sizeof(session->sources));
        session->source_count = grant->count;
        session->perms = nats_perms_ref(perms);
    }
    return session;
}

static void session_link_set(struct nats_sessions *sessions, struct nats_session *session)
{
    if (session->perms == NULL) {
        return;
    }
    struct nats_session **head = bucket_of_set(sessions, session->perms->content);
    session->set_prev = NULL;
    session->set_next = *head;
    if (*head != NULL) {
        (*head)->set_prev = session;
    }
    *head = session;
}

static void session_unlink_set(struct nats_sessions *sessions, struct nats_session *session)
{
    if (session->perms == NULL) {
        return;
    }
    struct nats_session **head = bucket_of_set(sessions, session->perms->content);
    *(session->set_prev != NULL ? &session->set_prev->set_next : head) = session->set_next;
    if (session->set_next != NULL) {
        session->set_next->set_prev = session->set_prev;
    }
}

static void session_link(struct nats_sessions *sessions, struct nats_session *session)
{
    struct nats_session **head = bucket_of_id(sessions, session->principal.id);
    session->next = *head;
    if (*head != NULL) {
        (*head)->prev = session;
    }
    *head = session;
    sessions->count++;
    session_link_set(sessions, session);
}

static void session_unlink(struct nats_sessions *sessions, struct nats_session *session)
{
    struct nats_session **head = bucket_of_id(sessions, session->principal.id);
    *(session->prev != NULL ? &session->prev->next : head) = session->next;
    if (session->next != NULL) {
        session->next->prev = session->prev;
    }
    sessions->count--;
    session_unlink_set(sessions, session);
}

static struct nats_session *session_find_or_make(struct nats_server *server,
                                                 const struct nats_grant *grant,
                                                 const struct nats_perms *perms)
{
    struct nats_session *session = *bucket_of_id(server->sessions, grant->principal.id);
    while (session != NULL && !session_is_of(session, grant, perms)) {
        session = session->next;
    }
    if (session == NULL && (session = session_new(server, grant, perms)) != NULL) {
        session_link(server->sessions, session);
    }
    if (session != NULL) {
        session->refs++;
    }
    return session;
}

struct nats_session *nats_session_open(struct nats_server *server, const struct nats_grant *grant,
                                       uint64_t version, bool *is_stale_out, struct ub_err *err)
{
    *is_stale_out = false;
    const struct nats_perms *perms =
        nats_sessions_compile(server->sessions, grant->sets, grant->count, err);
    if (perms == NULL) {
        return NULL;
    }
    struct nats_session *session = NULL;
    ub_fail(err, UB_ENOMEM, "no memory for a session");
    pthread_mutex_lock(&server->sessions->lock);
    *is_stale_out = server->sessions->version != version;
    if (!*is_stale_out) {
        session = session_find_or_make(server, grant, perms);
    }
    pthread_mutex_unlock(&server->sessions->lock);
    nats_perms_unref(&perms);
    return session;
}

void nats_session_unref(struct nats_server *server, struct nats_session **session)
{
    struct nats_session *it = *session;
    *session = NULL;
    if (it == NULL) {
        return;
    }
    pthread_mutex_lock(&server->sessions->lock);
    bool is_last = --it->refs == 0;
    if (is_last) {
        session_unlink(server->sessions, it);
    }
    pthread_mutex_unlock(&server->sessions->lock);
    if (is_last) {
        nats_perms_unref(&it->perms);
        free(it);
    }
}

const struct nats_perms *nats_session_perms(struct nats_server *server,
                                            struct nats_session *session)
{
    pthread_mutex_lock(&server->sessions->lock);
    const struct nats_perms *perms = session->is_revoked ? NULL : nats_perms_ref(session->perms);
    pthread_mutex_unlock(&server->sessions->lock);
    return perms;
}

bool nats_session_set_perms(struct nats_server *server, struct nats_session *session,
                            const struct nats_perms *perms)
{
    pthread_mutex_lock(&server->sessions->lock);
    const struct nats_perms *old = session->perms;
    bool is_same = perms == old && !session->is_revoked;
    session_unlink_set(server->sessions, session);
    session->perms = perms;
    session_link_set(server->sessions, session);
    session->is_revoked = session->is_revoked || perms == NULL;
    pthread_mutex_unlock(&server->sessions->lock);
    nats_perms_unref(&old);
    return !is_same;
}

static size_t sessions_collect(struct nats_session *first, const char *id,
                               struct nats_session **found)
{
    size_t count = 0;
    for (struct nats_session *it = first; it != NULL; it = it->next) {
        if (id[0] == '\0' || strcmp(id, it->principal.id) == 0) {
            it->refs++;
            found[count++] = it;
        }
    }
    return count;
}

bool nats_sessions_of(struct nats_server *server, const char *id,
                      struct nats_session ***sessions_out, size_t *count_out)
{
    struct nats_sessions *sessions = server->sessions;
    size_t count = 0;
    pthread_mutex_lock(&sessions->lock);
    struct nats_session **found = calloc(sessions->count + 1, sizeof(struct nats_session *));
    if (found != NULL && id[0] != '\0') {
        count = sessions_collect(*bucket_of_id(sessions, id), id, found);
    }
    for (size_t i = 0; i < SESSION_BUCKETS && found != NULL && id[0] == '\0'; i++) {
        count += sessions_collect(sessions->by_id[i], id, found + count);
    }
    pthread_mutex_unlock(&sessions->lock);
    *sessions_out = found;
    *count_out = count;
    return found != NULL;
}

void nats_session_join(struct nats_session *session, struct nats_conn *conn)
{
    struct nats_conn **head = &session->conns[conn->shard->index];
    conn->session = session;
    conn->session_prev = NULL;
    conn->session_next = *head;
    if (*head != NULL) {
        (*head)->session_prev = conn;
    }
    *head = conn;
}

void nats_session_leave(struct nats_session *session, struct nats_conn *conn)
{
    struct nats_conn **head = &session->conns[conn->shard->index];
    *(conn->session_prev != NULL ? &conn->session_prev->session_next : head) = conn->session_next;
    if (conn->session_next != NULL) {
        conn->session_next->session_prev = conn->session_prev;
    }
    conn->session = NULL;
}
