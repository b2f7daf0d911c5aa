/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling a module when nobody is interested in a literal subject any more. Each watch hangs on one
 * subscription that matches; when that goes, it moves to another, or fires. Threads: any. */
#ifndef NATS_INTEREST_H
#define NATS_INTEREST_H

#include "server.h"

struct nats_interests *nats_interests_new(void); /* NULL = no memory */
void nats_interests_free(struct nats_interests **interests);

enum ub_status nats_interest_watch(struct nats_server *server, struct ub_bytes subject,
                                   ub_bus_gone_fn gone, void *arg,
                                   struct ub_bus_interest **interest_out);
/* After it returned, gone is not called; within gone it may be called as well. */
void nats_interest_unwatch(struct nats_server *server, struct ub_bus_interest **interest);

/* The subscription has just left the list, or receives less than before. It is not yet freed. */
void nats_interest_lost(struct nats_server *server, struct nats_sub *sub);

#endif
