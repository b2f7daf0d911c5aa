/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is connected with which rights. A session is one principal with one compiled set, shared by
 * his connections on all loops; the registry finds sessions by identity when rights change.
 *
 * Threads: any, but the list of connections in a session belongs to the loop of that shard. */
#ifndef NATS_SESSION_H
#define NATS_SESSION_H

#include "perms.h"
#include "server.h"

struct nats_conn;

struct nats_session {
    struct nats_session *next, *prev;         /* of similar identities: under the registry's lock */
    struct nats_session *set_next, *set_prev; /* of similar sets: under the registry's lock */
    uint32_t refs;                            /* under the registry's lock */
    struct ub_principal principal;
    uint32_t sources[NATS_SETS_MAX]; /* provider of each set */
    uint32_t source_count;
    const struct nats_perms *perms; /* at present, a reference: under the registry's lock */
    bool is_revoked;                /* under the registry's lock */
    struct nats_conn *conns[];      /* by shard */
};

/* What the providers answered: a principal and the sets, a reference each. */
struct nats_grant {
    struct ub_principal principal;
    const struct ub_perms *sets[NATS_SETS_MAX];
    uint32_t sources[NATS_SETS_MAX];
    uint32_t count;
    const char *refused_by; /* the module, when it was refused; NULL = nobody knew him */
};

void nats_grant_fini(struct nats_grant *grant);

struct nats_sessions *nats_sessions_new(void); /* NULL = no memory */
void nats_sessions_free(struct nats_sessions **sessions);

/* The number of changes of rights so far: what was asked before a change may be old. */
uint64_t nats_sessions_version(struct nats_sessions *sessions);
/* One more change; answers the new number. */
uint64_t nats_sessions_bump(struct nats_sessions *sessions);

/* The session of a grant, with a reference, shared with connections of the same grant. NULL with
 * *is_stale_out when rights changed since `version`: ask again. NULL otherwise: err. */
struct nats_session *nats_session_open(struct nats_server *server, const struct nats_grant *grant,
                                       uint64_t version, bool *is_stale_out, struct ub_err *err);
void nats_session_unref(struct nats_server *server, struct nats_session **session);

/* The present set, with a reference; NULL when it was revoked. */
const struct nats_perms *nats_session_perms(struct nats_server *server,
                                            struct nats_session *session);
/* Replaces the set (takes the reference; NULL = revoked); false when it was the same. */
bool nats_session_set_perms(struct nats_server *server, struct nats_session *session,
                            const struct nats_perms *perms);
/* The compiled form of these sets: one in use that says the same, or a new one; with a reference.
 */
const struct nats_perms *nats_sessions_compile(struct nats_sessions *sessions,
                                               const struct ub_perms *const *sets, uint32_t count,
                                               struct ub_err *err);

/* All sessions of an identity ("" = all), a reference each, in an array for free(). false = no
 * memory. */
bool nats_sessions_of(struct nats_server *server, const char *id,
                      struct nats_session ***sessions_out, size_t *count_out);

/* The loop of the connection. */
void nats_session_join(struct nats_session *session, struct nats_conn *conn);
void nats_session_leave(struct nats_session *session, struct nats_conn *conn);

static inline const struct ub_principal *nats_session_principal(const struct nats_session *session)
{
    return session == NULL ? NULL : &session->principal;
}

#endif
