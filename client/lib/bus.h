/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_LIB_BUS_H
#define UNIBUS_CLIENT_LIB_BUS_H

#include <pthread.h>

#include <nats/nats.h>

#include <unibus-client/flow.h>

#include "client.h"

#define EVENTS_MAX  64
#define BUS_WAIT_MS 10000
#define BUS_URL_MAX 256

/* Events that the library's own threads report wait here for the caller. */
struct event_queue {
    pthread_mutex_t lock;
    pthread_cond_t closed;
    struct unibus_bus_event items[EVENTS_MAX];
    size_t first, count;
};

struct unibus_bus {
    natsOptions *options;
    natsConnection *connection;
    natsSubscription *subscription;
    struct ubr_sign_key nats;
    bool has_identity; /* logs in with the key; else as the address says */
    char inbox[64];
    bool was_refused_nonce;
    bool was_unlucky; /* the signature of the last nonce could not be sent */
    bool is_closed;   /* under events.lock: the library reports nothing any more */
    struct event_queue events;
    natsStatus (*prepare)(struct unibus_bus *bus); /* further options; NULL = none */
    /* of a flow */
    bool is_direct;
    bool is_receiving; /* under events.lock: take may still be called */
    unibus_flow_fn take;
    void *take_arg;
};

/* identity NULL: none. NULL when there is no memory. */
struct unibus_bus *bus_new(const struct unibus_identity *identity);
enum unibus_status bus_node_url(struct unibus_client *client, char url_out[BUS_URL_MAX],
                                struct unibus_err *err);
enum unibus_status bus_connect(struct unibus_bus *bus, const char *url, struct unibus_err *err);
/* The address without user and password. */
void bus_public_url(const char *url, char text_out[BUS_URL_MAX]);
/* Into the library's buffer. */
natsStatus bus_post(struct unibus_bus *bus, const struct unibus_post *post);
enum unibus_status bus_cannot_publish(natsStatus s, size_t len, struct unibus_err *err);
bool bus_pop_event(struct unibus_bus *bus, struct unibus_bus_event *event_out);

#endif
