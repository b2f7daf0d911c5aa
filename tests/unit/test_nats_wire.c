/* SPDX-License-Identifier: Apache-2.0
 *
 * The protocol over real sockets: what stock clients rely on, letter by letter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <semaphore.h>

#include "test_nats_rig.h"

#include "proto.h"
#include "shard.h"

static int set_up_open(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig_init(rig);
    rig->settings.auth = NATS_AUTH_OFF;
    rig_start(rig);
    *state = rig;
    return 0;
}

static void test_info(void **state)
{
    struct rig_client client;
    memset(&client, 0, sizeof(client));
    rig_open(*state, &client);
    assert_int_equal(strlen(client.nonce), 15);
    rig_close(&client);
}

static void test_publish_and_subscribe(void **state)
{
    struct rig_client a, b;
    rig_login(*state, &a, "root");
    rig_login(*state, &b, "root"); /* on the other loop */
    rig_send(&a, "SUB foo.* 1\r\nSUB foo.> 2\r\nSUB other 3\r\n");
    rig_sync(&a, "");
    rig_send(&b, "PUB foo.bar 5\r\nhello\r\n");
    rig_expect(&a, "MSG foo.bar ");
    rig_expect(&a, "hello\r\n");
    rig_expect(&a, "hello\r\n");
    rig_send(&b, "PUB foo.bar.baz re.ply 0\r\n\r\n");
    rig_expect(&a, "MSG foo.bar.baz 2 re.ply 0\r\n\r\n");
    rig_sync(&a, "");
    rig_send(&a, "UNSUB 2\r\nPUB foo.x 1\r\ny\r\n"); /* its own: echo is the default */
    rig_sync(&a, "MSG foo.x 1 1\r\ny\r\n");
    rig_close(&a);
    rig_close(&b);
}

static void test_verbose(void **state)
{
    struct rig_client client;
    rig_open(*state, &client);
    rig_send(&client, "CONNECT {\"user\":\"root\",\"pass\":\"pw\",\"headers\":true}\r\n");
    rig_expect(&client, "+OK\r\n");
    rig_send(&client, "SUB a 1\r\nSUB a 1\r\nUNSUB 9\r\nPUB b 0\r\n\r\n");
    rig_sync(&client, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    rig_send(&client, "HPUB a 12 13\r\nNATS/1.0\r\n\r\nx\r\nUNSUB 1\r\n");
    rig_sync(&client, "+OK\r\nHMSG a 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n+OK\r\n");
    rig_close(&client);
}

static void test_echo_off(void **state)
{
    struct rig_client client, other;
    rig_open(*state, &client);
    rig_send(&client, "CONNECT {\"user\":\"root\",\"pass\":\"pw\",\"verbose\":false,"
                      "\"echo\":false,\"headers\":true,\"no_responders\":true}\r\n"
                      "SUB a 1\r\nSUB q g 2\r\nSUB r 3\r\nPUB a 1\r\nx\r\nPUB q 1\r\nx\r\n");
    rig_sync(&client, "");
    /* Only its own subscription matches: nobody was there. */
    rig_send(&client, "PUB a r 1\r\nx\r\n");
    rig_expect(&client, "HMSG r 3 33 33\r\nNATS/1.0 503\r\nNats-Subject: a\r\n\r\n\r\n");
    rig_login(*state, &other, "root");
    rig_send(&other, "PUB a 1\r\ny\r\nPUB q 1\r\nz\r\n");
    rig_expect(&client, "MSG a 1 1\r\ny\r\n");
    rig_expect(&client, "MSG q 2 1\r\nz\r\n");
    rig_close(&client);
    rig_close(&other);
}

static void test_no_responders(void **state)
{
    struct rig_client client;
    rig_login(*state, &client, "root");
    rig_send(&client,
             "SUB _INBOX.x.* 7\r\nSUB q.r grp 8\r\nPUB nobody.here _INBOX.x.1 2\r\nhi\r\n");
    rig_sync(&client, "HMSG _INBOX.x.1 7 43 43\r\nNATS/1.0 503\r\nNats-Subject: nobody.here\r\n"
                      "\r\n\r\n");
    /* No reply subject; a reply that it does not subscribe; only a queue subscription: nothing. */
    rig_send(&client, "PUB nobody 0\r\n\r\nPUB nobody _INBOX.y 0\r\n\r\nPUB nobody q.r 0\r\n\r\n");
    rig_sync(&client, "");
    rig_close(&client);
}

static void test_headers(void **state)
{
    struct rig_client with, without;
    rig_login(*state, &with, "root");
    rig_open(*state, &without);
    rig_send(&without, "CONNECT {\"user\":\"root\",\"pass\":\"pw\",\"verbose\":false}\r\n"
                       "SUB a 5\r\n");
    rig_sync(&without, "");
    rig_send(&with, "SUB a 1\r\n");
    rig_sync(&with, "");
    rig_send(&with, "HPUB a r 24 26\r\nNATS/1.0\r\nFoo: \tb ar\r\n\r\nhi\r\n");
    rig_expect(&with, "HMSG a 1 r 24 26\r\nNATS/1.0\r\nFoo: \tb ar\r\n\r\nhi\r\n");
    rig_expect(&without, "MSG a 5 r 2\r\nhi\r\n");
    /* What only servers say is taken out. */
    rig_send(&with, "HPUB a 41 43\r\nNATS/1.0\r\nNats-Request-Info: {}\r\nA: b\r\n\r\nhi\r\n");
    rig_expect(&with, "HMSG a 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n");
    rig_expect(&without, "MSG a 5 2\r\nhi\r\n");
    rig_send(&without, "HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    rig_expect(&without, "-ERR 'message headers not supported'\r\n");
    rig_expect_closed(&without);
    rig_close(&with);
    rig_close(&without);
}

static void test_unsub_max(void **state)
{
    struct rig_client client;
    rig_login(*state, &client, "root");
    rig_send(&client, "SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n");
    rig_sync(&client, "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n");
    /* As many as delivered already: over at once. */
    rig_send(&client, "SUB a 2\r\nPUB a 1\r\n1\r\nUNSUB 2 1\r\nPUB a 1\r\n2\r\n");
    rig_sync(&client, "MSG a 2 1\r\n1\r\n");
    rig_send(&client, "UNSUB 3 999999999999999999\r\nUNSUB nobody\r\n");
    rig_sync(&client, "");
    rig_send(&client, "UNSUB 3 9999999999999999999\r\n");
    rig_expect(&client, "-ERR 'Unknown Protocol Operation'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
}

/* Each message goes to one member; over all, to each of them. Members are on both loops. */
static void test_queue_groups(void **state)
{
    enum { MEMBERS = 4, MESSAGES = 400 };
    struct rig_client members[MEMBERS], sender;
    char text[64];
    for (int i = 0; i < MEMBERS; i++) {
        rig_login(*state, &members[i], "root");
        snprintf(text, sizeof(text), i < 2 ? "SUB job workers %d\r\n" : "SUB * workers %d\r\n", i);
        rig_send(&members[i], text);
        rig_sync(&members[i], "");
    }
    rig_login(*state, &sender, "root");
    for (int i = 0; i < MESSAGES; i++) {
        rig_send(&sender, "PUB job 1\r\nx\r\n");
    }
    rig_sync(&sender, "");
    int total = 0;
    for (int i = 0; i < MEMBERS; i++) {
        bool is_closed;
        while (rig_more(&members[i], 200, &is_closed)) {
        }
        int got = 0;
        for (const char *at = members[i].bytes; members[i].len > 0 && (at = strstr(at, "MSG job "));
             at++) {
            got++;
        }
        assert_true(got > MESSAGES / MEMBERS / 3);
        total += got;
        rig_close(&members[i]);
    }
    assert_int_equal(total, MESSAGES);
    rig_close(&sender);
}

struct hold {
    sem_t is_held, may_go;
    struct nats_shard *shard;
};

/* Keeps the loop from its mail; then its one connection unsubscribes, before the mail is read. */
static void on_hold(void *arg)
{
    struct hold *hold = arg;
    sem_post(&hold->is_held);
    while (sem_wait(&hold->may_go) != 0) {
    }
    nats_shard_enter(hold->shard);
    nats_proto_drop_all(hold->shard->all);
}

/* A member leaves while messages are on their way to his loop: another member gets them. */
static void test_queue_member_leaves(void **state)
{
    struct rig *rig = *state;
    struct rig_client stays, leaves;
    struct hold hold = {.shard = &rig->server->shards[1]}; /* where the second connection is */
    sem_init(&hold.is_held, 0, 0);
    sem_init(&hold.may_go, 0, 0);
    rig_login(rig, &stays, "root");
    rig_login(rig, &leaves, "root");
    rig_send(&stays, "SUB job workers 1\r\n");
    rig_send(&leaves, "SUB job workers 1\r\n");
    rig_sync(&stays, "");
    rig_sync(&leaves, "");
    rig->host->loop->post(hold.shard->loop, on_hold, &hold);
    sem_wait(&hold.is_held);
    for (int i = 0; i < 40; i++) {
        rig_send(&stays, "PUB job 1\r\nx\r\n");
    }
    rig_sync(&stays, NULL); /* what fell to it has come, the rest lies in the mail */
    assert_true(atomic_load(&hold.shard->mailbox.bytes) > 0);
    sem_post(&hold.may_go);
    rig_sync(&leaves, "");
    int64_t deadline = rig_now_ms() + 5000;
    uint64_t delivered = 0;
    while (delivered < 40 && rig_now_ms() < deadline) {
        kit_run_for(rig->host, 5);
        delivered = atomic_load(&rig->server->shards[0].counts.out_messages);
    }
    assert_int_equal(delivered, 40);
    rig_close(&stays);
    rig_close(&leaves);
    sem_destroy(&hold.is_held);
    sem_destroy(&hold.may_go);
}

static void test_error_texts(void **state)
{
    struct rig_client client;
    rig_login(*state, &client, "root");
    rig_send(&client, "SUB a..b 1\r\nSUB >.a 2\r\nPUB a.* 0\r\n\r\nPUB a. 0\r\n\r\n");
    rig_sync(&client, "-ERR 'Invalid Subject'\r\n-ERR 'Invalid Subject'\r\n"
                      "-ERR 'Invalid Publish Subject'\r\n-ERR 'Invalid Publish Subject'\r\n");
    rig_send(&client, "PUB big 1048577\r\n");
    rig_expect(&client, "-ERR 'Maximum Payload Violation'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    rig_open(*state, &client);
    rig_send(&client, "CONNECT {\"protocol\":2,\"user\":\"root\",\"pass\":\"pw\"}\r\n");
    rig_expect(&client, "-ERR 'invalid client protocol'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    rig_open(*state, &client);
    rig_send(&client, "CONNECT {\"no_responders\":true,\"user\":\"root\",\"pass\":\"pw\"}\r\n");
    rig_expect(&client, "-ERR 'no responders requires headers support'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
}

static void test_nkey(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    uint8_t seed[32], public_key[32], secret[64], signature[64];
    char text[128], line[512];
    rig_user_set(&rig->authz, "key", rig_perms_all());
    rig_user_nkey(&rig->authz, "key", seed);
    crypto_sign_seed_keypair(public_key, secret, seed);
    const char *nkey = rig->authz.users[rig->authz.user_count - 1].nkey;
    for (int is_bad = 0; is_bad < 2; is_bad++) {
        rig_open(rig, &client);
        crypto_sign_detached(signature, NULL, (const uint8_t *)client.nonce, 15, secret);
        signature[5] ^= (uint8_t)is_bad;
        sodium_bin2base64(text, sizeof(text), signature, sizeof(signature),
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        snprintf(line, sizeof(line),
                 "CONNECT {\"verbose\":true,\"nkey\":\"%s\",\"sig\":\"%s\"}\r\n", nkey, text);
        rig_send(&client, line);
        rig_expect(&client, is_bad ? "-ERR 'Authorization Violation'\r\n" : "+OK\r\n");
        if (is_bad) {
            rig_expect_closed(&client);
        }
        rig_close(&client);
    }
    assert_true(rig_log_has(rig, "login-refused"));
}

static void test_second_connect(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_perm_rule rule = {.actions = UB_SUBSCRIBE | UB_PUBLISH, .subject = "b.>"};
    rig_user_set(&rig->authz, "narrow", rig_perms(0, &rule, 1, NULL));
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB a 1\r\n");
    rig_sync(&client, "");
    rig_send(&client, "CONNECT {\"user\":\"narrow\",\"pass\":\"pw\",\"verbose\":false}\r\n"
                      "SUB b.c 2\r\nPUB b.c 1\r\nx\r\nPUB a 1\r\ny\r\n");
    rig_sync(&client, "MSG b.c 2 1\r\nx\r\n-ERR 'Permissions Violation for Publish to \"a\"'\r\n");
    rig_send(&client, "CONNECT {\"user\":\"root\",\"pass\":\"wrong\"}\r\n");
    rig_expect(&client, "-ERR 'Authorization Violation'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
}

static void test_auth_off(void **state)
{
    struct rig_client client;
    /* As nats-server: without CONNECT a client is verbose. */
    rig_open(*state, &client);
    rig_send(&client, "SUB a 1\r\nPUB a 1\r\nx\r\n");
    rig_sync(&client, "+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n");
    rig_send(&client, "CONNECT {\"verbose\":false}\r\nSUB _INBOX.> 2\r\nPUB _INBOX.y 0\r\n\r\n");
    rig_sync(&client, "MSG _INBOX.y 2 0\r\n\r\n");
    /* Without rights nobody decides; what is no literal subject is refused all the same. */
    rig_send(&client, "PUB a b.* 1\r\nx\r\nPUB a > 1\r\nx\r\nPUB a ..\x01 1\r\nx\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Publish with Reply of \"b.*\"'\r\n"
                      "-ERR 'Permissions Violation for Publish with Reply of \">\"'\r\n"
                      "-ERR 'Permissions Violation for Publish with Reply of \"..\\x01\"'\r\n");
    assert_true(rig_log_has(*state, "reply-refused"));
    rig_close(&client);
}

/* Frames of all sizes arrive whole, on the same loop and on the other. */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {0,     1,     100,   4095,  4096,  4097,   16000,
                                   16384, 32768, 65535, 65536, 70000, 200000, 1048576};
    struct rig_client near, far;
    rig_login(*state, &near, "root");
    rig_login(*state, &far, "root");
    rig_send(&near, "SUB big 1\r\n");
    rig_send(&far, "SUB big 2\r\n");
    rig_sync(&near, "");
    rig_sync(&far, "");
    char *payload = malloc(1048576 + 3), line[64];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t at = 0; at < sizes[i]; at++) {
            payload[at] = (char)('a' + (at * 7 + i) % 26);
        }
        memcpy(payload + sizes[i], "\r\n", 3);
        snprintf(line, sizeof(line), "PUB big %zu\r\n", sizes[i]);
        rig_send(&near, line);
        rig_send_bytes(&near, payload, sizes[i] + 2);
        rig_send(&near, "PUB big 1\r\n!\r\n");
        struct rig_client *both[] = {&near, &far};
        for (int c = 0; c < 2; c++) {
            snprintf(line, sizeof(line), "MSG big %d %zu\r\n", c + 1, sizes[i]);
            rig_expect(both[c], line);
            rig_expect(both[c], payload);
            rig_expect(both[c], "!\r\n");
        }
    }
    free(payload);
    rig_close(&near);
    rig_close(&far);
}

/* One session; its subject is its own, so that an earlier one that is still closing has no part. */
static size_t session_make(size_t number, char *session, char *answer, size_t room)
{
    int len = snprintf(session, room,
                       "CONNECT {\"user\":\"root\",\"pass\":\"pw\",\"verbose\":false,"
                       "\"headers\":true}\r\nSUB foo%04zu.* 1\r\nSUB bar%04zu q 2\r\n"
                       "PUB foo%04zu.x 5\r\nhello\r\nHPUB bar%04zu re 20 22\r\nNATS/1.0\r\n"
                       "Ab: cd\r\n\r\nhi\r\nUNSUB 1\r\nPUB foo%04zu.y 0\r\n\r\n",
                       number, number, number, number, number);
    snprintf(answer, room,
             "MSG foo%04zu.x 1 5\r\nhello\r\n"
             "HMSG bar%04zu 2 re 20 22\r\nNATS/1.0\r\nAb: cd\r\n\r\nhi\r\n",
             number, number);
    return (size_t)len;
}

/* Cut in two at each byte, and sent byte by byte: always the same answer. */
static void test_every_split(void **state)
{
    char session[512], answer[512];
    size_t len = session_make(0, session, answer, sizeof(session));
    struct rig_client client;
    for (size_t cut = 0; cut <= len; cut++) {
        session_make(cut, session, answer, sizeof(session));
        rig_open(*state, &client);
        rig_send_bytes(&client, session, cut);
        if (cut % 8 == 0) { /* give the server the time to see the part alone */
            struct timespec pause = {0, 1000000};
            nanosleep(&pause, NULL);
        }
        rig_send_bytes(&client, session + cut, len - cut);
        rig_sync(&client, answer);
        rig_close(&client);
    }
    session_make(9999, session, answer, sizeof(session));
    rig_open(*state, &client);
    for (size_t i = 0; i < len; i++) {
        rig_send_bytes(&client, session + i, 1);
    }
    rig_sync(&client, answer);
    rig_close(&client);
}

static void test_drain(void **state)
{
    struct rig *rig = *state;
    struct rig_client a, b;
    rig_login(rig, &a, "root");
    rig_login(rig, &b, "root");
    rig_send(&a, "SUB x 1\r\n");
    rig_sync(&a, "");
    rig_send(&b, "PUB x 4\r\nlast\r\n");
    rig_sync(&b, "");
    nats_server_drain(rig->server);
    rig_expect(&a, "last\r\n");
    rig_expect_closed(&a);
    rig_expect_closed(&b);
    int64_t deadline = rig_now_ms() + 2000;
    while (atomic_load(&rig->server->connection_count) > 0 && rig_now_ms() < deadline) {
        kit_run_for(rig->host, 10);
    }
    assert_int_equal(atomic_load(&rig->server->connection_count), 0);
    rig_close(&a);
    rig_close(&b);
}

static void test_pings(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    rig_init(&rig);
    rig.settings.ping_interval = 300;
    rig.settings.ping_max = 2;
    rig_start(&rig);
    rig_login(&rig, &client, "root");
    rig_expect(&client, "PING\r\n");
    rig_send(&client, "PONG\r\n");
    rig_expect(&client, "PING\r\n"); /* no answer from here on */
    rig_expect(&client, "PING\r\n");
    rig_expect(&client, "-ERR 'Stale Connection'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    rig_stop(&rig);
}

static void test_limits(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client clients[3];
    const struct ub_perms limits = {.max_subscriptions = 2, .max_payload_bytes = 10};
    const struct ub_perm_rule all = {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = ">"};
    rig_init(&rig);
    rig.settings.max_connections = 2;
    rig_user_set(&rig.authz, "small", rig_perms(0, &all, 1, &limits));
    rig_start(&rig);
    rig_login(&rig, &clients[0], "small");
    rig_login(&rig, &clients[1], "root");
    rig_open(&rig, &clients[2]); /* INFO first, as clients expect */
    rig_expect(&clients[2], "-ERR 'maximum connections exceeded'\r\n");
    rig_expect_closed(&clients[2]);
    rig_send(&clients[0], "SUB a 1\r\nSUB a 2\r\nSUB a 3\r\nSUB a 1\r\n");
    rig_sync(&clients[0], "-ERR 'maximum subscriptions exceeded'\r\n"
                          "-ERR 'maximum subscriptions exceeded'\r\n");
    rig_send(&clients[0], "PUB b 10\r\n0123456789\r\nPUB b 11\r\n");
    rig_expect(&clients[0], "-ERR 'Maximum Payload Violation'\r\n");
    rig_expect_closed(&clients[0]);
    for (int i = 0; i < 3; i++) {
        rig_close(&clients[i]);
    }
    rig_stop(&rig);
}

/* ---- the module -------------------------------------------------------------------------------
 */

struct seen {
    char facts[256], listeners[256], numbers[512];
};

static void see_fact(void *ctx, const char *name, const char *value, const char *setting)
{
    struct seen *seen = ctx;
    size_t at = strlen(seen->facts);
    snprintf(seen->facts + at, sizeof(seen->facts) - at, "%s=%s(%s) ", name, value, setting);
}

static void see_listener(void *ctx, const char *address, bool is_loopback, bool has_tls,
                         const char *setting)
{
    struct seen *seen = ctx;
    snprintf(seen->listeners, sizeof(seen->listeners), "%s %d %d %s", address, is_loopback, has_tls,
             setting);
}

static void see_number(void *ctx, const char *name, int64_t value)
{
    struct seen *seen = ctx;
    size_t at = strlen(seen->numbers);
    snprintf(seen->numbers + at, sizeof(seen->numbers) - at, "%s=%lld ", name, (long long)value);
}

static void test_posture_and_health(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    struct seen seen = {0};
    const struct ub_posture_sink posture = {sizeof(posture), &seen, see_fact, see_listener};
    const struct ub_health_sink health = {
        .size = sizeof(health), .ctx = &seen, .number = see_number};
    unibus_module_nats.ops->posture(rig->server, &posture);
    assert_string_equal(seen.facts, "auth=enforce(auth) acl=on(auth) ");
    assert_string_equal(seen.listeners, "127.0.0.1:0 1 0 listen");
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB a 1\r\nSUB b 2\r\nPUB a 3\r\nxyz\r\nPUB c 1\r\nx\r\n");
    rig_sync(&client, "MSG a 1 3\r\nxyz\r\n");
    unibus_module_nats.ops->health(rig->server, &health);
    assert_string_equal(seen.numbers, "connections=1 subscriptions=2 in_messages=2 out_messages=1 "
                                      "in_bytes=4 out_bytes=3 slow_consumers=0 ");
    rig_close(&client);
}

static enum ub_status start_beside(const struct rig *rig, uint16_t port, struct ub_err *err)
{
    struct nats_settings settings = rig->settings;
    struct ub_listen listen = {"127.0.0.1", port, true, "127.0.0.1:taken"};
    void *self = NULL;
    settings.listen.items = &listen;
    settings.auth = port == 0 ? NATS_AUTH_ENFORCE : NATS_AUTH_OFF;
    assert_int_equal(unibus_module_nats.ops->create(rig->host, &settings, &self, err), UB_OK);
    enum ub_status status = unibus_module_nats.ops->start(self, err);
    unibus_module_nats.ops->destroy(self);
    return status;
}

static void test_start_failures(void **state)
{
    struct rig *rig = *state;
    struct ub_err err = UB_ERR_INIT;
    assert_int_equal(start_beside(rig, rig->port, &err), UB_EIO);
    assert_non_null(
        strstr(err.message, "cannot listen on 127.0.0.1:taken: Address already in use"));
    assert_int_equal(start_beside(rig, 0, &err), UB_EINVAL);
    assert_non_null(
        strstr(err.message, "auth = \"enforce\" needs a module that provides ub.authz"));
}

/* Nobody new comes in while the node waits; who is in stays. */
static void test_waiting_refuses_new_clients(void **state)
{
    struct rig *rig = *state;
    struct rig_client old, new_one;
    rig_login(rig, &old, "root");
    kit_waiting_set(rig->host, "the \"peer\"\r\n");
    rig_open(rig, &new_one);
    rig_send(&new_one, "CONNECT {\"verbose\":false}\r\n");
    rig_expect(&new_one, "-ERR 'Not Ready: waiting for \"the \\\"peer\\\"\\r\\n\"'\r\n");
    rig_expect_closed(&new_one);
    rig_send(&old, "SUB a 1\r\nPUB a 1\r\nx\r\n");
    rig_sync(&old, "MSG a 1 1\r\nx\r\n");
    kit_waiting_set(rig->host, NULL);
    struct rig_client again;
    rig_login(rig, &again, "root");
    rig_close(&again);
    rig_close(&old);
    rig_close(&new_one);
}

#define WITH_AUTH(test)    cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)
#define WITHOUT_AUTH(test) cmocka_unit_test_setup_teardown(test, set_up_open, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_AUTH(test_info),
        WITH_AUTH(test_waiting_refuses_new_clients),
        WITH_AUTH(test_publish_and_subscribe),
        WITH_AUTH(test_verbose),
        WITH_AUTH(test_echo_off),
        WITH_AUTH(test_no_responders),
        WITH_AUTH(test_headers),
        WITH_AUTH(test_unsub_max),
        WITH_AUTH(test_queue_groups),
        WITH_AUTH(test_queue_member_leaves),
        WITH_AUTH(test_error_texts),
        WITH_AUTH(test_nkey),
        WITH_AUTH(test_second_connect),
        WITHOUT_AUTH(test_auth_off),
        WITH_AUTH(test_sizes),
        WITH_AUTH(test_every_split),
        WITH_AUTH(test_posture_and_health),
        WITH_AUTH(test_start_failures),
        WITH_AUTH(test_drain),
        cmocka_unit_test(test_pings),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
