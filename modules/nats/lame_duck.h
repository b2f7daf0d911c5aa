/* SPDX-License-Identifier: Apache-2.0
 *
 * Lame duck: the server takes nobody new, tells its clients (INFO with ldm), and closes them one
 * after the other over lame_duck_duration, so that they do not all fall on their next server at
 * once. Nothing that was sent is lost by it: a connection that is closed is still read until its
 * client closes too. */
#ifndef NATS_LAME_DUCK_H
#define NATS_LAME_DUCK_H

#include "conn.h"

/* lame_duck_grace is shorter than lame_duck_duration. Any thread. */
enum ub_status nats_lame_duck_check(const struct nats_settings *settings, struct ub_err *err);

/* The main loop; once is enough. */
void nats_lame_duck_begin(struct nats_server *server);
/* All clients have gone, or the time is over. */
bool nats_lame_duck_is_over(struct nats_server *server);
/* Each tick of a loop. */
void nats_lame_duck_tick(struct nats_shard *shard);

/* Closes our side when all is written, and the rest when the client has closed his: what he sent
 * before he knew counts. The loop. */
void nats_conn_leave(struct nats_conn *conn);
/* After a write: is it time to close our side? */
void nats_conn_part(struct nats_conn *conn);

#endif
