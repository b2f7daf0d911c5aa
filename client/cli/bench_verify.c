/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "bench.h"

static const char *name_of(const struct bench_run *run)
{
    return run->plan.kind == BENCH_REQ ? "requester" : "subscriber";
}

static enum unibus_status lost(const struct bench_client *client, uint64_t awaited,
                               struct unibus_err *err)
{
    const struct bench_run *run = client->run;
    uint64_t got = atomic_load(&client->count), number = 0;
    uint32_t publisher = 0;
    unibus_fail_code(err, UNIBUS_FAILED, "lost",
                     "%s %u got %" PRIu64 " of %" PRIu64 " messages: %" PRIu64 " lost",
                     name_of(run), client->index + 1, got, awaited, awaited - got);
    return bench_order_missing(&client->order, &publisher, &number) > 0
               ? unibus_fix(err, "the first that is missing is number %" PRIu64 " of publisher %u",
                            number, (publisher & 0x3ffu) + 1)
               : unibus_fix(err, "nothing came for %" PRId64 " ms; --timeout makes it wait longer",
                            run->plan.patience_ms);
}

/* How many messages this one ought to have. */
static uint64_t awaited_by(const struct bench_client *client)
{
    const struct bench_run *run = client->run;
    const struct bench_plan *plan = &run->plan;
    uint64_t sent = 0;
    if (plan->kind == BENCH_SUB) {
        return plan->duration_ns > 0 || run->was_interrupted ? 0 : plan->msgs;
    }
    if (plan->kind == BENCH_REQ) {
        return client->asked;
    }
    for (unsigned i = 0; i < plan->senders; i++) {
        sent += atomic_load(&run->senders[i].count);
    }
    return sent;
}

static enum unibus_status verify_client(const struct bench_client *client, struct unibus_err *err)
{
    const struct bench_run *run = client->run;
    uint32_t publisher;
    uint64_t number, got = atomic_load(&client->count), awaited = awaited_by(client);
    if (client->order.is_full) {
        return unibus_fail_code(err, UNIBUS_FAILED, "lost",
                                "%s %u misses so many messages that they cannot be counted",
                                name_of(run), client->index + 1);
    }
    if (client->order.doubled > 0 || (awaited > 0 && got > awaited)) {
        uint64_t more = client->order.doubled > 0 ? client->order.doubled : got - awaited;
        return unibus_fail_code(err, UNIBUS_FAILED, "doubled",
                                "%s %u got %" PRIu64 " messages more than once", name_of(run),
                                client->index + 1, more);
    }
    if (got < awaited) {
        return lost(client, awaited, err);
    }
    if (run->plan.kind != BENCH_REQ &&
        bench_order_missing(&client->order, &publisher, &number) > 0) {
        return lost(client, got + bench_order_missing(&client->order, &publisher, &number), err);
    }
    if (client->order.late > 0 && run->plan.kind != BENCH_REQ) {
        return unibus_fail_code(err, UNIBUS_FAILED, "disordered",
                                "%s %u got %" PRIu64 " messages after later ones", name_of(run),
                                client->index + 1, client->order.late);
    }
    if (client->foreign > 0 && run->plan.kind != BENCH_SUB) {
        unibus_fail_code(err, UNIBUS_FAILED, "foreign",
                         "%s %u got %" PRIu64 " messages that this run did not send, or changed",
                         name_of(run), client->index + 1, client->foreign);
        return unibus_fix(err, "choose a subject that nobody else uses");
    }
    return UNIBUS_OK;
}

enum unibus_status bench_verify(const struct bench_run *run, struct unibus_err *err)
{
    const struct bench_plan *plan = &run->plan;
    const struct bench_client *clients = plan->kind == BENCH_REQ ? run->senders : run->receivers;
    unsigned n = plan->kind == BENCH_REQ ? plan->senders : plan->receivers;
    enum unibus_status status = UNIBUS_OK;
    if (run->dropped > 0) {
        unibus_fail_code(err, UNIBUS_FAILED, "dropped",
                         "this program was too slow and dropped %" PRIu64 " messages",
                         run->dropped);
        return unibus_fix(err, "--rate or fewer clients; nothing is said about the server");
    }
    for (unsigned i = 0; i < n && plan->kind != BENCH_REPLY && status == UNIBUS_OK; i++) {
        status = verify_client(&clients[i], err);
    }
    return status;
}
