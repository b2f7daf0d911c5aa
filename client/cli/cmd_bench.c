/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define LOOK_MS     10
#define NS_OF_A_MS  1000000u
#define NS_OF_A_S   1e9
#define SETTLE_MS   5000
#define CATCH_UP_MS 1000

static volatile sig_atomic_t is_interrupted;

static void on_stop(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

static uint64_t count_of(const struct bench_client *clients, unsigned n)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < n; i++) {
        count += atomic_load_explicit(&clients[i].count, memory_order_relaxed);
    }
    return count;
}

static uint64_t sent_by_all(const struct bench_run *run)
{
    return count_of(run->senders, run->plan.senders);
}

static uint64_t done_by_all(const struct bench_run *run)
{
    return run->plan.receivers > 0 ? count_of(run->receivers, run->plan.receivers)
                                   : sent_by_all(run);
}

static bool senders_are_done(const struct bench_run *run)
{
    for (unsigned i = 0; i < run->plan.senders; i++) {
        if (!atomic_load(&run->senders[i].is_done)) {
            return false;
        }
    }
    return true;
}

/* Each receiver has what it awaits. */
static bool receivers_are_done(const struct bench_run *run, uint64_t awaited)
{
    for (unsigned i = 0; i < run->plan.receivers; i++) {
        if (atomic_load(&run->receivers[i].count) < awaited) {
            return false;
        }
    }
    return true;
}

static bool time_is_over(const struct bench_run *run)
{
    return run->plan.duration_ns > 0 && bench_now_ns() >= run->start_ns + run->plan.duration_ns;
}

static bool is_over(const struct bench_run *run)
{
    const struct bench_plan *plan = &run->plan;
    switch (plan->kind) {
    case BENCH_FANOUT:
        return senders_are_done(run) && receivers_are_done(run, sent_by_all(run));
    case BENCH_SUB:
        return time_is_over(run) || (plan->msgs > 0 && receivers_are_done(run, plan->msgs));
    case BENCH_REPLY:
        return time_is_over(run) || (plan->msgs > 0 && done_by_all(run) >= plan->msgs);
    default:
        return senders_are_done(run);
    }
}

/* A closed connection, a refusal, an envelope that does not open: the first that failed. */
static enum unibus_status check_clients(struct bench_client *clients, unsigned n,
                                        struct unibus_err *err)
{
    for (unsigned i = 0; i < n; i++) {
        if (atomic_load(&clients[i].has_failed)) {
            *err = clients[i].err;
            return err->status;
        }
        if (unibus_flow_check(clients[i].bus, err) != UNIBUS_OK) {
            return err->status;
        }
    }
    return UNIBUS_OK;
}

static enum unibus_status check_all(struct bench_run *run, struct unibus_err *err)
{
    enum unibus_status status = check_clients(run->senders, run->plan.senders, err);
    return status == UNIBUS_OK ? check_clients(run->receivers, run->plan.receivers, err) : status;
}

struct watcher {
    struct out_progress bar;
    uint64_t done, changed_ns;
};

static void show_progress(struct watcher *watcher, const struct bench_run *run, uint64_t now)
{
    const struct bench_plan *plan = &run->plan;
    uint64_t all = plan->msgs * (plan->receivers > 0 ? plan->receivers : 1);
    double seconds = (double)(now - run->start_ns) / NS_OF_A_S;
    snprintf(watcher->bar.note, sizeof(watcher->bar.note), "%.0f msgs/s",
             seconds > 0 ? (double)watcher->done / seconds : 0);
    if (plan->kind != BENCH_REPLY && plan->msgs > 0) {
        out_progress(&watcher->bar, (int64_t)(watcher->done < all ? watcher->done : all),
                     (int64_t)all);
    } else if (plan->duration_ns > 0) {
        uint64_t past = now - run->start_ns;
        out_progress(&watcher->bar, (int64_t)(past < plan->duration_ns ? past : plan->duration_ns),
                     (int64_t)plan->duration_ns);
    }
}

/* Nothing has come for so long that nothing will: what is missing is lost. One who listens first
 * waits for the first message as long as it takes. */
static bool is_hopeless(const struct watcher *watcher, const struct bench_run *run, uint64_t now)
{
    bool may_wait = run->plan.kind == BENCH_REPLY || run->plan.kind == BENCH_PUB ||
                    (run->plan.kind == BENCH_SUB && watcher->done == 0);
    uint64_t patience = (uint64_t)run->plan.patience_ms * NS_OF_A_MS;
    if (run->plan.rate > 0) { /* a slow rate has long pauses */
        patience += (uint64_t)(NS_OF_A_S / run->plan.rate);
    }
    if (run->was_interrupted) {
        patience = (uint64_t)CATCH_UP_MS * NS_OF_A_MS;
        may_wait = false;
    }
    return !may_wait && now - watcher->changed_ns > patience;
}

static bool ends_at_once(const struct bench_run *run)
{
    return run->plan.kind == BENCH_SUB || run->plan.kind == BENCH_REPLY;
}

static enum unibus_status watch(struct bench_run *run, struct unibus_err *err)
{
    struct watcher watcher = {.bar = {.cli = run->cli, .title = run->plan.verb},
                              .changed_ns = run->start_ns};
    enum unibus_status status = UNIBUS_OK;
    while (status == UNIBUS_OK && !is_over(run)) {
        const struct timespec look = {0, LOOK_MS * NS_OF_A_MS};
        nanosleep(&look, NULL);
        uint64_t now = bench_now_ns(), done = done_by_all(run);
        if (done != watcher.done) {
            watcher.done = done;
            watcher.changed_ns = now;
        }
        if (is_interrupted && !run->was_interrupted) {
            run->was_interrupted = true;
            atomic_store(&run->is_stopped, true);
            watcher.changed_ns = now;
        }
        if (is_hopeless(&watcher, run, now) || (run->was_interrupted && ends_at_once(run))) {
            break;
        }
        show_progress(&watcher, run, now);
        status = check_all(run, err);
    }
    out_progress_end(&watcher.bar);
    return status;
}

static enum unibus_status start(struct bench_run *run, struct unibus_err *err)
{
    run->start_ns = bench_now_ns();
    for (unsigned i = 0; i < run->plan.senders; i++) {
        struct bench_client *client = &run->senders[i];
        client->has_thread = pthread_create(&client->thread, NULL, bench_send, client) == 0;
        if (!client->has_thread) {
            return unibus_fail(err, UNIBUS_FAILED, "cannot start the thread of client %u", i + 1);
        }
    }
    return UNIBUS_OK;
}

static void end_senders(struct bench_run *run)
{
    atomic_store(&run->is_stopped, true);
    for (unsigned i = 0; i < run->plan.senders; i++) {
        if (run->senders[i].has_thread) {
            pthread_join(run->senders[i].thread, NULL);
        }
    }
}

/* What comes behind the last message that was awaited is one too many: let it come. */
static void settle(struct bench_client *clients, unsigned n)
{
    struct unibus_err err = UNIBUS_ERR_INIT;
    for (unsigned i = 0; i < n; i++) {
        unibus_flow_settle(clients[i].bus, SETTLE_MS, &err);
    }
}

static void say_ready(const struct bench_run *run)
{
    const struct bench_plan *plan = &run->plan;
    if (plan->kind == BENCH_SUB || plan->kind == BENCH_REPLY) {
        fprintf(stderr, "%s on %s at %s (%s)\n",
                plan->kind == BENCH_SUB ? "listening" : "answering", run->receivers[0].subject,
                run->url, run->is_sealed ? "encrypted" : "NOT encrypted");
    }
}

/* The measurement counts although something failed: what was measured so far is shown. */
static enum unibus_status measure(struct bench_run *run, struct unibus_err *err)
{
    say_ready(run);
    enum unibus_status status = start(run, err);
    status = status == UNIBUS_OK ? watch(run, err) : status;
    end_senders(run);
    run->end_ns = bench_now_ns();
    if (status == UNIBUS_OK) {
        settle(run->plan.kind == BENCH_REQ ? run->senders : run->receivers,
               run->plan.kind == BENCH_REQ ? run->plan.senders : run->plan.receivers);
    }
    for (unsigned i = 0; i < run->plan.receivers; i++) {
        run->dropped += (uint64_t)unibus_flow_dropped(run->receivers[i].bus);
    }
    status = status == UNIBUS_OK ? check_all(run, err) : status;
    bench_disconnect(run);
    struct unibus_err second = UNIBUS_ERR_INIT;
    bool has_figures = status == UNIBUS_OK || done_by_all(run) > 0;
    enum unibus_status shown = has_figures ? bench_report(run, &second) : UNIBUS_OK;
    if (status == UNIBUS_OK && shown != UNIBUS_OK) {
        *err = second;
        status = shown;
    }
    return status == UNIBUS_OK ? bench_verify(run, err) : status;
}

static enum unibus_status bench(struct cli *cli, enum bench_kind kind, struct unibus_err *err)
{
    struct bench_run run = {.cli = cli};
    const struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    enum unibus_status status = bench_plan_read(cli, kind, &run.plan, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    status = bench_open(&run, err);
    status = status == UNIBUS_OK ? measure(&run, err) : status;
    bench_close(&run);
    return status;
}

enum unibus_status cli_bench_pub(struct cli *cli, struct unibus_err *err)
{
    return bench(cli, BENCH_PUB, err);
}

enum unibus_status cli_bench_sub(struct cli *cli, struct unibus_err *err)
{
    return bench(cli, BENCH_SUB, err);
}

enum unibus_status cli_bench_req(struct cli *cli, struct unibus_err *err)
{
    return bench(cli, cli_option(cli, "reply") != NULL ? BENCH_REPLY : BENCH_REQ, err);
}

enum unibus_status cli_bench_fanout(struct cli *cli, struct unibus_err *err)
{
    return bench(cli, BENCH_FANOUT, err);
}
