/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define NS_OF_A_S   1000000000u
#define FLUSH_MS    30000
#define LOOK_NS     20000
#define CREDIT_MAX  128
#define CLOCK_EVERY 64

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_OF_A_S + (uint64_t)now.tv_nsec;
}

void bench_fail(struct bench_client *client, const struct unibus_err *err)
{
    if (!atomic_load(&client->has_failed)) {
        client->err = *err;
        atomic_store(&client->has_failed, true);
    }
}

enum unibus_status bench_seal(struct bench_client *client, const char *subject,
                              const struct ubr_bytes *contents, size_t count,
                              struct unibus_sealed *sealed_out, struct unibus_err *err)
{
    const struct unibus_outgoing outgoing = {subject, NULL, contents};
    pthread_mutex_lock(&client->room_lock);
    uint64_t begun_ns = bench_now_ns();
    enum unibus_status status =
        unibus_messages_seal(client->room, &outgoing, count, sealed_out, err);
    client->sealing_ns += bench_now_ns() - begun_ns;
    client->sealed += count;
    pthread_mutex_unlock(&client->room_lock);
    return status;
}

/* What a sender has at hand: `batch` payloads, and what became of them. */
struct stock {
    uint8_t *bytes;
    struct ubr_bytes *contents;
    struct unibus_sealed *sealed;
    size_t len;      /* of each */
    uint64_t credit; /* messages that may go before the window is looked at again */
};

static bool stock_init(struct stock *stock, const struct bench_run *run)
{
    size_t batch = run->plan.batch, size = run->plan.size;
    stock->len = size;
    stock->bytes = calloc(batch, size + 1);
    stock->contents = calloc(batch, sizeof(*stock->contents));
    stock->sealed = calloc(batch, sizeof(*stock->sealed));
    if (stock->bytes == NULL || stock->contents == NULL || stock->sealed == NULL) {
        return false;
    }
    for (size_t i = 0; i < batch; i++) {
        memcpy(stock->bytes + i * size, run->pattern, size);
        stock->contents[i] = ubr_bytes_of(stock->bytes + i * size, size);
    }
    return true;
}

static void stock_fini(struct stock *stock)
{
    free(stock->bytes);
    free(stock->contents);
    free(stock->sealed);
}

static void sleep_until(uint64_t when_ns)
{
    const struct timespec when = {(time_t)(when_ns / NS_OF_A_S), (long)(when_ns % NS_OF_A_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR) {
    }
}

/* When message `number` of this sender is due. The senders take turns. */
static uint64_t due_ns(const struct bench_client *client, uint64_t number)
{
    const struct bench_run *run = client->run;
    double place = (double)number * run->plan.senders + client->index;
    return run->start_ns + (uint64_t)(place / run->plan.rate * NS_OF_A_S);
}

static bool is_stopped(const struct bench_client *client)
{
    return atomic_load_explicit(&client->run->is_stopped, memory_order_relaxed) ||
           atomic_load_explicit(&client->has_failed, memory_order_relaxed);
}

/* Sent by all, less what the slowest subscriber has. */
static uint64_t on_the_way(const struct bench_run *run)
{
    uint64_t sent = 0, least = UINT64_MAX;
    for (unsigned i = 0; i < run->plan.senders; i++) {
        sent += atomic_load_explicit(&run->senders[i].count, memory_order_relaxed);
    }
    for (unsigned i = 0; i < run->plan.receivers; i++) {
        uint64_t count = atomic_load_explicit(&run->receivers[i].count, memory_order_relaxed);
        least = count < least ? count : least;
    }
    return sent > least ? sent - least : 0;
}

static bool await_window(const struct bench_client *client, struct stock *stock)
{
    const struct bench_plan *plan = &client->run->plan;
    while (stock->credit == 0 && !is_stopped(client)) {
        uint64_t used = on_the_way(client->run);
        uint64_t share = used < plan->window ? (plan->window - used) / plan->senders + 1 : 0;
        stock->credit = share > CREDIT_MAX ? CREDIT_MAX : share;
        if (stock->credit == 0) {
            sleep_until(bench_now_ns() + LOOK_NS);
        }
    }
    stock->credit -= stock->credit > 0 ? 1 : 0;
    return !is_stopped(client);
}

static bool await_slot(struct bench_client *client)
{
    while (!is_stopped(client)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        until.tv_sec += until.tv_nsec / NS_OF_A_S;
        until.tv_nsec %= NS_OF_A_S;
        if (sem_timedwait(&client->slots, &until) == 0) {
            return true;
        }
    }
    return false;
}

/* Room on the way, and the time has come. False: it is over. */
static bool await_turn(struct bench_client *client, struct stock *stock, uint64_t number)
{
    const struct bench_plan *plan = &client->run->plan;
    bool may_go = plan->kind == BENCH_REQ      ? await_slot(client)
                  : plan->kind == BENCH_FANOUT ? await_window(client, stock)
                                               : !is_stopped(client);
    if (may_go && plan->rate > 0) {
        uint64_t due = due_ns(client, number), now = bench_now_ns();
        if (now < due) {
            sleep_until(due);
            now = bench_now_ns();
        }
        bench_histogram_add(&client->delay, now - due);
    }
    return may_go;
}

/* Stamps with the time that latency counts from: when it is due, else now. */
static void stamp(const struct bench_client *client, struct stock *stock, uint64_t number,
                  size_t count)
{
    const struct bench_run *run = client->run;
    uint64_t now = run->plan.rate > 0 ? 0 : bench_now_ns();
    for (size_t i = 0; stock->len >= BENCH_STAMP_LEN && i < count; i++) {
        const struct bench_stamp one = {
            .publisher = run->publisher + client->index,
            .number = number + i,
            .time_ns = run->plan.rate > 0 ? due_ns(client, number + i) : now,
        };
        bench_stamp_write(&one, stock->bytes + i * stock->len);
    }
}

static enum unibus_status post(struct bench_client *client, struct ubr_bytes payload,
                               struct unibus_err *err)
{
    bool is_sealed = client->run->is_sealed;
    const struct unibus_post message = {
        .subject = client->subject,
        .reply = client->reply[0] != '\0' && !is_sealed ? client->reply : NULL,
        .ub_subject = is_sealed ? client->subject : NULL,
        .payload = payload,
    };
    return unibus_flow_publish(client->bus, &message, err);
}

/* Seals `count` from `number` on, and posts each in its turn. */
static enum unibus_status send_some(struct bench_client *client, struct stock *stock,
                                    uint64_t number, size_t count, struct unibus_err *err)
{
    bool is_sealed = client->run->is_sealed;
    enum unibus_status status = UNIBUS_OK;
    for (size_t i = 0; i < count && status == UNIBUS_OK; i++) {
        if (!await_turn(client, stock, number + i)) {
            break;
        }
        if (i == 0) {
            stamp(client, stock, number, count);
        }
        if (i == 0 && is_sealed) {
            status =
                bench_seal(client, client->subject, stock->contents, count, stock->sealed, err);
        }
        if (status == UNIBUS_OK) {
            status = post(client,
                          is_sealed ? ubr_bytes_of(stock->sealed[i].wire, stock->sealed[i].len)
                                    : stock->contents[i],
                          err);
        }
        client->asked = number + i + 1;
        if (status == UNIBUS_OK && client->run->plan.kind != BENCH_REQ) {
            atomic_store_explicit(&client->count, number + i + 1, memory_order_relaxed);
        }
    }
    unibus_messages_clear(stock->sealed, is_sealed ? count : 0);
    return status;
}

static uint64_t share_of(const struct bench_client *client)
{
    const struct bench_plan *plan = &client->run->plan;
    uint64_t more = client->index < plan->msgs % plan->senders ? 1 : 0;
    return plan->msgs > 0 ? plan->msgs / plan->senders + more : UINT64_MAX;
}

static enum unibus_status send_all(struct bench_client *client, struct stock *stock,
                                   struct unibus_err *err)
{
    const struct bench_run *run = client->run;
    uint64_t share = share_of(client), end_ns = run->start_ns + run->plan.duration_ns, sent = 0;
    enum unibus_status status = UNIBUS_OK;
    while (sent < share && status == UNIBUS_OK && !is_stopped(client)) {
        uint64_t left = share - sent;
        size_t count = left < run->plan.batch ? (size_t)left : run->plan.batch;
        bool is_slow = run->plan.rate > 0 || run->plan.room != NULL || run->plan.kind == BENCH_REQ;
        bool looks = is_slow || sent % CLOCK_EVERY == 0;
        if (run->plan.duration_ns > 0 && looks && bench_now_ns() >= end_ns) {
            break;
        }
        status = send_some(client, stock, sent, count, err);
        sent += count;
    }
    return status;
}

/* The answers to all that was asked. */
static void await_answers(struct bench_client *client)
{
    for (uint64_t i = 0; i < client->run->plan.window && await_slot(client); i++) {
    }
}

void *bench_send(void *arg)
{
    struct bench_client *client = arg;
    struct unibus_err err = UNIBUS_ERR_INIT;
    struct stock stock = {0};
    client->start_ns = client->first_ns = bench_now_ns();
    enum unibus_status status = stock_init(&stock, client->run)
                                    ? send_all(client, &stock, &err)
                                    : unibus_fail(&err, UNIBUS_FAILED, "no memory");
    if (status == UNIBUS_OK) {
        status = unibus_flow_flush(client->bus, FLUSH_MS, &err);
    }
    if (status == UNIBUS_OK && client->run->plan.kind == BENCH_REQ) {
        await_answers(client);
    }
    if (status != UNIBUS_OK) {
        bench_fail(client, &err);
    }
    if (client->run->plan.kind != BENCH_REQ) {
        client->last_ns = bench_now_ns();
    }
    stock_fini(&stock);
    atomic_store(&client->is_done, true);
    return NULL;
}
