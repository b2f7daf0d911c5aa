/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_FLOW_H
#define UNIBUS_CLIENT_FLOW_H

#include <unibus-client/bus.h>

/* The message bus for much traffic: what is published is gathered before it is written, what
 * arrives goes to a function, and nothing waits for a round trip unless asked to. Such a connection
 * is not made again when it is lost: whoever counts messages must hear of it. A server that takes
 * nothing for 10 s is lost. Close it with unibus_bus_close: nothing is called after that. */

struct unibus_flow_options {
    const char *url; /* NULL: the bus of the client's node. May hold user:password@ or token@ */
    bool is_direct;  /* each message is written at once; else up to 1 ms later, many together */
};

/* client: its NATS key logs in; NULL: as the address says. */
enum unibus_status unibus_flow_open(struct unibus_client *client,
                                    const struct unibus_flow_options *options,
                                    struct unibus_bus **bus_out, struct unibus_err *err);

#define UNIBUS_FLOW_TEXT_MAX 256
/* Where it is connected to, without user and password. */
void unibus_flow_url(const struct unibus_bus *bus, char url_out[UNIBUS_FLOW_TEXT_MAX]);

/* Any thread. What the server refuses is told by the next flush. */
enum unibus_status unibus_flow_publish(struct unibus_bus *bus, const struct unibus_post *post,
                                       struct unibus_err *err);
/* Returns when the server has seen everything published; UNIBUS_DENIED when it refused some. */
enum unibus_status unibus_flow_flush(struct unibus_bus *bus, int64_t timeout_ms,
                                     struct unibus_err *err);

struct unibus_delivery {
    const char *subject;
    const char *reply;      /* NULL when no answer is awaited */
    const char *ub_subject; /* NULL when absent */
    struct ubr_bytes payload;
    bool is_unanswered; /* the server's word that nobody listens to what was asked */
};
/* On a thread of the connection, one message after the other; borrowed until it returns. */
typedef void (*unibus_flow_fn)(void *arg, const struct unibus_delivery *delivery);

/* At most one subscription a connection. The server knows of it when this returns; UNIBUS_DENIED
 * when it refused. What arrives while the function is at work waits in memory, up to 1 GiB; what is
 * more is dropped and counted. */
enum unibus_status unibus_flow_receive(struct unibus_bus *bus, const char *subject,
                                       unibus_flow_fn take, void *arg, struct unibus_err *err);
/* Waits until the function has seen all that the server had sent. UNIBUS_TIMEOUT. */
enum unibus_status unibus_flow_settle(struct unibus_bus *bus, int64_t timeout_ms,
                                      struct unibus_err *err);
/* Messages that this process dropped because the function was too slow. */
int64_t unibus_flow_dropped(const struct unibus_bus *bus);

/* A subject that only this connection listens to, for answers: "_INBOX.…". */
void unibus_flow_inbox(const struct unibus_bus *bus, char subject_out[UNIBUS_FLOW_TEXT_MAX]);

/* UNIBUS_OK while all is well; else what the server refused, or why it closed the connection. */
enum unibus_status unibus_flow_check(struct unibus_bus *bus, struct unibus_err *err);

#endif
