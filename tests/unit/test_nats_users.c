/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules nats and users together, over sockets: a reload changes the rights of open connections,
 * and Debian's libnats logs in by what the config says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nats/nats.h>

#include "test_nats_rig.h"

#include "users.h"

#include <core/secret.h>

extern const struct ub_module unibus_module_users;

#define BOB_BCRYPT "$2b$10$abcdefghijklmnopqrstuuqyjk25H/oBfZmyPl1EOnlo5/L./nPoK"

struct both {
    struct rig rig; /* of which only host, server and port are used: its provider is not bound */
    struct users *users;
    struct ub_secret *ann, *other, *token;
};

static const struct ub_where wheres[8];

/* The settings of so many records; they are read once, by create or prepare. */
static struct users_settings settings_of(const struct users_record *records, size_t count)
{
    return (struct users_settings){.users = {count, records, wheres}};
}

static void both_start(struct both *both, const struct users_settings *settings)
{
    struct ub_err err = UB_ERR_INIT;
    void *nats = NULL, *users = NULL;
    both->rig.host = kit_host_new("nats");
    if (unibus_module_users.ops->create(both->rig.host, settings, &users, &err) != UB_OK) {
        fail_msg("users: %s", err.message);
    }
    both->users = users;
    const struct ub_service service = {sizeof(service), UB_AUTHZ_IFACE,   1,    1,
                                       "users",         &users_authz_ops, users};
    assert_int_equal(
        unibus_module_nats.ops->create(both->rig.host, &both->rig.settings, &nats, &err), UB_OK);
    assert_int_equal(unibus_module_nats.ops->bind(nats, &service, &err), UB_OK);
    assert_int_equal(unibus_module_users.ops->start(users, &err), UB_OK);
    assert_int_equal(unibus_module_nats.ops->start(nats, &err), UB_OK);
    both->rig.server = nats;
    struct rig *rig = &both->rig;
    assert_true(rig->host->node->read_fact(rig->host, "nats.url", rig->url, sizeof(rig->url)) > 0);
    rig->port = (uint16_t)atoi(strrchr(rig->url, ':') + 1);
    unibus_module_nats.ops->ready(nats);
}

static void both_reload(struct both *both, const struct users_record *records, size_t count)
{
    struct ub_err err = UB_ERR_INIT;
    void *token = NULL;
    const struct users_settings settings = settings_of(records, count);
    if (unibus_module_users.ops->prepare(both->users, &settings, &token, &err) != UB_OK) {
        fail_msg("prepare: %s", err.message);
    }
    unibus_module_users.ops->commit(both->users, token);
}

/* The watchers are told on a thread of the module, which logs when it is done. */
static void both_wait_told(struct both *both)
{
    for (int i = 0; i < 500 && strstr(kit_log(both->rig.host), "users-changed") == NULL; i++) {
        usleep(10000);
    }
    kit_log_clear(both->rig.host);
}

static int set_up(void **state)
{
    struct both *both = calloc(1, sizeof(*both));
    rig_init(&both->rig);
    both->ann = secret_new("pw", 2); /* what rig_login sends */
    both->other = secret_new("other", 5);
    both->token = secret_new("t0ken", 5);
    *state = both;
    return 0;
}

static int tear_down(void **state)
{
    struct both *both = *state;
    unibus_module_nats.ops->stop(both->rig.server);
    unibus_module_users.ops->stop(both->users);
    unibus_module_nats.ops->destroy(both->rig.server);
    unibus_module_users.ops->destroy(both->users);
    secret_free(&both->ann);
    secret_free(&both->other);
    secret_free(&both->token);
    kit_host_free(&both->rig.host);
    ub_perms_unref(&both->rig.authz.users[0].perms); /* of rig_init */
    free(both);
    return 0;
}

static const char *const one_a[] = {"a"}, *const a_and_b[] = {"a", "b.*"};
static const struct ub_strings only_a = {1, one_a}, both_subjects = {2, a_and_b};

static void a_reload_changes_open_connections(void **state)
{
    struct both *both = *state;
    struct rig_client ann, bob, eve;
    struct users_record records[3] = {{.user = "ann", .password = both->ann},
                                      {.user = "bob", .password = both->ann},
                                      {.user = "eve", .password = both->ann}};
    records[0].permissions.subscribe.allow = both_subjects;
    const struct users_settings settings = settings_of(records, 3);
    both_start(both, &settings);
    rig_login(&both->rig, &ann, "ann");
    rig_login(&both->rig, &bob, "bob");
    rig_login(&both->rig, &eve, "eve");
    rig_send(&ann, "SUB a 1\r\nSUB b.* 2\r\nSUB c 3\r\n");
    rig_sync(&ann, "-ERR 'Permissions Violation for Subscription to \"c\"'\r\n");
    rig_send(&bob, "SUB a 1\r\n");
    rig_sync(&bob, "");
    /* ann loses b.*, bob's password is another one, eve stays as she is. */
    records[0].permissions.subscribe.allow = only_a;
    records[1].password = both->other;
    both_reload(both, records, 3);
    rig_expect(&ann, "-ERR 'Permissions Violation for Subscription to \"b.*\" (sid \"2\")'\r\n");
    rig_expect(&bob, "-ERR 'User Authentication Revoked'\r\n");
    rig_expect_closed(&bob);
    rig_send(&eve, "PUB b.x 0\r\n\r\nPUB a 1\r\nx\r\n");
    rig_sync(&eve, "");
    rig_expect(&ann, "MSG a 1 1\r\nx\r\n");
    rig_sync(&ann, "");
    both_wait_told(both);
    /* Then ann is no user any more, and eve gets lists. */
    records[2].permissions.publish.allow = only_a;
    both_reload(both, records + 2, 1);
    rig_expect(&ann, "-ERR 'User Authentication Revoked'\r\n");
    rig_expect_closed(&ann);
    both_wait_told(both);
    rig_send(&eve, "PUB b.x 0\r\n\r\n");
    rig_sync(&eve, "-ERR 'Permissions Violation for Publish to \"b.x\"'\r\n");
    rig_close(&ann);
    rig_close(&bob);
    rig_close(&eve);
}

/* ---- libnats ----------------------------------------------------------------------------------
 */

static natsStatus libnats_login(struct both *both, const char *user, const char *password,
                                const char *token)
{
    natsOptions *options = NULL;
    natsConnection *connection = NULL;
    assert_int_equal(natsOptions_Create(&options), NATS_OK);
    natsOptions_SetURL(options, both->rig.url);
    natsOptions_SetAllowReconnect(options, false);
    natsOptions_SetTimeout(options, 5000);
    if (user != NULL) {
        natsOptions_SetUserInfo(options, user, password);
    }
    if (token != NULL) {
        natsOptions_SetToken(options, token);
    }
    natsStatus status = natsConnection_Connect(&connection, options);
    if (status == NATS_OK) {
        status = natsConnection_FlushTimeout(connection, 5000);
    }
    natsConnection_Destroy(connection);
    natsOptions_Destroy(options);
    return status;
}

static void libnats_logs_in(void **state)
{
    struct both *both = *state;
    const struct users_record records[] = {{.user = "ann", .password = both->ann},
                                           {.user = "bob", .bcrypt = BOB_BCRYPT},
                                           {.token = both->token, .name = "ci"}};
    const struct users_settings settings = settings_of(records, 3);
    both_start(both, &settings);
    assert_int_equal(libnats_login(both, "ann", "pw", NULL), NATS_OK);
    assert_int_equal(libnats_login(both, "bob", "bob-pw", NULL), NATS_OK);
    assert_int_equal(libnats_login(both, NULL, NULL, "t0ken"), NATS_OK);
    assert_int_not_equal(libnats_login(both, "ann", "bob-pw", NULL), NATS_OK);
    assert_int_not_equal(libnats_login(both, "bob", "pw", NULL), NATS_OK);
    assert_int_not_equal(libnats_login(both, "eve", "pw", NULL), NATS_OK);
    assert_int_not_equal(libnats_login(both, NULL, NULL, "token"), NATS_OK);
    assert_int_not_equal(libnats_login(both, NULL, NULL, NULL), NATS_OK);
    assert_true(rig_log_has(&both->rig, "the password of \"ann\" is wrong") ||
                rig_log_has(&both->rig, "the password of \\\"ann\\\" is wrong"));
    assert_false(rig_log_has(&both->rig, "bob-pw"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reload_changes_open_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(libnats_logs_in, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return failed;
}
