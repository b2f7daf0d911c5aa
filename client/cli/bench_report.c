/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define NS_OF_A_S  1e9
#define NS_OF_A_US 1e3

/* Clients of one kind, added up. */
struct group {
    const char *name;
    const struct bench_client *clients;
    unsigned n;
};

static struct group group_of(const struct bench_run *run, bool are_senders)
{
    enum bench_kind kind = run->plan.kind;
    struct group group = {.clients = are_senders ? run->senders : run->receivers,
                          .n = are_senders ? run->plan.senders : run->plan.receivers};
    group.name = are_senders ? (kind == BENCH_REQ ? "requesters" : "publishers")
                             : (kind == BENCH_REPLY ? "answerers" : "subscribers");
    return group;
}

/* The time in which a client did its work: a subscriber of publishers elsewhere begins with the
 * first message. */
static double seconds_of(const struct bench_client *client)
{
    const struct bench_run *run = client->run;
    uint64_t begin = run->plan.kind == BENCH_SUB || run->plan.kind == BENCH_REPLY ? client->first_ns
                                                                                  : run->start_ns;
    return client->last_ns > begin ? (double)(client->last_ns - begin) / NS_OF_A_S : 0;
}

static double rate_of(const struct bench_client *client)
{
    double seconds = seconds_of(client);
    return seconds > 0 ? (double)atomic_load(&client->count) / seconds : 0;
}

static uint64_t messages_of(const struct group *group)
{
    uint64_t messages = 0;
    for (unsigned i = 0; i < group->n; i++) {
        messages += atomic_load(&group->clients[i].count);
    }
    return messages;
}

/* From the first client's begin to the last one's end. */
static double seconds_of_all(const struct group *group)
{
    uint64_t begin = UINT64_MAX, end = 0;
    for (unsigned i = 0; i < group->n; i++) {
        const struct bench_client *client = &group->clients[i];
        enum bench_kind kind = client->run->plan.kind;
        uint64_t own =
            kind == BENCH_SUB || kind == BENCH_REPLY ? client->first_ns : client->run->start_ns;
        if (client->last_ns > 0) {
            begin = own < begin ? own : begin;
            end = client->last_ns > end ? client->last_ns : end;
        }
    }
    return end > begin ? (double)(end - begin) / NS_OF_A_S : 0;
}

static struct bench_spread spread_of(const struct group *group)
{
    double *rates = calloc(group->n + 1u, sizeof(*rates));
    struct bench_spread spread = {0, 0, 0, 0};
    for (unsigned i = 0; rates != NULL && i < group->n; i++) {
        rates[i] = rate_of(&group->clients[i]);
    }
    if (rates != NULL) {
        spread = bench_spread_of(rates, group->n);
    }
    free(rates);
    return spread;
}

static json_t *whole(double value)
{
    return json_integer((json_int_t)(value + 0.5));
}

static uint64_t bytes_of(const struct bench_client *client)
{
    return client->bytes > 0 ? client->bytes : atomic_load(&client->count) * client->run->plan.size;
}

static json_t *group_json(const struct group *group)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < group->n; i++) {
        bytes += bytes_of(&group->clients[i]);
    }
    uint64_t messages = messages_of(group);
    double seconds = seconds_of_all(group);
    double rate = seconds > 0 ? (double)messages / seconds : 0;
    struct bench_spread spread = spread_of(group);
    json_t *json = json_object();
    json_object_set_new(json, "clients", json_integer(group->n));
    json_object_set_new(json, "messages", json_integer((json_int_t)messages));
    json_object_set_new(json, "seconds", json_real(seconds));
    json_object_set_new(json, "msgs_per_s", whole(rate));
    json_object_set_new(json, "bytes_per_s", whole(seconds > 0 ? (double)bytes / seconds : 0));
    json_object_set_new(json, "client_msgs_per_s",
                        json_pack("{s:o, s:o, s:o, s:o}", "min", whole(spread.min), "avg",
                                  whole(spread.avg), "max", whole(spread.max), "stddev",
                                  whole(spread.stddev)));
    return json;
}

static json_t *micros(double ns)
{
    return json_real((double)(int64_t)(ns / NS_OF_A_US * 100 + 0.5) / 100);
}

static json_t *histogram_json(const struct bench_histogram *histogram)
{
    static const struct {
        const char *key;
        double part;
    } rows[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    json_t *json = json_object();
    json_object_set_new(json, "count", json_integer((json_int_t)histogram->count));
    json_object_set_new(json, "min", micros((double)histogram->min_ns));
    json_object_set_new(json, "mean", micros(bench_histogram_mean(histogram)));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = bench_histogram_quantile(histogram, rows[i].part);
        json_object_set_new(json, rows[i].key, micros((double)value));
    }
    json_object_set_new(json, "max", micros((double)histogram->max_ns));
    return json;
}

/* What all clients counted together. */
struct totals {
    struct bench_histogram latency, delay;
    uint64_t numbered, missing, doubled, late, foreign;
    uint64_t sealing_ns, sealed, opening_ns, opened;
};

static void add_clients(struct totals *totals, const struct group *group)
{
    uint32_t publisher;
    uint64_t number;
    for (unsigned i = 0; i < group->n; i++) {
        const struct bench_client *client = &group->clients[i];
        bench_histogram_merge(&totals->latency, &client->latency);
        bench_histogram_merge(&totals->delay, &client->delay);
        totals->missing += bench_order_missing(&client->order, &publisher, &number);
        totals->numbered += client->order.fresh;
        totals->doubled += client->order.doubled;
        totals->late += client->order.late;
        totals->foreign += client->foreign;
        totals->sealing_ns += client->sealing_ns;
        totals->sealed += client->sealed;
        totals->opening_ns += client->opening_ns;
        totals->opened += client->opened;
    }
}

static const char *verified(const struct bench_run *run, const struct totals *totals)
{
    enum bench_kind kind = run->plan.kind;
    if (kind == BENCH_PUB || kind == BENCH_REPLY) {
        return "none";
    }
    bool has_numbers = totals->numbered > 0 && totals->foreign == 0;
    return !has_numbers ? "count" : kind == BENCH_REQ ? "once" : "order";
}

static void set_count(json_t *json, const char *key, uint64_t count)
{
    json_object_set_new(json, key, json_integer((json_int_t)count));
}

static void set_totals(json_t *json, const struct bench_run *run, const struct totals *totals)
{
    if (totals->latency.count > 0) {
        json_object_set_new(json, "latency_us", histogram_json(&totals->latency));
    }
    if (run->plan.rate > 0) {
        json_object_set_new(json, "rate", json_real(run->plan.rate));
        json_object_set_new(json, "send_delay_us", histogram_json(&totals->delay));
    }
    if (totals->sealed > 0) {
        json_object_set_new(json, "sealing_us",
                            micros((double)totals->sealing_ns / (double)totals->sealed));
    }
    if (totals->opened > 0) {
        json_object_set_new(json, "opening_us",
                            micros((double)totals->opening_ns / (double)totals->opened));
    }
    json_object_set_new(json, "verified", json_string(verified(run, totals)));
    set_count(json, "missing", totals->missing);
    set_count(json, "doubled", totals->doubled);
    set_count(json, "late", totals->late);
    set_count(json, "foreign", totals->foreign);
    set_count(json, "dropped", run->dropped);
}

/* NULL when there is no memory. */
static json_t *report_json(const struct bench_run *run)
{
    struct totals *totals = calloc(1, sizeof(*totals));
    json_t *json = json_object();
    const struct bench_client *first = run->plan.senders > 0 ? run->senders : run->receivers;
    if (totals == NULL || json == NULL) {
        free(totals);
        return NULL;
    }
    json_object_set_new(json, "bench", json_string(run->plan.verb));
    json_object_set_new(json, "url", out_json_text(run->url));
    json_object_set_new(json, "subject", out_json_text(first->subject));
    json_object_set_new(json, "encrypted", json_boolean(run->is_sealed));
    if (run->plan.senders > 0) {
        set_count(json, "size", run->plan.size);
    }
    json_object_set_new(json, "interrupted", json_boolean(run->was_interrupted));
    for (int senders = 1; senders >= 0; senders--) {
        struct group group = group_of(run, senders != 0);
        if (group.n > 0) {
            json_object_set_new(json, group.name, group_json(&group));
            add_clients(totals, &group);
        }
    }
    set_totals(json, run, totals);
    free(totals);
    return json;
}

/* 1234567 as "1,234,567". */
static void with_commas(long long number, char text_out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%lld", number), at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            text_out[at++] = ',';
        }
        text_out[at++] = digits[i];
    }
    text_out[at] = '\0';
}

static void print_bytes(double bytes, char text_out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit < 3; unit++) {
        bytes /= 1024;
    }
    snprintf(text_out, 32, "%.*f %s/s", unit > 0 ? 1 : 0, bytes, units[unit]);
}

static void set_commas(json_t *row, const char *key, const json_t *number)
{
    char text[32];
    with_commas((long long)json_integer_value(number), text);
    json_object_set_new(row, key, json_string(text));
}

static json_t *group_row(const char *name, const json_t *group)
{
    static const char *const keys[] = {"min", "avg", "max", "stddev"};
    const json_t *each = json_object_get(group, "client_msgs_per_s");
    json_t *row = json_pack("{s:s}", "who", name);
    char text[32];
    set_commas(row, "clients", json_object_get(group, "clients"));
    set_commas(row, "messages", json_object_get(group, "messages"));
    set_commas(row, "msgs_per_s", json_object_get(group, "msgs_per_s"));
    print_bytes((double)json_integer_value(json_object_get(group, "bytes_per_s")), text);
    json_object_set_new(row, "bytes_per_s", json_string(text));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        set_commas(row, keys[i], json_object_get(each, keys[i]));
    }
    return row;
}

/* Two significant places of what a person reads: 85.3 us, 1.24 ms, 3.1 s. */
static void print_time(double us, char text_out[32])
{
    if (us < 1000) {
        snprintf(text_out, 32, "%.1f us", us);
    } else if (us < 1e6) {
        snprintf(text_out, 32, "%.2f ms", us / 1e3);
    } else {
        snprintf(text_out, 32, "%.2f s", us / 1e6);
    }
}

static void print_histogram(const char *title, const json_t *histogram)
{
    static const struct {
        const char *key, *name;
    } rows[] = {{"p50", "p50"}, {"p99", "p99"}, {"p999", "p99.9"}, {"max", "max"}};
    printf("%s", title);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[32];
        print_time(json_real_value(json_object_get(histogram, rows[i].key)), text);
        printf("%s %s %s", i > 0 ? "," : "", rows[i].name, text);
    }
    putchar('\n');
}

static void print_cost(const json_t *json)
{
    static const char *const rows[][2] = {{"sealing_us", "sealing "}, {"opening_us", "opening "}};
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_object_get(json, rows[i][0]);
        if (value != NULL) {
            char text[32];
            print_time(json_real_value(value), text);
            printf("%s     %s a message\n", rows[i][1], text);
        }
    }
}

static void print_verified(const json_t *json)
{
    const char *how = json_string_value(json_object_get(json, "verified"));
    const json_int_t bad = json_integer_value(json_object_get(json, "missing")) +
                           json_integer_value(json_object_get(json, "doubled")) +
                           json_integer_value(json_object_get(json, "dropped"));
    if (strcmp(how, "none") != 0 && bad == 0) {
        printf("verified     %s\n", strcmp(how, "order") == 0  ? "none lost, none twice, in order"
                                    : strcmp(how, "once") == 0 ? "each answered once"
                                                               : "the number of messages only");
    }
}

static void print_report(const struct cli *cli, const struct bench_run *run, const json_t *json)
{
    static const struct out_column columns[] = {
        {"who", ""},
        {"clients", "clients"},
        {"messages", "messages"},
        {"msgs_per_s", "msgs/s"},
        {"bytes_per_s", "bytes/s"},
        {"min", "client min"},
        {"avg", "avg"},
        {"max", "max"},
        {"stddev", "stddev"},
        {NULL, NULL},
    };
    json_t *rows = json_array();
    printf("%s on ", run->plan.verb);
    const char *subject = json_string_value(json_object_get(json, "subject"));
    out_safe(stdout, subject, strlen(subject));
    printf(" at ");
    out_safe(stdout, run->url, strlen(run->url));
    printf(" (%s)%s\n\n", run->is_sealed ? "encrypted" : "NOT encrypted",
           run->was_interrupted ? ", interrupted" : "");
    for (int senders = 1; senders >= 0; senders--) {
        struct group group = group_of(run, senders != 0);
        if (group.n > 0) {
            json_array_append_new(rows, group_row(group.name, json_object_get(json, group.name)));
        }
    }
    out_table(cli, rows, columns);
    putchar('\n');
    if (json_object_get(json, "latency_us") != NULL) {
        print_histogram("latency     ", json_object_get(json, "latency_us"));
    }
    if (json_object_get(json, "send_delay_us") != NULL) {
        print_histogram("sent late by", json_object_get(json, "send_delay_us"));
    }
    print_cost(json);
    print_verified(json);
}

static void write_lines(FILE *file, const struct group *group)
{
    for (unsigned i = 0; i < group->n; i++) {
        const struct bench_client *client = &group->clients[i];
        fprintf(file, "%s,%u,%" PRIu64 ",%" PRIu64 ",%.6f,%.1f\n", group->name, i + 1,
                atomic_load(&client->count), bytes_of(client), seconds_of(client), rate_of(client));
    }
}

static enum unibus_status write_csv(const struct bench_run *run, struct unibus_err *err)
{
    const char *path = run->plan.csv;
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    bool is_bad = path != NULL && file == NULL;
    if (file != NULL) {
        fputs("who,client,messages,bytes,seconds,msgs_per_s\n", file);
        for (int senders = 1; senders >= 0; senders--) {
            const struct group group = group_of(run, senders != 0);
            write_lines(file, &group);
        }
        is_bad = ferror(file) != 0;
        is_bad = fclose(file) != 0 || is_bad;
    }
    return is_bad ? unibus_fail(err, UNIBUS_FAILED, "cannot write %s: %s", path, strerror(errno))
                  : UNIBUS_OK;
}

enum unibus_status bench_report(const struct bench_run *run, struct unibus_err *err)
{
    json_t *json = report_json(run);
    if (json == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    if (out_is_json(run->cli)) {
        out_json_line(json);
    } else {
        print_report(run->cli, run, json);
        json_decref(json);
    }
    return write_csv(run, err);
}
