/* SPDX-License-Identifier: Apache-2.0
 *
 * Asking the ub.authz providers, and hearing from them. */
#ifndef NATS_AUTHZ_H
#define NATS_AUTHZ_H

#include "proto.h"
#include "session.h"

/* Hands the question over to the pool; the answer arrives at the connection's loop. The loop. */
void nats_authz_ask(struct nats_conn *conn, const struct nats_connect_options *options);

/* All providers in order, by the rule of unibus/authz.h. Fills
 * grant_out on UB_ALLOW. May block: never on a loop. */
enum ub_verdict nats_authz_decide(struct nats_server *server, const struct ub_cred *cred,
                                  struct nats_grant *grant_out, struct ub_reason *reason_out);

/* Gives the connection its rights. The loop. */
void nats_conn_take_perms(struct nats_conn *conn, const struct nats_perms *perms);
/* The identity by which inboxes are owned; room: UB_ID_MAX + 24 bytes. */
const char *nats_conn_identity(const struct nats_conn *conn, char *room);

enum ub_status nats_authz_watch(struct nats_server *server, struct ub_err *err);
void nats_authz_unwatch(struct nats_server *server);

/* change.c: ub_authz_changed_fn; arg is a struct nats_provider. Any thread but a loop. */
uint32_t nats_authz_changed(void *arg, const char *id, int64_t wait_ms);
void nats_change_gate_init(struct nats_server *server);
void nats_change_gate_fini(struct nats_server *server);
/* Somebody's reserved inbox was held by others: all loops look after their connections. */
void nats_authz_inbox_taken(struct nats_server *server);

#endif
