/* SPDX-License-Identifier: Apache-2.0
 *
 * The odd corners of the protocol on open connections: without auth, without the inbox rules, with
 * words and sizes that nobody sends by accident, and rights that change under what is subscribed.
 * See tests/coverage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_nats_rig.h"

#include "hash.h"
#include "proto.h"

#define BOTH (UB_PUBLISH | UB_SUBSCRIBE)

static void start(struct rig *rig, enum nats_auth auth)
{
    rig_init(rig);
    rig->settings.auth = auth;
    rig_start(rig);
}

static void give(struct rig *rig, const char *user, uint32_t flags,
                 const struct ub_perm_rule *rules, size_t count)
{
    rig_user_set(&rig->authz, user, rig_perms(flags, rules, count, NULL));
}

static void test_without_auth(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    start(&rig, NATS_AUTH_OFF);
    rig_open(&rig, &client);
    rig_send(&client, "CONNECT {\"verbose\":true,\"headers\":true}\r\n");
    rig_sync(&client, "+OK\r\n");
    rig_send(&client, "CONNECT {\"verbose\":false,\"headers\":true}\r\n");
    /* Nobody has an identity: no inbox is owned, every reply subject is fine. */
    rig_send(&client, "SUB _INBOX.a 1\r\nPUB nobody.there some.reply 0\r\n\r\n"
                      "PUB _INBOX.a _INBOX.other 1\r\nx\r\nHPUB _INBOX.a 0 0\r\n\r\n");
    rig_sync(&client, "MSG _INBOX.a 1 _INBOX.other 1\r\nx\r\nMSG _INBOX.a 1 0\r\n\r\n");
    rig_send(&client, "CONNECT {\"protocol\":-1}\r\n");
    rig_expect(&client, "-ERR 'invalid client protocol'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    rig_stop(&rig);
}

static void test_words_with_controls(void **state)
{
    (void)state;
    static const char *const lines[] = {"SUB a \x01\r\n", "SUB a \x7f\r\n", "SUB a q\x7f 1\r\n",
                                        "SUB a \xff 1\r\n"};
    struct rig rig;
    start(&rig, NATS_AUTH_ENFORCE);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct rig_client client;
        rig_login(&rig, &client, "root");
        rig_send(&client, lines[i]);
        rig_expect(&client, "-ERR 'Unknown Protocol Operation'\r\n");
        rig_expect_closed(&client);
        rig_close(&client);
    }
    rig_stop(&rig);
}

/* A user without the inbox rules hears all inboxes, as in nats-server, and owns none by it. */
static void test_inboxes_without_rules(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client open, member;
    const struct ub_perm_rule all = {.actions = BOTH, .subject = ">"};
    start(&rig, NATS_AUTH_ENFORCE);
    give(&rig, "open", 0, &all, 1);
    give(&rig, "member", UB_PERM_INBOX, &all, 1);
    rig_login(&rig, &open, "open");
    rig_login(&rig, &member, "member");
    rig_send(&open, "SUB _INBOX.* 1\r\nSUB _INBOX.> 2\r\n");
    rig_sync(&open, "");
    rig_send(&member, "SUB _INBOX.* 1\r\nSUB _INBOX.> 2\r\nSUB _INBOX.mine 3\r\n");
    rig_sync(&member, "-ERR 'Permissions Violation for Subscription to \"_INBOX.*\"'\r\n"
                      "-ERR 'Permissions Violation for Subscription to \"_INBOX.>\"'\r\n");
    rig_close(&open);
    rig_close(&member);
    rig_stop(&rig);
}

/* Longer than what a connection remembers of its own inbox. */
static void test_long_inbox(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    char token[200], line[1024];
    const struct ub_perm_rule all = {.actions = BOTH, .subject = "svc"};
    memset(token, 't', sizeof(token) - 1);
    token[sizeof(token) - 1] = '\0';
    start(&rig, NATS_AUTH_ENFORCE);
    give(&rig, "u", UB_PERM_INBOX, &all, 1);
    rig_login(&rig, &client, "u");
    snprintf(line, sizeof(line),
             "SUB _INBOX.%s.* 1\r\nPUB svc _INBOX.%s.1 0\r\n\r\nPUB svc _INBOX.%s.1 0\r\n\r\n"
             "PUB svc _INBOX.%.198s.1 0\r\n\r\n",
             token, token, token, token);
    rig_send(&client, line);
    rig_expect(&client, "Nats-Subject: svc\r\n\r\n\r\n");
    rig_expect(&client, "Nats-Subject: svc\r\n\r\n\r\n");
    rig_expect(&client, "-ERR 'Permissions Violation for Publish with Reply of \"_INBOX.t");
    rig_sync(&client, NULL);
    rig_close(&client);
    rig_stop(&rig);
}

/* allow_responses opens nothing that a deny rule closes. */
static void test_denied_answer(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client service, root;
    const struct ub_perms limits = {.max_response_count = 5, .max_response_ms = 60000};
    const struct ub_perm_rule rules[] = {
        {.actions = UB_SUBSCRIBE, .subject = "svc"},
        {.actions = UB_PUBLISH, .subject = "secret.>", .is_deny = true}};
    start(&rig, NATS_AUTH_ENFORCE);
    rig_user_set(&rig.authz, "service", rig_perms(0, rules, 2, &limits));
    rig_login(&rig, &service, "service");
    rig_login(&rig, &root, "root");
    rig_send(&service, "SUB svc 1\r\n");
    rig_sync(&service, "");
    rig_send(&root, "PUB svc secret.a 0\r\n\r\nPUB svc open.a 0\r\n\r\n");
    rig_expect(&service, "MSG svc 1 open.a 0\r\n\r\n");
    rig_send(&service, "PUB secret.a 0\r\n\r\nPUB open.a 0\r\n\r\n");
    rig_sync(&service, "-ERR 'Permissions Violation for Publish to \"secret.a\"'\r\n");
    rig_close(&service);
    rig_close(&root);
    rig_stop(&rig);
}

/* What overlaps a deny is filtered from the moment of the change, and no longer after the next;
 * what does not overlap is left as it is. */
static void test_filters_come_and_go(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client, root;
    const struct ub_perm_rule rules[] = {
        {.actions = BOTH, .subject = ">"},
        {.actions = UB_SUBSCRIBE, .subject = "a.no", .is_deny = true}};
    start(&rig, NATS_AUTH_ENFORCE);
    give(&rig, "u", 0, rules, 1);
    rig_login(&rig, &client, "u");
    rig_login(&rig, &root, "root");
    rig_send(&client, "SUB a.* 1\r\nSUB b.* 2\r\n");
    rig_sync(&client, "");
    for (size_t round = 0; round < 4; round++) {
        bool is_denied = round % 2 == 0;
        give(&rig, "u", 0, rules, is_denied ? 2 : 1);
        assert_int_equal(rig_user_changed(&rig.authz, "u"), 1);
        rig_send(&root, "PUB a.no 1\r\nn\r\nPUB b.x 1\r\nx\r\n");
        if (!is_denied) {
            rig_expect(&client, "MSG a.no 1 1\r\nn\r\n");
        }
        rig_expect(&client, "MSG b.x 2 1\r\nx\r\n");
        rig_sync(&client, "");
    }
    rig_close(&client);
    rig_close(&root);
    rig_stop(&rig);
}

/* An inbox that becomes another's takes only itself away. */
static void test_rest_stays_when_inbox_goes(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client bob, alice;
    const struct ub_perms token = {.inbox_token = "hers"};
    const struct ub_perm_rule rule = {.actions = BOTH, .subject = "svc.>"};
    start(&rig, NATS_AUTH_ENFORCE);
    give(&rig, "bob", UB_PERM_INBOX, &rule, 1);
    rig_user_set(&rig.authz, "alice", rig_perms(UB_PERM_INBOX, &rule, 1, &token));
    rig_login(&rig, &bob, "bob");
    rig_send(&bob, "SUB svc.a 1\r\nSUB _INBOX.hers 2\r\nSUB _INBOX.his 3\r\n");
    rig_sync(&bob, "");
    rig_login(&rig, &alice, "alice");
    rig_expect(&bob, "-ERR 'Permissions Violation for Subscription to \"_INBOX.hers\" "
                     "(sid \"2\")'\r\n");
    rig_send(&alice, "SUB _INBOX.hers.x 1\r\nPUB svc.a 1\r\na\r\n");
    rig_sync(&alice, "");
    rig_expect(&bob, "MSG svc.a 1 1\r\na\r\n");
    rig_sync(&bob, "");
    rig_close(&bob);
    rig_close(&alice);
    rig_stop(&rig);
}

static void test_no_limit_of_subscriptions(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    rig_init(&rig);
    rig.settings.max_subscriptions = 0;
    rig_start(&rig);
    rig_login(&rig, &client, "root");
    for (int i = 0; i < 300; i++) {
        char line[64];
        snprintf(line, sizeof(line), "SUB a.%d %d\r\n", i, i);
        rig_send(&client, line);
    }
    rig_sync(&client, "");
    rig_close(&client);
    rig_stop(&rig);
}

/* A sender on another loop is asked to pause, and goes on by itself; one who has gone is not. */
static void test_stalled_from_another_loop(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    start(&rig, NATS_AUTH_ENFORCE);
    rig_login(&rig, &client, "root");
    int64_t start_ms = rig_now_ms();
    for (int i = 0; i < 20; i++) {
        for (uint64_t cid = 0; cid < 64; cid++) { /* one of them is this client */
            nats_proto_stall_remote(&rig.server->shards[0], cid);
        }
        rig_sync(&client, "");
    }
    assert_true(rig_now_ms() - start_ms >= 20); /* it did pause */
    rig_close(&client);
    rig_stop(&rig);
}

struct hashed {
    uint32_t hash, number;
};

static int by_hash(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Two sids that the server's hash does not tell apart. */
static void find_alike(uint64_t seed, uint32_t *a_out, uint32_t *b_out)
{
    enum { MANY = 500000 };
    struct hashed *all = calloc(MANY, sizeof(*all));
    for (uint32_t i = 0; i < MANY; i++) {
        char sid[16];
        snprintf(sid, sizeof(sid), "%u", i);
        all[i] = (struct hashed){(uint32_t)nats_hash(nats_text(sid), seed), i};
    }
    qsort(all, MANY, sizeof(*all), by_hash);
    size_t at = 1;
    while (at < MANY && all[at].hash != all[at - 1].hash) {
        at++;
    }
    assert_true(at < MANY); /* there are 29 on average */
    *a_out = all[at - 1].number;
    *b_out = all[at].number;
    free(all);
}

static void test_sids_of_one_hash(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    char line[128], expected[64];
    uint32_t a, b;
    start(&rig, NATS_AUTH_ENFORCE);
    find_alike(rig.server->seed, &a, &b);
    rig_login(&rig, &client, "root");
    snprintf(line, sizeof(line), "SUB a %u\r\nSUB b %u\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n", a, b);
    snprintf(expected, sizeof(expected), "MSG a %u 0\r\n\r\nMSG b %u 0\r\n\r\n", a, b);
    rig_send(&client, line);
    rig_sync(&client, expected);
    snprintf(line, sizeof(line), "UNSUB %u\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n", a);
    snprintf(expected, sizeof(expected), "MSG b %u 0\r\n\r\n", b);
    rig_send(&client, line);
    rig_sync(&client, expected);
    rig_close(&client);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_auth),
        cmocka_unit_test(test_words_with_controls),
        cmocka_unit_test(test_inboxes_without_rules),
        cmocka_unit_test(test_long_inbox),
        cmocka_unit_test(test_denied_answer),
        cmocka_unit_test(test_filters_come_and_go),
        cmocka_unit_test(test_rest_stays_when_inbox_goes),
        cmocka_unit_test(test_no_limit_of_subscriptions),
        cmocka_unit_test(test_stalled_from_another_loop),
        cmocka_unit_test(test_sids_of_one_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
