/* SPDX-License-Identifier: Apache-2.0
 *
 * Refusals as `unibus why` shows them. What clients read stays nats-server's; the log line and the
 * decision say which rule it was. */
#ifndef NATS_DECISION_H
#define NATS_DECISION_H

#include "proto.h"
#include "session.h"

/* A login that was refused. Fills what the reason lacks; its decision then has the id. Any thread.
 */
void nats_decide_login(const struct nats_server *server, const struct ub_cred *cred,
                       const struct nats_grant *grant, struct ub_reason *reason, int64_t took_us);

/* A subject that was refused to a connection. */
struct nats_refusal {
    uint32_t right;   /* UB_PUBLISH or UB_SUBSCRIBE */
    const char *code; /* "publish-refused" … */
    struct ub_bytes subject, queue;
    const char *wanted; /* when no rule was missing: what must be otherwise; NULL = a rule */
};

/* Sends -ERR text and records why, unless there was much to complain of this second. The loop. */
void nats_conn_deny(struct nats_conn *conn, const char *text, const struct nats_refusal *refusal);

/* Which rule of the set decides about a subject, in words, and whose rule it is. */
struct nats_why {
    char text[256];
    const char *provider;
};
/* queue may be empty. Any thread. */
void nats_perms_why(const struct nats_perms *perms, uint32_t right, struct ub_bytes subject,
                    struct ub_bytes queue, struct nats_why *why_out);

#endif
