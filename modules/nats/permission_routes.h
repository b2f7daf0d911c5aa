/* SPDX-License-Identifier: Apache-2.0
 *
 * The effective permission set of an identity over HTTP, for `unibus explain`. nats serves it
 * because only nats combines the sets of all providers. */
#ifndef NATS_PERMISSION_ROUTES_H
#define NATS_PERMISSION_ROUTES_H

#include <unibus/httpd.h>

#include "server.h"

/* Main loop, in bind. */
enum ub_status nats_permission_routes(struct nats_server *server, const struct ub_service *httpd,
                                      struct ub_err *err);
/* No request is inside any more; main loop, after is_running has become false. */
void nats_permission_routes_leave(struct nats_server *server);

#endif
