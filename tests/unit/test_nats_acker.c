/* SPDX-License-Identifier: Apache-2.0
 *
 * The contract of ub.bus as a stream store needs it: a module (tests/modules/acker) that answers
 * everything from a thread of its own, in batches. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_nats_rig.h"

extern const struct ub_module unibus_module_acker;

#define FLOWS  8
#define WINDOW 256
#define ROUNDS 40 /* windows on each connection */

struct bench {
    struct rig rig;
    void *acker;
};

static const char *const acker_sets[] = {"pending_max=64 KiB", NULL};

static void acker_start(struct bench *bench)
{
    struct ub_err err = UB_ERR_INIT;
    const struct ub_module_ops *ops = unibus_module_acker.ops;
    const void *settings = kit_settings(bench->rig.host, &unibus_module_acker, acker_sets);
    struct ub_service bus = {sizeof(bus), UB_BUS_IFACE,  UB_BUS_MAJOR,     UB_BUS_MINOR,
                             "nats",      &nats_bus_ops, bench->rig.server};
    assert_non_null(settings);
    assert_int_equal(ops->create(bench->rig.host, settings, &bench->acker, &err), UB_OK);
    assert_int_equal(ops->bind(bench->acker, &bus, &err), UB_OK);
    assert_int_equal(ops->start(bench->acker, &err), UB_OK);
}

static void acker_stop(struct bench *bench)
{
    if (bench->acker != NULL) {
        unibus_module_acker.ops->stop(bench->acker);
        unibus_module_acker.ops->destroy(bench->acker);
        bench->acker = NULL;
    }
}

/* Alice has the inbox rules, as the members of rooms do. */
static int set_up(void **state)
{
    const struct ub_perm_rule rules[] = {
        {.actions = UB_PUBLISH, .subject = "acker.>"},
        {.actions = UB_SUBSCRIBE, .subject = "_INBOX.>"},
    };
    struct bench *bench = calloc(1, sizeof(*bench));
    rig_init(&bench->rig);
    bench->rig.settings.max_pending = 1 << 20;
    rig_user_set(&bench->rig.authz, "alice", rig_perms(UB_PERM_INBOX, rules, 2, NULL));
    rig_start(&bench->rig);
    acker_start(bench);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    acker_stop(bench);
    rig_stop(&bench->rig);
    free(bench);
    return 0;
}

/* ---- what the acker counts ---------------------------------------------------------------------
 */

struct wanted {
    const char *name;
    int64_t value;
};

static void on_number(void *ctx, const char *name, int64_t value)
{
    struct wanted *wanted = ctx;
    if (strcmp(name, wanted->name) == 0) {
        wanted->value = value;
    }
}

static int64_t count_of(struct bench *bench, const char *name)
{
    struct wanted wanted = {name, -1};
    struct ub_health_sink sink = {.size = sizeof(sink), .ctx = &wanted, .number = on_number};
    unibus_module_acker.ops->health(bench->acker, &sink);
    return wanted.value;
}

static void expect_count(struct bench *bench, const char *name, int64_t value)
{
    int64_t deadline = rig_now_ms() + 10000;
    while (count_of(bench, name) != value && rig_now_ms() < deadline) {
        usleep(1000);
    }
    assert_int_equal(count_of(bench, name), value);
}

/* ---- every message acknowledged, in order, once ------------------------------------------------
 */

/* What has been acknowledged on all connections together. */
struct ledger {
    uint8_t *seen; /* by sequence, which counts over all */
    uint64_t room, count;
};

struct flow {
    struct rig_client client;
    char prefix[64];
    uint64_t next;
};

/* One acknowledgement: the next of its flow, with a sequence that nobody had. */
static bool ack_fits(struct ledger *ledger, struct flow *flow, const char *line, const char *body)
{
    char expected[128];
    uint64_t sequence = 0;
    snprintf(expected, sizeof(expected), "%s%" PRIu64 " ", flow->prefix, flow->next);
    if (strncmp(line, expected, strlen(expected)) != 0 ||
        sscanf(body, "{\"seq\":%" SCNu64 "}\r\n", &sequence) != 1 || sequence == 0 ||
        sequence > ledger->room || ledger->seen[sequence - 1] != 0) {
        return false;
    }
    ledger->seen[sequence - 1] = 1;
    ledger->count++;
    flow->next++;
    return true;
}

/* Takes the whole acknowledgements that have arrived. */
static void flow_take(struct ledger *ledger, struct flow *flow)
{
    struct rig_client *client = &flow->client;
    char *at = client->bytes, *body, *end;
    while (client->len > 0 && (body = strstr(at, "\r\n")) != NULL &&
           (end = strstr(body + 2, "\r\n")) != NULL) {
        if (!ack_fits(ledger, flow, at, body + 2)) {
            fail_msg("%s%" PRIu64 " was expected, this came: %.*s", flow->prefix, flow->next,
                     (int)(end - at), at);
        }
        at = end + 2;
    }
    if (client->len > 0) {
        client->len -= (size_t)(at - client->bytes);
        memmove(client->bytes, at, client->len + 1);
    }
}

static void flow_open(struct bench *bench, struct flow *flow, int number)
{
    char line[64];
    memset(flow, 0, sizeof(*flow));
    rig_login(&bench->rig, &flow->client, "alice");
    snprintf(flow->prefix, sizeof(flow->prefix), "MSG _INBOX.f%d.", number);
    snprintf(line, sizeof(line), "SUB _INBOX.f%d.* 1\r\n", number);
    rig_send(&flow->client, line);
    rig_sync(&flow->client, "");
}

static void flow_send_window(struct flow *flow, int number, uint64_t first)
{
    static char text[WINDOW * 64];
    size_t len = 0;
    for (uint64_t i = first; i < first + WINDOW; i++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "PUB acker.ack _INBOX.f%d.%" PRIu64 " 5\r\nhello\r\n", number, i);
    }
    rig_send_bytes(&flow->client, text, len);
}

static void flow_await(struct ledger *ledger, struct flow *flow, uint64_t until)
{
    bool is_closed = false;
    int64_t deadline = rig_now_ms() + 20000;
    while (flow->next < until && !is_closed && rig_now_ms() < deadline) {
        rig_more(&flow->client, 100, &is_closed);
        flow_take(ledger, flow);
    }
    assert_int_equal(flow->next, until);
}

static void test_none_lost_none_twice(void **state)
{
    struct bench *bench = *state;
    static struct flow flows[FLOWS];
    const uint64_t total = (uint64_t)FLOWS * WINDOW * ROUNDS;
    struct ledger ledger = {calloc(1, total), total, 0};
    for (int i = 0; i < FLOWS; i++) {
        flow_open(bench, &flows[i], i);
    }
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < FLOWS; i++) {
            flow_send_window(&flows[i], i, round * WINDOW);
        }
        for (int i = 0; i < FLOWS; i++) {
            flow_await(&ledger, &flows[i], (round + 1) * WINDOW);
        }
    }
    assert_int_equal(ledger.count, total);
    for (int i = 0; i < FLOWS; i++) {
        rig_sync(&flows[i].client, ""); /* nothing more came */
        rig_close(&flows[i].client);
    }
    expect_count(bench, "delivered", (int64_t)total);
    expect_count(bench, "answered", (int64_t)total);
    expect_count(bench, "refused", 0);
    assert_true(count_of(bench, "batches") * 8 < (int64_t)total);
    free(ledger.seen);
}

/* The control: the check above must see what it is for. */
static void test_check_sees_faults(void **state)
{
    (void)state;
    uint8_t seen[8] = {0};
    struct ledger ledger = {seen, sizeof(seen), 0};
    struct flow flow = {.prefix = "MSG _INBOX.f0."};
    assert_true(ack_fits(&ledger, &flow, "MSG _INBOX.f0.0 1 9\r\n", "{\"seq\":1}\r\n"));
    assert_false(ack_fits(&ledger, &flow, "MSG _INBOX.f0.0 1 9\r\n", "{\"seq\":2}\r\n"));
    assert_false(ack_fits(&ledger, &flow, "MSG _INBOX.f0.2 1 9\r\n", "{\"seq\":2}\r\n"));
    assert_false(ack_fits(&ledger, &flow, "MSG _INBOX.f1.1 1 9\r\n", "{\"seq\":2}\r\n"));
    assert_false(ack_fits(&ledger, &flow, "MSG _INBOX.f0.1 1 9\r\n", "{\"seq\":1}\r\n"));
    assert_false(ack_fits(&ledger, &flow, "MSG _INBOX.f0.1 1 9\r\n", "{\"seq\":9}\r\n"));
    assert_false(ack_fits(&ledger, &flow, "MSG _INBOX.f0.1 1 0\r\n", "\r\n"));
    assert_true(ack_fits(&ledger, &flow, "MSG _INBOX.f0.1 1 9\r\n", "{\"seq\":2}\r\n"));
    assert_int_equal(ledger.count, 2);
}

/* ---- straight back, from the buffer in which it came -------------------------------------------
 */

static void test_echo_straight(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 4095, 4096, 20000, 40000, 200000};
    struct bench *bench = *state;
    struct rig_client client;
    char head[128], *payload = malloc(200000), *expected = malloc(200200);
    rig_login(&bench->rig, &client, "alice");
    rig_send(&client, "SUB _INBOX.e.* 7\r\n");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t k = 0; k < sizes[i]; k++) {
            payload[k] = (char)('a' + (k * 7 + i) % 26);
        }
        snprintf(head, sizeof(head), "PUB acker.echo _INBOX.e.%zu %zu\r\n", i, sizes[i]);
        rig_send(&client, head);
        rig_send_bytes(&client, payload, sizes[i]);
        rig_send(&client, "\r\n");
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int len = sprintf(expected, "MSG _INBOX.e.%zu 7 %zu\r\n", i, sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) {
            expected[(size_t)len + k] = (char)('a' + (k * 7 + i) % 26);
        }
        strcpy(expected + (size_t)len + sizes[i], "\r\n");
        rig_expect(&client, expected);
    }
    rig_sync(&client, "");
    rig_close(&client);
    free(payload);
    free(expected);
}

/* ---- nobody there ------------------------------------------------------------------------------
 */

static void test_refused(void **state)
{
    struct bench *bench = *state;
    struct rig_client client;
    rig_login(&bench->rig, &client, "alice");
    rig_send(&client, "SUB _INBOX.r.1 1\r\n");
    for (int i = 0; i < 100; i++) { /* its own inbox, but only one subject of it is subscribed */
        rig_send(&client, "PUB acker.ack _INBOX.r.2 1\r\nx\r\n"
                          "PUB acker.echo _INBOX.r.3 1\r\nx\r\n");
    }
    expect_count(bench, "refused", 200);
    rig_sync(&client, "");
    /* The module has gone: the asker is told so at once. */
    acker_stop(bench);
    rig_send(&client, "PUB acker.ack _INBOX.r.1 1\r\nx\r\n");
    rig_expect(&client, "HMSG _INBOX.r.1 1 41 41\r\nNATS/1.0 503\r\nNats-Subject: acker.ack\r\n");
    rig_close(&client);
}

/* ---- a request ends when its asker goes --------------------------------------------------------
 */

static void test_gone(void **state)
{
    struct bench *bench = *state;
    struct rig_client clients[3];
    for (int i = 0; i < 3; i++) {
        char text[128];
        rig_login(&bench->rig, &clients[i], "alice");
        snprintf(text, sizeof(text), "SUB _INBOX.g%d.* 1\r\nPUB acker.pull _INBOX.g%d.1 0\r\n\r\n",
                 i, i);
        rig_send(&clients[i], text);
    }
    expect_count(bench, "pulling", 3);
    assert_int_equal(count_of(bench, "gone"), 0);
    rig_send(&clients[0], "UNSUB 1\r\n");
    expect_count(bench, "gone", 1);
    rig_close(&clients[1]);
    expect_count(bench, "gone", 2);
    assert_int_equal(count_of(bench, "pulling"), 1);
    /* So does an asker who may no longer be here. */
    rig_user_set(&bench->rig.authz, "alice", NULL);
    rig_user_changed(&bench->rig.authz, "alice");
    expect_count(bench, "gone", 3);
    rig_close(&clients[0]);
    rig_close(&clients[2]);
}

/* ---- back-pressure -----------------------------------------------------------------------------
 */

#define FLOOD_COUNT 20000
#define FLOOD_SIZE  1000

static void test_back_pressure(void **state)
{
    struct bench *bench = *state;
    struct rig_client client;
    char text[128];
    int64_t taken = 0;
    rig_login(&bench->rig, &client, "alice");
    snprintf(text, sizeof(text), "%d %d", FLOOD_COUNT, FLOOD_SIZE);
    rig_send(&client, "SUB _INBOX.f.* 1\r\n");
    char request[192];
    snprintf(request, sizeof(request), "PUB acker.flood _INBOX.f.1 %zu\r\n%s\r\n", strlen(text),
             text);
    rig_send(&client, request);
    /* Nobody reads: it stops far before the end, and the receiver is not cut as too slow. */
    int64_t before = -1, deadline = rig_now_ms() + 10000;
    while (before != count_of(bench, "answered") && rig_now_ms() < deadline) {
        before = count_of(bench, "answered");
        usleep(200000);
    }
    assert_true(before > 0 && before < FLOOD_COUNT);
    bool is_closed = false;
    const int64_t message = FLOOD_SIZE + (int64_t)strlen("MSG _INBOX.f.1 1 1000\r\n\r\n");
    while (taken < FLOOD_COUNT * message && !is_closed) {
        assert_true(rig_more(&client, 10000, &is_closed));
        taken += (int64_t)client.len;
        client.len = 0;
    }
    assert_int_equal(taken, FLOOD_COUNT * message);
    expect_count(bench, "refused", 0);
    assert_false(rig_log_has(&bench->rig, "slow-consumer"));
    rig_close(&client);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_sees_faults),
        WITH_BENCH(test_none_lost_none_twice),
        WITH_BENCH(test_echo_straight),
        WITH_BENCH(test_refused),
        WITH_BENCH(test_gone),
        WITH_BENCH(test_back_pressure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
