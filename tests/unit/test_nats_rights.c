/* SPDX-License-Identifier: Apache-2.0
 *
 * Rights on live connections: what is refused, what a change does, who owns an inbox. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_nats_rig.h"

#include "inbox.h"

#define BOTH (UB_PUBLISH | UB_SUBSCRIBE)

static void give(struct rig *rig, const char *user, uint32_t flags,
                 const struct ub_perm_rule *rules, size_t count)
{
    rig_user_set(&rig->authz, user, rig_perms(flags, rules, count, NULL));
}

static void test_refusals(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_perm_rule rules[] = {
        {.actions = UB_PUBLISH, .subject = "out.>"},
        {.actions = UB_SUBSCRIBE, .subject = "in.*"},
        {.actions = UB_SUBSCRIBE, .subject = "work", .queue = "w"},
        {.actions = BOTH, .subject = "all.>"},
        {.actions = BOTH, .subject = "all.secret.>", .is_deny = true},
    };
    give(rig, "u", 0, rules, 5);
    rig_login(rig, &client, "u");
    rig_send(&client, "PUB in.x 1\r\nx\r\nPUB all.secret.x 0\r\n\r\nPUB out.a 0\r\n\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Publish to \"in.x\"'\r\n"
                      "-ERR 'Permissions Violation for Publish to \"all.secret.x\"'\r\n");
    rig_send(&client, "SUB in.x 1\r\nSUB in.* 2\r\nSUB in.> 3\r\nSUB > 4\r\nSUB \"q 5\r\n"
                      "SUB all.secret.a 6\r\nSUB all.secret.> 7\r\nSUB all.> 8\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Subscription to \"in.>\"'\r\n"
                      "-ERR 'Permissions Violation for Subscription to \">\"'\r\n"
                      "-ERR 'Permissions Violation for Subscription to \"\\\"q\"'\r\n"
                      "-ERR 'Permissions Violation for Subscription to \"all.secret.a\"'\r\n"
                      "-ERR 'Permissions Violation for Subscription to \"all.secret.>\"'\r\n");
    rig_send(&client, "SUB work 9\r\nSUB work w 10\r\nSUB work x 11\r\n");
    rig_sync(&client,
             "-ERR 'Permissions Violation for Subscription to \"work\"'\r\n"
             "-ERR 'Permissions Violation for Subscription to \"work\" using queue \"x\"'\r\n");
    rig_close(&client);
    assert_true(rig_log_has(rig, "publish-refused"));
    assert_true(rig_log_has(rig, "subscription-refused"));
}

/* A wildcard over something denied is allowed, and gets nothing of it: plain, queue, both loops. */
static void test_denied_part_is_filtered(void **state)
{
    struct rig *rig = *state;
    struct rig_client plain, queued, root, other;
    const struct ub_perm_rule rules[] = {
        {.actions = BOTH, .subject = ">"},
        {.actions = UB_SUBSCRIBE, .subject = "a.secret", .is_deny = true},
        {.actions = UB_SUBSCRIBE, .subject = "*.hidden.>", .is_deny = true},
    };
    give(rig, "u", 0, rules, 3);
    rig_login(rig, &plain, "u");
    rig_login(rig, &queued, "u");
    rig_login(rig, &root, "root");
    rig_login(rig, &other, "root");
    rig_send(&plain, "SUB > 1\r\nSUB a.* 2\r\n");
    rig_send(&queued, "SUB a.* g 3\r\n");
    rig_sync(&plain, "");
    rig_sync(&queued, "");
    struct rig_client *senders[] = {&root, &other};
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 3; k++) { /* also from the cache */
            rig_send(senders[i], "PUB a.secret 1\r\nx\r\nPUB a.hidden.b 1\r\nx\r\n");
        }
        rig_send(senders[i], "PUB a.open 1\r\no\r\n");
        rig_sync(senders[i], "");
        rig_expect(&plain, "MSG a.open ");
        rig_expect(&plain, "MSG a.open ");
        rig_expect(&plain, "o\r\n");
        rig_expect(&queued, "MSG a.open 3 1\r\no\r\n");
        rig_sync(&plain, "");
        rig_sync(&queued, "");
    }
    /* Nobody who may have it: the asker hears so, from either loop. */
    for (int i = 0; i < 2; i++) {
        rig_send(senders[i], "SUB r 9\r\nPUB a.secret r 0\r\n\r\n");
        rig_expect(senders[i], "NATS/1.0 503\r\nNats-Subject: a.secret\r\n\r\n\r\n");
    }
    /* Another member that may have it gets it, always. */
    rig_send(&other, "SUB a.secret g 4\r\n");
    rig_sync(&other, "");
    for (int k = 0; k < 20; k++) {
        rig_send(&root, "PUB a.secret 1\r\ns\r\n");
        rig_expect(&other, "MSG a.secret 4 1\r\ns\r\n");
    }
    rig_sync(&queued, "");
    rig_close(&plain);
    rig_close(&queued);
    rig_close(&root);
    rig_close(&other);
}

static void test_change_on_live_connections(void **state)
{
    struct rig *rig = *state;
    struct rig_client a, b, root;
    const struct ub_perm_rule before[] = {{.actions = BOTH, .subject = "x.>"},
                                          {.actions = BOTH, .subject = "y.>"}};
    const struct ub_perm_rule after[] = {
        {.actions = BOTH, .subject = "x.>"},
        {.actions = UB_SUBSCRIBE, .subject = "x.no", .is_deny = true},
        {.actions = BOTH, .subject = "z.>"}};
    give(rig, "u", 0, before, 2);
    rig_login(rig, &a, "u");
    rig_login(rig, &b, "u"); /* the other loop */
    rig_login(rig, &root, "root");
    rig_send(&a, "SUB x.* 1\r\nSUB y.a 2\r\nSUB y.> q 3\r\n");
    rig_send(&b, "SUB y.b 1\r\n");
    rig_sync(&a, "");
    rig_sync(&b, "");
    assert_int_equal(rig_user_changed(&rig->authz, "u"), 0); /* nothing did */
    give(rig, "u", 0, after, 3);
    assert_int_equal(rig_user_changed(&rig->authz, "u"), 2);
    /* Applied when it returned: nothing of what was lost is delivered any more. */
    rig_send(&root, "PUB y.a 1\r\n1\r\nPUB y.b 1\r\n1\r\nPUB x.no 1\r\n1\r\nPUB x.a 1\r\n2\r\n");
    rig_sync(&root, "");
    rig_expect(&a, "-ERR 'Permissions Violation for Subscription to \"y.");
    rig_expect(&a, "MSG x.a 1 1\r\n2\r\n");
    rig_sync(&a, "");
    rig_sync(&b, "-ERR 'Permissions Violation for Subscription to \"y.b\" (sid \"1\")'\r\n");
    rig_send(&a, "SUB z.a 4\r\nPUB z.a 1\r\nz\r\nPUB y.a 0\r\n\r\n");
    rig_sync(&a, "MSG z.a 4 1\r\nz\r\n-ERR 'Permissions Violation for Publish to \"y.a\"'\r\n");
    /* All lost: closed. */
    rig_user_set(&rig->authz, "u", NULL);
    assert_int_equal(rig_user_changed(&rig->authz, ""), 2);
    rig_expect(&a, "-ERR 'User Authentication Revoked'\r\n");
    rig_expect_closed(&a);
    rig_expect(&b, "-ERR 'User Authentication Revoked'\r\n");
    rig_expect_closed(&b);
    rig_sync(&root, "");
    rig_close(&a);
    rig_close(&b);
    rig_close(&root);
}

static void test_change_texts(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_perm_rule all = {.actions = BOTH, .subject = ">"};
    const struct ub_perm_rule none = {.actions = BOTH, .subject = "none"};
    give(rig, "u", 0, &all, 1);
    rig_login(rig, &client, "u");
    rig_send(&client, "SUB foo workers 12\r\n");
    rig_sync(&client, "");
    give(rig, "u", 0, &none, 1);
    assert_int_equal(rig_user_changed(&rig->authz, "u"), 1);
    rig_sync(&client, "-ERR 'Permissions Violation for Subscription to \"foo\" using queue "
                      "\"workers\" (sid \"12\")'\r\n");
    rig_close(&client);
}

/* Rights that change while logins are under way are not missed. */
static void *change_often(void *arg)
{
    struct rig *rig = arg;
    const struct ub_perm_rule all = {.actions = BOTH, .subject = ">"};
    const struct ub_perm_rule last = {.actions = BOTH, .subject = "last.>"};
    for (int i = 0; i < 200; i++) {
        const struct ub_perm_rule *rule = i % 2 == 0 ? &all : &last;
        give(rig, "u", 0, rule, 1);
        rig_user_changed(&rig->authz, "u");
    }
    return NULL;
}

static void test_changes_during_logins(void **state)
{
    struct rig *rig = *state;
    enum { CLIENTS = 60 };
    struct rig_client clients[CLIENTS];
    const struct ub_perm_rule all = {.actions = BOTH, .subject = ">"};
    give(rig, "u", 0, &all, 1);
    pthread_t thread;
    pthread_create(&thread, NULL, change_often, rig);
    for (int i = 0; i < CLIENTS; i++) {
        rig_login(rig, &clients[i], "u");
        rig_send(&clients[i], "SUB a.b 1\r\n");
    }
    pthread_join(thread, NULL); /* ends with "last.>" only */
    for (int i = 0; i < CLIENTS; i++) {
        rig_sync(&clients[i], NULL);
        rig_send(&clients[i], "PUB first 0\r\n\r\nPUB last.x 0\r\n\r\n");
        rig_sync(&clients[i], "-ERR 'Permissions Violation for Publish to \"first\"'\r\n");
        rig_close(&clients[i]);
    }
    assert_int_equal(atomic_load(&rig->server->sublist.count), 0);
}

/* The rights change between the provider's answer and the connection's getting them. */
static void test_change_within_login(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_perm_rule before = {.actions = BOTH, .subject = ">"};
    const struct ub_perm_rule after = {.actions = BOTH, .subject = "after.>"};
    give(rig, "u", 0, &before, 1);
    rig->authz.change_within = rig_perms(0, &after, 1, NULL);
    rig_login(rig, &client, "u");
    assert_null(rig->authz.change_within);
    rig_send(&client, "SUB before 1\r\nSUB after.x 2\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Subscription to \"before\"'\r\n");
    rig_close(&client);
}

static void test_guard(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    static const struct ub_guard_alternative magic[] = {{{(const uint8_t *)"UBM", 3}, 0}};
    static const struct ub_guard_condition condition = {0, 3, 1, magic};
    static const struct ub_guard guard = {1, &condition, "a sealed envelope of epoch 3"};
    const struct ub_perm_rule rules[] = {
        {.actions = UB_PUBLISH, .subject = "ub.r.x.>", .family_token = 3, .guard = &guard},
        {.actions = UB_SUBSCRIBE, .subject = "ub.r.x.>", .family_token = 3},
    };
    give(rig, "u", UB_PERM_INBOX, rules, 2);
    rig_login(rig, &client, "u");
    rig_send(&client, "SUB ub.r.x.> 1\r\nSUB ub.r.x_log.m 2\r\nSUB ub.r.xy.m 3\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Subscription to \"ub.r.xy.m\"'\r\n");
    for (int i = 0; i < 3; i++) {
        rig_send(&client, "PUB ub.r.x.m 4\r\nUBM!\r\n");
        rig_sync(&client, "MSG ub.r.x.m 1 4\r\nUBM!\r\n");
        rig_send(&client, "PUB ub.r.x.m 5\r\nplain\r\n");
        rig_sync(&client, "-ERR 'Permissions Violation for Publish to \"ub.r.x.m\"'\r\n");
    }
    /* Headers are not what the guard looks at. */
    rig_send(&client, "HPUB ub.r.x_log.m 12 15\r\nNATS/1.0\r\n\r\nUBM\r\n");
    rig_sync(&client, "HMSG ub.r.x_log.m 2 12 15\r\nNATS/1.0\r\n\r\nUBM\r\n");
    rig_send(&client, "PUB ub.r.x_log.m 2\r\nUB\r\nPUB ub.r.xlog.m 3\r\nUBM\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Publish to \"ub.r.x_log.m\"'\r\n"
                      "-ERR 'Permissions Violation for Publish to \"ub.r.xlog.m\"'\r\n");
    rig_close(&client);
    assert_true(rig_log_has(rig, "a sealed envelope of epoch 3"));
}

/* ---- inboxes ----------------------------------------------------------------------------------
 */

static void members(struct rig *rig)
{
    const struct ub_perm_rule rules[] = {{.actions = BOTH, .subject = "svc.>"},
                                         {.actions = UB_SUBSCRIBE, .subject = ">"}};
    give(rig, "alice", UB_PERM_INBOX, rules, 1);
    give(rig, "bob", UB_PERM_INBOX, rules, 1);
    give(rig, "eve", UB_PERM_INBOX, rules, 2);
}

static void test_inbox_requests(void **state)
{
    struct rig *rig = *state;
    struct rig_client alice, bob, eve;
    members(rig);
    rig_login(rig, &alice, "alice");
    rig_login(rig, &bob, "bob");
    rig_login(rig, &eve, "eve");
    rig_send(&eve, "SUB > 1\r\nSUB _INBOX.> 2\r\nSUB _INBOX.*.x 3\r\n");
    rig_sync(&eve, "-ERR 'Permissions Violation for Subscription to \"_INBOX.>\"'\r\n"
                   "-ERR 'Permissions Violation for Subscription to \"_INBOX.*.x\"'\r\n");
    rig_send(&bob, "SUB svc.echo 1\r\n");
    rig_sync(&bob, "");
    rig_send(&alice, "SUB _INBOX.tok.* 1\r\nPUB svc.echo _INBOX.tok.1 2\r\nhi\r\n");
    rig_sync(&alice, "");
    rig_expect(&bob, "MSG svc.echo 1 _INBOX.tok.1 2\r\nhi\r\n");
    /* He may answer, as often as he likes, to nothing else. */
    rig_send(&bob, "PUB _INBOX.tok.1 1\r\na\r\nPUB _INBOX.tok.1 1\r\nb\r\n"
                   "PUB _INBOX.tok.2 1\r\nc\r\nSUB _INBOX.tok.1 2\r\nSUB _INBOX.tok.> 3\r\n");
    rig_sync(&bob, "-ERR 'Permissions Violation for Publish to \"_INBOX.tok.2\"'\r\n"
                   "-ERR 'Permissions Violation for Subscription to \"_INBOX.tok.1\"'\r\n"
                   "-ERR 'Permissions Violation for Subscription to \"_INBOX.tok.>\"'\r\n");
    rig_expect(&alice, "MSG _INBOX.tok.1 1 1\r\na\r\nMSG _INBOX.tok.1 1 1\r\nb\r\n");
    rig_sync(&alice, "");
    /* Nobody else may: eve saw the request itself, but only that lets her answer. */
    rig_expect(&eve, "MSG svc.echo 1 _INBOX.tok.1 2\r\nhi\r\n");
    rig_sync(&eve, "");
    rig_send(&alice, "PUB _INBOX.tok.1 1\r\nx\r\n");
    rig_sync(&alice, "-ERR 'Permissions Violation for Publish to \"_INBOX.tok.1\"'\r\n");
    rig_close(&alice);
    rig_close(&bob);
    rig_close(&eve);
}

static void test_inbox_ownership(void **state)
{
    struct rig *rig = *state;
    struct rig_client alice, again, bob;
    members(rig);
    rig_login(rig, &alice, "alice");
    rig_login(rig, &again, "alice");
    rig_login(rig, &bob, "bob");
    rig_send(&alice, "SUB _INBOX.next 1\r\n");
    rig_sync(&alice, "");
    rig_send(&again, "SUB _INBOX.next.* 1\r\n"); /* the same identity */
    rig_sync(&again, "");
    rig_send(&bob, "SUB _INBOX.next 1\r\nSUB _INBOX.bobs 2\r\n");
    rig_sync(&bob, "-ERR 'Permissions Violation for Subscription to \"_INBOX.next\"'\r\n");
    /* Unsubscribed and gone: still hers for a while. */
    rig_close(&alice);
    rig_close(&again);
    kit_run_for(rig->host, 100);
    rig_send(&bob, "SUB _INBOX.next 3\r\n");
    rig_sync(&bob, "-ERR 'Permissions Violation for Subscription to \"_INBOX.next\"'\r\n");
    rig_close(&bob);
}

static void test_inbox_reserved(void **state)
{
    struct rig *rig = *state;
    struct rig_client bob, alice;
    const struct ub_perms token = {.inbox_token = "hers"};
    const struct ub_perm_rule rule = {.actions = BOTH, .subject = "svc.>"};
    members(rig);
    rig_user_set(&rig->authz, "alice", rig_perms(UB_PERM_INBOX, &rule, 1, &token));
    rig_login(rig, &bob, "bob");
    rig_send(&bob, "SUB _INBOX.hers.> 1\r\nSUB _INBOX.his.> 2\r\n");
    rig_sync(&bob, "");
    rig_login(rig, &alice, "alice"); /* it was hers all the time */
    rig_expect(&bob, "-ERR 'Permissions Violation for Subscription to \"_INBOX.hers.>\" "
                     "(sid \"1\")'\r\n");
    rig_sync(&bob, "");
    rig_send(&bob, "SUB _INBOX.hers 3\r\n");
    rig_sync(&bob, "-ERR 'Permissions Violation for Subscription to \"_INBOX.hers\"'\r\n");
    rig_send(&alice, "SUB _INBOX.hers.> 1\r\n");
    rig_sync(&alice, "");
    rig_close(&alice);
    rig_close(&bob);
}

/* A connection that used an inbox of its identity's must notice when the inbox is another's, also
 * when nobody held it at that moment: else it makes its accomplice a responder to that inbox. */
static void test_inbox_changes_hands(void **state)
{
    struct rig *rig = *state;
    struct rig_client bob, second, alice;
    const struct ub_perms token = {.inbox_token = "hers"};
    const struct ub_perm_rule rule = {.actions = BOTH, .subject = "svc.>"};
    members(rig);
    rig_user_set(&rig->authz, "alice", rig_perms(UB_PERM_INBOX, &rule, 1, &token));
    rig_login(rig, &bob, "bob");
    rig_login(rig, &second, "bob");
    rig_send(&bob, "SUB _INBOX.hers.> 1\r\n");
    rig_sync(&bob, "");
    rig_send(&second, "PUB svc.a _INBOX.hers.1 0\r\n\r\n");
    rig_sync(&second, "");
    rig_send(&bob, "UNSUB 1\r\n");
    rig_sync(&bob, "");
    rig_login(rig, &alice, "alice");
    rig_send(&second, "PUB svc.a _INBOX.hers.1 0\r\n\r\n");
    rig_sync(&second,
             "-ERR 'Permissions Violation for Publish with Reply of \"_INBOX.hers.1\"'\r\n");
    rig_close(&bob);
    rig_close(&second);
    rig_close(&alice);
}

/* Reply subjects: whoever answers does so with his own rights. */
static void test_reply_subjects(void **state)
{
    struct rig *rig = *state;
    struct rig_client alice, bob, user;
    members(rig);
    const struct ub_perm_rule private[] = {{.actions = UB_PUBLISH, .subject = "svc.>"},
                                           {.actions = UB_SUBSCRIBE, .subject = "my.inbox.>"}};
    give(rig, "user", 0, private, 2);
    rig_login(rig, &alice, "alice");
    rig_login(rig, &bob, "bob");
    rig_login(rig, &user, "user");
    rig_send(&bob, "SUB _INBOX.bobs.* 1\r\nSUB svc.a 2\r\n");
    rig_sync(&bob, "");
    rig_send(&alice, "PUB svc.a _INBOX.bobs.1 0\r\n\r\nPUB svc.a _INBOX.free.1 0\r\n\r\n"
                     "PUB svc.a $JS.API.STREAM.DELETE.X 0\r\n\r\nPUB svc.a bad..x 0\r\n\r\n"
                     "PUB svc.a wild.* 0\r\n\r\n");
    rig_sync(&alice, "-ERR 'Permissions Violation for Publish with Reply of \"_INBOX.bobs.1\"'\r\n"
                     "-ERR 'Permissions Violation for Publish with Reply of \"_INBOX.free.1\"'\r\n"
                     "-ERR 'Permissions Violation for Publish with Reply of "
                     "\"$JS.API.STREAM.DELETE.X\"'\r\n"
                     "-ERR 'Permissions Violation for Publish with Reply of \"bad..x\"'\r\n"
                     "-ERR 'Permissions Violation for Publish with Reply of \"wild.*\"'\r\n");
    rig_sync(&bob, "");
    rig_send(&alice, "PUB svc.a svc.answers 1\r\nx\r\n"); /* where she may publish herself */
    rig_sync(&alice, "");
    rig_expect(&bob, "MSG svc.a 2 svc.answers 1\r\nx\r\n");
    rig_send(&user, "PUB svc.a my.inbox.1 1\r\ny\r\nPUB svc.a other.1 0\r\n\r\n");
    rig_sync(&user, "-ERR 'Permissions Violation for Publish with Reply of \"other.1\"'\r\n");
    rig_expect(&bob, "MSG svc.a 2 my.inbox.1 1\r\ny\r\n");
    rig_close(&alice);
    rig_close(&bob);
    rig_close(&user);
}

/* Handing a request on, with its reply subject, is what proxies do. */
static void test_forwarded_requests(void **state)
{
    struct rig *rig = *state;
    struct rig_client alice, bob, eve;
    members(rig);
    rig_login(rig, &alice, "alice");
    rig_login(rig, &bob, "bob");
    rig_login(rig, &eve, "eve");
    rig_send(&bob, "SUB svc.front 1\r\n");
    rig_send(&eve, "SUB svc.back 1\r\n");
    rig_sync(&bob, "");
    rig_sync(&eve, "");
    rig_send(&alice, "SUB _INBOX.a.* 1\r\nPUB svc.front _INBOX.a.1 0\r\n\r\n");
    rig_expect(&bob, "MSG svc.front 1 _INBOX.a.1 0\r\n\r\n");
    rig_send(&bob, "PUB svc.back _INBOX.a.1 0\r\n\r\n");
    rig_expect(&eve, "MSG svc.back 1 _INBOX.a.1 0\r\n\r\n");
    rig_send(&eve, "PUB _INBOX.a.1 2\r\nok\r\n");
    rig_expect(&alice, "MSG _INBOX.a.1 1 2\r\nok\r\n");
    rig_close(&alice);
    rig_close(&bob);
    rig_close(&eve);
}

static void test_allow_responses(void **state)
{
    struct rig *rig = *state;
    struct rig_client service, root;
    const struct ub_perms limits = {.max_response_count = 2, .max_response_ms = 60000};
    const struct ub_perm_rule rule = {.actions = UB_SUBSCRIBE, .subject = "svc"};
    rig_user_set(&rig->authz, "service", rig_perms(0, &rule, 1, &limits));
    rig_login(rig, &service, "service");
    rig_login(rig, &root, "root");
    rig_send(&service, "SUB svc 1\r\n");
    rig_sync(&service, "");
    rig_send(&root, "SUB answers 1\r\nPUB svc answers 0\r\n\r\n");
    rig_expect(&service, "MSG svc 1 answers 0\r\n\r\n");
    rig_send(&service, "PUB answers 1\r\n1\r\nPUB answers 1\r\n2\r\nPUB answers 1\r\n3\r\n");
    rig_sync(&service, "-ERR 'Permissions Violation for Publish to \"answers\"'\r\n");
    rig_expect(&root, "MSG answers 1 1\r\n1\r\nMSG answers 1 1\r\n2\r\n");
    rig_sync(&root, "");
    rig_close(&service);
    rig_close(&root);
}

/* As nats-server: answers are counted from the delivery, a new delivery counts anew, and the time
 * runs from the delivery, not from the first answer. */
static void test_allow_responses_expire(void **state)
{
    struct rig *rig = *state;
    struct rig_client service, root;
    static const char refused[] = "-ERR 'Permissions Violation for Publish to \"answers\"'\r\n";
    const struct ub_perms limits = {.max_response_count = 2, .max_response_ms = 60000};
    const struct ub_perm_rule rule = {.actions = UB_SUBSCRIBE, .subject = "svc"};
    rig_user_set(&rig->authz, "service", rig_perms(0, &rule, 1, &limits));
    kit_clock_set(rig->host, 1000000, INT64_C(5000000000000));
    rig_login(rig, &service, "service");
    rig_login(rig, &root, "root");
    rig_send(&service, "SUB svc 1\r\n");
    rig_sync(&service, "");
    rig_send(&root, "PUB svc answers 0\r\n\r\n");
    rig_expect(&service, "MSG svc 1 answers 0\r\n\r\n");
    kit_clock_advance(rig->host, 59999);
    rig_send(&service, "PUB answers 0\r\n\r\n");
    rig_sync(&service, "");
    kit_clock_advance(rig->host, 1);
    rig_send(&service, "PUB answers 0\r\n\r\n");
    rig_sync(&service, refused);
    rig_send(&root, "PUB svc answers 0\r\n\r\n");
    rig_expect(&service, "MSG svc 1 answers 0\r\n\r\n");
    rig_send(&service, "PUB answers 0\r\n\r\nPUB answers 0\r\n\r\nPUB answers 0\r\n\r\n");
    rig_sync(&service, refused);
    rig_close(&service);
    rig_close(&root);
}

/* With the inbox rules too: an inbox is counted like any other subject, an allow rule spares the
 * count, a deny rule forbids the answer, and without allow_responses answers are free. */
static void test_allow_responses_in_inboxes(void **state)
{
    struct rig *rig = *state;
    static const char refused[] = "-ERR 'Permissions Violation for Publish to \"_INBOX.r.1\"'\r\n";
    static const struct ub_perm_rule rules[] = {
        {.actions = UB_SUBSCRIBE, .subject = "svc"},
        {.actions = UB_PUBLISH, .subject = "_INBOX.>"},
        {.actions = UB_PUBLISH, .subject = "_INBOX.>", .is_deny = true}};
    static const struct {
        int64_t max;
        size_t first, count; /* of the rules */
        int allowed;         /* of three answers */
    } cases[] = {{0, 0, 1, 3}, {1, 0, 1, 1}, {2, 0, 1, 2}, {INT64_MAX, 0, 1, 3},
                 {1, 0, 2, 3}, {2, 0, 3, 0}, {0, 0, 3, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig_client service, root;
        char name[16], errors[256] = "";
        const struct ub_perms limits = {.max_response_count = cases[i].max,
                                        .max_response_ms = 60000};
        snprintf(name, sizeof(name), "service%zu", i);
        rig_user_set(&rig->authz, name,
                     rig_perms(UB_PERM_INBOX, rules + cases[i].first, cases[i].count, &limits));
        rig_login(rig, &service, name);
        rig_login(rig, &root, "root");
        rig_send(&service, "SUB svc 1\r\n");
        rig_sync(&service, "");
        rig_send(&root, "SUB _INBOX.r.* 1\r\nPUB svc _INBOX.r.1 0\r\n\r\n");
        rig_expect(&service, "MSG svc 1 _INBOX.r.1 0\r\n\r\n");
        for (int answer = 0; answer < 3; answer++) {
            rig_send(&service, "PUB _INBOX.r.1 0\r\n\r\n");
            strcat(errors, answer >= cases[i].allowed ? refused : "");
        }
        rig_sync(&service, errors);
        rig_close(&service);
        rig_close(&root);
    }
}

/* ---- several providers ------------------------------------------------------------------------
 */

static void two_providers(struct rig *rig, enum ub_verdict stranger)
{
    rig_init(rig);
    rig->has_second = true;
    rig->second.stranger = stranger;
}

static void test_two_providers(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    const struct ub_perm_rule narrow[] = {
        {.actions = BOTH, .subject = "a.>", .is_deny = true},
        {.actions = BOTH, .subject = "$JS.>"},
    };
    const struct ub_perm_rule grant = {.actions = BOTH, .subject = "a.>"};
    const struct ub_perm_rule more = {.actions = BOTH, .subject = "b.>"};
    two_providers(&rig, UB_ABSTAIN);
    rig_start(&rig);
    rig_login(&rig, &client, "root"); /* the second has no opinion */
    rig_close(&client);
    give(&rig, "u", 0, &grant, 1);
    rig_user_set(&rig.second, "u", rig_perms(0, &more, 1, NULL));
    rig_login(&rig, &client, "u");
    rig_send(&client, "SUB a.b 1\r\nSUB b.c 2\r\nSUB c 3\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Subscription to \"c\"'\r\n");
    rig_user_set(&rig.second, "u", rig_perms(0, narrow, 2, NULL));
    assert_int_equal(rig_user_changed(&rig.second, "u"), 1);
    rig_expect(&client, "\"a.b\" (sid \"1\")'\r\n");
    rig_send(&client, "SUB $JS.x 4\r\n");
    rig_expect(&client, "-ERR 'Permissions Violation for Subscription to \"$JS.x\"'\r\n");
    rig_user_set(&rig.second, "u", NULL); /* one that says no is enough */
    assert_int_equal(rig_user_changed(&rig.second, "u"), 1);
    rig_expect(&client, "-ERR 'User Authentication Revoked'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    rig_stop(&rig);
}

static void test_any_deny_denies(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    two_providers(&rig, UB_DENY);
    rig_start(&rig);
    rig_open(&rig, &client);
    rig_send(&client, "CONNECT {\"user\":\"root\",\"pass\":\"pw\"}\r\n");
    rig_expect(&client, "-ERR 'Authorization Violation'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    rig_stop(&rig);
}

static void test_allow_without_a_set_denies(void **state)
{
    (void)state;
    struct rig rig;
    struct rig_client client;
    two_providers(&rig, UB_ABSTAIN);
    rig.authz.stranger = UB_ALLOW; /* says yes and gives no set */
    rig_start(&rig);
    rig_open(&rig, &client);
    rig_send(&client, "CONNECT {\"user\":\"who\",\"pass\":\"pw\"}\r\n");
    rig_expect(&client, "-ERR 'Authorization Violation'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
    rig_stop(&rig);
}

/* Logins of one device before and after its NATS key was replaced look alike but for the serial:
 * each is asked about, or the thief of the old key keeps his connection. */
static void test_each_login_is_asked_about(void **state)
{
    struct rig *rig = *state;
    struct rig_client old, fresh;
    const struct ub_perm_rule rule = {.actions = BOTH, .subject = "a.>"};
    give(rig, "u", 0, &rule, 1);
    struct rig_user *user = &rig->authz.users[0];
    for (size_t i = 0; i < rig->authz.user_count; i++) {
        user = strcmp(rig->authz.users[i].name, "u") == 0 ? &rig->authz.users[i] : user;
    }
    user->serial = 1;
    rig_login(rig, &old, "u");
    user->serial = user->serial_min = 2;
    give(rig, "u", 0, &rule, 1);
    rig_login(rig, &fresh, "u");
    rig_user_changed(&rig->authz, "u");
    rig_expect(&old, "-ERR 'User Authentication Revoked'\r\n");
    rig_expect_closed(&old);
    rig_send(&fresh, "SUB a.b 1\r\n");
    rig_sync(&fresh, "");
    rig_close(&old);
    rig_close(&fresh);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_refusals),
        WITH_SERVER(test_denied_part_is_filtered),
        WITH_SERVER(test_change_on_live_connections),
        WITH_SERVER(test_change_texts),
        WITH_SERVER(test_changes_during_logins),
        WITH_SERVER(test_each_login_is_asked_about),
        WITH_SERVER(test_change_within_login),
        WITH_SERVER(test_guard),
        WITH_SERVER(test_inbox_requests),
        WITH_SERVER(test_inbox_ownership),
        WITH_SERVER(test_inbox_reserved),
        WITH_SERVER(test_inbox_changes_hands),
        WITH_SERVER(test_reply_subjects),
        WITH_SERVER(test_forwarded_requests),
        WITH_SERVER(test_allow_responses),
        WITH_SERVER(test_allow_responses_expire),
        WITH_SERVER(test_allow_responses_in_inboxes),
        cmocka_unit_test(test_two_providers),
        cmocka_unit_test(test_any_deny_denies),
        cmocka_unit_test(test_allow_without_a_set_denies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
