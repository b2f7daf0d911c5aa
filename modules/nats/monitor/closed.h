/* SPDX-License-Identifier: Apache-2.0
 *
 * The connections that were closed last, for `/connz?state=closed`: a ring for each I/O loop,
 * NATS_CLOSED_MAX in all. What they had subscribed is not kept, only how much. The loop's thread,
 * and the main loop's when the loop has ended. */
#ifndef NATS_MONITOR_CLOSED_H
#define NATS_MONITOR_CLOSED_H

#include "../conn.h"

#define NATS_CLOSED_MAX 10000 /* as nats-server */

/* Why a connection ended. Their texts are nats-server's; they ascend by text. */
enum nats_closed_reason {
    NATS_CLOSED_AUTHENTICATION = 0,
    NATS_CLOSED_AUTH_TIMEOUT,
    NATS_CLOSED_PROTOCOL_VERSION,
    NATS_CLOSED_CLIENT,
    NATS_CLOSED_REVOKED,
    NATS_CLOSED_INTERNAL,
    NATS_CLOSED_KICKED,
    NATS_CLOSED_CONNECTIONS,
    NATS_CLOSED_CONTROL_LINE,
    NATS_CLOSED_PAYLOAD,
    NATS_CLOSED_HEADERS,
    NATS_CLOSED_NO_RESPONDERS,
    NATS_CLOSED_PARSE,
    NATS_CLOSED_OPERATION,
    NATS_CLOSED_SHUTDOWN,
    NATS_CLOSED_PENDING,
    NATS_CLOSED_DEADLINE,
    NATS_CLOSED_STALE,
    NATS_CLOSED_TLS,
    NATS_CLOSED_WRITE,
    NATS_CLOSED_REASONS
};

const char *nats_closed_text(enum nats_closed_reason reason);
/* The reason behind a code of nats_conn_fail; NULL = the client left. */
enum nats_closed_reason nats_closed_reason_of(const char *code);

struct nats_closed {
    uint64_t cid;
    enum nats_closed_reason reason;
    int64_t opened_ms, last_ms, closed_ms; /* monotonic */
    struct nats_conn_counts counts;
    uint32_t sub_count;
    uint16_t port;
    bool has_about;
    char address[NATS_ADDRESS_MAX];
    char text[]; /* user, then name, lang, version when has_about; each with its NUL */
};

struct nats_closed_ring {
    uint64_t total; /* ever closed; the next one's number */
    uint32_t room;
    struct nats_closed *items[]; /* by number modulo room */
};

/* Nothing is kept when memory is short. */
void nats_closed_add(struct nats_conn *conn, const char *user);
void nats_closed_ring_free(struct nats_closed_ring **ring);

/* The number of the oldest that is kept. */
static inline uint64_t nats_closed_first(const struct nats_closed_ring *ring)
{
    return ring->total > ring->room ? ring->total - ring->room : 0;
}

#endif
