/* SPDX-License-Identifier: Apache-2.0
 *
 * Strangers before and in the handshake: slow, silent, garbled, many. None of them disturbs those
 * who are in, and none stays. */
#include "test_nats_tls_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "tls_own.h"

#define CROWD        200
#define HANDSHAKE_MS 20000 /* for those who are to get in, on a busy machine */
#define SHORT_MS     500   /* for those who are to be cut */

static int set_up(void **state)
{
    struct tls_rig *tls = calloc(1, sizeof(*tls));
    tls_rig_init(tls);
    tls->rig.settings.tls.timeout = HANDSHAKE_MS;
    rig_start(&tls->rig);
    *state = tls;
    return 0;
}

static int set_up_first(void **state)
{
    struct tls_rig *tls = calloc(1, sizeof(*tls));
    tls_rig_init(tls);
    tls->rig.settings.tls.timeout = HANDSHAKE_MS;
    tls->rig.settings.tls.mode = NATS_TLS_FIRST;
    rig_start(&tls->rig);
    *state = tls;
    return 0;
}

/* Whatever a test did, the server still serves, and holds nobody but who is just going. */
static int tear_down(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client client;
    tls->rig.server->tls->timeout_ms = HANDSHAKE_MS;
    tls_dial(tls, &client, NULL);
    if (tls->rig.settings.tls.mode == NATS_TLS_UPGRADE) {
        rig_expect(&client.raw, "} \r\n");
    }
    assert_true(tls_handshake(&client));
    tls_connect(&client, "root");
    tls_close(&client);
    for (int i = 0; i < 500 && atomic_load(&tls->rig.server->connection_count) > 0; i++) {
        usleep(10000);
    }
    assert_int_equal(atomic_load(&tls->rig.server->connection_count), 0);
    rig_stop(&tls->rig);
    tls_rig_fini(tls);
    free(tls);
    return 0;
}

/* Of handshakes that begin from now on; raised again before anybody else comes. */
static void set_timeout(struct tls_rig *tls, int64_t timeout_ms)
{
    tls->rig.server->tls->timeout_ms = timeout_ms;
}

/* The bytes of a real ClientHello: of what OpenSSL would send. */
static size_t client_hello(uint8_t *out, size_t room)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, sent);
    assert_int_not_equal(SSL_connect(ssl), 1);
    int len = BIO_read(sent, out, (int)room);
    assert_in_range(len, 100, room);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)len;
}

static void open_raw(struct tls_rig *tls, struct rig_client *client)
{
    rig_dial(&tls->rig, client);
    rig_expect(client, "} \r\n");
}

/* A handshake and a login whose every byte travels alone. */
static void a_handshake_in_single_bytes(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client client;
    uint8_t bytes[16384];
    bool is_closed;
    tls_dial(tls, &client, NULL);
    rig_expect(&client.raw, "} \r\n");
    BIO *in = BIO_new(BIO_s_mem()), *sent = BIO_new(BIO_s_mem());
    SSL_set_bio(client.ssl, in, sent);
    for (int result = 0; result != 1;) {
        ERR_clear_error();
        result = SSL_connect(client.ssl);
        int len = BIO_read(sent, bytes, sizeof(bytes));
        for (int i = 0; i < len; i++) {
            rig_send_bytes(&client.raw, bytes + i, 1);
        }
        if (result != 1) {
            assert_int_equal(SSL_get_error(client.ssl, result), SSL_ERROR_WANT_READ);
            assert_true(rig_more(&client.raw, 5000, &is_closed));
            BIO_write(in, client.raw.bytes, (int)client.raw.len);
            client.raw.len = 0;
        }
    }
    tls_send(&client, "CONNECT {\"user\":\"root\",\"pass\":\"pw\"}\r\n");
    int len = BIO_read(sent, bytes, sizeof(bytes));
    for (int i = 0; i < len; i++) {
        rig_send_bytes(&client.raw, bytes + i, 1);
    }
    client.len = 0;
    char text[256] = "";
    for (int got = -1; got <= 0;) {
        assert_true(rig_more(&client.raw, 5000, &is_closed));
        BIO_write(in, client.raw.bytes, (int)client.raw.len);
        client.raw.len = 0;
        got = SSL_read(client.ssl, text, sizeof(text) - 1);
    }
    assert_string_equal(text, "+OK\r\n");
    tls_close(&client);
}

static void garbage_is_answered_with_an_alert(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client client;
    uint8_t garbage[600];
    for (size_t i = 0; i < sizeof(garbage); i++) {
        garbage[i] = (uint8_t)(i * 37 + 11);
    }
    memcpy(garbage, "\x16\x03\x01\x02\x00", 5); /* a record of the handshake, by its head */
    open_raw(tls, &client);
    rig_send_bytes(&client, garbage, sizeof(garbage));
    rig_expect(&client, "\x15\x03"); /* an alert */
    rig_expect_closed(&client);
    tls_wait_log(tls, "tls-handshake");
    rig_close(&client);
}

/* Every byte of a ClientHello but the first one flipped in turn: refused, answered or waited for,
 * never more. */
static void a_garbled_hello(void **state)
{
    struct tls_rig *tls = *state;
    uint8_t hello[4096];
    size_t len = client_hello(hello, sizeof(hello));
    for (size_t i = 1; i < len; i += 3) {
        struct rig_client client;
        open_raw(tls, &client);
        hello[i] ^= 0xff;
        rig_send_bytes(&client, hello, len);
        hello[i] ^= 0xff;
        rig_close(&client);
    }
}

static void a_truncated_hello_times_out(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client client;
    uint8_t hello[4096];
    size_t len = client_hello(hello, sizeof(hello));
    set_timeout(tls, SHORT_MS);
    open_raw(tls, &client);
    int64_t start_ms = rig_now_ms();
    rig_send_bytes(&client, hello, len / 2);
    rig_expect_closed_within(&client, 6000);
    assert_in_range(rig_now_ms() - start_ms, 300, 6000);
    tls_wait_log(tls, "tls-timeout");
    rig_close(&client);
}

/* The time counts from the beginning, whatever is sent in between. */
static void a_stalled_handshake_times_out(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client client;
    uint8_t hello[4096];
    bool is_closed = false;
    size_t len = client_hello(hello, sizeof(hello)), at = 0;
    set_timeout(tls, SHORT_MS);
    open_raw(tls, &client);
    int64_t start_ms = rig_now_ms();
    while (!is_closed && rig_now_ms() - start_ms < 6000 && at < len) {
        rig_send_bytes(&client, hello + at++, 1);
        rig_more(&client, 20, &is_closed);
    }
    assert_true(is_closed);
    assert_in_range(rig_now_ms() - start_ms, 300, 6000);
    rig_close(&client);
}

static void silence_times_out(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client client;
    set_timeout(tls, SHORT_MS);
    rig_dial(&tls->rig, &client);
    rig_expect_closed_within(&client, 6000);
    tls_wait_log(tls, "tls-timeout");
    rig_close(&client);
}

/* Data after the handshake that is no record, or one that was changed on the way. */
static void a_broken_record_ends_it(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client client;
    uint8_t record[64] = {0x17, 0x03, 0x03, 0x00, 0x30};
    tls_login(tls, &client, "root");
    rig_send_bytes(&client.raw, record, 53);
    assert_false(tls_more(&client));
    tls_wait_log(tls, "tls-broken");
    tls_close(&client);
}

static void before_login_only_so_much(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client client;
    tls_dial(tls, &client, NULL);
    rig_expect(&client.raw, "} \r\n");
    assert_true(tls_handshake(&client));
    for (int i = 0; i < 5000; i++) {
        if (SSL_write(client.ssl, "PING\r\n", 6) != 6) {
            break;
        }
    }
    while (tls_more(&client)) {
        client.len = 0;
    }
    tls_wait_log(tls, "early-bytes");
    tls_close(&client);
}

/* In the middle of a handshake the socket goes; and in the middle of a record. */
static void clients_that_vanish(void **state)
{
    struct tls_rig *tls = *state;
    uint8_t hello[4096];
    size_t len = client_hello(hello, sizeof(hello));
    for (size_t part = 1; part < len; part += len / 16) {
        struct rig_client client;
        open_raw(tls, &client);
        rig_send_bytes(&client, hello, part);
        rig_close(&client);
    }
    struct tls_client client;
    tls_login(tls, &client, "root");
    rig_send_bytes(&client.raw, "\x17\x03\x03\x00\x50half", 9);
    tls_close(&client);
}

/* A crowd hangs in the handshake; who is in is served, who comes gets in. */
static void a_crowd_of_strangers(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client crowd[CROWD];
    struct tls_client member, late;
    uint8_t hello[4096];
    size_t len = client_hello(hello, sizeof(hello));
    tls_login(tls, &member, "root");
    set_timeout(tls, SHORT_MS);
    for (size_t i = 0; i < CROWD; i++) {
        open_raw(tls, &crowd[i]);
        rig_send_bytes(&crowd[i], hello, i % 2 == 0 ? len : len / 2);
    }
    set_timeout(tls, HANDSHAKE_MS);
    int64_t start_ms = rig_now_ms();
    tls_send(&member, "PING\r\n");
    tls_expect(&member, "PONG\r\n");
    assert_in_range(rig_now_ms() - start_ms, 0, 3000); /* sanitizers, and a busy machine */
    tls_login(tls, &late, "root");
    for (size_t i = 0; i < CROWD; i++) {
        rig_expect_closed_within(&crowd[i], 6000);
        rig_close(&crowd[i]);
    }
    tls_send(&member, "PING\r\n");
    tls_expect(&member, "PONG\r\n");
    tls_close(&member);
    tls_close(&late);
}

/* Memory of handshakes is bounded: who comes when so many are under way is cut, and who comes when
 * they have timed out gets in (tear_down). */
static void so_many_handshakes_and_no_more(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client crowd[8];
    uint8_t hello[4096];
    size_t len = client_hello(hello, sizeof(hello));
    tls->rig.server->tls->under_way_max = 2; /* of each of two loops */
    set_timeout(tls, 2000);                  /* longer than a busy machine takes for eight */
    for (size_t i = 0; i < 8; i++) {
        open_raw(tls, &crowd[i]);
        rig_send_bytes(&crowd[i], hello, len);
    }
    tls_wait_log(tls, "tls-crowded");
    size_t answered = 0;
    for (size_t i = 0; i < 8; i++) {
        rig_expect_closed_within(&crowd[i], 6000);
        answered += crowd[i].len > 0 ? 1 : 0; /* a ServerHello came before the end */
        rig_close(&crowd[i]);
    }
    assert_int_equal(answered, 4);
}

static void a_silent_one_on_a_port_for_tls_first(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client client;
    set_timeout(tls, SHORT_MS);
    rig_dial(&tls->rig, &client);
    rig_expect_closed_within(&client, 6000);
    assert_int_equal(client.len, 0);
    rig_close(&client);
}

#define HOSTILE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(a_handshake_in_single_bytes),
        HOSTILE_TEST(garbage_is_answered_with_an_alert),
        HOSTILE_TEST(a_garbled_hello),
        HOSTILE_TEST(a_truncated_hello_times_out),
        HOSTILE_TEST(a_stalled_handshake_times_out),
        HOSTILE_TEST(silence_times_out),
        HOSTILE_TEST(a_broken_record_ends_it),
        HOSTILE_TEST(before_login_only_so_much),
        HOSTILE_TEST(clients_that_vanish),
        HOSTILE_TEST(a_crowd_of_strangers),
        HOSTILE_TEST(so_many_handshakes_and_no_more),
        cmocka_unit_test_setup_teardown(a_silent_one_on_a_port_for_tls_first, set_up_first,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
