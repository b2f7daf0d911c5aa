/* SPDX-License-Identifier: Apache-2.0
 *
 * What INFO says: once for the server, and to each connection again when something of it changes.
 */
#ifndef NATS_INFO_H
#define NATS_INFO_H

#include "conn.h"

/* connect_urls and the first INFO of a connection together stay below this. */
#define NATS_INFO_URLS_MAX 2048
#define NATS_INFO_MAX      (NATS_INFO_URLS_MAX + 2048)

/* Makes server->info, after the ports are bound. The main loop. */
enum ub_status nats_info_make(struct nats_server *server, struct ub_err *err);

/* Are these addresses for `advertise`? Any thread. */
enum ub_status nats_info_check(const struct ub_strings *advertise, struct ub_err *err);

/* Makes connect_urls of what is to be advertised; tells who can hear it when that is new. The main
 * loop; nats_info_check said yes. */
void nats_info_advertise(struct nats_server *server, const struct ub_strings *advertise);

/* `"connect_urls":[…],` or "", into a room of NATS_INFO_URLS_MAX. Any thread. */
void nats_info_urls(struct nats_server *server, char *out);

/* An INFO in the middle of a connection, for clients of protocol 1; others hear nothing. The
 * connection's loop. */
void nats_info_send(struct nats_conn *conn);

/* The same with ldm to this one alone: it is to look for another server, the others stay. false =
 * it cannot hear of that: protocol 0, or no PING of its own was answered yet. Its loop. */
bool nats_info_send_away(struct nats_conn *conn);

/* All connections of all loops. Any thread. */
void nats_info_send_all(struct nats_server *server);

#endif
