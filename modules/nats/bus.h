/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.bus as this server provides it (unibus/bus.h). */
#ifndef NATS_BUS_H
#define NATS_BUS_H

#include "deliver.h"

extern const struct ub_bus_ops nats_bus_ops;

/* Puts a message of the shard's source aside for a module's subscription. False = no memory. */
bool nats_bus_collect(struct nats_shard *shard, struct ub_bus_sub *bus_sub,
                      const struct nats_message *message);
/* Hands over what was collected; conn is where it came from, NULL = a module. Before the buffers
 * of the messages go, and before the shard's source changes. */
void nats_bus_hand_over(struct nats_shard *shard, struct nats_conn *conn);

/* bus_send.c */
enum ub_status nats_bus_send(void *self, const struct ub_bus_send *messages, size_t count,
                             ub_bus_refused_fn refused, void *arg);

#endif
