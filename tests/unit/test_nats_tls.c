/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients with TLS against a server in this process: the modes, who may go on in clear, versions,
 * sessions that are resumed, certificates of clients, large and slow traffic. */
#include "test_nats_tls_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#define LARGE_SIZE ((size_t)1000000)

static int set_up(void **state)
{
    struct tls_rig *tls = calloc(1, sizeof(*tls));
    tls_rig_init(tls);
    *state = tls;
    return 0;
}

static int tear_down(void **state)
{
    struct tls_rig *tls = *state;
    rig_stop(&tls->rig);
    tls_rig_fini(tls);
    free(tls);
    return 0;
}

static struct tls_rig *started(void **state, int mode, int plain)
{
    struct tls_rig *tls = *state;
    tls->rig.settings.tls.mode = mode;
    tls->rig.settings.tls.plain = plain;
    rig_start(&tls->rig);
    return tls;
}

/* ---- modes ------------------------------------------------------------------------------------
 */

static void upgrade_says_info_in_clear_and_once(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    struct tls_client a, b;
    tls_login(tls, &a, "root");
    tls_login(tls, &b, "root"); /* on the other loop */
    assert_int_equal(a.len, 0);
    assert_string_equal(SSL_get_version(a.ssl), "TLSv1.3");
    assert_string_equal(SSL_get_cipher(a.ssl), "TLS_AES_128_GCM_SHA256");
    tls_send(&a, "SUB foo.> 1\r\nPING\r\n");
    tls_expect(&a, "PONG\r\n");
    tls_send(&b, "PUB foo.bar 5\r\nhello\r\n");
    tls_expect(&a, "MSG foo.bar 1 5\r\nhello\r\n");
    tls_close(&a);
    tls_close(&b);
}

static void first_says_nothing_before_the_handshake(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_FIRST, NATS_PLAIN_NONE);
    struct tls_client client;
    bool is_closed;
    tls_dial(tls, &client, NULL);
    assert_false(rig_more(&client.raw, 150, &is_closed));
    assert_false(is_closed);
    assert_true(tls_handshake(&client));
    tls_expect(&client, "\"tls_required\":true");
    tls_expect(&client, "} \r\n");
    tls_connect(&client, "root");
    tls_close(&client);
}

static void auto_takes_both_orders(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_AUTO, NATS_PLAIN_NONE);
    struct tls_client first, upgrade;
    tls_dial(tls, &first, NULL);
    assert_true(tls_handshake(&first));
    tls_expect(&first, "INFO {");
    tls_expect(&first, "} \r\n");
    tls_connect(&first, "root");
    int64_t start_ms = rig_now_ms();
    tls_login(tls, &upgrade, "root");
    assert_in_range(rig_now_ms() - start_ms, 45, 5000);
    tls_close(&first);
    tls_close(&upgrade);
}

static void who_may_goes_on_in_clear(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_AUTO, NATS_PLAIN_LOOPBACK);
    struct rig_client quiet, hasty;
    struct tls_client sealed;
    rig_dial(&tls->rig, &quiet);
    rig_expect(&quiet, "\"tls_available\":true");
    rig_send(&quiet, "CONNECT {\"verbose\":false,\"user\":\"root\",\"pass\":\"pw\"}\r\n");
    rig_expect(&quiet, "} \r\n");
    rig_sync(&quiet, "");
    rig_dial(&tls->rig, &hasty); /* speaks before INFO */
    rig_send(&hasty, "CONNECT {\"verbose\":false,\"user\":\"root\",\"pass\":\"pw\"}\r\nPING\r\n");
    rig_expect(&hasty, "INFO {");
    rig_expect(&hasty, "PONG\r\n");
    tls_dial(tls, &sealed, NULL);
    assert_true(tls_handshake(&sealed));
    tls_connect(&sealed, "root");
    rig_close(&quiet);
    rig_close(&hasty);
    tls_close(&sealed);
}

static void who_may_not_is_told(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    struct rig_client client;
    rig_open(&tls->rig, &client);
    rig_send(&client, "CONNECT {\"verbose\":false,\"user\":\"root\",\"pass\":\"pw\"}\r\nPING\r\n");
    rig_expect(&client, "-ERR 'Secure Connection - TLS Required'\r\n");
    rig_expect_closed(&client);
    tls_wait_log(tls, "tls-required");
    rig_close(&client);
}

static void first_answers_clear_text_with_nothing(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_FIRST, NATS_PLAIN_NONE);
    struct rig_client client;
    rig_dial(&tls->rig, &client);
    rig_send(&client, "CONNECT {}\r\n");
    rig_expect_closed(&client);
    assert_int_equal(client.len, 0);
    rig_close(&client);
}

static void without_auth_it_is_open_after_the_handshake(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client client;
    tls->rig.settings.auth = NATS_AUTH_OFF;
    rig_start(&tls->rig);
    tls_dial(tls, &client, NULL);
    rig_expect(&client.raw, "} \r\n");
    assert_true(tls_handshake(&client));
    tls_send(&client, "SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n"); /* no CONNECT: verbose */
    tls_expect(&client, "MSG a 1 1\r\nx\r\n");
    tls_close(&client);
}

/* ---- versions, sessions -----------------------------------------------------------------------
 */

static bool shakes_with(struct tls_rig *tls, int version)
{
    struct tls_client client;
    tls_dial(tls, &client, NULL);
    SSL_set_security_level(client.ssl, 0);
    SSL_set_min_proto_version(client.ssl, version);
    SSL_set_max_proto_version(client.ssl, version);
    rig_expect(&client.raw, "} \r\n");
    bool is_done = tls_handshake(&client);
    tls_close(&client);
    return is_done;
}

static void versions_below_1_2_are_refused(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    assert_false(shakes_with(tls, TLS1_VERSION));
    assert_false(shakes_with(tls, TLS1_1_VERSION));
    assert_true(shakes_with(tls, TLS1_2_VERSION));
    assert_true(shakes_with(tls, TLS1_3_VERSION));
    tls_wait_log(tls, "tls-handshake");
}

static void min_version_1_3_refuses_1_2(void **state)
{
    struct tls_rig *tls = *state;
    tls->rig.settings.tls.min_version = NATS_TLS_1_3;
    rig_start(&tls->rig);
    assert_false(shakes_with(tls, TLS1_2_VERSION));
    assert_true(shakes_with(tls, TLS1_3_VERSION));
}

static void only_sound_suites_of_1_2(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    static const char *const suites[] = {"ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA",
                                         "ECDHE-ECDSA-AES128-GCM-SHA256"};
    for (size_t i = 0; i < 3; i++) {
        struct tls_client client;
        tls_dial(tls, &client, NULL);
        SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION);
        assert_int_equal(SSL_set_cipher_list(client.ssl, suites[i]), 1);
        rig_expect(&client.raw, "} \r\n");
        assert_int_equal(tls_handshake(&client), i == 2);
        tls_close(&client);
    }
}

/* Connects twice; whether the second one resumed the session of the first. */
static bool resumes(struct tls_rig *tls, const char *cert)
{
    struct tls_client one, two;
    tls_dial(tls, &one, cert);
    rig_expect(&one.raw, "} \r\n");
    assert_true(tls_handshake(&one));
    tls_connect(&one, "root"); /* reads, so the ticket has come */
    SSL_SESSION *session = SSL_get1_session(one.ssl);
    tls_dial(tls, &two, cert);
    SSL_set_session(two.ssl, session);
    rig_expect(&two.raw, "} \r\n");
    assert_true(tls_handshake(&two));
    tls_connect(&two, "root");
    bool is_resumed = SSL_session_reused(two.ssl) == 1;
    SSL_SESSION_free(session);
    tls_close(&one);
    tls_close(&two);
    return is_resumed;
}

static void sessions_are_resumed(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    assert_true(resumes(tls, NULL));
}

static void not_those_of_clients_with_certificates(void **state)
{
    struct tls_rig *tls = *state;
    tls_rig_verify(tls, NATS_VERIFY_REQUIRE);
    rig_start(&tls->rig);
    assert_false(resumes(tls, "worker"));
}

static void renegotiation_is_refused(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    struct tls_client client, other;
    tls_dial(tls, &client, NULL);
    SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION);
    rig_expect(&client.raw, "} \r\n");
    assert_true(tls_handshake(&client));
    tls_connect(&client, "root");
    assert_int_equal(SSL_renegotiate(client.ssl), 1);
    assert_int_not_equal(SSL_do_handshake(client.ssl), 1);
    tls_login(tls, &other, "root");
    tls_close(&client);
    tls_close(&other);
}

static void keys_are_updated(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    struct tls_client client;
    tls_login(tls, &client, "root");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        tls_send(&client, "PING\r\n");
        tls_expect(&client, "PONG\r\n");
    }
    tls_close(&client);
}

/* ---- certificates of clients ------------------------------------------------------------------
 */

/* In TLS 1.3 a client learns with its first read that its certificate was refused. */
static bool is_let_in(struct tls_rig *tls, const char *cert)
{
    struct tls_client client;
    tls_dial(tls, &client, cert);
    rig_expect(&client.raw, "} \r\n");
    bool is_in = tls_handshake(&client);
    if (is_in) {
        tls_send(&client, "CONNECT {\"verbose\":true,\"user\":\"root\",\"pass\":\"pw\"}\r\n");
        is_in = tls_more(&client) && strncmp(client.bytes, "+OK\r\n", 5) == 0;
    }
    tls_close(&client);
    return is_in;
}

static void only_valid_certificates_are_let_in(void **state)
{
    struct tls_rig *tls = *state;
    tls_rig_verify(tls, NATS_VERIFY_REQUIRE);
    rig_start(&tls->rig);
    assert_true(is_let_in(tls, "worker"));
    assert_false(is_let_in(tls, NULL));
    tls_wait_log(tls, "peer did not return a certificate");
    assert_false(is_let_in(tls, "stranger"));
    assert_false(is_let_in(tls, "old"));
    tls_wait_log(tls, "certificate has expired");
    assert_false(is_let_in(tls, "early"));
    tls_wait_log(tls, "certificate is not yet valid");
    assert_true(is_let_in(tls, "worker"));
}

static void optional_certificates_are_checked_when_shown(void **state)
{
    struct tls_rig *tls = *state;
    tls_rig_verify(tls, NATS_VERIFY_OPTIONAL);
    rig_start(&tls->rig);
    assert_true(is_let_in(tls, "worker"));
    assert_true(is_let_in(tls, NULL));
    assert_false(is_let_in(tls, "stranger"));
    assert_false(is_let_in(tls, "old"));
}

static void info_says_that_certificates_are_wanted(void **state)
{
    struct tls_rig *tls = *state;
    struct rig_client client;
    tls_rig_verify(tls, NATS_VERIFY_REQUIRE);
    rig_start(&tls->rig);
    rig_dial(&tls->rig, &client);
    rig_expect(&client, "\"tls_required\":true,\"tls_verify\":true,");
    rig_close(&client);
}

static void providers_hear_of_the_subject(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client client;
    tls_rig_verify(tls, NATS_VERIFY_REQUIRE);
    rig_start(&tls->rig);
    tls_dial(tls, &client, "worker");
    rig_expect(&client.raw, "} \r\n");
    assert_true(tls_handshake(&client));
    tls_connect(&client, "root");
    assert_string_equal(tls->rig.authz.cert_subject, TLS_WORKER_SUBJECT);
    assert_true(tls->rig.authz.has_tls);
    tls_close(&client);
}

/* ---- traffic ----------------------------------------------------------------------------------
 */

static char *large_payload(unsigned seed)
{
    char *bytes = malloc(LARGE_SIZE);
    assert_non_null(bytes);
    for (size_t i = 0; i < LARGE_SIZE; i++) {
        bytes[i] = (char)('a' + (i * 7 + i / 997 + seed) % 26);
    }
    return bytes;
}

static void expect_large(struct tls_client *client, const char *head, const char *payload)
{
    tls_expect(client, head);
    while (client->len < LARGE_SIZE + 2) {
        assert_true(tls_more(client));
    }
    assert_memory_equal(client->bytes, payload, LARGE_SIZE);
    memmove(client->bytes, client->bytes + LARGE_SIZE, client->len - LARGE_SIZE + 1);
    client->len -= LARGE_SIZE;
    tls_expect(client, "\r\n");
}

static void large_messages_arrive_whole(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    struct tls_client a, b;
    char *payload = large_payload(1);
    tls_login(tls, &a, "root");
    tls_login(tls, &b, "root");
    tls_send(&a, "SUB big 1\r\nPING\r\n");
    tls_expect(&a, "PONG\r\n");
    tls_send(&b, "PUB small 2\r\nhi\r\nPUB big 1000000\r\n");
    tls_send_bytes(&b, payload, LARGE_SIZE);
    tls_send(&b, "\r\nPUB big 2\r\nok\r\nPING\r\n");
    expect_large(&a, "MSG big 1 1000000\r\n", payload);
    tls_expect(&a, "MSG big 1 2\r\nok\r\n");
    tls_expect(&b, "PONG\r\n");
    free(payload);
    tls_close(&a);
    tls_close(&b);
}

/* The sockets fill, records wait half sent; nothing is lost or out of order. */
static void a_slow_reader_gets_everything(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    struct tls_client reader, writer;
    char *payloads[16];
    tls_login(tls, &reader, "root");
    tls_login(tls, &writer, "root");
    tls_send(&reader, "SUB big 1\r\nPING\r\n");
    tls_expect(&reader, "PONG\r\n");
    for (unsigned i = 0; i < 16; i++) {
        payloads[i] = large_payload(i);
        tls_send(&writer, "PUB big 1000000\r\n");
        tls_send_bytes(&writer, payloads[i], LARGE_SIZE);
        tls_send(&writer, "\r\n");
    }
    tls_send(&writer, "PING\r\n");
    tls_expect(&writer, "PONG\r\n");
    usleep(100000);
    for (unsigned i = 0; i < 16; i++) {
        expect_large(&reader, "MSG big 1 1000000\r\n", payloads[i]);
        free(payloads[i]);
    }
    tls_close(&reader);
    tls_close(&writer);
}

/* What came in one record with CONNECT waits decrypted until the providers have answered. */
static void what_follows_connect_waits(void **state)
{
    struct tls_rig *tls = *state;
    struct tls_client client;
    char text[16384] =
        "CONNECT {\"verbose\":false,\"user\":\"root\",\"pass\":\"pw\"}\r\nSUB a 1\r\n";
    size_t len = strlen(text), count = 0;
    tls->rig.authz.delay_ms = 100;
    rig_start(&tls->rig);
    tls_dial(tls, &client, NULL);
    rig_expect(&client.raw, "} \r\n");
    assert_true(tls_handshake(&client));
    for (; len < 16000; count++) {
        len += (size_t)snprintf(text + len, sizeof(text) - len, "PUB a 4\r\n%04zu\r\n", count);
    }
    tls_send_bytes(&client, text, len);
    tls_send(&client, "PING\r\n");
    for (size_t i = 0; i < count; i++) {
        char message[64];
        snprintf(message, sizeof(message), "MSG a 1 4\r\n%04zu\r\n", i);
        tls_expect(&client, message);
    }
    tls_expect(&client, "PONG\r\n");
    tls_close(&client);
}

static void the_end_is_said_both_ways(void **state)
{
    struct tls_rig *tls = started(state, NATS_TLS_UPGRADE, NATS_PLAIN_NONE);
    struct tls_client polite, faulty;
    tls_login(tls, &polite, "root");
    SSL_shutdown(polite.ssl); /* close_notify, and the socket stays open */
    tls_login(tls, &faulty, "root");
    tls_send(&faulty, "NONSENSE\r\n");
    tls_expect(&faulty, "-ERR 'Unknown Protocol Operation'\r\n");
    assert_false(tls_more(&faulty));
    assert_int_equal(SSL_get_shutdown(faulty.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    rig_expect_closed(&polite.raw);
    tls_close(&polite);
    tls_close(&faulty);
}

#define TLS_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TLS_TEST(upgrade_says_info_in_clear_and_once),
        TLS_TEST(first_says_nothing_before_the_handshake),
        TLS_TEST(auto_takes_both_orders),
        TLS_TEST(who_may_goes_on_in_clear),
        TLS_TEST(who_may_not_is_told),
        TLS_TEST(first_answers_clear_text_with_nothing),
        TLS_TEST(without_auth_it_is_open_after_the_handshake),
        TLS_TEST(versions_below_1_2_are_refused),
        TLS_TEST(min_version_1_3_refuses_1_2),
        TLS_TEST(only_sound_suites_of_1_2),
        TLS_TEST(sessions_are_resumed),
        TLS_TEST(not_those_of_clients_with_certificates),
        TLS_TEST(renegotiation_is_refused),
        TLS_TEST(keys_are_updated),
        TLS_TEST(only_valid_certificates_are_let_in),
        TLS_TEST(optional_certificates_are_checked_when_shown),
        TLS_TEST(info_says_that_certificates_are_wanted),
        TLS_TEST(providers_hear_of_the_subject),
        TLS_TEST(large_messages_arrive_whole),
        TLS_TEST(a_slow_reader_gets_everything),
        TLS_TEST(what_follows_connect_waits),
        TLS_TEST(the_end_is_said_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
