/* SPDX-License-Identifier: Apache-2.0
 *
 * Monitoring with nats-server's JSON: over HTTP on loopback (setting `monitor`) and over
 * `$SYS.REQ.…` for those whose permissions reach there; field names and formats are those of
 * nats-server 2.11, docs/nats.md lists what differs.
 *
 * One thread of its own (loop "nats-monitor") asks one after another: it posts small steps to the
 * I/O loops and waits for each, so that no loop stops for long whatever is asked, and no more than
 * one answer is in the making. */
#ifndef NATS_MONITOR_H
#define NATS_MONITOR_H

#include "../server.h"

#define NATS_MONITOR_ACCOUNT   "$G" /* there is one account, the global one */
#define NATS_MONITOR_SYSTEM    "$SYS"
#define NATS_MONITOR_USER_INFO "$SYS.REQ.USER.INFO"

struct nats_conn;

/* The main loop. start: the I/O loops run already; binds the ports, subscribes, posts the fact
 * nats.monitor_url. stop: before the loops end. */
enum ub_status nats_monitor_start(struct nats_server *server, struct ub_err *err);
void nats_monitor_stop(struct nats_server *server);
/* When the I/O loops have ended: until then they look at it. */
void nats_monitor_free(struct nats_monitor **monitor);

/* A client is about to be let in, or has ended; the loop of the connection. They tell those who
 * listen to `$SYS.ACCOUNT.$G.…`; closed keeps it in the ring of closed connections too. */
void nats_monitor_connected(struct nats_conn *conn);
void nats_monitor_closed(struct nats_conn *conn);

/* Everybody may ask for himself, whatever his permissions are. */
static inline bool nats_monitor_is_open(struct ub_bytes subject)
{
    return subject.len == sizeof(NATS_MONITOR_USER_INFO) - 1 &&
           memcmp(subject.ptr, NATS_MONITOR_USER_INFO, subject.len) == 0;
}

#endif
