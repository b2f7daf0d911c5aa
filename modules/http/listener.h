/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include "server.h"

/* Binds and listens; nothing is accepted yet. Main loop. */
enum ub_status http_listener_open(struct http_listener *listener, const struct ub_listen *where,
                                  struct ub_err *err);
/* The admin socket: a file of mode 0600. A stale one of a dead node is replaced, one that somebody
 * listens on is an error (admin_socket.c). */
enum ub_status http_admin_open(struct http_listener *listener, const char *path,
                               struct ub_err *err);
/* Closes, and removes the file of an admin socket. */
void http_listener_close(struct http_listener *listener);

/* Begin and end to accept. Threads: the loop's. */
bool http_listener_begin(struct http_listener *listener);
void http_listener_end(struct http_listener *listener);

/* Is the other end of a Unix socket root or the user of this process? */
bool http_admin_is_peer(int fd);

#endif
