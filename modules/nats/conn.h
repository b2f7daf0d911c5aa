/* SPDX-License-Identifier: Apache-2.0
 *
 * One client connection. It belongs to the loop of its shard: every function here runs there. */
#ifndef NATS_CONN_H
#define NATS_CONN_H

#include <event2/event_struct.h>
#include <netinet/in.h>

#include "out.h"
#include "parser.h"
#include "perms.h"
#include "server.h"

#define NATS_NONCE_LEN      15
#define NATS_PREAUTH_BYTES  16384
#define NATS_ADDRESS_MAX    46 /* INET6_ADDRSTRLEN */
#define NATS_LINGER_MS      1000
#define NATS_REPLY_VALID_MS ((int64_t)10 * 60 * 1000)

enum nats_conn_state {
    NATS_CONN_SECURING = 0, /* TLS, or whether there will be TLS, is not settled */
    NATS_CONN_GREETED,      /* INFO sent, CONNECT awaited */
    NATS_CONN_ASKING,       /* the providers are deciding; nothing is read */
    NATS_CONN_OPEN,
    NATS_CONN_LINGERING, /* over; what the client still sends is thrown away */
};

struct nats_session;
struct nats_tls;

/* Messages and bytes (headers and payloads) of one connection. */
struct nats_conn_counts {
    uint64_t in_messages, in_bytes, out_messages, out_bytes;
};

struct nats_conn {
    struct nats_shard *shard;
    uint64_t cid;
    int fd;
    enum nats_conn_state state;
    bool is_verbose, is_pedantic, is_echo, has_headers, has_no_responders;
    bool is_connected; /* a CONNECT was accepted; with auth = "off" the state is OPEN before */
    bool is_loopback;
    bool is_reading, is_writing; /* the events are added */
    bool is_dirty;               /* on the shard's list of those to flush */
    bool is_doomed;              /* to be closed at the end of this wake-up */
    bool is_rude;                /* close at once, without flushing and lingering */
    bool is_draining;            /* close when everything is written */
    bool is_leaving;             /* lame_duck.h */
    bool has_ponged;             /* a PING after CONNECT was answered */
    uint8_t pings_out, extensions, protocol;
    uint16_t port;
    struct event read_event, write_event;
    struct nats_tls *tls; /* NULL = plain */

    struct nats_out out;
    _Atomic size_t pending; /* out.bytes for other threads */
    uint8_t *held;          /* an incomplete small frame */
    size_t held_len;
    struct nats_buf *frame; /* an incomplete large one */
    size_t frame_len, frame_need;

    struct nats_conn *next;                        /* in the shard's table */
    struct nats_conn *dirty_next;                  /* flush list */
    struct nats_conn *stall_next;                  /* stalled list */
    struct nats_conn *clock_next, *clock_prev;     /* greeted or lingering, by deadline */
    struct nats_conn *session_next, *session_prev; /* of the session, in this shard */
    struct nats_conn *all_next, *all_prev;         /* of the shard */
    int64_t ping_ns;   /* when the last PING went out; 0 = it was answered */
    int64_t parted_ms; /* since when our side is closed; 0 = it is not */
    int64_t rtt_us;    /* of the last PING that was answered, rounded up; 0 = none yet */
    int64_t deadline_ms, last_in_ms, last_ping_ms, blocked_since_ms, stall_until_ms, stall_told_ms;
    uint32_t preauth_bytes;
    uint32_t complaints; /* logged violations this second */
    int64_t complaints_since_ms;

    struct nats_sub **sids; /* buckets by sid */
    uint32_t sid_room, sub_count;
    struct nats_session *session;   /* NULL until authenticated, and with auth = "off" */
    const struct nats_perms *perms; /* NULL = full rights, or nothing yet */
    size_t max_payload;
    int64_t max_subscriptions; /* 0 = no limit */
    struct nats_replies *replies;
    uint8_t own_token_len; /* 0 = none: the inbox last found to be its own */
    uint8_t own_token[64];
    uint64_t own_token_version; /* of the inbox table then */
    char nonce[NATS_NONCE_LEN + 1];
    char address[NATS_ADDRESS_MAX];

    /* for monitoring */
    struct nats_conn_counts counts;
    int64_t opened_ms, last_out_ms;
    const char *close_code; /* of nats_conn_fail and nats_conn_cut; NULL = the client left */
    char *about;            /* name, lang and version of CONNECT, each with its NUL; NULL = none */
};

/* Takes the socket over, greets the client, starts to read. Closes it when memory is short. */
void nats_conn_open(struct nats_shard *shard, int fd, const struct sockaddr_storage *peer);

/* INFO is sent and TLS settled: CONNECT may come. */
void nats_conn_begin(struct nats_conn *conn);

/* Sends -ERR text (NULL = none), then closes at the end of this wake-up. `reason` is for the log:
 * a stable code and words for people. Once is enough: later ones are ignored. */
void nats_conn_fail(struct nats_conn *conn, const char *text, const char *code, const char *reason);
/* Closes without a word to a client that cannot be helped: gone, or too slow. */
void nats_conn_cut(struct nats_conn *conn, const char *code, const char *reason);
/* Sends -ERR text and goes on. */
void nats_conn_complain(struct nats_conn *conn, const char *text);
/* The same for a malformed operation, with a log line while it may be told; decision.h has the one
 * for what is not allowed. */
void nats_conn_refuse(struct nats_conn *conn, const char *text, const char *code,
                      const char *wanted);
/* May one more fault of this connection be told, or were there many this second? */
bool nats_conn_may_tell(struct nats_conn *conn);

void nats_conn_send(struct nats_conn *conn, const char *text, size_t len);
/* After something was added to out: counts it, cuts a slow consumer, puts it on the flush list. */
void nats_conn_queued(struct nats_conn *conn);
void nats_conn_mark_dirty(struct nats_conn *conn);

/* Reading stops and goes on; what was read and not handled yet stays. */
void nats_conn_pause(struct nats_conn *conn);
void nats_conn_resume(struct nats_conn *conn);
void nats_conn_stall(struct nats_conn *conn);

/* conn_read.c: handles what was held back while the providers decided, then reads on. */
void nats_conn_continue(struct nats_conn *conn);
void nats_conn_on_read(evutil_socket_t fd, short what, void *arg);

/* conn_write.c: writes what it can. */
enum nats_written nats_conn_put(struct nats_conn *conn, size_t *count_out);
/* At the end of a wake-up, for each on the flush list. */
void nats_conn_flush(struct nats_conn *conn);
void nats_conn_on_write(evutil_socket_t fd, short what, void *arg);

/* Ends it: subscriptions out, session left, socket lingering or closed. Flush stage and stop only.
 */
void nats_conn_end(struct nats_conn *conn);
void nats_conn_free(struct nats_conn **conn);

/* The deadlines of greeted and lingering ones, ascending. */
void nats_conn_clock_start(struct nats_conn *conn, int64_t deadline_ms);
void nats_conn_clock_stop(struct nats_conn *conn);
void nats_conn_deadline(struct nats_conn *conn);
/* About once a second: PING, stale, write deadline. */
void nats_conn_tick(struct nats_conn *conn);

#endif
