/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection: reads requests, one at a time, and sends what the exchange with them produces.
 * Threads: everything here belongs to the loop.
 *
 * Every way into a connection (socket, timer, task) ends with http_conn_settle, which does what can
 * be done now and frees the connection when it is over; nothing touches it after that. */
#ifndef HTTP_CONN_H
#define HTTP_CONN_H

#include <netinet/in.h>

#include "reader.h"
#include "server.h"
#include "wire.h"

enum http_phase {
    HTTP_PHASE_HEAD = 0, /* between two requests, or reading a head */
    HTTP_PHASE_HELD,     /* the head is being judged; nothing is read */
    HTTP_PHASE_BODY,
    HTTP_PHASE_ANSWER,  /* nothing is read until the answer is complete */
    HTTP_PHASE_STREAM,  /* an event stream; what the peer sends is thrown away */
    HTTP_PHASE_CLOSING, /* what is in `out` is the last that is sent */
    HTTP_PHASE_LINGER   /* all is sent; waits for the peer to close, so that no reset kills it */
};

struct http_peer {
    bool is_admin, is_loopback;
    char address[INET6_ADDRSTRLEN];
};

struct http_conn {
    struct ub_http_server *server;
    struct http_conn *next, *prev;
    struct http_wire wire;
    struct event *event;
    short wanted; /* what `event` waits for */
    enum http_phase phase;
    bool is_dead, is_paused, is_busy;
    int64_t since_ms; /* the last progress, for the time-outs */
    uint32_t progress_bytes;
    int64_t beat_ms; /* of an event stream: when something was sent last */
    struct http_reader reader;
    uint8_t *held; /* bytes that were received and may not be read yet */
    size_t held_len;
    struct evbuffer *out; /* NULL = empty */
    struct http_exchange *exchange;
    struct http_peer peer;
};

/* Takes the descriptor. */
void http_conn_open(struct ub_http_server *server, int fd, const struct http_peer *peer);
void http_conn_settle(struct http_conn *conn);
/* Cuts at once; the next settle frees. */
void http_conn_cut(struct http_conn *conn);

/* The exchange has judged the head (or there is room again): read the body. */
void http_conn_read_body(struct http_conn *conn);
/* The answer is complete and stands in `out`. keep = the connection may go on. */
void http_conn_answered(struct http_conn *conn, bool keep);
/* Answers what is no request, and closes. */
void http_conn_refuse(struct http_conn *conn, enum ub_problem problem, const char *why);
/* The buffer of what is to be sent; NULL = no memory, and the connection is cut. */
struct evbuffer *http_conn_out(struct http_conn *conn);

/* Once a tick: time-outs and comments of event streams. */
void http_conn_tick(struct http_conn *conn, int64_t now_ms);
/* Closes what is idle or a stream; the rest closes after its answer. */
void http_conn_drain(struct http_conn *conn);

/* Parts of conn.c that conn_events.c uses. */
bool http_conn_may_read(const struct http_conn *conn);
size_t http_conn_feed(struct http_conn *conn, const uint8_t *in, size_t len);
bool http_conn_watch(struct http_conn *conn);
void http_conn_free(struct http_conn *conn);
void http_conn_phase(struct http_conn *conn, enum http_phase phase);

#endif
