/* SPDX-License-Identifier: Apache-2.0
 *
 * What nats-server's security advisories of 2022 to 2026 describe, tried on this server. The table
 * in docs/nats.md names for each advisory its test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/nkey.h>

#include "nkey.h"
#include "test_nats_rig.h"

#define BOTH (UB_PUBLISH | UB_SUBSCRIBE)

static void give(struct rig *rig, const char *user, const struct ub_perm_rule *rules, size_t count)
{
    rig_user_set(&rig->authz, user, rig_perms(0, rules, count, NULL));
}

/* Until what was sent is dealt with: PONG, or the end. */
static void settle(struct rig_client *client)
{
    bool is_closed = false;
    int64_t deadline = rig_now_ms() + 5000;
    rig_send(client, "PING\r\n");
    while (!is_closed && (client->len == 0 || strstr(client->bytes, "PONG\r\n") == NULL)) {
        assert_true(rig_now_ms() < deadline);
        rig_more(client, 500, &is_closed);
    }
}

static void assert_refused(struct rig *rig, const char *bytes, size_t len)
{
    struct rig_client client;
    rig_open(rig, &client);
    rig_send_bytes(&client, bytes, len);
    rig_expect(&client, "-ERR 'Authorization Violation'\r\n");
    rig_expect_closed(&client);
    rig_close(&client);
}

/* CVE-2022-24450: who had any login could name the account that he wanted. */
static void accounts_are_not_chosen(void **state)
{
    static const char *const wishes[] = {"\"account\":\"$SYS\"", "\"account\":\"$G\"",
                                         "\"account\":\"x\",\"new_account\":true",
                                         "\"new_account\":true"};
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        char line[256];
        int len = snprintf(line, sizeof(line),
                           "CONNECT {\"user\":\"root\",\"pass\":\"pw\",%s}\r\nPING\r\n", wishes[i]);
        kit_log_clear(((struct rig *)*state)->host);
        assert_refused(*state, line, (size_t)len);
        assert_true(rig_log_has(*state, "login-refused"));
    }
    struct rig_client client;
    rig_login(*state, &client, "root"); /* control */
    rig_close(&client);
}

/* CVE-2022-29946, 2026-17: through a group, or a pattern that overlaps a denied pattern, came what
 * was denied; and members who might have it missed it. */
static void overlaps_bring_nothing_denied(void **state)
{
    static const char *const patterns[] = {"a.x.*", ">", "*.x.>", "a.*.*", "a.x.>"};
    const struct ub_perm_rule rules[] = {
        {.actions = BOTH, .subject = ">"},
        {.actions = UB_SUBSCRIBE, .subject = "a.*.secret", .is_deny = true}};
    struct rig_client spy, worker, root;
    give(*state, "u", rules, 2);
    rig_login(*state, &worker, "root");
    rig_login(*state, &root, "root");
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        char line[128];
        rig_login(*state, &spy, "u");
        snprintf(line, sizeof(line), "SUB %s 1\r\nSUB %s g 2\r\n", patterns[i], patterns[i]);
        rig_send(&spy, line);
        rig_sync(&spy, "");
        rig_send(&worker, "SUB a.x.secret g 7\r\n");
        rig_sync(&worker, "");
        for (int k = 0; k < 20; k++) {
            rig_send(&root, "PUB a.x.secret 1\r\ns\r\n");
            rig_expect(&worker, "MSG a.x.secret 7 1\r\ns\r\n");
        }
        rig_sync(&spy, "");
        rig_send(&root, "PUB a.x.open 1\r\no\r\n"); /* control */
        rig_expect(&spy, "MSG a.x.open ");
        rig_expect(&spy, "MSG a.x.open ");
        rig_send(&worker, "UNSUB 7\r\n");
        rig_close(&spy);
    }
    rig_close(&worker);
    rig_close(&root);
}

/* 2026-18: a rule about one group put the rule about the subject out of force. */
static void a_group_does_not_lift_a_deny(void **state)
{
    const struct ub_perm_rule rules[] = {
        {.actions = BOTH, .subject = ">"},
        {.actions = UB_SUBSCRIBE, .subject = "no", .is_deny = true},
        {.actions = UB_SUBSCRIBE, .subject = "no", .queue = "barred", .is_deny = true},
        {.actions = UB_SUBSCRIBE, .subject = "half", .queue = "barred", .is_deny = true}};
    struct rig_client client;
    give(*state, "u", rules, 4);
    rig_login(*state, &client, "u");
    rig_send(&client, "SUB no 1\r\nSUB no barred 2\r\nSUB no other 3\r\nSUB half barred 4\r\n"
                      "SUB half other 5\r\n");
    rig_sync(
        &client,
        "-ERR 'Permissions Violation for Subscription to \"no\"'\r\n"
        "-ERR 'Permissions Violation for Subscription to \"no\" using queue \"barred\"'\r\n"
        "-ERR 'Permissions Violation for Subscription to \"no\" using queue \"other\"'\r\n"
        "-ERR 'Permissions Violation for Subscription to \"half\" using queue \"barred\"'\r\n");
    rig_close(&client);
}

/* Sends a header line between two others; true: `name` is in what arrives. */
static bool header_arrives(struct rig *rig, const char *line, const char *name)
{
    struct rig_client client;
    char block[256], text[384];
    bool is_closed = false;
    int len = snprintf(block, sizeof(block), "NATS/1.0\r\nA: b\r\n%s\r\nX: y\r\n\r\n", line);
    rig_login(rig, &client, "root");
    snprintf(text, sizeof(text), "SUB h 1\r\nHPUB h %d %d\r\n%s\r\n", len, len, block);
    rig_send(&client, text);
    while (client.len == 0 || strstr(client.bytes, "X: y\r\n\r\n\r\n") == NULL) {
        assert_true(rig_more(&client, 5000, &is_closed));
    }
    assert_non_null(strstr(client.bytes, "A: b\r\n"));
    bool has = strcasestr(client.bytes, name) != NULL;
    rig_close(&client);
    return has;
}

/* 2026-08, 2026-09: a service believes this header, and spellings of it got through. */
static void nobody_says_who_he_is_by_header(void **state)
{
    static const char *const forged[] = {"Nats-Request-Info: {}",
                                         "nats-request-info:{}",
                                         "NATS-REQUEST-INFO: {}",
                                         "Nats-Request-Info : {}",
                                         " Nats-Request-Info: {}",
                                         "Nats-Request-Info  : {}",
                                         "Nats-Request-Info\xc2\xa0: {}",
                                         "\xef\xbb\xbfNats-Request-Info: {}",
                                         "Nats-Request-Info: {}\r\nNats-Request-Info: {}"};
    static const char *const others[] = {"X-Nats-Request-Info: {}", "Nats-Request-Info-2: {}",
                                         "B: Nats-Request-Info: {}", "  : Nats-Request-Info"};
    for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
        assert_false(header_arrives(*state, forged[i], "Request-Info"));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_true(header_arrives(*state, others[i], "Request-Info"));
    }
}

/* 2026-15, 2026-20: a trace went where its sender might not publish, instead of the message. */
static void traces_go_nowhere(void **state)
{
    static const char block[] =
        "NATS/1.0\r\nNats-Trace-Dest: victim\r\nNats-Trace-Only: true\r\n\r\n";
    const struct ub_perm_rule rules[] = {{.actions = BOTH, .subject = "mine"}};
    struct rig_client victim, client;
    char line[256];
    give(*state, "u", rules, 1);
    rig_login(*state, &victim, "root");
    rig_send(&victim, "SUB victim 1\r\n");
    rig_sync(&victim, "");
    rig_login(*state, &client, "u");
    assert_false(header_arrives(*state, "Nats-Trace-Dest: victim", "Trace-Dest"));
    snprintf(line, sizeof(line), "SUB mine 1\r\nHPUB mine %zu %zu\r\n%sx\r\n", sizeof(block) - 1,
             sizeof(block), block);
    rig_send(&client, line);
    rig_expect(&client, "Nats-Trace-Only: true\r\n\r\nx\r\n"); /* delivered, all the same */
    rig_sync(&victim, "");
    rig_close(&victim);
    rig_close(&client);
}

/* 2026-03, -04, -10, -16, -19, -25, -27: what was said before a login to listeners for WebSocket,
 * leaf nodes, routes and MQTT. There are none, and this one takes nothing of it. */
static void only_clients_are_taken(void **state)
{
    static const char mqtt[] = "\x10\x13\0\x04MQTT\x04\x02\0\x3c\0\x07"
                               "abcdefg";
    static const char partial_mqtt[] = "\x10\xff\xff\xff\x7f\0\x04MQTT";
    static const char *const texts[] = {
        "GET /mqtt HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        "INFO {\"server_id\":\"x\",\"compression\":\"s2_auto\"}\r\nINFO {\"server_id\":\"x\"}\r\n",
        "CONNECT {\"server_id\":\"x\",\"cluster\":\"c\",\"name\":\"leaf\"}\r\nLS+ >\r\n",
        "RS+ $G >\r\n",
        "RMSG $G a 1\r\nx\r\n",
        "LMSG a 1\r\nx\r\n",
        "A+ $G\r\n"};
    assert_refused(*state, mqtt, sizeof(mqtt) - 1);
    assert_refused(*state, partial_mqtt, sizeof(partial_mqtt) - 1);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_refused(*state, texts[i], strlen(texts[i]));
    }
    struct rig_client client;
    rig_login(*state, &client, "root");
    rig_send(&client, "INFO {}\r\nINFO {\"compression\":\"s2_auto\"}\r\n");
    rig_sync(&client, "");
    rig_close(&client);
}

/* 2026-22: control bytes in a subject became operations in the stream of somebody else. */
static void nothing_is_injected(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {{"PUB a\rb 1\r\nx\r\n", 14},
                {"PUB a r\rMSG 1\r\nx\r\n", 18},
                {"PUB a r\nMSG 1\r\nx\r\n", 18},
                {"PUB a\0b 1\r\nx\r\n", 14},
                {"SUB a\rPUB q 1\r\nPUB a 0\r\n\r\n", 26},
                {"SUB b q\rw 1\r\n", 13},
                {"SUB b 1\r+OK\r\n", 13},
                {"PUB a r\x1bx 1\r\nx\r\n", 16}};
    struct rig_client hears, client;
    rig_login(*state, &hears, "root");
    rig_send(&hears, "SUB > 1\r\n");
    rig_sync(&hears, "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig_login(*state, &client, "root");
        rig_send_bytes(&client, rows[i].bytes, rows[i].len);
        settle(&client);
        assert_non_null(strstr(client.bytes, "-ERR '"));
        rig_close(&client);
    }
    bool is_closed;
    while (rig_more(&hears, 50, &is_closed)) {
    }
    if (hears.len > 0) {
        for (size_t i = 0; i < hears.len; i++) {
            const char c = hears.bytes[i];
            assert_true(c == '\n' || c == '\r' || (c >= 0x20 && c < 0x7f));
            assert_true(c != '\r' || hears.bytes[i + 1] == '\n');
        }
    }
    rig_close(&hears);
}

/* 2026-28: values of a page that overflow. Whoever may ask is told, and the server goes on. */
static void pages_beyond_every_number(void **state)
{
    struct rig *rig = *state;
    static const char *const kinds[] = {"CONNZ", "SUBSZ"};
    static const char *const pages[] = {
        "{\"offset\":9223372036854775807,\"limit\":9223372036854775807}",
        "{\"offset\":9223372036854775806,\"limit\":2}",
        "{\"offset\":-9223372036854775808,\"limit\":-9223372036854775808}",
        "{\"offset\":9223372036854775808}",
        "{\"limit\":1e300}",
        "{\"cid\":18446744073709551615}",
        "{\"offset\":4294967295,\"limit\":4294967296,\"sort\":\"subs\"}"};
    struct rig_client client;
    char line[384];
    rig_login(rig, &client, "root");
    rig_send(&client, "SUB _INBOX.me.* 9\r\n");
    rig_sync(&client, "");
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        for (size_t k = 0; k < 2; k++) {
            snprintf(line, sizeof(line), "PUB $SYS.REQ.SERVER.%s.%s _INBOX.me.1 %zu\r\n%s\r\n",
                     rig->server->server_id, kinds[k], strlen(pages[i]), pages[i]);
            rig_send(&client, line);
            rig_expect(&client, "MSG _INBOX.me.1 9 ");
            rig_expect(&client, "}\r\n");
        }
    }
    rig_close(&client);
}

/* Asks and waits for the whole answer, in client->bytes. */
static void ask(struct rig *rig, struct rig_client *client, const char *kind, const char *body)
{
    char line[384];
    bool is_closed = false;
    snprintf(line, sizeof(line), "PUB $SYS.REQ.SERVER.%s.%s _INBOX.me.1 %zu\r\n%s\r\n",
             rig->server->server_id, kind, strlen(body), body);
    rig_send(client, line);
    rig_expect(client, "MSG _INBOX.me.1 9 ");
    while (client->len < 3 || strcmp(client->bytes + client->len - 3, "}\r\n") != 0) {
        assert_true(rig_more(client, 5000, &is_closed));
    }
}

/* 2026-05, 2026-14: what somebody logged in with stood on the monitoring port. */
static void secrets_are_not_shown(void **state)
{
    static const char *const logins[] = {
        "CONNECT {\"user\":\"root\",\"pass\":\"pw\",\"auth_token\":\"hush\",\"name\":\"seen\"}\r\n",
        "CONNECT {\"user\":\"root\",\"pass\":\"hush\",\"name\":\"seen\"}\r\n",
        "CONNECT {\"auth_token\":\"hush\",\"name\":\"seen\"}\r\n",
        "CONNECT {\"jwt\":\"hush\",\"sig\":\"hush\",\"name\":\"seen\"}\r\n"};
    static const char all[] = "{\"auth\":true,\"subscriptions\":true,\"state\":2}"; /* any */
    struct rig_client asker, clients[4];
    rig_login(*state, &asker, "root");
    rig_send(&asker, "SUB _INBOX.me.* 9\r\n");
    rig_sync(&asker, "");
    for (size_t i = 0; i < 4; i++) {
        rig_open(*state, &clients[i]);
        rig_send(&clients[i], logins[i]);
        settle(&clients[i]);
    }
    ask(*state, &asker, "CONNZ", all);
    assert_non_null(strstr(asker.bytes, "\"seen\"")); /* control */
    assert_null(strstr(asker.bytes, "hush"));
    assert_null(strstr(asker.bytes, "\"pw\""));
    ask(*state, &asker, "VARZ", "");
    assert_null(strstr(asker.bytes, "hush"));
    assert_false(rig_log_has(*state, "hush"));
    for (size_t i = 0; i < 4; i++) {
        rig_close(&clients[i]);
    }
    rig_close(&asker);
}

/* CVE-2022-26652, -28357, -42708, CVE-2025-30215, 2026-12: JetStream's interface, which nobody
 * answers, and which needs a right like every subject. */
static void no_streams_are_managed(void **state)
{
    const struct ub_perm_rule rules[] = {{.actions = BOTH, .subject = "mine"},
                                         {.actions = UB_SUBSCRIBE, .subject = "_INBOX.me.*"}};
    struct rig_client client;
    bool is_closed;
    rig_dial(*state, &client);
    while (client.len == 0 || strstr(client.bytes, "\r\n") == NULL) {
        assert_true(rig_more(&client, 5000, &is_closed));
    }
    assert_null(strstr(client.bytes, "jetstream"));
    rig_close(&client);
    rig_login(*state, &client, "root");
    rig_send(&client, "SUB _INBOX.me.* 1\r\n"
                      "PUB $JS.API.STREAM.CREATE.x _INBOX.me.1 20\r\n{\"num_replicas\":-10}\r\n");
    rig_expect(&client, "NATS/1.0 503\r\n");
    rig_close(&client);
    give(*state, "u", rules, 2);
    rig_login(*state, &client, "u");
    rig_send(&client,
             "PUB $JS.API.STREAM.RESTORE.../../x 0\r\n\r\n"
             "PUB $JS.API.STREAM.PURGE.x 0\r\n\r\nPUB $SYS.REQ.ACCOUNT.x.CLAIMS.UPDATE 0\r\n"
             "\r\n");
    rig_sync(
        &client,
        "-ERR 'Invalid Publish Subject'\r\n"
        "-ERR 'Permissions Violation for Publish to \"$JS.API.STREAM.PURGE.x\"'\r\n"
        "-ERR 'Permissions Violation for Publish to \"$SYS.REQ.ACCOUNT.x.CLAIMS.UPDATE\"'\r\n");
    rig_close(&client);
}

/* ---- keys -------------------------------------------------------------------------------------
 */

/* As an nkey is written, prefix and check sum right, whatever the length of the key. */
static void nkey_write(uint8_t prefix, const uint8_t *key, size_t key_len, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t raw[128] = {prefix};
    uint16_t crc = 0;
    memcpy(raw + 1, key, key_len);
    for (size_t i = 0; i < key_len + 1; i++) {
        crc = (uint16_t)(crc ^ raw[i] << 8);
        for (int bit = 0; bit < 8; bit++) {
            crc = (uint16_t)((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
        }
    }
    raw[key_len + 1] = (uint8_t)crc;
    raw[key_len + 2] = (uint8_t)(crc >> 8);
    size_t count = ((key_len + 3) * 8 + 4) / 5;
    for (size_t i = 0; i < count; i++) {
        unsigned value = 0;
        for (size_t bit = i * 5; bit < i * 5 + 5; bit++) {
            value = value << 1 | ((unsigned)raw[bit / 8] >> (7 - bit % 8) & 1u);
        }
        out[i] = letters[value];
    }
    out[count] = '\0';
}

static bool is_key(const char *text)
{
    uint8_t users[32], rooms[32];
    const struct ubr_bytes bytes = {(const uint8_t *)text, strlen(text)};
    bool is_users = users_nkey_decode(text, users), is_rooms = ubr_nkey_decode(bytes, rooms);
    assert_int_equal(is_users, is_rooms);
    return is_users;
}

/* 2026-23: a well-formed key that was too short reached the check of the signature. */
static void keys_have_one_length(void **state)
{
    enum { USER = 20 << 3 };
    uint8_t key[80];
    char text[160];
    randombytes_buf(key, sizeof(key));
    for (size_t len = 0; len <= sizeof(key); len++) {
        nkey_write(USER, key, len, text);
        assert_int_equal(is_key(text), len == 32);
    }
    for (unsigned prefix = 0; prefix < 256; prefix++) { /* other kinds of keys, seeds too */
        nkey_write((uint8_t)prefix, key, 32, text);
        assert_int_equal(is_key(text), prefix == USER);
    }
    nkey_write(USER, key, 32, text);
    for (size_t len = 0; len <= 57; len++) { /* through the whole server */
        char line[256];
        int size = snprintf(line, sizeof(line), "CONNECT {\"nkey\":\"%.*s\",\"sig\":\"%.*s\"}\r\n",
                            (int)len, text, (int)len * 2, text);
        assert_refused(*state, line, (size_t)size);
    }
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(accounts_are_not_chosen),
        WITH_SERVER(overlaps_bring_nothing_denied),
        WITH_SERVER(a_group_does_not_lift_a_deny),
        WITH_SERVER(nobody_says_who_he_is_by_header),
        WITH_SERVER(traces_go_nowhere),
        WITH_SERVER(only_clients_are_taken),
        WITH_SERVER(nothing_is_injected),
        WITH_SERVER(pages_beyond_every_number),
        WITH_SERVER(secrets_are_not_shown),
        WITH_SERVER(no_streams_are_managed),
        WITH_SERVER(keys_have_one_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
