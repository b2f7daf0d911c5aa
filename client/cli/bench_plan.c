/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define CLIENTS_MAX  1000
#define MSGS_RAW     100000
#define MSGS_ROOM    10000
#define BATCH_ROOM   100
#define WINDOW_BYTES ((uint64_t)8 << 20)
#define WINDOW_MAX   65536
#define PATIENCE_MS  5000
#define NS_OF_A_MS   1000000u

struct unit {
    const char *name;
    double factor;
};
static const struct unit sizes[] = {{"", 1},       {"B", 1},         {"kB", 1e3}, {"MB", 1e6},
                                    {"KiB", 1024}, {"MiB", 1048576}, {NULL, 0}};
static const struct unit counts[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {NULL, 0}};

/* A number with a unit; negative when it is none. */
static double read_amount(const char *text, const struct unit *units)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || !(number >= 0) || number > 1e15) {
        return -1;
    }
    end += strspn(end, " ");
    for (; units->name != NULL; units++) {
        if (strcmp(end, units->name) == 0) {
            return number * units->factor;
        }
    }
    return -1;
}

struct amount {
    const char *option;
    const struct unit *units;
    double min, max;
    const char *example;
};

/* *value_out stays when the option is not given. */
static enum unibus_status take_amount(const struct cli *cli, const struct amount *amount,
                                      double *value_out, struct unibus_err *err)
{
    const char *text = cli_option(cli, amount->option);
    if (text == NULL) {
        return UNIBUS_OK;
    }
    double value = read_amount(text, amount->units);
    if (value < amount->min || value > amount->max) {
        unibus_fail(err, UNIBUS_USAGE, "--%s %s: it must be %.0f to %.0f", amount->option, text,
                    amount->min, amount->max);
        return unibus_fix(err, "--%s %s", amount->option, amount->example);
    }
    *value_out = value;
    return UNIBUS_OK;
}

static enum unibus_status take_duration(const struct cli *cli, const char *option, long long *ms,
                                        struct unibus_err *err)
{
    const char *text = cli_option(cli, option);
    if (text == NULL) {
        return UNIBUS_OK;
    }
    *ms = cli_duration_ms(text);
    if (*ms > 0) {
        return UNIBUS_OK;
    }
    unibus_fail(err, UNIBUS_USAGE, "--%s %s is not a duration", option, text);
    return unibus_fix(err, "--%s 500ms, 10s, 2m or 1h", option);
}

struct amounts {
    double msgs, size, clients, pub, sub, rate, batch, window;
};

static enum unibus_status take_amounts(const struct cli *cli, struct amounts *a,
                                       struct unibus_err *err)
{
    const struct {
        struct amount amount;
        double *value;
    } rows[] = {
        {{"msgs", counts, 1, 1e12, "100000, 100k, 5M"}, &a->msgs},
        {{"size", sizes, 0, (double)BENCH_PATTERN_MAX, "128, 16KiB, 1MiB, 64kB"}, &a->size},
        {{"clients", counts, 1, CLIENTS_MAX, "4"}, &a->clients},
        {{"pub", counts, 1, CLIENTS_MAX, "4"}, &a->pub},
        {{"sub", counts, 1, CLIENTS_MAX, "10"}, &a->sub},
        {{"rate", counts, 0.001, 1e9, "20000, 200k"}, &a->rate},
        {{"batch", counts, 1, 10000, "100"}, &a->batch},
        {{"inflight", counts, 1, 1000000, "64"}, &a->window},
    };
    enum unibus_status status = UNIBUS_OK;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && status == UNIBUS_OK; i++) {
        status = take_amount(cli, &rows[i].amount, rows[i].value, err);
    }
    return status;
}

/* As many as 8 MiB hold, so that no server takes a receiver for a slow one. */
static double default_window(enum bench_kind kind, double size)
{
    double fits = (double)WINDOW_BYTES / (size + 64);
    return kind == BENCH_REQ ? 1 : fits > WINDOW_MAX ? WINDOW_MAX : fits < 16 ? 16 : fits;
}

static void fill_plan(const struct amounts *a, struct bench_plan *plan)
{
    unsigned clients = (unsigned)a->clients;
    plan->senders = plan->kind == BENCH_FANOUT                           ? (unsigned)a->pub
                    : plan->kind == BENCH_PUB || plan->kind == BENCH_REQ ? clients
                                                                         : 0;
    plan->receivers = plan->kind == BENCH_FANOUT                             ? (unsigned)a->sub
                      : plan->kind == BENCH_SUB || plan->kind == BENCH_REPLY ? clients
                                                                             : 0;
    plan->size = (size_t)a->size;
    plan->rate = a->rate;
    plan->window = (uint64_t)(a->window > 0 ? a->window : default_window(plan->kind, a->size));
    /* Sealing ahead of the time would hide what sealing costs where latency is the question. */
    bool is_waiting = plan->kind == BENCH_REQ || plan->rate > 0;
    plan->batch = (size_t)(a->batch > 0                       ? a->batch
                           : plan->room == NULL || is_waiting ? 1
                                                              : BATCH_ROOM);
    plan->msgs = (uint64_t)a->msgs;
}

static enum unibus_status check_plan(const struct bench_plan *plan, struct unibus_err *err)
{
    if (plan->kind == BENCH_REQ && plan->size < BENCH_STAMP_LEN) {
        unibus_fail(err, UNIBUS_USAGE, "--size %zu: a request has at least %d bytes, its number",
                    plan->size, BENCH_STAMP_LEN);
        return unibus_fix(err, "--size %d", BENCH_STAMP_LEN);
    }
    if (plan->msgs > 0 && plan->senders > plan->msgs) {
        unibus_fail(err, UNIBUS_USAGE, "%u clients cannot share %llu messages", plan->senders,
                    (unsigned long long)plan->msgs);
        return unibus_fix(err, "--msgs %u or more", plan->senders);
    }
    return UNIBUS_OK;
}

enum unibus_status bench_plan_read(const struct cli *cli, enum bench_kind kind,
                                   struct bench_plan *plan_out, struct unibus_err *err)
{
    struct amounts amounts = {.size = 128, .clients = 1, .pub = 1, .sub = 10};
    long long duration_ms = 0, patience_ms = PATIENCE_MS;
    *plan_out = (struct bench_plan){
        .kind = kind,
        .verb = cli->command->verb,
        .url = cli_option(cli, "url"),
        .room = cli_option(cli, "room"),
        .channel = cli->args_len > 0 ? cli->args[0] : "bench",
        .csv = cli_option(cli, "csv"),
    };
    enum unibus_status status = take_amounts(cli, &amounts, err);
    status = status == UNIBUS_OK ? take_duration(cli, "duration", &duration_ms, err) : status;
    status = status == UNIBUS_OK ? take_duration(cli, "timeout", &patience_ms, err) : status;
    if (status != UNIBUS_OK) {
        return status;
    }
    plan_out->duration_ns = (uint64_t)duration_ms * NS_OF_A_MS;
    plan_out->patience_ms = patience_ms;
    if (amounts.msgs <= 0 && duration_ms == 0 && kind != BENCH_REPLY) {
        amounts.msgs = plan_out->room != NULL ? MSGS_ROOM : MSGS_RAW;
    }
    fill_plan(&amounts, plan_out);
    return check_plan(plan_out, err);
}
