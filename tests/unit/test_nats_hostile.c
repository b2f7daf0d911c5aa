/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients that mean harm, or do it: the wire part of the list of bad inputs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "test_nats_rig.h"

#include "inbox.h"
#include "shard.h"

/* Sends bytes on a fresh connection; the server must answer this -ERR and close. */
static void assert_fatal_bytes(struct rig *rig, const void *bytes, size_t len, const char *error)
{
    struct rig_client client;
    char expected[128];
    rig_open(rig, &client);
    rig_send_bytes(&client, bytes, len);
    snprintf(expected, sizeof(expected), "-ERR '%s'\r\n", error);
    rig_expect(&client, expected);
    rig_expect_closed(&client);
    rig_close(&client);
}

static void assert_fatal(struct rig *rig, const char *text, const char *error)
{
    assert_fatal_bytes(rig, text, strlen(text), error);
}

/* The same after login. */
static void assert_fatal_inside(struct rig *rig, const char *text, const char *error)
{
    struct rig_client client;
    char expected[128];
    rig_login(rig, &client, "root");
    rig_send(&client, text);
    snprintf(expected, sizeof(expected), "-ERR '%s'\r\n", error);
    rig_expect(&client, expected);
    rig_expect_closed(&client);
    rig_close(&client);
}

static void test_verbs_before_connect(void **state)
{
    static const char *const early[] = {"SUB a 1\r\n",
                                        "PUB a 1\r\nx\r\n",
                                        "PUB a 1000000\r\n",
                                        "HPUB a 12 12\r\n",
                                        "UNSUB 1\r\n",
                                        "MSG a 1 0\r\n\r\n",
                                        "RS+ A a\r\n",
                                        "INFO {}\r\n",
                                        "+OK\r\n",
                                        "-ERR 'x'\r\n",
                                        "A+ a\r\n",
                                        "GET / HTTP/1.1\r\n",
                                        "\x16\x03\x01\x02",
                                        "PING\r\nPONG\r\nSUB a 1\r\n",
                                        "\r\n"};
    for (size_t i = 0; i < sizeof(early) / sizeof(early[0]); i++) {
        assert_fatal(*state, early[i], "Authorization Violation");
    }
    struct rig_client client;
    rig_open(*state, &client);
    rig_send(&client, "PING\r\nPONG\r\n");
    rig_sync(&client, "PONG\r\n");
    rig_close(&client);
    assert_true(rig_log_has(*state, "early-operation"));
}

static void test_too_much_before_connect(void **state)
{
    struct rig_client client;
    rig_open(*state, &client);
    for (int i = 0; i < 3000; i++) {
        rig_send(&client, "PING\r\n");
    }
    rig_expect(&client, "-ERR 'Authorization Violation'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    assert_true(rig_log_has(*state, "early-bytes"));
}

static void test_long_control_lines(void **state)
{
    char *line = malloc(300000);
    memset(line, 'x', 300000);
    memcpy(line, "CONNECT {\"name\":\"", 17);
    memcpy(line + 8 + 4097, "\r\n", 2);
    assert_fatal_bytes(*state, line, 8 + 4097 + 2, "maximum control line exceeded");
    memset(line + 17, 'x', 300000 - 17);
    assert_fatal_bytes(*state, line, 300000, "maximum control line exceeded");
    struct rig_client client;
    rig_login(*state, &client, "root");
    memcpy(line, "SUB ", 4);
    rig_send_bytes(&client, line, 300000);
    rig_expect(&client, "-ERR 'maximum control line exceeded'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    free(line);
    assert_true(rig_log_has(*state, "control-line"));
}

static void test_connect_json(void **state)
{
    static const char *const bad[] = {"CONNECT\r\n",
                                      "CONNECT {\r\n",
                                      "CONNECT []\r\n",
                                      "CONNECT {\"verbose\":7}\r\n",
                                      "CONNECT {\"user\":\"root\",\"user\":\"root\"}\r\n",
                                      "CONNECT {\"protocol\":1e400}\r\n",
                                      "CONNECT {\"user\":\"a\\u0000\"}\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_fatal(*state, bad[i], "Unknown Protocol Operation");
    }
    assert_fatal_bytes(*state, "CONNECT {\"user\":\"a\0\"}\r\n", 23, "Unknown Protocol Operation");
    char deep[4096] = "CONNECT {\"x\":";
    memset(deep + 13, '[', 4000);
    strcpy(deep + 4013, "\r\n");
    assert_fatal(*state, deep, "Unknown Protocol Operation");
    static const char *const denied[] = {
        "CONNECT {}\r\n",
        "CONNECT {\"user\":\"root\"}\r\n",
        "CONNECT {\"user\":\"root\",\"pass\":\"no\"}\r\n",
        "CONNECT {\"auth_token\":\"x\"}\r\n",
        "CONNECT {\"jwt\":\"eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.e30.\"}\r\n",
        "CONNECT {\"user\":\"root\",\"pass\":\"pw\",\"account\":\"SYS\"}\r\n",
        "CONNECT {\"nkey\":\"UAAAA\"}\r\n",
        "CONNECT {\"nkey\":\"XYZ\"}\r\n",
        "CONNECT {\"sig\":\"AAAA\"}\r\n"};
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        assert_fatal(*state, denied[i], "Authorization Violation");
    }
}

static void test_publish_sizes(void **state)
{
    static const char *const bad[] = {"PUB a -1\r\n",
                                      "PUB a 2147483648\r\n",
                                      "PUB a 9223372036854775808\r\n",
                                      "PUB a 00000000005\r\n",
                                      "PUB a 5x\r\n",
                                      "PUB a 3\r\nhello\r\n",
                                      "PUB a\r\n",
                                      "HPUB a 5 3\r\nhello\r\n",
                                      "HPUB a 3\r\nxxx\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_fatal_inside(*state, bad[i], "Unknown Protocol Operation");
    }
    assert_fatal_inside(*state, "PUB a 1048577\r\n", "Maximum Payload Violation");
    assert_fatal_inside(*state, "PUB a 999999999\r\n", "Maximum Payload Violation");
}

static void assert_header_refused(struct rig *rig, const char *block, size_t len)
{
    struct rig_client sender, receiver;
    char line[64];
    rig_login(rig, &receiver, "root");
    rig_send(&receiver, "SUB h 1\r\n");
    rig_sync(&receiver, "");
    rig_login(rig, &sender, "root");
    snprintf(line, sizeof(line), "HPUB h %zu %zu\r\n", len, len);
    rig_send(&sender, line);
    rig_send_bytes(&sender, block, len);
    rig_send(&sender, "\r\n");
    rig_expect(&sender, "-ERR 'bad message header detected'\r\n");
    rig_expect_closed(&sender);
    rig_sync(&receiver, ""); /* nothing was passed on */
    rig_close(&sender);
    rig_close(&receiver);
}

static void test_header_blocks(void **state)
{
    static const char *const bad[] = {"A: b\r\n\r\n",
                                      "NATS/1.0\r\nA: b\r\n",
                                      "NATS/1.0\r\nA: b\nC: d\r\n\r\n",
                                      "NATS/1.0\r\nA\rB: c\r\n\r\n",
                                      "NATS/1.0\r\nno colon\r\n\r\n",
                                      "NATS/1.0\r\n: x\r\n\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_header_refused(*state, bad[i], strlen(bad[i]));
    }
    assert_header_refused(*state, "NATS/1.0\r\nA\0: b\r\n\r\n", 20);
    size_t len = 10;
    char *many = malloc(10 + 10000 * 6 + 3);
    memcpy(many, "NATS/1.0\r\n", 10);
    for (int i = 0; i < 10000; i++, len += 6) {
        memcpy(many + len, "A: b\r\n", 6);
    }
    memcpy(many + len, "\r\n", 3);
    assert_header_refused(*state, many, len + 2);
    free(many);
}

static void test_subjects(void **state)
{
    struct rig_client client;
    static const char *const bad[] = {"a..b",   ".a",       "a.",       "a.>.b",         "\x7f",
                                      "a.\x01", "\xff\xfe", "\xc0\xaf", "a.\xed\xa0\x80"};
    char text[8192];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        rig_login(*state, &client, "root");
        snprintf(text, sizeof(text), "SUB %s 1\r\nPUB %s 1\r\nx\r\n", bad[i], bad[i]);
        rig_send(&client, text);
        rig_sync(&client, "-ERR 'Invalid Subject'\r\n-ERR 'Invalid Publish Subject'\r\n");
        rig_close(&client);
    }
    rig_login(*state, &client, "root");
    char tokens[2001];
    for (size_t i = 0; i < 2000; i += 2) {
        memcpy(tokens + i, "a.", 2);
    }
    tokens[1999] = '\0';
    snprintf(text, sizeof(text), "SUB %s 1\r\nPUB %s 0\r\n\r\n", tokens, tokens);
    rig_send(&client, text);
    rig_sync(&client, "-ERR 'Invalid Subject'\r\n-ERR 'Invalid Publish Subject'\r\n");
    rig_send_bytes(&client, "PUB a\0b 1\r\nx\r\nSUB a\0b 1\r\n", 25);
    rig_sync(&client, "-ERR 'Invalid Publish Subject'\r\n-ERR 'Invalid Subject'\r\n");
    rig_close(&client);
    assert_fatal_inside(*state, "SUB a q\x01 1\r\n", "Unknown Protocol Operation");
    assert_fatal_inside(*state, "SUB a \xff\r\n", "Unknown Protocol Operation");
}

static void test_many_subscriptions(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    rig_login(rig, &client, "root");
    char *text = malloc(65536);
    for (int i = 0; i < 100000; i += 1000) {
        size_t len = 0;
        for (int k = i; k < i + 1000; k++) {
            len += (size_t)snprintf(text + len, 65536 - len, "SUB s.%d.x %d\r\n", k, k);
        }
        rig_send_bytes(&client, text, len);
    }
    rig_sync(&client, "");
    assert_int_equal(atomic_load(&rig->server->sublist.count), 100000);
    rig_send(&client, "SUB s.1.x 1\r\nSUB other 2\r\nUNSUB nobody\r\nUNSUB nobody 5\r\n"
                      "PUB other 0\r\n\r\nPUB s.77777.x 1\r\ny\r\n");
    rig_sync(&client, "MSG s.77777.x 77777 1\r\ny\r\n");
    assert_int_equal(atomic_load(&rig->server->sublist.count), 100000);
    rig_close(&client);
    int64_t deadline = rig_now_ms() + 5000;
    while (atomic_load(&rig->server->sublist.count) > 0 && rig_now_ms() < deadline) {
        kit_run_for(rig->host, 10);
    }
    assert_int_equal(atomic_load(&rig->server->sublist.count), 0);
    free(text);
}

static void test_login_timeout(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client idle, slow, good;
    rig_init(&rig);
    rig.settings.auth_timeout = 400;
    rig_start(&rig);
    rig_open(&rig, &idle);
    rig_open(&rig, &slow);
    int64_t start = rig_now_ms();
    for (int i = 0; i < 3; i++) { /* a byte now and then does not help */
        rig_send_bytes(&slow, &"CON"[i], 1);
        kit_run_for(rig.host, 100);
    }
    rig_login(&rig, &good, "root");
    rig_expect(&idle, "-ERR 'Authentication Timeout'\r\n");
    rig_expect_closed(&idle);
    rig_expect(&slow, "-ERR 'Authentication Timeout'\r\n");
    rig_expect_closed(&slow);
    assert_true(rig_now_ms() - start < 3000);
    rig_sync(&good, "");
    rig_close(&idle);
    rig_close(&slow);
    rig_close(&good);
    rig_stop(&rig);
}

/* Many that never log in are gone after the time-out, and members get in meanwhile. */
static void test_idle_crowd(void **state)
{
    (void)state;
    enum { CROWD = 300 };
    static struct rig_client crowd[CROWD];
    struct rig rig;
    struct rig_client member;
    rig_init(&rig);
    rig.settings.auth_timeout = 1000;
    rig_start(&rig);
    for (int i = 0; i < CROWD; i++) {
        rig_open(&rig, &crowd[i]);
    }
    rig_login(&rig, &member, "root");
    for (int i = 0; i < CROWD; i++) {
        rig_expect_closed(&crowd[i]);
        rig_close(&crowd[i]);
    }
    rig_sync(&member, "");
    assert_int_equal(atomic_load(&rig.server->connection_count), 1);
    rig_close(&member);
    rig_stop(&rig);
}

/* One who does not read is cut at max_pending; the others go on. */
static void test_slow_consumer(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client slow, quick, sender;
    rig_init(&rig);
    rig.settings.max_pending = 1 << 20;
    rig_start(&rig);
    rig_login(&rig, &slow, "root");
    rig_login(&rig, &quick, "root");
    rig_login(&rig, &sender, "root");
    rig_send(&slow, "SUB flood 1\r\n");
    rig_send(&quick, "SUB tick 1\r\n");
    rig_sync(&slow, "");
    rig_sync(&quick, "");
    char *block = malloc(65536 + 64);
    size_t head = (size_t)sprintf(block, "PUB flood 65536\r\n");
    memset(block + head, 'x', 65536);
    memcpy(block + head + 65536, "\r\n", 2);
    int64_t deadline = rig_now_ms() + 30000;
    uint64_t cut = 0;
    while (cut == 0 && rig_now_ms() < deadline) {
        rig_send_bytes(&sender, block, head + 65538);
        rig_send(&sender, "PUB tick 1\r\n.\r\n");
        rig_expect(&quick, "MSG tick 1 1\r\n.\r\n");
        for (uint32_t i = 0; i < rig.server->shard_count; i++) {
            cut += atomic_load(&rig.server->shards[i].counts.slow_consumers);
        }
    }
    assert_int_equal(cut, 1);
    assert_true(rig_log_has(&rig, "slow-consumer"));
    rig_sync(&sender, "");
    free(block);
    rig_close(&slow);
    rig_close(&quick);
    rig_close(&sender);
    rig_stop(&rig);
}

static void test_write_deadline(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client stuck, sender;
    rig_init(&rig);
    rig.settings.write_deadline = 1000;
    rig_start(&rig);
    rig_login(&rig, &stuck, "root");
    rig_login(&rig, &sender, "root");
    int small = 4096;
    setsockopt(stuck.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    rig_send(&stuck, "SUB flood 1\r\n");
    rig_sync(&stuck, "");
    char *block = malloc(1 << 20);
    memset(block, 'x', 1 << 20);
    for (int i = 0; i < 16; i++) {
        rig_send(&sender, "PUB flood 1048574\r\n");
        rig_send_bytes(&sender, block, 1048574);
        rig_send(&sender, "\r\n");
    }
    rig_sync(&sender, "");
    int64_t deadline = rig_now_ms() + 6000;
    while (!rig_log_has(&rig, "write-deadline") && rig_now_ms() < deadline) {
        kit_run_for(rig.host, 50);
    }
    assert_true(rig_log_has(&rig, "write-deadline"));
    free(block);
    rig_close(&stuck);
    rig_close(&sender);
    rig_stop(&rig);
}

/* Clients that go while the providers think, and providers that take their time. */
static void test_slow_providers(void **state)
{
    struct rig *rig = *state;
    struct rig_client gone, client;
    rig->authz.delay_ms = 100;
    for (int i = 0; i < 20; i++) {
        rig_open(rig, &gone);
        rig_send(&gone, "CONNECT {\"user\":\"root\",\"pass\":\"pw\"}\r\nSUB a 1\r\n");
        rig_close(&gone);
    }
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB a 1\r\n");
    rig_sync(&client, "");
    rig_close(&client);
    rig->authz.delay_ms = 0;
}

/* Random bytes, and valid frames with one byte changed: the server stays up. */
static void test_noise(void **state)
{
    static const char session[] =
        "SUB foo.* q 1\r\nPUB foo.x r 5\r\nhello\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
        "UNSUB 1 3\r\nPING\r\n";
    struct rig_client client;
    uint32_t seed = 12345;
    for (int round = 0; round < 300; round++) {
        char copy[sizeof(session)];
        memcpy(copy, session, sizeof(session));
        for (int k = 0; k < 1 + round % 3; k++) {
            seed = seed * 1664525 + 1013904223;
            copy[(seed >> 8) % (sizeof(session) - 1)] = (char)(seed >> 20);
        }
        rig_login(*state, &client, "root");
        rig_send_bytes(&client, copy, sizeof(session) - 1);
        rig_close(&client);
    }
    rig_login(*state, &client, "root");
    rig_sync(&client, "");
    rig_close(&client);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_verbs_before_connect),
        WITH_SERVER(test_too_much_before_connect),
        WITH_SERVER(test_long_control_lines),
        WITH_SERVER(test_connect_json),
        WITH_SERVER(test_publish_sizes),
        WITH_SERVER(test_header_blocks),
        WITH_SERVER(test_subjects),
        WITH_SERVER(test_many_subscriptions),
        cmocka_unit_test(test_login_timeout),
        cmocka_unit_test(test_idle_crowd),
        cmocka_unit_test(test_slow_consumer),
        cmocka_unit_test(test_write_deadline),
        WITH_SERVER(test_slow_providers),
        WITH_SERVER(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
