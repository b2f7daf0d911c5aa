/* SPDX-License-Identifier: Apache-2.0
 *
 * Debian's C client, unchanged, against the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nats/nats.h>

#include "test_nats_rig.h"

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    const struct ub_perm_rule member[] = {
        {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "room.>"},
        {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "svc.>"},
    };
    rig_init(rig);
    rig_user_set(&rig->authz, "alice", rig_perms(UB_PERM_INBOX, member, 2, NULL));
    rig_user_set(&rig->authz, "bob", rig_perms(UB_PERM_INBOX, member, 2, NULL));
    rig_start(rig);
    *state = rig;
    return 0;
}

static void assert_ok(natsStatus status)
{
    if (status != NATS_OK) {
        nats_PrintLastErrorStack(stderr);
        fail_msg("libnats: %s", natsStatus_GetText(status));
    }
}

static char last_error[512];
static pthread_mutex_t error_lock = PTHREAD_MUTEX_INITIALIZER;

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *closure)
{
    (void)sub;
    (void)closure;
    const char *text = "";
    pthread_mutex_lock(&error_lock);
    natsConnection_GetLastError(nc, &text);
    snprintf(last_error, sizeof(last_error), "%d %s", (int)status, text);
    pthread_mutex_unlock(&error_lock);
}

static bool error_has(const char *text)
{
    int64_t deadline = rig_now_ms() + 5000;
    bool is_found = false;
    while (!is_found && rig_now_ms() < deadline) {
        pthread_mutex_lock(&error_lock);
        is_found = strstr(last_error, text) != NULL;
        pthread_mutex_unlock(&error_lock);
        nats_Sleep(10);
    }
    return is_found;
}

static natsConnection *connect_as(struct rig *rig, const char *user, bool is_old_style)
{
    natsConnection *nc = NULL;
    natsOptions *options = NULL;
    assert_ok(natsOptions_Create(&options));
    assert_ok(natsOptions_SetURL(options, rig->url));
    assert_ok(natsOptions_SetUserInfo(options, user, "pw"));
    assert_ok(natsOptions_UseOldRequestStyle(options, is_old_style));
    assert_ok(natsOptions_SetErrorHandler(options, on_error, NULL));
    assert_ok(natsOptions_SetAllowReconnect(options, false));
    assert_ok(natsConnection_Connect(&nc, options));
    natsOptions_Destroy(options);
    return nc;
}

static void assert_message(natsSubscription *sub, const char *subject, const char *data)
{
    natsMsg *msg = NULL;
    assert_ok(natsSubscription_NextMsg(&msg, sub, 5000));
    assert_string_equal(natsMsg_GetSubject(msg), subject);
    assert_int_equal(natsMsg_GetDataLength(msg), strlen(data));
    assert_memory_equal(natsMsg_GetData(msg), data, strlen(data));
    natsMsg_Destroy(msg);
}

static void test_publish_and_subscribe(void **state)
{
    natsConnection *a = connect_as(*state, "alice", false), *b = connect_as(*state, "bob", false);
    natsSubscription *sub = NULL;
    assert_ok(natsConnection_SubscribeSync(&sub, a, "room.*.x"));
    assert_ok(natsConnection_Flush(a));
    assert_ok(natsConnection_PublishString(b, "room.1.x", "hello"));
    assert_message(sub, "room.1.x", "hello");
    assert_ok(natsSubscription_AutoUnsubscribe(sub, 2));
    assert_ok(natsConnection_Flush(a));
    assert_ok(natsConnection_PublishString(b, "room.2.x", "again"));
    assert_ok(natsConnection_PublishString(b, "room.3.x", "too many"));
    assert_message(sub, "room.2.x", "again");
    natsMsg *msg = NULL;
    assert_int_not_equal(natsSubscription_NextMsg(&msg, sub, 100), NATS_OK);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(a);
    natsConnection_Destroy(b);
}

static void on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)sub;
    (void)closure;
    natsConnection_Publish(nc, natsMsg_GetReply(msg), natsMsg_GetData(msg),
                           natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
}

/* Both styles of request: the inbox of all requests, and one for each. */
static void test_requests(void **state)
{
    natsConnection *service = connect_as(*state, "bob", false);
    natsSubscription *sub = NULL;
    assert_ok(natsConnection_Subscribe(&sub, service, "svc.echo", on_request, NULL));
    assert_ok(natsConnection_Flush(service));
    for (int is_old = 0; is_old < 2; is_old++) {
        natsConnection *nc = connect_as(*state, "alice", is_old);
        for (int i = 0; i < 50; i++) {
            natsMsg *reply = NULL;
            char data[16];
            snprintf(data, sizeof(data), "%d", i);
            assert_ok(natsConnection_RequestString(&reply, nc, "svc.echo", data, 5000));
            assert_memory_equal(natsMsg_GetData(reply), data, strlen(data));
            natsMsg_Destroy(reply);
        }
        natsMsg *reply = NULL;
        assert_int_equal(natsConnection_RequestString(&reply, nc, "svc.nobody", "", 5000),
                         NATS_NO_RESPONDERS);
        natsConnection_Destroy(nc);
    }
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(service);
}

static void test_queue_groups(void **state)
{
    enum { MEMBERS = 3, MESSAGES = 300 };
    natsConnection *nc[MEMBERS];
    natsSubscription *subs[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        nc[i] = connect_as(*state, "bob", false);
        assert_ok(natsConnection_QueueSubscribeSync(&subs[i], nc[i], "room.job", "workers"));
        assert_ok(natsConnection_Flush(nc[i]));
    }
    natsConnection *sender = connect_as(*state, "alice", false);
    for (int i = 0; i < MESSAGES; i++) {
        assert_ok(natsConnection_PublishString(sender, "room.job", "x"));
    }
    assert_ok(natsConnection_Flush(sender));
    int total = 0;
    for (int i = 0; i < MEMBERS; i++) {
        natsMsg *msg = NULL;
        int got = 0;
        while (natsSubscription_NextMsg(&msg, subs[i], 200) == NATS_OK) {
            natsMsg_Destroy(msg);
            got++;
        }
        assert_true(got > 0);
        total += got;
        natsSubscription_Destroy(subs[i]);
        natsConnection_Destroy(nc[i]);
    }
    assert_int_equal(total, MESSAGES);
    natsConnection_Destroy(sender);
}

static void test_headers(void **state)
{
    natsConnection *nc = connect_as(*state, "alice", false);
    natsSubscription *sub = NULL;
    natsMsg *msg = NULL, *got = NULL;
    const char *value = NULL;
    assert_ok(natsConnection_SubscribeSync(&sub, nc, "room.h"));
    assert_ok(natsMsg_Create(&msg, "room.h", NULL, "body", 4));
    assert_ok(natsMsgHeader_Set(msg, "Some-Header", "some value"));
    assert_ok(natsConnection_PublishMsg(nc, msg));
    assert_ok(natsSubscription_NextMsg(&got, sub, 5000));
    assert_ok(natsMsgHeader_Get(got, "Some-Header", &value));
    assert_string_equal(value, "some value");
    assert_int_equal(natsMsg_GetDataLength(got), 4);
    natsMsg_Destroy(msg);
    natsMsg_Destroy(got);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(nc);
}

/* A right is taken away and given back while the client is connected; it never reconnects. */
static void test_change_of_rights(void **state)
{
    struct rig *rig = *state;
    natsConnection *nc = connect_as(rig, "alice", false), *root = connect_as(rig, "root", false);
    natsSubscription *kept = NULL, *lost = NULL;
    const struct ub_perm_rule less = {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "svc.>"};
    const struct ub_perm_rule more[] = {
        {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "svc.>"},
        {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "new.>"},
    };
    assert_ok(natsConnection_SubscribeSync(&kept, nc, "svc.a"));
    assert_ok(natsConnection_SubscribeSync(&lost, nc, "room.a"));
    assert_ok(natsConnection_Flush(nc));
    rig_user_set(&rig->authz, "alice", rig_perms(UB_PERM_INBOX, &less, 1, NULL));
    assert_int_equal(rig_user_changed(&rig->authz, "alice"), 1);
    assert_ok(natsConnection_PublishString(root, "room.a", "not for her"));
    assert_ok(natsConnection_PublishString(root, "svc.a", "for her"));
    assert_message(kept, "svc.a", "for her");
    natsMsg *msg = NULL;
    assert_int_not_equal(natsSubscription_NextMsg(&msg, lost, 100), NATS_OK);
    assert_true(error_has("Permissions Violation for Subscription to \"room.a\""));
    assert_ok(natsConnection_PublishString(nc, "room.a", "refused"));
    assert_true(error_has("Permissions Violation for Publish to \"room.a\""));
    rig_user_set(&rig->authz, "alice", rig_perms(UB_PERM_INBOX, more, 2, NULL));
    assert_int_equal(rig_user_changed(&rig->authz, "alice"), 1);
    natsSubscription *fresh = NULL;
    assert_ok(natsConnection_SubscribeSync(&fresh, nc, "new.a"));
    assert_ok(natsConnection_PublishString(nc, "new.a", "at once"));
    assert_message(fresh, "new.a", "at once");
    rig_user_set(&rig->authz, "alice", NULL);
    assert_int_equal(rig_user_changed(&rig->authz, "alice"), 1);
    int64_t deadline = rig_now_ms() + 5000;
    while (!natsConnection_IsClosed(nc) && rig_now_ms() < deadline) {
        nats_Sleep(10);
    }
    assert_true(natsConnection_IsClosed(nc));
    natsSubscription_Destroy(kept);
    natsSubscription_Destroy(lost);
    natsSubscription_Destroy(fresh);
    natsConnection_Destroy(nc);
    natsConnection_Destroy(root);
}

static void test_refused_login(void **state)
{
    struct rig *rig = *state;
    natsConnection *nc = NULL;
    natsOptions *options = NULL;
    assert_ok(natsOptions_Create(&options));
    assert_ok(natsOptions_SetURL(options, rig->url));
    assert_ok(natsOptions_SetUserInfo(options, "alice", "wrong"));
    assert_int_equal(natsConnection_Connect(&nc, options), NATS_CONNECTION_AUTH_FAILED);
    natsOptions_Destroy(options);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_publish_and_subscribe), WITH_SERVER(test_requests),
        WITH_SERVER(test_queue_groups),          WITH_SERVER(test_headers),
        WITH_SERVER(test_change_of_rights),      WITH_SERVER(test_refused_login),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
