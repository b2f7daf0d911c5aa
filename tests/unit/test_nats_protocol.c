/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server says on its own: INFO in the middle of a connection, PINGs. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_nats_rig.h"

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig_init(rig);
    *state = rig;
    return 0;
}

/* The next line, which must be an INFO; json_decref it. */
static json_t *expect_info(struct rig_client *client)
{
    bool is_closed;
    char *end;
    while (client->len == 0 || (end = strstr(client->bytes, "\r\n")) == NULL) {
        assert_true(rig_more(client, 5000, &is_closed));
    }
    assert_memory_equal(client->bytes, "INFO ", 5);
    json_t *info = json_loadb(client->bytes + 5, (size_t)(end - client->bytes) - 5,
                              JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(info);
    rig_expect(client, "\r\n");
    return info;
}

static const char *text_of(const json_t *info, const char *name)
{
    return json_string_value(json_object_get(info, name));
}

static void raw_open(struct rig *rig, struct rig_client *client, const char *connect)
{
    rig_open(rig, client);
    rig_send(client, connect);
    rig_expect(client, "PONG\r\n");
}

static void the_first_ping_brings_info(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    rig_start(rig);
    raw_open(
        rig, &client,
        "CONNECT {\"verbose\":false,\"protocol\":1,\"user\":\"root\",\"pass\":\"pw\"}\r\nPING\r\n");
    json_t *info = expect_info(&client);
    assert_true(json_is_true(json_object_get(info, "connect_info")));
    assert_string_equal(text_of(info, "remote_account"), "$G");
    assert_string_equal(text_of(info, "client_ip"), "127.0.0.1");
    assert_int_equal(json_integer_value(json_object_get(info, "max_payload")), 1 << 20);
    assert_null(json_object_get(info, "ldm"));
    json_decref(info);
    rig_sync(&client, ""); /* once is enough */
    rig_close(&client);
    raw_open(
        rig, &client,
        "CONNECT {\"verbose\":false,\"protocol\":0,\"user\":\"root\",\"pass\":\"pw\"}\r\nPING\r\n");
    rig_sync(&client, ""); /* an old client could not read it */
    rig_close(&client);
    rig_open(rig, &client);
    rig_send(&client, "PING\r\n");
    rig_expect(&client, "PONG\r\n");
    rig_sync(&client, ""); /* nor is there anything to say before login */
    rig_close(&client);
}

/* A set may allow less than the server; the client hears how much, again when it changes. */
static void info_tells_the_limit_of_the_connection(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_perm_rule rule = {.actions = UB_SUBSCRIBE | UB_PUBLISH, .subject = ">"};
    struct ub_perms limits = {.max_payload_bytes = 1000};
    rig_start(rig);
    rig_user_set(&rig->authz, "small", rig_perms(0, &rule, 1, &limits));
    raw_open(rig, &client,
             "CONNECT "
             "{\"verbose\":false,\"protocol\":1,\"user\":\"small\",\"pass\":\"pw\"}\r\nPING\r\n");
    json_t *info = expect_info(&client);
    assert_int_equal(json_integer_value(json_object_get(info, "max_payload")), 1000);
    json_decref(info);
    limits.max_payload_bytes = 2000;
    rig_user_set(&rig->authz, "small", rig_perms(0, &rule, 1, &limits));
    assert_int_equal(rig_user_changed(&rig->authz, "small"), 1);
    info = expect_info(&client);
    assert_int_equal(json_integer_value(json_object_get(info, "max_payload")), 2000);
    json_decref(info);
    rig_sync(&client, "");
    rig_close(&client);
}

static void assert_urls(json_t *info, const char *first, size_t count)
{
    json_t *urls = json_object_get(info, "connect_urls");
    assert_int_equal(json_array_size(urls), count);
    if (count > 0) {
        assert_string_equal(json_string_value(json_array_get(urls, 0)), first);
    }
    json_decref(info);
}

static void advertised_addresses_come_in_info(void **state)
{
    static const char *const names[] = {"bus.example:4250", "[2001:db8::1]:4250"};
    struct rig *rig = *state;
    struct rig_client client;
    rig->settings.advertise = (struct ub_strings){2, names};
    rig_start(rig);
    rig_open(rig, &client);
    rig_close(&client);
    raw_open(
        rig, &client,
        "CONNECT {\"verbose\":false,\"protocol\":1,\"user\":\"root\",\"pass\":\"pw\"}\r\nPING\r\n");
    assert_urls(expect_info(&client), names[0], 2);
    struct nats_settings fresh = rig->settings;
    fresh.advertise = (struct ub_strings){1, names + 1};
    struct ub_err err = UB_ERR_INIT;
    void *token;
    const struct ub_module_ops *ops = unibus_module_nats.ops;
    assert_int_equal(ops->prepare(rig->server, &fresh, &token, &err), UB_OK);
    ops->commit(rig->server, token);
    assert_urls(expect_info(&client), names[1], 1);
    assert_int_equal(ops->prepare(rig->server, &fresh, &token, &err), UB_OK);
    ops->commit(rig->server, token);
    rig_sync(&client, ""); /* nothing new, nothing said */
    fresh.advertise.count = 0;
    assert_int_equal(ops->prepare(rig->server, &fresh, &token, &err), UB_OK);
    ops->commit(rig->server, token);
    assert_urls(expect_info(&client), NULL, 0); /* a single listener is no news */
    rig_close(&client);
}

static void several_listeners_are_advertised(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    struct ub_listen both[2] = {rig->listen, rig->listen};
    rig->settings.listen = (struct ub_listens){2, both};
    rig_start(rig);
    raw_open(
        rig, &client,
        "CONNECT {\"verbose\":false,\"protocol\":1,\"user\":\"root\",\"pass\":\"pw\"}\r\nPING\r\n");
    char first[32];
    snprintf(first, sizeof(first), "127.0.0.1:%u", rig->port);
    assert_urls(expect_info(&client), first, 2);
    rig_close(&client);
}

static void addresses_that_no_client_could_use(void **state)
{
    static const char *const bad[] = {"bus.example", ":4250",        "bus.example:0", "bus:65536",
                                      "bus:4250x",   "::1:4250",     "[::1]",         "a\"b:1",
                                      "a b:1",       "nats://bus:1", "bus:",          ""};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ub_err err = UB_ERR_INIT;
        void *self = NULL;
        rig->settings.advertise = (struct ub_strings){1, &bad[i]};
        assert_int_equal(unibus_module_nats.ops->create(rig->host, &rig->settings, &self, &err),
                         UB_EINVAL);
        assert_non_null(strstr(err.message, bad[i]));
        assert_null(self);
    }
    static const char *many[200];
    for (size_t i = 0; i < 200; i++) {
        many[i] = "some.long.name.example:4250";
    }
    struct ub_err err = UB_ERR_INIT;
    void *self = NULL;
    rig->settings.advertise = (struct ub_strings){200, many};
    assert_int_equal(unibus_module_nats.ops->create(rig->host, &rig->settings, &self, &err),
                     UB_EINVAL);
    assert_non_null(strstr(err.message, "too many"));
    rig->settings.advertise.count = 0;
    rig_start(rig); /* control */
}

static void a_grace_without_an_end(void **state)
{
    struct rig *rig = *state;
    struct ub_err err = UB_ERR_INIT;
    void *self = NULL;
    rig->settings.lame_duck_duration = rig->settings.lame_duck_grace;
    assert_int_equal(unibus_module_nats.ops->create(rig->host, &rig->settings, &self, &err),
                     UB_EINVAL);
    assert_non_null(strstr(err.message, "lame_duck_grace (10000 ms) leaves nothing"));
    rig->settings.lame_duck_duration++;
    rig_start(rig); /* control */
}

/* The way is measured once, 2 s after the start; who answers is not asked again. */
static void a_first_ping_measures_the_way(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    rig_start(rig);
    rig_login(rig, &client, "root");
    int64_t start = rig_now_ms();
    rig_expect(&client, "PING\r\n");
    assert_in_range(rig_now_ms() - start, 1500, 5000);
    rig_send(&client, "PONG\r\n");
    bool is_closed;
    assert_false(rig_more(&client, 1500, &is_closed));
    assert_false(is_closed);
    rig_close(&client);
}

static void deep_subjects_are_refused_where_the_settings_say(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    rig->settings.max_subscription_tokens = 3;
    rig_start(rig);
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB a.b.c 1\r\nSUB a.b.* 2\r\nSUB a.b.c.d 3\r\nSUB a.*.\"c.> q 4\r\nPUB "
                      "a.b.c.d 1\r\nx\r\n");
    rig_sync(
        &client,
        "-ERR 'Permissions Violation for Subscription to \"a.b.c.d\", too many tokens'\r\n"
        "-ERR 'Permissions Violation for Subscription to \"a.*.\\\"c.>\", too many tokens'\r\n");
    assert_true(rig_log_has(rig, "too-many-tokens"));
    rig_close(&client);
}

static void reply_subjects_of_servers_are_refused(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    rig_start(rig);
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB a 1\r\nPUB a _R_.x 1\r\nx\r\nPUB a _R_x 1\r\ny\r\n");
    rig_sync(&client, "-ERR 'Permissions Violation for Publish with Reply of \"_R_.x\"'\r\n"
                      "MSG a 1 _R_x 1\r\ny\r\n");
    rig_close(&client);
}

/* Its connection is closed for writing, and what it had still to say is read. */
static void a_client_that_is_sent_away_may_finish(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    rig->settings.lame_duck_grace = 0;
    rig->settings.lame_duck_duration = 100;
    rig_start(rig);
    rig_login(rig, &client, "root");
    unibus_module_nats.ops->retire(rig->server);
    bool is_closed = false;
    for (int64_t start = rig_now_ms(); !is_closed && rig_now_ms() - start < 5000;) {
        rig_more(&client, 1000, &is_closed);
    }
    assert_true(is_closed);
    rig_send(&client, "SUB a 1\r\nPUB a 1\r\nx\r\n");
    rig_close(&client);
    for (int i = 0; i < 500 && !unibus_module_nats.ops->is_retired(rig->server); i++) {
        usleep(10000);
    }
    assert_true(unibus_module_nats.ops->is_retired(rig->server));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_ping_brings_info),
        CASE(info_tells_the_limit_of_the_connection),
        CASE(advertised_addresses_come_in_info),
        CASE(several_listeners_are_advertised),
        CASE(addresses_that_no_client_could_use),
        CASE(a_grace_without_an_end),
        CASE(a_first_ping_measures_the_way),
        CASE(deep_subjects_are_refused_where_the_settings_say),
        CASE(reply_subjects_of_servers_are_refused),
        CASE(a_client_that_is_sent_away_may_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
