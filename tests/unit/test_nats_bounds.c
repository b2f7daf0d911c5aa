/* SPDX-License-Identifier: Apache-2.0
 *
 * What a hostile client costs: the memory that is kept for it, with a control that the measure
 * sees memory, and the code under which the log tells of it. The table "Hostile clients" of
 * docs/nats.md names these tests. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_nats_rig.h"

#include "buf.h"
#include "conn.h"

/* Under a sanitizer glibc's own figures are 0, and these are the ones. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static int64_t heap_bytes(void)
{
    if (__sanitizer_get_current_allocated_bytes != NULL) {
        return (int64_t)__sanitizer_get_current_allocated_bytes();
    }
    struct mallinfo2 info = mallinfo2();
    return (int64_t)(info.uordblks + info.hblkhd);
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig_init(rig);
    rig->settings.auth_timeout = 20000; /* so long the measure may take under a sanitizer */
    rig_start(rig);
    *state = rig;
    return 0;
}

/* Of the client itself nothing shall be measured. */
static void forget(struct rig_client *client)
{
    free(client->bytes);
    client->bytes = NULL;
    client->len = client->room = 0;
}

/* Waits until the heap grew by at least this much over `before`; answers by how much. */
static int64_t grown(int64_t before, int64_t least)
{
    int64_t deadline = rig_now_ms() + 10000, bytes = heap_bytes() - before;
    while (bytes < least && rig_now_ms() < deadline) {
        usleep(10000);
        bytes = heap_bytes() - before;
    }
    assert_true(bytes >= least);
    return bytes;
}

static void assert_shrinks_to(int64_t most)
{
    int64_t deadline = rig_now_ms() + 10000;
    while (heap_bytes() > most && rig_now_ms() < deadline) {
        usleep(10000);
    }
    assert_true(heap_bytes() <= most);
}

enum { CROWD = 100, SPARE = 512 * 1024 /* blocks of the pool, the loops' scratch */ };

/* ---- memory -----------------------------------------------------------------------------------
 */

/* An unfinished CONNECT is kept, up to max_control_line, and no more with it than a connection. */
static void an_unfinished_login_is_kept_small(void **state)
{
    static struct rig_client crowd[CROWD];
    char line[4000];
    memset(line, 'x', sizeof(line));
    memcpy(line, "CONNECT {\"name\":\"", 17);
    int64_t before = heap_bytes();
    for (int i = 0; i < CROWD; i++) {
        rig_open(*state, &crowd[i]);
        forget(&crowd[i]);
        rig_send_bytes(&crowd[i], line, sizeof(line));
    }
    int64_t bytes = grown(before, CROWD * (int64_t)sizeof(line)); /* control: it is seen */
    print_message("%d bytes for each unfinished login\n", (int)(bytes / CROWD));
    assert_true(bytes <= CROWD * ((int64_t)NATS_PREAUTH_BYTES + 4096) + SPARE);
    for (int i = 0; i < CROWD; i++) {
        rig_close(&crowd[i]);
    }
    assert_shrinks_to(before + SPARE);
}

/* A line without an end, and what nobody may say before a login: nothing stays of it. */
static void nothing_is_kept_of_the_refused(void **state)
{
    static struct rig_client crowd[CROWD];
    char *line = malloc(300000);
    memset(line, 'x', 300000);
    int64_t before = heap_bytes();
    for (int i = 0; i < CROWD; i++) {
        memcpy(line, i % 2 == 0 ? "CONNECT {" : "PUB a 1048", 9);
        rig_open(*state, &crowd[i]);
        rig_send_bytes(&crowd[i], line, 300000);
        rig_expect(&crowd[i], "-ERR '");
        rig_expect_closed(&crowd[i]);
        forget(&crowd[i]);
        assert_true(heap_bytes() - before <= CROWD * 4096 + SPARE);
        rig_close(&crowd[i]);
    }
    assert_shrinks_to(before + SPARE);
    free(line);
}

/* After a login a message may be large: its size is what is taken, and max_payload the end. */
static void an_unfinished_message_is_kept_once(void **state)
{
    enum { SENDERS = 8 };
    struct rig_client clients[SENDERS];
    const int64_t size = 1 << 20;
    for (int i = 0; i < SENDERS; i++) {
        rig_login(*state, &clients[i], "root");
        forget(&clients[i]);
    }
    int64_t before = heap_bytes();
    for (int i = 0; i < SENDERS; i++) {
        rig_send(&clients[i], "PUB a 1048576\r\nbegin");
    }
    int64_t bytes = grown(before, SENDERS * size);
    assert_true(bytes <= SENDERS * (size + 4096) + SPARE);
    for (int i = 0; i < SENDERS; i++) {
        rig_close(&clients[i]);
    }
    assert_shrinks_to(before + SPARE);
}

static void subscribe(struct rig_client *client, int from, int to)
{
    char *text = malloc(65536);
    for (int i = from; i < to; i += 1000) {
        size_t len = 0;
        for (int k = i; k < i + 1000; k++) {
            len += (size_t)snprintf(text + len, 65536 - len, "SUB s.%d.x %d\r\n", k, k);
        }
        rig_send_bytes(client, text, len);
    }
    rig_sync(client, "");
    forget(client);
    free(text);
}

/* Subscriptions cost what they are, the last as much as the first, and all comes back. */
static void subscriptions_grow_in_a_line(void **state)
{
    enum { STEP = 25000, EACH = 700 };
    struct rig_client client;
    rig_login(*state, &client, "root");
    forget(&client);
    int64_t before = heap_bytes();
    subscribe(&client, 0, STEP);
    int64_t first = heap_bytes() - before;
    subscribe(&client, STEP, 4 * STEP);
    int64_t all = heap_bytes() - before;
    print_message("%d bytes a subscription, then %d\n", (int)(first / STEP),
                  (int)(all / (4 * STEP)));
    assert_true(first > STEP * 100); /* control */
    assert_true(all <= 4 * STEP * EACH);
    assert_true(all <= first * 6);
    for (int i = 0; i < 100; i++) { /* the same sids again: nothing new */
        rig_send(&client, "SUB s.1.x 1\r\nUNSUB nobody\r\nUNSUB 999999999\r\n");
    }
    rig_sync(&client, "");
    forget(&client);
    assert_true(heap_bytes() - before <= all + 65536);
    rig_close(&client);
    assert_shrinks_to(before + SPARE + all / 4); /* tables shrink later than what is in them */
}

/* Who does not read has max_pending waiting for him, however much is sent, and then nothing. */
static void a_slow_reader_costs_max_pending(void **state)
{
    (void)state;
    enum { PENDING = 8 << 20, BLOCK = 65536 };
    struct rig rig;
    struct rig_client slow, sender;
    rig_init(&rig);
    rig.settings.max_pending = PENDING;
    rig_start(&rig);
    rig_login(&rig, &slow, "root");
    rig_login(&rig, &sender, "root");
    rig_send(&slow, "SUB flood 1\r\n");
    rig_sync(&slow, "");
    char *block = malloc(BLOCK + 64);
    size_t head = (size_t)sprintf(block, "PUB flood %d\r\n", BLOCK);
    memset(block + head, 'x', BLOCK);
    memcpy(block + head + BLOCK, "\r\n", 2);
    int64_t before = heap_bytes(), most = 0;
    for (int i = 0; i < 1024; i++) { /* 64 MiB */
        rig_send_bytes(&sender, block, head + BLOCK + 2);
        if (i % 4 == 3) {
            rig_sync(&sender, NULL);
            int64_t now = heap_bytes() - before;
            most = now > most ? now : most;
        }
    }
    print_message("%d KiB at most for a reader that does not read\n", (int)(most / 1024));
    assert_true(rig_log_has(&rig, "slow-consumer"));
    assert_true(most > PENDING / 2);          /* control */
    assert_true(most <= 2 * PENDING + SPARE); /* 1.3 times; TSan's blocks are larger */
    free(block);
    rig_close(&slow);
    rig_close(&sender);
    rig_stop(&rig);
}

/* ---- codes ------------------------------------------------------------------------------------
 */

struct fault {
    bool is_inside; /* after a login */
    const char *bytes;
    const char *answer; /* NULL = none */
    const char *code;   /* in the log */
};

static const struct fault faults[] = {
    {false, "SUB a 1\r\n", "Authorization Violation", "early-operation"},
    {false, "PUB a 1000000\r\n", "Authorization Violation", "early-operation"},
    {false, "INFO {}\r\n", "Authorization Violation", "early-operation"},
    {false, "CONNECT nonsense\r\n", "Unknown Protocol Operation", "bad-connect"},
    {false, "CONNECT {\"protocol\":2}\r\n", "invalid client protocol", "bad-protocol"},
    {false, "CONNECT {\"no_responders\":true}\r\n", "no responders requires headers support",
     "no-responders"},
    {false, "CONNECT {\"jwt\":\"x\"}\r\n", "Authorization Violation", "login-refused"},
    {false, "CONNECT {\"user\":\"root\",\"pass\":\"no\"}\r\n", "Authorization Violation",
     "login-refused"},
    {false, "CONNECT {\"nkey\":\"UX\",\"sig\":\"AA\"}\r\n", "Authorization Violation",
     "login-refused"},
    {true, "PUB a -1\r\n", "Unknown Protocol Operation", "code=protocol"},
    {true, "PUB a 5x\r\n", "Unknown Protocol Operation", "code=protocol"},
    {true, "PUB a 1048577\r\n", "Maximum Payload Violation", "code=payload"},
    {true, "HPUB a 12 12\r\nNATS/9.9\r\n\r\n\r\n", "bad message header detected", "code=headers"},
    {true, "HPUB a 13 5\r\nhello\r\n", "Unknown Protocol Operation", "code=protocol"},
    {true, "SUB a..b 1\r\n", "Invalid Subject", "subscription-refused"},
    {true, "PUB a..b 0\r\n\r\n", "Invalid Publish Subject", "publish-refused"},
};

/* One line with the code, at once, for whoever looks after the node. */
static void each_fault_has_its_code(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct rig_client client;
        char expected[128];
        if (faults[i].is_inside) {
            rig_login(rig, &client, "root");
        } else {
            rig_open(rig, &client);
        }
        kit_log_clear(rig->host);
        rig_send(&client, faults[i].bytes);
        snprintf(expected, sizeof(expected), "-ERR '%s'\r\n", faults[i].answer);
        rig_expect(&client, expected);
        const char *log = kit_log(rig->host);
        if (strstr(log, faults[i].code) == NULL || strchr(log, '\n') != strrchr(log, '\n')) {
            fail_msg("%s logs\n%s", faults[i].bytes, log);
        }
        rig_close(&client);
    }
}

/* A flood of faults on one connection is told ten times a second, each of them to the client. */
static void a_flood_of_faults_does_not_flood_the_log(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    rig_login(rig, &client, "root");
    kit_log_clear(rig->host);
    for (int i = 0; i < 1000; i++) {
        rig_send(&client, "SUB a..b 1\r\n");
    }
    for (int i = 0; i < 1000; i++) {
        rig_expect(&client, "-ERR 'Invalid Subject'\r\n");
    }
    size_t lines = 0;
    for (const char *at = kit_log(rig->host); (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_in_range(lines, 1, 200); /* ten a second, and a slow machine takes seconds */
    rig_close(&client);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(an_unfinished_login_is_kept_small),
        WITH_SERVER(nothing_is_kept_of_the_refused),
        WITH_SERVER(an_unfinished_message_is_kept_once),
        WITH_SERVER(subscriptions_grow_in_a_line),
        cmocka_unit_test(a_slow_reader_costs_max_pending),
        WITH_SERVER(each_fault_has_its_code),
        WITH_SERVER(a_flood_of_faults_does_not_flood_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
