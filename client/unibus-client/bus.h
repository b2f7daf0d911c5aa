/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_BUS_H
#define UNIBUS_CLIENT_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include <ubr/bytes.h>

#include <unibus-client/client.h>

/* The message bus: one NATS connection with this device's NATS key, and at most one subscription.
 * A permission that is lost while it is open closes nothing: it is told as an event. */

struct unibus_bus;

enum unibus_status unibus_bus_open(struct unibus_client *client, struct unibus_bus **bus_out,
                                   struct unibus_err *err);
void unibus_bus_close(struct unibus_bus **bus);

/* The string that the server wants signed must look like a nonce, [A-Za-z0-9_-]{11,64}; nothing
 * else is ever signed with the NATS key (UBR1, 4.4). */
bool unibus_nonce_is_good(const char *nonce);

/* Published, and the server has seen it: UNIBUS_DENIED when it refused. ub_subject goes into the
 * header of that name; NULL = no header. nats_id NULL = none. A refused subject stays refused on
 * this connection. */
struct unibus_post {
    const char *subject;
    const char *reply; /* where an answer is awaited; NULL = nowhere */
    const char *ub_subject;
    const char *nats_id;
    struct ubr_bytes payload;
};
enum unibus_status unibus_bus_publish(struct unibus_bus *bus, const struct unibus_post *post,
                                      struct unibus_err *err);

/* The server knows of it when this returns; if it refused, the next event says so. */
enum unibus_status unibus_bus_subscribe(struct unibus_bus *bus, const char *subject,
                                        struct unibus_err *err);

enum unibus_bus_event_type {
    UNIBUS_BUS_QUIET, /* the time has passed */
    UNIBUS_BUS_MESSAGE,
    UNIBUS_BUS_REFUSED, /* text: the server's words */
    UNIBUS_BUS_LOST,    /* the connection broke; it is being made again */
    UNIBUS_BUS_BACK,    /* connected again, subscribed again */
    UNIBUS_BUS_CLOSED,  /* for good; text: why */
};

struct unibus_bus_event {
    enum unibus_bus_event_type type;
    char text[256];
    const char *subject;    /* message; borrowed until the event is cleared */
    const char *ub_subject; /* NULL when absent */
    struct ubr_bytes payload;
    void *owned;
};

/* Waits at most timeout_ms for the next event. */
void unibus_bus_next(struct unibus_bus *bus, int64_t timeout_ms,
                     struct unibus_bus_event *event_out);
void unibus_bus_event_clear(struct unibus_bus_event *event);

#endif
