/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.bus 1.1: the subjects of the data plane, for modules. Provided by nats; made so that a module
 * can acknowledge a million messages a second (bench/bench_bus measures it; JetStream is the first
 * heavy user). 1.1 appended: settle.
 *
 * Delivery comes in batches: an array of messages from one source connection, one call. Payloads
 * are referenced buffers that may be kept. Publishing goes through a completion queue: any thread,
 * any number of messages a call, one wake-up a batch, no copying of payloads.
 *
 * Threads: deliver and gone callbacks run on the I/O loop of the source connection (for messages
 * from a module: on the loop that took its batch); they must not block. All functions are
 * thread-safe.
 */
#ifndef UNIBUS_BUS_H
#define UNIBUS_BUS_H

#include <unibus/abi.h>
#include <unibus/authz.h>

#define UB_BUS_IFACE "ub.bus"
#define UB_BUS_MAJOR 1
#define UB_BUS_MINOR 1

struct ub_bus_sub;
struct ub_bus_interest;

/* One subscription of one connection; stays unique after both are gone. conn 0 = a module. */
struct ub_bus_target {
    uint64_t conn;
    uint64_t sub;
};

/* A message as delivered to a module. All ranges lie in buf: keep them by ub_buf_ref(buf). */
struct ub_bus_message {
    struct ub_bytes subject;
    struct ub_bytes reply;   /* empty = none */
    struct ub_bytes headers; /* with the NATS/1.0 line and the closing CRLFCRLF; empty = none */
    struct ub_bytes payload;
    struct ub_buf *buf;
};

/* Where a batch comes from: valid until the callback returns. */
struct ub_bus_source {
    uint32_t size;
    uint64_t conn;                        /* 0 = a module */
    const struct ub_principal *principal; /* NULL for a module */
    const struct ub_perms *perms;         /* of the connection now; ref it to keep it */
};

typedef void (*ub_bus_deliver_fn)(void *arg, const struct ub_bus_source *source,
                                  const struct ub_bus_message *messages, size_t count);

/* A message to send. Ranges are copied, but for payload (and headers) when buf is given: then they
 * lie in buf, which is referenced until they are sent. */
struct ub_bus_send {
    struct ub_bytes subject;
    struct ub_bytes reply;
    struct ub_bytes headers;
    struct ub_bytes payload;
    struct ub_buf *buf;
    struct ub_bus_target to; /* sub != 0: straight to this subscription, subject as given */
    uint32_t flags;          /* UB_BUS_… */
    uint64_t tag;            /* comes back with `refused` */
};

#define UB_BUS_REFUSE 0x1u /* tell `refused` when nobody was there */

/* Nobody received the message of this tag. On the loop that took the batch. */
typedef void (*ub_bus_refused_fn)(void *arg, uint64_t tag);
/* The last subscription that matched a literal subject has gone. */
typedef void (*ub_bus_gone_fn)(void *arg, struct ub_bytes subject);

struct ub_bus_sub_options {
    uint32_t size;
    const char *subject; /* a pattern */
    const char *queue;   /* NULL = none */
    ub_bus_deliver_fn deliver;
    void *arg;
};

struct ub_bus_ops {
    uint32_t size;

    enum ub_status (*subscribe)(void *self, const struct ub_bus_sub_options *options,
                                struct ub_bus_sub **sub_out, struct ub_err *err);
    /* Blocks until no delivery runs; not from within a delivery. */
    void (*unsubscribe)(void *self, struct ub_bus_sub **sub);

    /* Puts a batch into the queue. UB_EUNAVAILABLE when stopping. refused may be NULL. Messages on
     * one subject, below one inbox (`_INBOX.<token>`) or to one connection keep their order. */
    enum ub_status (*send)(void *self, const struct ub_bus_send *messages, size_t count,
                           ub_bus_refused_fn refused, void *arg);

    /* Is anybody subscribed to what would match this literal subject? */
    bool (*has_interest)(void *self, struct ub_bytes subject);
    /* One target that matches the literal subject, to send straight to; UB_ENOTFOUND. */
    enum ub_status (*resolve)(void *self, struct ub_bytes subject,
                              struct ub_bus_target *target_out);
    /* gone fires once, when the interest in the literal subject ends (a pull request ends when its
     * asker goes); UB_ENOTFOUND when there is none now. */
    enum ub_status (*watch_interest)(void *self, struct ub_bytes subject, ub_bus_gone_fn gone,
                                     void *arg, struct ub_bus_interest **interest_out);
    void (*unwatch_interest)(void *self, struct ub_bus_interest **interest);

    /* Back-pressure: bytes queued to a connection and not yet sent, and everything that is still on
     * its way to the connection's loop, so what `send` has taken counts at once. 0 when it is gone.
     */
    size_t (*pending_bytes)(void *self, uint64_t conn);

    /* since 1.1: blocks until everything that was sent before the call has been handled, so that no
     * `refused` of it comes later; before a module frees what their arg points to. Not on a loop.
     */
    void (*settle)(void *self);
};

#endif
