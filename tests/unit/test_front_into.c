/* SPDX-License-Identifier: Apache-2.0
 *
 * A nats.conf and flags into the config of a node: what each becomes, which faults and warnings
 * there are. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "conf_memory.h"
#include "duration.h"
#include "into.h"

/* ---- a config as text -------------------------------------------------------------------------
 */

static void show_block(FILE *out, const struct config_block *block);

static void show_value(FILE *out, const struct config_value *value)
{
    switch (value->kind) {
    case VALUE_BOOL:
        fprintf(out, "=%s", value->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        fprintf(out, "=%" PRId64, value->integer);
        break;
    case VALUE_SECRET_TEXT:
        fprintf(out, "=secret(%s)", value->text);
        break;
    case VALUE_LIST:
        for (size_t i = 0; i < value->item_count; i++) {
            fprintf(out, "%c%s", i == 0 ? '=' : '|', value->items[i]);
        }
        fputs(value->item_count == 0 ? "=nothing" : "", out);
        break;
    case VALUE_RECORDS:
        for (size_t i = 0; i < value->record_count; i++) {
            fputs(" (", out);
            show_block(out, &value->records[i]);
            fputs(" )", out);
        }
        break;
    default:
        fprintf(out, "=%s", value->text);
    }
}

static void show_block(FILE *out, const struct config_block *block)
{
    for (size_t i = 0; i < block->count; i++) {
        fprintf(out, " %s", block->values[i].name);
        show_value(out, &block->values[i]);
    }
}

static void show_faults(FILE *out, struct report *report)
{
    report_sort(report);
    for (size_t i = 0; i < report->count; i++) {
        const struct report_item *item = &report->items[i];
        fprintf(out, "! %s:%u:%u %s %s\n", item->file, (unsigned)item->line, (unsigned)item->column,
                item->code, item->message);
    }
}

struct loaded {
    char text[16384];
};

static void load(const char *conf, int argc, const char *const *argv, struct loaded *loaded)
{
    char *arguments[16] = {NULL};
    char fault[256];
    struct options options;
    struct front_settings settings = {.note_count = 0};
    struct config config;
    struct report report = {.items = NULL};
    struct conf_memory memory = {.names = {"c"}, .texts = {conf}};
    const struct conf_reader reader = {conf_memory_read, conf_memory_env, &memory};
    for (int i = 0; i < argc; i++) {
        arguments[i] = (char *)(uintptr_t)argv[i];
    }
    assert_true(options_read(&options, argc, arguments, fault, sizeof(fault)));
    options.config = conf != NULL ? "c" : NULL;
    config_init(&config);
    into_load(&options, &reader, &settings, &config, &report);
    memset(loaded, 0, sizeof(*loaded));
    FILE *out = fmemopen(loaded->text, sizeof(loaded->text), "w");
    for (size_t i = 0; i < config.module_count; i++) {
        fprintf(out, "%s:", config.modules[i].name);
        show_block(out, &config.modules[i]);
        fputc('\n', out);
    }
    show_faults(out, &report);
    for (size_t i = 0; i < settings.note_count; i++) {
        fprintf(out, "~ %s\n", settings.notes[i]);
    }
    fclose(out);
    front_settings_fini(&settings);
    config_fini(&config);
    report_fini(&report);
}

struct row {
    const char *conf, *has[6]; /* each a part of the text; "-x" = x is not in it */
};

static void judge(const struct row *rows, size_t count)
{
    static const char *const none[] = {"server"};
    for (size_t i = 0; i < count; i++) {
        struct loaded loaded;
        load(rows[i].conf, 1, none, &loaded);
        for (size_t j = 0; j < 6 && rows[i].has[j] != NULL; j++) {
            const char *has = rows[i].has[j];
            bool is_wanted = has[0] != '-';
            if ((strstr(loaded.text, has + !is_wanted) != NULL) != is_wanted) {
                fail_msg("\n%s\n gives\n%s without: %s", rows[i].conf, loaded.text, has);
            }
        }
    }
}
#define JUDGE(rows) judge(rows, sizeof(rows) / sizeof((rows)[0]))

/* ---- tests ------------------------------------------------------------------------------------
 */

static void test_listen(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", {"nats: listen=0.0.0.0:4222 auth=off\n", "~ whoever reaches", "-!"}},
        {"port: -1\nhost: 127.0.0.1", {"listen=127.0.0.1:0 ", "-~", "-!"}},
        {"listen: 5000", {"listen=0.0.0.0:5000 "}},
        {"listen: \"localhost:5000\"", {"listen=localhost:5000 ", "-~"}},
        {"listen: \"[::1]:5000\"", {"listen=[::1]:5000 ", "-~"}},
        {"net: \"::1\"", {"listen=[::1]:4222 "}},
        {"listen: :77", {"listen=0.0.0.0:77 "}},
        {"PORT: 1\nport: 2", {"listen=0.0.0.0:2 ", "~ c:2:1: port was given on line 1 already"}},
        {"port: \"4222\"", {"! c:1:1 E-CONFIG-010 port needs a number, but has a text"}},
        {"port: 65536", {"! c:1:1 E-CONFIG-011 port 65536 is no port"}},
        {"listen: x", {"! c:1:1 E-CONFIG-014 listen: \"x\" is no address"}},
        {"listen: \"::1:5000\"", {"! c:1:1 E-CONFIG-014"}},
        {"http: 8222\nhost: 127.0.0.1", {"listen=127.0.0.1:4222 monitor=127.0.0.1:8222"}},
        {"http: \"[::1]:-1\"", {"monitor=[::1]:0"}},
        {"http_port: 70000", {"! c:1:1 E-CONFIG-011"}},
        {"monitor_port: 0", {"-monitor", "-!"}},
        {"http: x", {"! c:1:1 E-CONFIG-014 http: \"x\" is no address"}},
        {"listen: x:y", {"! c:1:1 E-CONFIG-014 \"y\" is no port"}},
    };
    JUDGE(rows);
}

static void test_limits(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"max_payload: 2MB\nmax_control_line: 4k\nmax_pending: 64MiB\nmax_conn: 100\nmax_subs: 7",
         {"max_payload=2097152", "max_control_line=4000", "max_pending=67108864",
          "max_connections=100", "max_subscriptions=7", "-!"}},
        {"max_connections: -1\nmax_subscriptions: -1",
         {"max_connections=16777216", "max_subscriptions=0", "-!"}},
        {"ping_interval: \"1m30s\"\nping_max: 3\nwrite_deadline: 250ms",
         {"ping_interval=90000 ms", "ping_max=3", "write_deadline=250 ms", "-!"}},
        {"lame_duck_duration: \"1m\"\nlame_duck_grace_period: 5s\nclient_advertise: \"a.b:4\"",
         {"lame_duck_duration=60000 ms lame_duck_grace=5000 ms advertise=a.b:4", "-!"}},
        {"ping_interval: 5\nwrite_deadline: 2.5",
         {"ping_interval=5000 ms", "write_deadline=2500 ms"}},
        {"ping_interval: 2m",
         {"! c:1:1 E-CONFIG-010 ping_interval: 2m without quotes is the number "
          "2000000: write \"2m\""}},
        {"ping_interval: \"2 min\"", {"! c:1:1 E-CONFIG-010 ping_interval is no duration"}},
        {"max_payload: lots", {"! c:1:1 E-CONFIG-010 max_payload needs a number, but has a text"}},
        {"debug: \"true\"", {"E-CONFIG-010 debug needs true or false, but has a text"}},
        {"server_name: \"a b\"", {"! c:1:1 E-CONFIG-014 server_name has white space"}},
        {"server_name: alpha", {"server_name=alpha"}},
        {"log_file: \"\"", {"! c:1:1 E-CONFIG-014 log_file has not 1 to"}},
    };
    JUDGE(rows);
}

static void test_unknown(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"foo: 1\nmax_paylod: 2\nport: 1",
         {"! c:1:1 E-CONFIG-009 unknown field \"foo\"\n",
          "! c:2:1 E-CONFIG-009 unknown field \"max_paylod\" (did you mean \"max_payload\"?)"}},
        {"x: 4\nport: $x", {"listen=0.0.0.0:4 ", "-!"}},
        {"cluster { name: x }", {"! c:1:1 E-FRONT-002 cluster is not supported: "}},
        {"port: 1\n  websocket { port: 2 }", {"! c:2:3 E-FRONT-002 websocket is not supported"}},
        {"operator: x\nresolver: y\nmqtt {}\nhttps: 1",
         {"! c:1:1 E-FRONT-002 operator", "! c:2:1 E-FRONT-002", "! c:3:1 E-FRONT-002",
          "! c:4:1 E-FRONT-002"}},
        {"jetstream: enabled", {"~ c:1:1: jetstream is accepted and has no effect", "-!"}},
        {"jetstream { store_dir: x }", {"~ c:1:1: jetstream is", "-!"}},
        {"jetstream: disabled\ntrace: no", {"-~ c:", "-!"}},
        {"a: [1 2]\nport: x", {"! c:1:7 E-FRONT-001", "-E-CONFIG-010"}},
    };
    JUDGE(rows);
}

static void test_users(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"authorization { user: a, password: b }",
         {"users: users ( user=a password=secret(b) ) room_subjects=allow inboxes=open",
          "-auth=off", "~ Plaintext passwords detected", "-!"}},
        {"authorization { token: t, timeout: 0.5 }",
         {"( token=secret(t) name=(token) )", "auth_timeout=500 ms"}},
        {"authorization { users = [ { user: a, pass: 12 }, "
         "{ nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }",
         {"( user=a password=secret(12) ) ( nkey=UDXU4"}},
        {"authorization { username: a, password: "
         "$2a$11$abcdefghijklmnopqrstuuW9uBXubNOjTsPrqlgGV5sHmkruzBguq }",
         {"( user=a bcrypt=$2a$11$abc", "-Plaintext", "-!"}},
        {"authorization {}", {"auth=off", "-users:"}},
        {"authorization { users: [] }", {"auth=off"}},
        {"authorization { user: a }", {"E-FRONT-003 a user needs user and password, or nkey"}},
        {"authorization { user: a, password: \"\" }", {"E-FRONT-003 an empty password"}},
        {"authorization { token: t, user: a, password: b }", {"E-FRONT-003 a token and a single"}},
        {"authorization { token: t, users: [{user: a, password: b}] }",
         {"E-FRONT-003 a token and a list of users exclude each other"}},
        {"authorization { users: [{user: a, password: b, nkey: U}] }", {"E-FRONT-003"}},
        {"authorization { users: [{user: a, password: b, account: A}] }",
         {"! c:1:48 E-CONFIG-009 unknown field \"account\""}},
        {"authorization { token: $2a$11$abcdefghijklmnopqrstuuW9uBXubNOjTsPrqlgGV5sHmkruzBguq }",
         {"E-FRONT-002 a token as a bcrypt hash"}},
        {"authorization { users: [{user: a, password: b, allowed_connection_types: [MQTT]}] }",
         {"E-FRONT-002 allowed_connection_types: only STANDARD"}},
        {"authorization { users: [{user: a, password: b, allowed_connection_types: [MQTT, "
         "\"standard\"]}] }",
         {"-!"}},
        {"authorization { auth_callout {} }", {"E-FRONT-002 auth_callout"}},
        {"authorization { users: [{user: a, password: b}] }\nno_auth_user: a",
         {"no_auth_user=a guests=anywhere", "~ whoever reaches"}},
        {"authorization { user: a, password: b }\nno_auth_user: a", {"! c:2:1 E-FRONT-003"}},
    };
    JUDGE(rows);
}

static void test_permissions(void **state)
{
    (void)state;
#define USER(permissions)                                                                          \
    "authorization { users: [{user: a, password: b, permissions: {" permissions "}}] }"
    static const struct row rows[] = {
        {USER("publish: x, subscribe: [\"a b\", c]"),
         {"permissions.publish.allow=x permissions.subscribe.allow=a b|c", "-!"}},
        {USER("pub: {allow: [x], deny: y}, sub: {deny: [z]}"),
         {"permissions.publish.allow=x permissions.publish.deny=y permissions.subscribe.deny=z"}},
        {USER("allow_responses: true"), {"permissions.allow_responses=true"}},
        {USER("allow_responses: {max: 5, expires: \"1m\"}"),
         {"permissions.allow_responses.max=5 permissions.allow_responses.ttl=60000 ms"}},
        {USER("publish: {allow: []}"),
         {"-permissions.publish", "~ c:1:72: an empty list of what is allowed allows everything"}},
        {USER("publish: [\"$SYS.>\"]"),
         {"permissions.publish.allow=nothing", "only users of the system account"}},
        {USER("publish: {deny: \"$SYS.>\"}"), {"permissions.publish.deny=$SYS.>"}},
        {USER("publsh: x"), {"E-CONFIG-009 unknown field \"publsh\""}},
        {USER("publish: {alow: x}"), {"E-CONFIG-009 unknown field \"alow\": publish has allow"}},
        {USER("publish: [1, {}]"), {"E-CONFIG-010 an item of this list needs a text"}},
        {USER("allow_responses: x"), {"E-CONFIG-010"}},
        {"P { publish: x }\nauthorization { users: [{user: a, password: b, permissions: $P}],\n"
         "default_permissions { subscribe: y } }",
         {"permissions.publish.allow=x", "default_permissions.subscribe.allow=y", "-!"}},
    };
    JUDGE(rows);
#undef USER
}

static void test_accounts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"accounts { A { users: [{user: a, password: b}], exports: [], jetstream: true } }",
         {"( user=a password=secret(b) )", "~ c:1:", "-!"}},
        {"accounts { \"$SYS\" { users: [{user: s, password: p}] } }",
         {"( user=s password=secret(p) permissions.publish.allow=$SYS.>|_INBOX.> "
          "permissions.subscribe.allow=$SYS.>|_INBOX.> )",
          "-!", "-auth=off", "-no_auth_user"}},
        {"authorization { user: a, password: b }\naccounts { \"$SYS\" { users: [{user: s, "
         "password: p}] } }", /* CVE-2023-47090: nobody came in without a login by this */
         {"( user=a password=secret(b) )", "-!", "-auth=off", "-no_auth_user"}},
        {"accounts { SYS { users: [{user: s, password: p}] }, A { users: [{user: a, password: b}] "
         "} "
         "}\nsystem_account: SYS",
         {"permissions.publish.allow=$SYS.>|_INBOX.> ", "( user=a password=secret(b) )", "-!"}},
        {"accounts { A {}, B {} }",
         {"! c:1:18 E-FRONT-002 account \"B\" is one too many: there "
          "is \"A\" already"}},
        {"accounts { A { imports: [x] } }", {"E-FRONT-002 imports is not supported"}},
        {"accounts: [A]", {"auth=off", "-!"}},
        {"accounts: [A, B]", {"E-CONFIG-010 accounts needs a map"}},
    };
    JUDGE(rows);
}

static void test_tls(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"tls { cert_file: x.pem, key_file: \"c\", ca_file: ca.pem, verify: true, timeout: 0.5 }",
         {"tls.cert=x.pem tls.key=secret(tls { cert_file", "tls.ca=ca.pem tls.verify=require",
          "tls.timeout=500 ms", "tls.mode=upgrade", "-!"}},
        {"tls { handshake_first: true }", {"tls.mode=first", "-upgrade"}},
        {"tls { handshake_first: auto }", {"tls.mode=auto", "-tls.wait"}},
        {"tls { first: 300ms }", {"tls.mode=auto tls.wait=300 ms"}},
        {"tls { first: x }", {"! c:1:7 E-CONFIG-010 first is true, false, auto or a duration"}},
        {"tls { min_version: \"1.3\" }\nallow_non_tls: true",
         {"tls.min_version=1.3", "tls.plain=all"}},
        {"tls { key_file: nope }", {"! c:1:7 E-CONFIG-016 key_file nope cannot be read"}},
        {"tls { verify_and_map: true }", {"E-FRONT-002 verify_and_map"}},
        {"tls { cipher_suites: [x] }", {"~ c:1:7: cipher_suites is accepted", "-!"}},
        {"tls { cert: x }", {"E-CONFIG-009 unknown field \"cert\""}},
        {"tls: on", {"E-CONFIG-010 tls needs a map"}},
    };
    JUDGE(rows);
}

static void test_flags(void **state)
{
    (void)state;
    static const char *const all[] = {"server", "-a",       "127.0.0.1", "--port=7",
                                      "-n=x",   "--user",   "u",         "--pass=p",
                                      "-js",    "--auth=t", "-DV",       "-D=false"};
    static const char *const half[] = {"server", "--user", "u"};
    struct loaded loaded;
    load("port: 9\nserver_name: y\nhost: 1.2.3.4", 12, all, &loaded);
    assert_non_null(strstr(loaded.text, "listen=127.0.0.1:7"));
    assert_non_null(strstr(loaded.text, "server_name=x"));
    assert_null(strstr(loaded.text, "server_name=y"));
    assert_non_null(strstr(loaded.text, "( user=u password=secret(p) )"));
    assert_non_null(strstr(loaded.text, "( token=secret(t) name=(token) )"));
    assert_non_null(strstr(loaded.text, "~ -js is accepted"));
    load(NULL, 3, half, &loaded);
    assert_non_null(strstr(loaded.text, "E-FRONT-003 --user and --pass belong together"));
}

static void test_options(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *next, *fault; /* fault NULL = good */
    } rows[] = {
        {"-p", "4", NULL},
        {"--p", "4", NULL},
        {"--debug=true", NULL, NULL},
        {"-T=false", NULL, NULL},
        {"-p", NULL, "-p needs a value: PORT"},
        {"--bogus", NULL, "unknown option \"--bogus\""},
        {"---p", "4", "unknown command \"---p\""},
        {"reload", NULL, "unknown command \"reload\""},
        {"-D=x", NULL, "-D takes true or false, not \"x\""},
        {"-ms", "1", "-ms is not supported: monitoring has no TLS"},
        {"--routes=x", NULL, "-routes is not supported"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *argv[] = {(char *)(uintptr_t) "server", (char *)(uintptr_t)rows[i].argument,
                        (char *)(uintptr_t)rows[i].next};
        char fault[256] = "";
        struct options options;
        bool is_good =
            options_read(&options, rows[i].next != NULL ? 3 : 2, argv, fault, sizeof(fault));
        assert_int_equal(is_good, rows[i].fault == NULL);
        assert_int_equal(strncmp(fault, rows[i].fault != NULL ? rows[i].fault : "",
                                 rows[i].fault != NULL ? strlen(rows[i].fault) : 1),
                         0);
    }
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1 = none */
    } rows[] = {{"2m", 120000}, {"1h30m", 5400000},   {"1.5s", 1500}, {"250ms", 250}, {"0", 0},
                {"0s", 0},      {"10us", 1},          {"1ns", 1},     {".5s", 500},   {"2", -1},
                {"", -1},       {"-1s", -1},          {"2 m", -1},    {"s", -1},      {"1d", -1},
                {"1e3s", -1},   {"99999999999h", -1}, {".s", -1},     {"1.2.3s", -1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms = -7;
        bool is_good = duration_of_go(rows[i].text, &ms);
        if (is_good != (rows[i].ms >= 0) || (is_good && ms != rows[i].ms)) {
            fail_msg("\"%s\" is %s, %" PRId64 " ms", rows[i].text, is_good ? "good" : "bad", ms);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listen),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_unknown),     cmocka_unit_test(test_users),
        cmocka_unit_test(test_permissions), cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_flags),       cmocka_unit_test(test_tls),
        cmocka_unit_test(test_options),     cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
