/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "bench.h"

#define PUBLISHER_BITS 10
#define WILD_SIZE_MAX  ((size_t)1 << 20)

/* The same bytes in every process, so that a subscriber of another one can compare. */
static uint8_t *make_pattern(size_t size)
{
    static const unsigned char seed[randombytes_SEEDBYTES] = "unibus bench";
    uint8_t *pattern = malloc(size + 1);
    if (pattern != NULL) {
        randombytes_buf_deterministic(pattern, size, seed);
    }
    return pattern;
}

static struct bench_client *make_clients(struct bench_run *run, unsigned count)
{
    struct bench_client *clients = calloc(count + 1, sizeof(*clients));
    for (unsigned i = 0; clients != NULL && i < count; i++) {
        clients[i].run = run;
        clients[i].index = i;
        clients[i].order.begins_anywhere = run->plan.kind == BENCH_SUB;
        pthread_mutex_init(&clients[i].room_lock, NULL);
        sem_init(&clients[i].slots, 0, (unsigned)run->plan.window);
    }
    return clients;
}

/* Each client has handles of its own on the home: they are for one thread at a time. */
static enum unibus_status open_room(struct bench_client *client, struct unibus_err *err)
{
    struct cli cli = *client->run->cli;
    char room32[UBR_ROOM32_LEN + 1];
    const char *name = client->run->plan.room;
    cli.client = NULL;
    enum unibus_status status = cli_open(&cli, err);
    client->own = cli.client;
    if (status == UNIBUS_OK && name != NULL) {
        status = unibus_room_find(client->own, name, room32, err);
        status = status == UNIBUS_OK ? unibus_room_open(client->own, room32, &client->room, err)
                                     : status;
    }
    return status;
}

static enum unibus_status refresh_room(struct bench_client *client, struct unibus_err *err)
{
    enum unibus_status status = unibus_room_sync(client->room, err);
    return status == UNIBUS_OK ? unibus_room_fetch_secrets(client->room, err) : status;
}

static enum unibus_status name_subject(struct bench_client *client, struct unibus_err *err)
{
    const struct bench_plan *plan = &client->run->plan;
    bool may_match = plan->kind == BENCH_SUB;
    if (client->room != NULL) {
        unibus_messages_forget(client->room);
        return unibus_subject(client->room, plan->channel, may_match, client->subject, err);
    }
    if (strlen(plan->channel) > 400 || strpbrk(plan->channel, " \t\r\n") != NULL ||
        plan->channel[0] == '\0') {
        return unibus_fail(err, UNIBUS_USAGE, "\"%.100s\" is not a subject", plan->channel);
    }
    snprintf(client->subject, sizeof(client->subject), "%s", plan->channel);
    return UNIBUS_OK;
}

bool bench_is_sealed(const struct bench_client *client)
{
    return client->room != NULL && !unibus_room_is_plain(client->room);
}

/* Answers come into the inbox, those of a sealed room on a channel of it. */
static void name_reply(struct bench_client *client)
{
    char inbox[UNIBUS_FLOW_TEXT_MAX];
    if (bench_is_sealed(client)) {
        bench_reply_channel(client, client->run->publisher + client->index, client->reply);
    } else {
        unibus_flow_inbox(client->bus, inbox);
        snprintf(client->reply, sizeof(client->reply), "%s", inbox);
    }
}

/* Receivers judge a device's messages by their counter, of which connections would mix the order:
 * the first that arrives begins the window, and what was sealed before it is too late. */
static enum unibus_status check_senders(const struct bench_client *client, struct unibus_err *err)
{
    const struct bench_plan *plan = &client->run->plan;
    if (plan->senders <= 1 || !bench_is_sealed(client)) {
        return UNIBUS_OK;
    }
    unibus_fail(err, UNIBUS_USAGE,
                "%u connections cannot send as one device in an encrypted room: its messages have "
                "one order",
                plan->senders);
    return unibus_fix(err, "--%s 1, and a process with another --home for each further sender",
                      plan->kind == BENCH_FANOUT ? "pub" : "clients");
}

static enum unibus_status connect_client(struct bench_client *client, struct unibus_err *err)
{
    const struct bench_plan *plan = &client->run->plan;
    const struct unibus_flow_options options = {
        .url = plan->url,
        .is_direct = plan->kind == BENCH_REQ || plan->kind == BENCH_REPLY || plan->rate > 0,
    };
    bool is_identity = plan->url == NULL || plan->room != NULL;
    enum unibus_status status = is_identity ? open_room(client, err) : UNIBUS_OK;
    if (status == UNIBUS_OK && client->room != NULL && client->index == 0) {
        status = refresh_room(client, err);
    }
    client->run->is_sealed = bench_is_sealed(client);
    status = status == UNIBUS_OK ? check_senders(client, err) : status;
    status = status == UNIBUS_OK ? name_subject(client, err) : status;
    status =
        status == UNIBUS_OK ? unibus_flow_open(client->own, &options, &client->bus, err) : status;
    if (status == UNIBUS_OK && plan->kind == BENCH_REQ) {
        name_reply(client);
    }
    return status;
}

static enum unibus_status listen_client(struct bench_client *client, struct unibus_err *err)
{
    switch (client->run->plan.kind) {
    case BENCH_REQ:
        return unibus_flow_receive(client->bus, client->reply, bench_take_answer, client, err);
    case BENCH_REPLY:
        return unibus_flow_receive(client->bus, client->subject, bench_answer, client, err);
    default:
        return unibus_flow_receive(client->bus, client->subject, bench_take, client, err);
    }
}

static enum unibus_status open_all(struct bench_run *run, struct unibus_err *err)
{
    enum unibus_status status = UNIBUS_OK;
    for (unsigned i = 0; i < run->plan.receivers && status == UNIBUS_OK; i++) {
        status = connect_client(&run->receivers[i], err);
    }
    for (unsigned i = 0; i < run->plan.senders && status == UNIBUS_OK; i++) {
        status = connect_client(&run->senders[i], err);
    }
    for (unsigned i = 0; i < run->plan.receivers && status == UNIBUS_OK; i++) {
        status = listen_client(&run->receivers[i], err);
    }
    for (unsigned i = 0;
         run->plan.kind == BENCH_REQ && i < run->plan.senders && status == UNIBUS_OK; i++) {
        status = listen_client(&run->senders[i], err);
    }
    return status;
}

enum unibus_status bench_open(struct bench_run *run, struct unibus_err *err)
{
    size_t size = run->plan.kind == BENCH_SUB ? WILD_SIZE_MAX : run->plan.size;
    run->pattern = make_pattern(size);
    run->pattern_len = size;
    run->publisher = BENCH_MAGIC | randombytes_uniform(1u << 14) << PUBLISHER_BITS;
    run->senders = make_clients(run, run->plan.senders);
    run->receivers = make_clients(run, run->plan.receivers);
    if (run->pattern == NULL || run->senders == NULL || run->receivers == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    enum unibus_status status = open_all(run, err);
    if (status == UNIBUS_OK) {
        const struct bench_client *first =
            run->plan.senders > 0 ? &run->senders[0] : &run->receivers[0];
        unibus_flow_url(first->bus, run->url);
    }
    return status;
}

static void disconnect_clients(struct bench_client *clients, unsigned count)
{
    for (unsigned i = 0; clients != NULL && i < count; i++) {
        unibus_bus_close(&clients[i].bus);
    }
}

void bench_disconnect(struct bench_run *run)
{
    disconnect_clients(run->senders, run->plan.senders);
    disconnect_clients(run->receivers, run->plan.receivers);
}

static void close_clients(struct bench_client **clients_ref, unsigned count)
{
    struct bench_client *clients = *clients_ref;
    for (unsigned i = 0; clients != NULL && i < count; i++) {
        unibus_room_close(&clients[i].room);
        unibus_client_close(&clients[i].own);
        bench_order_fini(&clients[i].order);
        pthread_mutex_destroy(&clients[i].room_lock);
        sem_destroy(&clients[i].slots);
    }
    free(clients);
    *clients_ref = NULL;
}

void bench_close(struct bench_run *run)
{
    bench_disconnect(run);
    close_clients(&run->senders, run->plan.senders);
    close_clients(&run->receivers, run->plan.receivers);
    free(run->pattern);
    run->pattern = NULL;
}
