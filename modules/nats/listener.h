/* SPDX-License-Identifier: Apache-2.0
 *
 * The sockets that clients connect to. Bound at start, watched by loop 0 from ready on; connections
 * go to the loops in turn. */
#ifndef NATS_LISTENER_H
#define NATS_LISTENER_H

#include "server.h"

#define NATS_URL_MAX 96

/* The main loop. Binds every address; posts the fact nats.url. */
enum ub_status nats_listeners_open(struct nats_server *server, struct ub_err *err);
void nats_listeners_close(struct nats_server *server);
/* Loop 0. */
void nats_listeners_accept(void *server);
void nats_listeners_stop(void *server);

/* The port of the first listener; 0 = none. */
uint16_t nats_listeners_port(const struct nats_server *server);
uint16_t nats_listener_port(const struct nats_server *server, size_t index);

#endif
