/* SPDX-License-Identifier: Apache-2.0
 *
 * Monitoring of a running server over `$SYS`, as clients meet it, while others come and go. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "test_nats_rig.h"

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    static const struct ub_perm_rule member[] = {
        {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "a.>", .why = "member"},
    };
    rig_init(rig);
    rig_user_set(&rig->authz, "member", rig_perms(UB_PERM_INBOX, member, 1, NULL));
    rig_start(rig);
    *state = rig;
    return 0;
}

/* The first whole message that arrived: "MSG subject sid [reply] length"; false = none yet. */
static bool first_message(const struct rig_client *client, char sid_out[32], const char **at_out,
                          size_t *len_out)
{
    const char *line = strstr(client->bytes, "MSG ");
    const char *end = line == NULL ? NULL : strstr(line, "\r\n");
    if (end == NULL || sscanf(line, "MSG %*s %31s", sid_out) != 1) {
        return false;
    }
    const char *len = end;
    while (len[-1] != ' ') {
        len--;
    }
    *len_out = strtoul(len, NULL, 10);
    *at_out = end + 2;
    return client->len - (size_t)(*at_out - client->bytes) >= *len_out + 2;
}

/* Takes the next message of this subscription; its payload is JSON. */
static json_t *next_message(struct rig_client *client, const char *sid)
{
    for (;;) {
        char got_sid[32];
        const char *at;
        size_t len;
        bool is_closed = false;
        if (first_message(client, got_sid, &at, &len)) {
            json_t *json = json_loadb(at, len, 0, NULL);
            size_t used = (size_t)(at - client->bytes) + len + 2;
            memmove(client->bytes, client->bytes + used, client->len - used + 1);
            client->len -= used;
            if (strcmp(sid, got_sid) == 0) {
                assert_non_null(json);
                return json;
            }
            json_decref(json);
        } else if (!rig_more(client, 5000, &is_closed)) {
            fail_msg("no message for %s; %s", sid, client->bytes);
        }
    }
}

/* The client has subscribed to _INBOX.<user> as sid 9. */
static json_t *ask(struct rig_client *client, const char *subject, const char *body)
{
    char line[512];
    snprintf(line, sizeof(line), "PUB %s _INBOX.me.1 %zu\r\n%s\r\n", subject, strlen(body), body);
    rig_send(client, line);
    return next_message(client, "9");
}

static json_t *ask_server(struct rig *rig, struct rig_client *client, const char *kind,
                          const char *body)
{
    char subject[160];
    snprintf(subject, sizeof(subject), "$SYS.REQ.SERVER.%s.%s", rig->server->server_id, kind);
    return ask(client, subject, body);
}

static void login_to_ask(struct rig *rig, struct rig_client *client)
{
    rig_login(rig, client, "root");
    rig_send(client, "SUB _INBOX.me.* 9\r\n");
    rig_sync(client, NULL);
}

static const json_t *data_of(const json_t *answer)
{
    const json_t *data = json_object_get(answer, "data");
    if (data == NULL) {
        char *text = json_dumps(answer, 0);
        fail_msg("no data: %s", text);
    }
    return data;
}

static int64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static uint64_t cid_of(struct rig_client *asker, struct rig *rig, const char *user)
{
    char body[128];
    snprintf(body, sizeof(body), "{\"user\":\"%s\",\"auth\":true}", user);
    json_t *answer = ask_server(rig, asker, "CONNZ", body);
    const json_t *conn = json_array_get(json_object_get(data_of(answer), "connections"), 0);
    uint64_t cid = conn == NULL ? 0 : (uint64_t)number(conn, "cid");
    json_decref(answer);
    return cid;
}

/* ---- cases ------------------------------------------------------------------------------------
 */

static void answers_every_kind(void **state)
{
    struct rig *rig = *state;
    struct rig_client root;
    static const char *const kinds[] = {"VARZ",     "CONNZ", "SUBSZ",    "HEALTHZ", "ROUTEZ",
                                        "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "JSZ"};
    login_to_ask(rig, &root);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char subject[64];
        snprintf(subject, sizeof(subject), "$SYS.REQ.SERVER.PING.%s", kinds[i]);
        json_t *direct = ask_server(rig, &root, kinds[i], ""), *ping = ask(&root, subject, "{}");
        const json_t *server = json_object_get(direct, "server");
        assert_string_equal(json_string_value(json_object_get(server, "id")),
                            rig->server->server_id);
        assert_true(json_is_object(data_of(direct)) && json_is_object(data_of(ping)));
        json_decref(direct);
        json_decref(ping);
    }
    json_t *stats = ask(&root, "$SYS.REQ.SERVER.PING", "");
    assert_int_equal(number(json_object_get(stats, "statsz"), "connections"), 1);
    json_decref(stats);
    json_t *id = ask_server(rig, &root, "IDZ", "");
    assert_string_equal(json_string_value(json_object_get(id, "id")), rig->server->server_id);
    json_decref(id);
    rig_close(&root);
}

static void a_ping_asks_some(void **state)
{
    struct rig *rig = *state;
    struct rig_client root;
    static const char *const others[] = {"{\"server_name\":\"nobody\"}", "{\"cluster\":\"c\"}",
                                         "{\"host\":\"10.\"}", "{\"tags\":[\"t\"]}",
                                         "{\"domain\":\"d\"}"};
    login_to_ask(rig, &root);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char line[256];
        snprintf(line, sizeof(line), "PUB $SYS.REQ.SERVER.PING.VARZ _INBOX.me.1 %zu\r\n%s\r\n",
                 strlen(others[i]), others[i]);
        rig_send(&root, line);
    }
    json_t *meant = ask(&root, "$SYS.REQ.SERVER.PING.IDZ", "{\"host\":\"127.0\"}");
    assert_non_null(json_object_get(meant, "id")); /* the first answer that came */
    json_decref(meant);
    rig_close(&root);
}

static void bad_requests_are_told(void **state)
{
    struct rig *rig = *state;
    struct rig_client root;
    static const struct {
        const char *kind, *body;
        int64_t code;
        const char *said;
    } rows[] = {
        {"CONNZ", "{", 400, "not a JSON object"},
        {"CONNZ", "{\"sort\":\"foo\"}", 500, "invalid sorting option: foo"},
        {"SUBSZ", "{\"test\":\"a.*\"}", 500, "invalid test subject"},
        {"KICK", "{\"cid\":4711}", 500, "no such client or leafnode id"},
        {"KICK", "{\"cid\":-1}", 500, "Error decoding uint64"},
        {"LDM", "{\"cid\":4711}", 500, "no such client id"},
    };
    login_to_ask(rig, &root);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *answer = ask_server(rig, &root, rows[i].kind, rows[i].body);
        const json_t *error = json_object_get(answer, "error");
        assert_int_equal(number(error, "code"), rows[i].code);
        assert_non_null(
            strstr(json_string_value(json_object_get(error, "description")), rows[i].said));
        json_decref(answer);
    }
    rig_close(&root);
}

static void connections_are_paged(void **state)
{
    struct rig *rig = *state;
    struct rig_client root, others[20];
    bool seen[64] = {false};
    login_to_ask(rig, &root);
    for (size_t i = 0; i < 20; i++) {
        rig_login(rig, &others[i], "member");
        for (size_t j = 0; j < i; j++) {
            char line[64];
            snprintf(line, sizeof(line), "SUB a.%zu %zu\r\n", j, j);
            rig_send(&others[i], line);
        }
        rig_sync(&others[i], NULL);
    }
    int64_t before = INT64_MAX;
    for (int offset = 0; offset < 21; offset += 8) {
        char body[128];
        snprintf(body, sizeof(body), "{\"sort\":\"subs\",\"offset\":%d,\"limit\":8}", offset);
        json_t *answer = ask_server(rig, &root, "CONNZ", body);
        const json_t *page = data_of(answer), *list = json_object_get(page, "connections");
        assert_int_equal(number(page, "total"), 21);
        assert_int_equal(number(page, "num_connections"), offset == 16 ? 5 : 8);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *conn = json_array_get(list, i);
            assert_true(number(conn, "subscriptions") <= before);
            before = number(conn, "subscriptions");
            assert_false(seen[number(conn, "cid") % 64]);
            seen[number(conn, "cid") % 64] = true;
        }
        json_decref(answer);
    }
    json_t *answer = ask_server(
        rig, &root, "CONNZ", "{\"acc\":\"$G\",\"filter_subject\":\"a.18\",\"subscriptions\":true}");
    const json_t *list = json_object_get(data_of(answer), "connections");
    assert_int_equal(json_array_size(list), 1); /* the last one alone has it */
    assert_int_equal(
        json_array_size(json_object_get(json_array_get(list, 0), "subscriptions_list")), 19);
    json_decref(answer);
    for (size_t i = 0; i < 20; i++) {
        rig_close(&others[i]);
    }
    rig_close(&root);
}

static void subscriptions_are_paged(void **state)
{
    struct rig *rig = *state;
    struct rig_client root, member;
    login_to_ask(rig, &root);
    rig_login(rig, &member, "member");
    for (int i = 0; i < 10; i++) {
        char line[64];
        snprintf(line, sizeof(line), "SUB a.%d.* %s s%d\r\n", i, i % 2 == 0 ? "" : "q", i);
        rig_send(&member, line);
    }
    rig_sync(&member, NULL);
    json_t *all = ask_server(rig, &root, "SUBSZ", "{\"subscriptions\":true}");
    assert_int_equal(number(data_of(all), "total"), 11); /* with the asker's inbox */
    assert_int_equal(json_array_size(json_object_get(data_of(all), "subscriptions_list")), 11);
    json_t *page =
        ask_server(rig, &root, "SUBSZ", "{\"subscriptions\":true,\"offset\":3,\"limit\":2}");
    assert_int_equal(number(data_of(page), "total"), 11);
    const json_t *list = json_object_get(data_of(page), "subscriptions_list");
    assert_int_equal(json_array_size(list), 2);
    json_t *whole = json_object_get(data_of(all), "subscriptions_list");
    assert_true(json_equal(json_array_get(list, 0), json_array_get(whole, 3)));
    json_t *test = ask_server(rig, &root, "SUBSZ", "{\"subscriptions\":true,\"test\":\"a.5.x\"}");
    list = json_object_get(data_of(test), "subscriptions_list");
    assert_int_equal(number(data_of(test), "total"), 1);
    const json_t *sub = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(sub, "subject")), "a.5.*");
    assert_string_equal(json_string_value(json_object_get(sub, "qgroup")), "q");
    assert_string_equal(json_string_value(json_object_get(sub, "sid")), "s5");
    json_decref(all);
    json_decref(page);
    json_decref(test);
    rig_close(&member);
    rig_close(&root);
}

static void members_may_only_ask_for_themselves(void **state)
{
    struct rig *rig = *state;
    struct rig_client member;
    static const char *const refused[] = {"$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.CONNZ",
                                          "$SYS.REQ.USER.INFO.x", "$SYS.ACCOUNT.$G.CONNECT"};
    rig_login(rig, &member, "member");
    rig_send(&member, "SUB _INBOX.me.* 9\r\n");
    rig_sync(&member, NULL);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char line[256];
        snprintf(line, sizeof(line), "PUB %s _INBOX.me.1 0\r\n\r\n", refused[i]);
        rig_send(&member, line);
        snprintf(line, sizeof(line), "Permissions Violation for Publish to \"%s\"", refused[i]);
        rig_expect(&member, line);
        rig_expect(&member, "\r\n");
    }
    rig_send(&member, "SUB $SYS.ACCOUNT.> 4\r\n");
    rig_expect(&member, "Permissions Violation for Subscription to \"$SYS.ACCOUNT.>\"");
    rig_expect(&member, "\r\n");
    json_t *info = ask(&member, "$SYS.REQ.USER.INFO", "");
    const json_t *data = data_of(info);
    assert_string_equal(json_string_value(json_object_get(data, "user")), "member");
    assert_string_equal(json_string_value(json_object_get(data, "account")), "$G");
    const json_t *allow =
        json_object_get(json_object_get(json_object_get(data, "permissions"), "publish"), "allow");
    assert_string_equal(json_string_value(json_array_get(allow, 0)), "a.>");
    json_decref(info);
    rig_close(&member);
}

static void kicks_one_and_tells_why(void **state)
{
    struct rig *rig = *state;
    struct rig_client root, member, watcher;
    char body[64];
    login_to_ask(rig, &root);
    rig_login(rig, &watcher, "root");
    rig_send(&watcher, "SUB $SYS.ACCOUNT.*.* 7\r\nSUB > 8\r\n");
    rig_sync(&watcher, NULL);
    rig_login(rig, &member, "member");
    json_t *event = next_message(&watcher, "7");
    assert_string_equal(json_string_value(json_object_get(event, "type")),
                        "io.nats.server.advisory.v1.client_connect");
    json_decref(event);
    uint64_t cid = cid_of(&root, rig, "member");
    snprintf(body, sizeof(body), "{\"cid\":%llu}", (unsigned long long)cid);
    json_t *answer = ask_server(rig, &root, "KICK", body);
    assert_null(json_object_get(answer, "error"));
    json_decref(answer);
    rig_expect_closed(&member);
    event = next_message(&watcher, "7");
    assert_string_equal(json_string_value(json_object_get(event, "reason")), "Kicked");
    assert_int_equal(number(json_object_get(event, "client"), "id"), (int64_t)cid);
    json_decref(event);
    snprintf(body, sizeof(body), "{\"cid\":%llu,\"state\":1}", (unsigned long long)cid);
    answer = ask_server(rig, &root, "CONNZ", body);
    const json_t *conn = json_array_get(json_object_get(data_of(answer), "connections"), 0);
    assert_string_equal(json_string_value(json_object_get(conn, "reason")), "Kicked");
    json_decref(answer);
    assert_true(rig_log_has(rig, "system-request"));
    rig_close(&member);
    rig_close(&watcher);
    rig_close(&root);
}

/* Whoever subscribes to everything hears of no event: in nats-server the system account is another.
 */
static void events_go_to_those_who_name_them(void **state)
{
    struct rig *rig = *state;
    struct rig_client all, member;
    rig_login(rig, &all, "root");
    rig_send(&all, "SUB > 8\r\nSUB *.ACCOUNT.*.CONNECT 6\r\n");
    rig_sync(&all, NULL);
    rig_login(rig, &member, "member");
    rig_close(&member);
    usleep(50000);
    rig_sync(&all, "");
    rig_close(&all);
}

static void lame_duck_is_told_to_one(void **state)
{
    struct rig *rig = *state;
    struct rig_client root, old, young;
    char body[64];
    login_to_ask(rig, &root);
    rig_open(rig, &old);
    rig_send(&old, "CONNECT {\"verbose\":false,\"user\":\"member\",\"pass\":\"pw\"}\r\n");
    rig_sync(&old, NULL);
    json_t *answer = NULL;
    snprintf(body, sizeof(body), "{\"cid\":%llu}",
             (unsigned long long)cid_of(&root, rig, "member"));
    answer = ask_server(rig, &root, "LDM", body);
    assert_non_null(json_object_get(answer, "error")); /* protocol 0 */
    json_decref(answer);
    rig_close(&old);
    rig_open(rig, &young);
    rig_send(&young, "CONNECT {\"verbose\":true,\"user\":\"root\",\"pass\":\"pw\",\"protocol\":1,"
                     "\"name\":\"young\",\"lang\":\"c\",\"version\":\"9\"}\r\n");
    rig_expect(&young, "+OK");
    answer = ask_server(rig, &root, "CONNZ", "{\"sort\":\"cid\",\"user\":\"root\"}");
    const json_t *list = json_object_get(data_of(answer), "connections");
    uint64_t cid = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *conn = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(conn, "name"));
        if (name != NULL && strcmp(name, "young") == 0) {
            cid = (uint64_t)number(conn, "cid");
            assert_string_equal(json_string_value(json_object_get(conn, "lang")), "c");
            assert_string_equal(json_string_value(json_object_get(conn, "version")), "9");
        }
    }
    json_decref(answer);
    snprintf(body, sizeof(body), "{\"cid\":%llu}", (unsigned long long)cid);
    answer = ask_server(rig, &root, "LDM", body);
    assert_non_null(json_object_get(answer, "error")); /* no PING of its own yet */
    json_decref(answer);
    rig_sync(&young, NULL);
    answer = ask_server(rig, &root, "LDM", body);
    assert_null(json_object_get(answer, "error"));
    json_decref(answer);
    rig_expect(&young, "\"connect_info\":true,\"remote_account\":\"$G\",\"ldm\":true}");
    rig_close(&young);
    rig_close(&root);
}

/* ---- under way --------------------------------------------------------------------------------
 */

struct churn {
    struct rig *rig;
    atomic_bool is_over;
};

static void *come_and_go(void *arg)
{
    struct churn *churn = arg;
    while (!atomic_load(&churn->is_over)) {
        struct rig_client client;
        rig_login(churn->rig, &client, "member");
        rig_send(&client, "SUB a.x 1\r\nSUB a.y q 2\r\nPUB a.x 2\r\nhi\r\n");
        rig_sync(&client, NULL);
        rig_close(&client);
    }
    return NULL;
}

static void everything_is_asked_while_others_come_and_go(void **state)
{
    struct rig *rig = *state;
    struct rig_client root;
    struct churn churn = {.rig = rig};
    pthread_t threads[2];
    static const struct {
        const char *kind, *body;
    } asked[] = {
        {"CONNZ", "{\"state\":2,\"subscriptions_detail\":true,\"sort\":\"rtt\",\"auth\":true}"},
        {"CONNZ", "{\"state\":1,\"sort\":\"stop\"}"},
        {"SUBSZ", "{\"subscriptions\":true}"},
        {"VARZ", ""},
        {"CONNZ", "{\"acc\":\"$G\",\"filter_subject\":\"a.*\"}"},
    };
    login_to_ask(rig, &root);
    for (size_t i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, come_and_go, &churn);
    }
    for (size_t i = 0; i < 100; i++) {
        size_t which = i % (sizeof(asked) / sizeof(asked[0]));
        json_t *answer = ask_server(rig, &root, asked[which].kind, asked[which].body);
        data_of(answer);
        json_decref(answer);
    }
    atomic_store(&churn.is_over, true);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    rig_close(&root);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(answers_every_kind),       CASE(a_ping_asks_some),
        CASE(bad_requests_are_told),    CASE(connections_are_paged),
        CASE(subscriptions_are_paged),  CASE(members_may_only_ask_for_themselves),
        CASE(kicks_one_and_tells_why),  CASE(events_go_to_those_who_name_them),
        CASE(lame_duck_is_told_to_one), CASE(everything_is_asked_while_others_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
