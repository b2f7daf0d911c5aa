/* SPDX-License-Identifier: Apache-2.0
 *
 * One request with its answer: where the loop (the connection) and a worker (authenticator,
 * handler) meet. It lives until the connection, the worker and an event stream have let go. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <sodium.h>

#include "conn.h"
#include "digest.h"
#include "profile.h"

/* A writer waits while more than this is not sent; a socket is not read while more than this waits
 * for the handler. */
#define HTTP_PENDING_MAX 262144u

enum http_answer_state {
    HTTP_UNANSWERED = 0,
    HTTP_BEGUN,
    HTTP_ANSWERED, /* complete, or given up */
    HTTP_STREAMING
};

struct http_joined {
    struct http_joined *next;
    char text[];
};

struct http_exchange {
    struct ub_http_request pub; /* first: a request is its exchange */
    struct ub_http_server *server;
    atomic_uint refs;

    /* Set before a worker sees it, then read only. */
    struct http_head head;
    const struct http_route *route; /* NULL = the request was refused before */
    char id[27];
    char *params; /* what pub.params point to */
    char *address;
    struct http_signature signature;
    bool is_signed, is_inline, is_digest_sent;
    uint8_t digest[HTTP_DIGEST_SIZE];
    int64_t began_ns;

    /* The loop's. */
    struct http_conn *conn; /* NULL = the connection let go */
    bool is_worked_on;      /* a worker goes on from the authenticator to the handler */
    struct http_exchange *late_next;

    /* The worker's, or the loop's while no worker has it; handed over by a post. */
    struct http_joined *joined;
    crypto_hash_sha512_state hash;
    enum http_answer_state answer;
    bool is_answer_chunked, is_hashed, is_digest_checked;
    int64_t answer_left; /* bytes that a begun answer still owes; -1 = unknown */
    bool is_transfer;
    struct http_exchange *transfer_next; /* under the server's transfer_lock */
    enum ub_problem read_failed;         /* what a read() that failed should be answered with */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    struct evbuffer *in, *out;
    int64_t in_total;
    bool is_in_ended;  /* the request was received to its end */
    bool is_in_paused; /* the loop reads on when the handler has pulled */
    struct http_fault in_fault;
    size_t unsent;
    bool is_out_posted, is_out_ended;
    bool says_close; /* the answer tells the peer that the connection ends */
    bool is_streaming;
    bool is_cut;  /* the answer cannot be completed: cut the connection */
    bool is_gone; /* nobody is there to read */
    int status;   /* of the answer */
    enum ub_problem problem;

    struct ub_http_stream *stream; /* set by a worker before it answers */
};

static inline struct http_exchange *http_exchange_of(const struct ub_http_request *request)
{
    return (struct http_exchange *)(uintptr_t)request;
}

/* Takes the head out of the connection's reader. NULL = no memory. Threads: the loop's. */
struct http_exchange *http_exchange_new(struct http_conn *conn);
void http_exchange_ref(struct http_exchange *x);
/* Threads: the loop's (or none other is left). */
void http_exchange_unref(struct http_exchange *x);

/* From any thread: the loop drops the reference of the caller. */
void http_exchange_release(struct http_exchange *x);

/* From any thread that holds a reference: `out` has changed. The lock is held. */
void http_exchange_post_output(struct http_exchange *x);

/* The connection is over: wakes a worker that waits and tells a stream. Threads: the loop's. */
void http_exchange_gone(struct http_exchange *x);

/* Moves what is to be sent to the connection and ends the exchange when it is complete; afterwards
 * counts what is left. Threads: the loop's. */
void http_exchange_pump(struct http_exchange *x);
void http_exchange_count_unsent(struct http_exchange *x);

/* ---- admit.c, loop: route, transport, profile; then the authenticator, then the body ----------
 */

void http_admit(struct http_exchange *x);
/* The authenticator had nothing against it: length, body, handler. */
void http_admitted(struct http_exchange *x);
/* UB_P_NONE, or what the declared length is refused with. Threads: any. */
enum ub_problem http_length_judge(const struct http_exchange *x);

/* ---- work.c, workers ---------------------------------------------------------------------------
 */

/* Hands to a worker: the authenticator, or the handler; 503 when the queue is full. */
void http_work_authenticate(struct http_exchange *x);
void http_work_handle(struct http_exchange *x);
/* Runs the handler here and now. */
void http_handler_run(struct http_exchange *x);
/* A task of the loop: the authenticator is through, the body is next. */
void http_admitted_task(void *x);

/* ---- transfer.c, worker ------------------------------------------------------------------------
 */

/* Before a handler that may wait for its peer: true, or it has answered 503. */
bool http_transfer_begin(struct http_exchange *x);
void http_transfer_end(struct http_exchange *x);

/* ---- auth.c, worker ---------------------------------------------------------------------------
 */

/* True, or it has answered. */
bool http_auth_check(struct http_exchange *x);
void http_auth_finish(struct http_exchange *x);

/* ---- late.c, loop -----------------------------------------------------------------------------
 */

/* Ends the ticket of a request whose handler never ran; takes a reference of its own. */
void http_late_add(struct http_exchange *x);
void http_late_retry(struct ub_http_server *server);
/* Nothing else runs any more: ends them here. */
void http_late_end(struct ub_http_server *server);

/* ---- body.c -----------------------------------------------------------------------------------
 */

/* Loop: bytes, the end, or a fault of the body. */
void http_body_put(struct http_exchange *x, struct ub_bytes bytes);
void http_body_end(struct http_exchange *x);
void http_body_fail(struct http_exchange *x, struct http_fault fault);
/* Worker: the whole body to pub.body, its digest compared; false = it has answered. */
bool http_body_whole(struct http_exchange *x);
enum ub_status http_body_read(struct http_exchange *x, void *out, size_t out_size, size_t *read_out,
                              struct ub_err *err);

/* ---- reply.c ----------------------------------------------------------------------------------
 */

/* As the operations of ub.httpd. Threads: a worker's, or the loop's for whole answers. */
void http_reply(struct http_exchange *x, int status, const struct ub_http_header *headers,
                struct ub_bytes body);
enum ub_status http_reply_begin(struct http_exchange *x, int status,
                                const struct ub_http_header *headers, int64_t length,
                                struct ub_err *err);
enum ub_status http_reply_write(struct http_exchange *x, struct ub_bytes bytes, struct ub_err *err);
void http_reply_end(struct http_exchange *x);
/* The handler has returned: an answer that is missing becomes 500, one that is torn a cut. */
void http_reply_after(struct http_exchange *x);
/* One piece of a chunked answer; the lock is held. */
bool http_reply_chunk(struct http_exchange *x, struct ub_bytes bytes);

/* ---- problem.c --------------------------------------------------------------------------------
 */

void http_problem_reply(struct http_exchange *x, enum ub_problem problem, const char *members,
                        const char *detail);
/* 405 with the methods that there are. */
void http_problem_method(struct http_exchange *x, const char *allow);

/* ---- stream.c ---------------------------------------------------------------------------------
 */

enum ub_status http_stream_open(const struct ub_http_request *request, ub_http_gone_fn gone,
                                void *arg, struct ub_http_stream **stream_out, struct ub_err *err);
enum ub_status http_stream_send(struct ub_http_stream *stream, struct ub_bytes bytes);
void http_stream_close(struct ub_http_stream **stream);
/* Once, from whoever comes first. */
void http_stream_tell(struct ub_http_stream *stream);
void http_stream_free(struct ub_http_stream **stream);
/* A comment, so that a dead peer is noticed and proxies stay. Threads: the loop's. */
void http_stream_beat(struct http_exchange *x);

#endif
