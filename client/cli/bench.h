/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_BENCH_H
#define UNIBUS_CLI_BENCH_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <unibus-client/flow.h>
#include <unibus-client/message.h>

#include "bench_histogram.h"
#include "bench_order.h"
#include "output.h"

/* `unibus bench`: what was asked for (plan), its clients with a connection each, and what they
 * counted. A sender has a thread here; a receiver is called on the thread of its connection. Each
 * counts for itself; others read only `count` and the flags before all threads have ended. */

enum bench_kind { BENCH_PUB, BENCH_SUB, BENCH_REQ, BENCH_REPLY, BENCH_FANOUT };

struct bench_plan {
    enum bench_kind kind;
    const char *verb;
    const char *url;     /* NULL: the node's bus, as this identity */
    const char *room;    /* NULL: raw */
    const char *channel; /* subject, or channel of the room */
    const char *csv;     /* file for a line a client; NULL = none */
    unsigned senders, receivers;
    uint64_t msgs; /* of all senders together; each receiver awaits as many. 0: no end */
    size_t size;
    uint64_t duration_ns; /* 0: no end */
    double rate;          /* messages a second of all senders together; 0: as fast as it goes */
    uint64_t window;      /* messages on the way at most */
    size_t batch;         /* messages sealed with one write of the counter */
    int64_t patience_ms;  /* without any message: what is missing is lost */
};

/* From the command line; UNIBUS_USAGE. */
enum unibus_status bench_plan_read(const struct cli *cli, enum bench_kind kind,
                                   struct bench_plan *plan_out, struct unibus_err *err);

struct bench_run;

struct bench_client {
    struct bench_run *run;
    unsigned index; /* among those of its kind */
    struct unibus_client *own;
    struct unibus_room *room; /* under room_lock: one thread seals, another one opens */
    pthread_mutex_t room_lock;
    struct unibus_bus *bus;
    char subject[512];
    char reply[512]; /* where a requester listens */
    pthread_t thread;
    bool has_thread;
    sem_t slots; /* of a requester: how many more may be on the way */
    _Atomic uint64_t count;
    atomic_bool is_done, has_failed; /* err is written before has_failed */
    struct unibus_err err;
    uint64_t start_ns, first_ns, last_ns;
    uint64_t asked;   /* of a requester; `count` is what was answered */
    uint64_t bytes;   /* received */
    uint64_t foreign; /* payloads that no `unibus bench` of this run made, or damaged ones */
    uint64_t sealing_ns, sealed, opening_ns, opened; /* time, and messages */
    struct bench_order order;
    struct bench_histogram latency;
    struct bench_histogram delay; /* how much later than due it was sent */
};

#define BENCH_MAGIC 0xb5000000u /* of all publishers, in the first byte */

struct bench_run {
    struct cli *cli;
    struct bench_plan plan;
    struct bench_client *senders, *receivers;
    char url[UNIBUS_FLOW_TEXT_MAX];
    bool is_sealed, was_interrupted;
    uint32_t publisher; /* of the first sender; the others count on */
    uint8_t *pattern;   /* what follows the stamp in each payload */
    size_t pattern_len;
    uint64_t start_ns, end_ns;
    atomic_bool is_stopped;
    uint64_t dropped;
};

uint64_t bench_now_ns(void);
void bench_fail(struct bench_client *client, const struct unibus_err *err);

/* Connects all clients; on error bench_close is called all the same. */
enum unibus_status bench_open(struct bench_run *run, struct unibus_err *err);
/* Nothing calls a receiver after this. */
void bench_disconnect(struct bench_run *run);
void bench_close(struct bench_run *run);

/* Thread of a sender; `client` as argument. */
void *bench_send(void *client);
/* Of a subscriber, a requester and of one who answers. */
void bench_take(void *client, const struct unibus_delivery *delivery);
void bench_take_answer(void *client, const struct unibus_delivery *delivery);
void bench_answer(void *client, const struct unibus_delivery *delivery);

/* Seals n contents (16 bytes of stamp each already in place) or takes them as they are. */
enum unibus_status bench_seal(struct bench_client *client, const char *subject,
                              const struct ubr_bytes *contents, size_t count,
                              struct unibus_sealed *sealed_out, struct unibus_err *err);

bool bench_is_sealed(const struct bench_client *client);
/* Where the answers to a publisher's sealed requests go: nodes let nobody name a place in a room as
 * the reply of a message, so both sides know it. */
void bench_reply_channel(const struct bench_client *client, uint32_t publisher,
                         char subject_out[512]);

/* Prints what was measured. */
enum unibus_status bench_report(const struct bench_run *run, struct unibus_err *err);
/* Whether every message came once and in order; says what did not. */
enum unibus_status bench_verify(const struct bench_run *run, struct unibus_err *err);

#define BENCH_PATTERN_MAX ((size_t)64 << 20)

#endif
