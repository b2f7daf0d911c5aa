/* SPDX-License-Identifier: Apache-2.0
 *
 * A module that uses all of ub.bus, as a stream store will: what the loops deliver is put into a
 * queue, and one worker answers it in batches. It listens to
 *
 *     <subject>.ack    answers {"seq":N}, N counting from 1 over all that it acknowledged
 *     <subject>.echo   sends the payload back from the buffer in which it came, straight to the
 *                      subscription that is behind the reply subject
 *     <subject>.pull   keeps the request until its asker has gone
 *     <subject>.flood  "COUNT SIZE": so many messages of so many bytes to the reply subject, as
 * fast as the receiver takes them */
#ifndef ACKER_H
#define ACKER_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/bus.h>
#include <unibus/module.h>

#define ACKER_SEND_MAX  512 /* messages in one call of send */
#define ACKER_PULLS_MAX 64

struct acker;

enum acker_verb { ACKER_ACK, ACKER_ECHO, ACKER_PULL, ACKER_FLOOD, ACKER_VERBS };

struct acker_settings {
    const char *subject;
    int64_t pending_max;
};

/* A message in the queue; holds a reference to message.buf when owns_buf. */
struct acker_item {
    struct ub_bus_message message;
    enum acker_verb verb;
    bool owns_buf;
};

struct acker_items {
    struct acker_item *list;
    size_t count, room;
};

/* The worker's own: a flood that goes on while its receiver takes it. */
struct acker_flood {
    struct ub_bus_target to;
    char subject[256];
    uint64_t left;
    size_t size; /* of a message */
};

struct acker_listener {
    struct acker *acker;
    enum acker_verb verb;
    struct ub_bus_sub *sub;
};

struct acker {
    const struct ub_host *host;
    const struct acker_settings *settings;
    const struct ub_bus_ops *bus;
    void *bus_self;
    struct acker_listener listeners[ACKER_VERBS];
    pthread_t worker;
    bool has_worker;

    pthread_mutex_t lock;
    pthread_cond_t has_work;
    struct acker_items queue; /* under lock */
    bool is_over;             /* under lock */

    struct acker_items taken; /* the worker's, as are the rest up to the counters */
    struct ub_bus_interest *pulls[ACKER_PULLS_MAX]; /* NULL = free */
    struct acker_flood flood;                       /* left 0 = none */
    uint64_t sequence;

    _Atomic int64_t delivered, batches, answered, refused, gone, pulling;
};

/* queue.c: from the loops to the worker. */
void acker_deliver(void *listener, const struct ub_bus_source *source,
                   const struct ub_bus_message *messages, size_t count);
/* Moves all that waits to acker->taken; false = the end. Waits for work unless is_busy. */
bool acker_take(struct acker *acker, bool is_busy);
void acker_items_drop(struct acker_items *items);

/* worker.c */
void *acker_work(void *acker);

#endif
