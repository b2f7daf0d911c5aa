/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include <jansson.h>

#include <core/decisions.h>

#define NOW_MS    1795412595123
#define MINUTE_NS 60000000000

static struct clock test_clock;
static struct log test_log;
static struct decisions decisions;

static void begin(int64_t keep, int64_t sample, int64_t log_per_minute)
{
    const struct decisions_settings settings = {keep, sample, log_per_minute};
    decisions_configure(&decisions, &settings);
}

static int setup(void **state)
{
    (void)state;
    clock_set(&test_clock, NOW_MS, 10 * MINUTE_NS);
    log_init(&test_log, &test_clock, -1);
    test_log.is_kept = true;
    decisions_init(&decisions, &test_clock, &test_log);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    decisions_fini(&decisions);
    log_fini(&test_log);
    return 0;
}

/* A refusal; its id lives until the next one. */
static const char *refuse(const char *principal, const char *address, const char *what)
{
    static _Thread_local char id[UB_DECISION_ID_MAX];
    const struct ub_decision decision = {.size = sizeof(decision),
                                         .action = "room.create",
                                         .resource_kind = "room",
                                         .resource_id = what,
                                         .id = principal,
                                         .address = address,
                                         .provider = "policy",
                                         .took_us = -1};
    decisions_record(&decisions, "membership", &decision, id);
    return id;
}

static json_t *find(const char *id)
{
    char *text = decisions_find_json(&decisions, "alpha", id);
    json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL;
    assert_true(text == NULL || json != NULL);
    free(text);
    return json;
}

static bool is_kept(const char *id)
{
    json_t *json = find(id);
    json_decref(json);
    return json != NULL;
}

static json_t *list(const char *since, const char *principal, size_t max)
{
    char *text = decisions_list_json(&decisions, "alpha", since, principal, max);
    assert_non_null(text);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    free(text);
    return json;
}

static const char *text_of(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

/* The resource ids of a page in order, "a b c", then "+" when there is more and "!" for a gap. */
static void assert_page(const char *since, const char *principal, size_t max, const char *expected)
{
    char got[512] = "";
    size_t at, len = 0;
    const json_t *item;
    json_t *page = list(since, principal, max);
    json_array_foreach(json_object_get(page, "items"), at, item)
    {
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s ",
                                text_of(json_object_get(item, "resource"), "id"));
    }
    bool has_more = json_is_string(json_object_get(page, "next"));
    snprintf(got + len, sizeof(got) - len, "%s%s", has_more ? "+" : "",
             json_is_true(json_object_get(page, "gap")) ? "!" : "");
    json_decref(page);
    assert_string_equal(got, expected);
}

static size_t lines_with(const char *word)
{
    size_t count = 0;
    for (const char *at = test_log.kept; at != NULL && (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    return count;
}

/* ---- one record -------------------------------------------------------------------------------
 */

static void a_record_says_all_of_it(void **state)
{
    (void)state;
    char id[UB_DECISION_ID_MAX];
    const struct ub_decision decision = {
        .size = sizeof(decision),
        .action = "room.add",
        .resource_kind = "room",
        .resource_id = "ap7f",
        .id = "dn76",
        .handle = "alice",
        .role = "member",
        .address = "192.0.2.1",
        .provider = "policy",
        .code = "office-hours",
        .text = "rooms grow by day only",
        .place = "policy/site.lua:12",
        .digest = "b2-00",
        .input_json = "{\"member\": {\"handle\": \"bob\"}}",
        .took_us = 17,
    };
    decisions_record(&decisions, "membership", &decision, id);
    json_t *json = find(id);
    json_t *expected = json_loads(
        "{\"time_ms\":1795412595123,\"node\":\"alpha\",\"allowed\":false,\"action\":\"room.add\","
        "\"resource\":{\"kind\":\"room\",\"id\":\"ap7f\"},\"principal\":{\"id\":\"dn76\","
        "\"handle\":\"alice\",\"role\":\"member\"},\"address\":\"192.0.2.1\",\"provider\":"
        "\"policy\",\"code\":\"office-hours\",\"text\":\"rooms grow by day only\",\"place\":"
        "\"policy/site.lua:12\",\"digest\":\"b2-00\",\"took_us\":17,\"input\":{\"member\":"
        "{\"handle\":\"bob\"}}}",
        0, NULL);
    json_object_set_new(expected, "id", json_string(id));
    assert_true(json_equal(json, expected));
    json_decref(json);
    json_decref(expected);
    assert_non_null(strstr(test_log.kept, "warn  membership refused: a request was refused "));
    assert_non_null(strstr(test_log.kept, id));
    assert_non_null(strstr(test_log.kept, " place=policy/site.lua:12\n"));
}

static void ids_are_unlike_and_long(void **state)
{
    (void)state;
    char first[UB_DECISION_ID_MAX];
    snprintf(first, sizeof(first), "%s", refuse("a", "", "x"));
    assert_memory_equal(first, "d-", 2);
    assert_int_equal(strlen(first), 26);
    assert_int_equal(strspn(first + 2, "abcdefghijklmnopqrstuvwxyz234567"), 24);
    assert_string_not_equal(first, refuse("a", "", "x"));
    assert_null(find("d-aaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_null(find(""));
}

/* Whatever comes from outside: no control character, no broken UTF-8, no endless text. */
static void texts_are_bounded_and_escaped(void **state)
{
    (void)state;
    char long_text[1001], id[UB_DECISION_ID_MAX];
    memset(long_text, 'x', sizeof(long_text));
    memcpy(long_text + 255, "\xc3\xa4", 2); /* the limit of resource_id lies within it */
    long_text[1000] = '\0';
    const struct ub_decision decision = {.size = sizeof(decision),
                                         .action = "a\x1b[31m\n",
                                         .resource_id = long_text,
                                         .handle = "\xff\xe2\x80\xae",
                                         .took_us = -1};
    decisions_record(&decisions, "nats", &decision, id);
    json_t *json = find(id);
    assert_string_equal(text_of(json, "action"), "a\\x1b[31m\\n");
    assert_string_equal(text_of(json_object_get(json, "principal"), "handle"), "\\xff\\u202e");
    const char *resource = text_of(json_object_get(json, "resource"), "id");
    assert_int_equal(strlen(resource), 255 + 3);
    assert_string_equal(resource + 255, "\xe2\x80\xa6");
    json_decref(json);
    assert_null(strchr(test_log.kept, '\x1b'));
}

static void input_is_an_object_or_left_out(void **state)
{
    (void)state;
    char deep[6000], long_input[DECISION_INPUT_MAX + 16];
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    memset(long_input, ' ', sizeof(long_input) - 1);
    memcpy(long_input, "{}", 2);
    long_input[sizeof(long_input) - 1] = '\0';
    const struct {
        const char *input;
        bool is_shown, is_omitted;
    } rows[] = {{NULL, false, false},      {"{\"a\":1}", true, false}, {"[1]", false, true},
                {"{\"a\":", false, true},  {"nonsense", false, true},  {deep, false, true},
                {long_input, false, true}, {"", false, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char id[UB_DECISION_ID_MAX];
        const struct ub_decision decision = {
            .size = sizeof(decision), .input_json = rows[i].input, .took_us = -1};
        decisions_record(&decisions, "policy", &decision, id);
        json_t *json = find(id);
        assert_int_equal(json_object_get(json, "input") != NULL, rows[i].is_shown);
        assert_int_equal(json_object_get(json, "input_omitted") != NULL, rows[i].is_omitted);
        assert_null(json_object_get(json, "took_us"));
        json_decref(json);
    }
}

/* A module of an older minor hands over a shorter struct. */
static void a_shorter_struct_is_read_as_far_as_it_goes(void **state)
{
    (void)state;
    char id[UB_DECISION_ID_MAX];
    const struct ub_decision decision = {.size = offsetof(struct ub_decision, code),
                                         .provider = "membership",
                                         .code = (const char *)1, /* not to be touched */
                                         .took_us = 5};
    decisions_record(&decisions, "old", &decision, id);
    json_t *json = find(id);
    assert_string_equal(text_of(json, "provider"), "membership");
    assert_string_equal(text_of(json, "code"), "");
    json_decref(json);
}

static void refusals_are_all_kept_and_of_the_rest_a_sample(void **state)
{
    (void)state;
    static const struct {
        int64_t sample;
        int low, high;
    } rows[] = {{0, 0, 0}, {1, 1000, 1000}, {4, 150, 350}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int kept = 0;
        begin(2000, rows[i].sample, 20);
        for (int n = 0; n < 1000; n++) {
            char id[UB_DECISION_ID_MAX];
            const struct ub_decision decision = {
                .size = sizeof(decision), .is_allowed = true, .id = "a"};
            decisions_record(&decisions, "policy", &decision, id);
            assert_int_equal(id[0] != '\0', is_kept(id));
            kept += id[0] != '\0';
        }
        assert_in_range(kept, rows[i].low, rows[i].high);
        assert_true(is_kept(refuse("a", "", "x")));
        decisions_fini(&decisions);
        decisions_init(&decisions, &test_clock, &test_log);
    }
    assert_int_equal(lines_with("refused:"), 3); /* what was allowed has no line */
}

/* ---- who holds what ---------------------------------------------------------------------------
 */

/* Whoever floods pushes out his own. */
static void one_flood_leaves_the_others(void **state)
{
    (void)state;
    char of_alice[UB_DECISION_ID_MAX], of_bob[UB_DECISION_ID_MAX], of_mallory[UB_DECISION_ID_MAX];
    begin(64, 0, 20);
    snprintf(of_alice, sizeof(of_alice), "%s", refuse("alice", "", "x"));
    snprintf(of_bob, sizeof(of_bob), "%s", refuse("", "192.0.2.7", "x"));
    snprintf(of_mallory, sizeof(of_mallory), "%s", refuse("mallory", "", "x"));
    for (int i = 0; i < 1000; i++) {
        refuse("mallory", "", "x");
    }
    assert_true(is_kept(of_alice));
    assert_true(is_kept(of_bob));
    assert_false(is_kept(of_mallory));
    json_t *page = list(NULL, NULL, 500);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 64);
    json_decref(page);
}

/* Two who flood share what the third does not need; the control: alone in a full log, the oldest
 * goes. */
static void shares_are_even(void **state)
{
    (void)state;
    begin(60, 0, 20);
    for (int i = 0; i < 5; i++) {
        refuse("carol", "", "x");
    }
    for (int i = 0; i < 500; i++) {
        refuse("alice", "", "x");
        refuse("bob", "", "x");
    }
    assert_in_range(decisions_asker(&decisions, "alice")->count, 27, 28);
    assert_in_range(decisions_asker(&decisions, "bob")->count, 27, 28);
    assert_int_equal(decisions_asker(&decisions, "carol")->count, 5);
    for (int i = 0; i < 500; i++) {
        refuse("carol", "", "x");
    }
    assert_in_range(decisions_asker(&decisions, "carol")->count, 20, 20);
}

/* However many addresses strangers have: together they hold a quarter once others need it. */
static void strangers_give_way_first(void **state)
{
    (void)state;
    char address[32], of_alice[UB_DECISION_ID_MAX];
    begin(64, 0, 20);
    snprintf(of_alice, sizeof(of_alice), "%s", refuse("alice", "", "x"));
    for (int i = 0; i < 1000; i++) {
        snprintf(address, sizeof(address), "198.51.%d.%d", i / 250, i % 250);
        refuse("", address, "x");
    }
    assert_true(is_kept(of_alice));
    assert_int_equal(decisions.nobody.total, 63);
    for (int i = 0; i < 500; i++) {
        refuse("bob", "", "x");
    }
    assert_int_equal(decisions.nobody.total, 16);
    assert_true(is_kept(of_alice));
}

static void addresses_are_counted_by_their_network(void **state)
{
    (void)state;
    static const struct {
        const char *id, *address, *key;
    } rows[] = {
        {"dn76", "192.0.2.1", "dn76"},
        {"", "192.0.2.1", "@192.0.2.1"},
        {"", "2001:db8::1", "@2001:db8::"},
        {"", "2001:db8:0:0:ffff::2", "@2001:db8::"},
        {"", "2001:db8:0:1::2", "@2001:db8:0:1::"},
        {"", "::ffff:192.0.2.1", "@::ffff:192.0.2.1"},
        {"", "", "@"},
        {"", "admin-socket", "@admin-socket"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char key[ASKER_KEY_MAX];
        assert_int_equal(decisions_key(rows[i].id, rows[i].address, key), rows[i].id[0] == '\0');
        assert_string_equal(key, rows[i].key);
    }
}

static void pages_follow_each_other(void **state)
{
    (void)state;
    char first[UB_DECISION_ID_MAX], third[UB_DECISION_ID_MAX];
    begin(16, 0, 20);
    assert_page(NULL, NULL, 5, "");
    snprintf(first, sizeof(first), "%s", refuse("alice", "", "a1"));
    refuse("bob", "", "b1");
    snprintf(third, sizeof(third), "%s", refuse("alice", "", "a2"));
    refuse("", "192.0.2.1", "n1");
    assert_page("", NULL, 500, "a1 b1 a2 n1 ");
    assert_page(NULL, NULL, 3, "a1 b1 a2 +");
    assert_page(third, NULL, 3, "n1 ");
    assert_page(NULL, "alice", 500, "a1 a2 ");
    assert_page(NULL, "alice", 1, "a1 +");
    assert_page(first, "alice", 1, "a2 ");
    assert_page(NULL, "nobody-here", 5, "");
    assert_page(NULL, "", 5, ""); /* the id of nobody opens nothing */
    assert_page(NULL, "@192.0.2.1", 5, "n1 ");
    /* somebody else's id is as unknown as one that never was */
    assert_page(first, "bob", 5, "b1 !");
    assert_page("d-zzzzzzzzzzzzzzzzzzzzzzzz", "bob", 5, "b1 !");
    assert_page("d-zzzzzzzzzzzzzzzzzzzzzzzz", NULL, 2, "a1 b1 +!");
}

/* ---- the log ----------------------------------------------------------------------------------
 */

/* A flood gets its lines and no more; others still get theirs; what was left out is told. */
static void a_flood_does_not_fill_the_disk(void **state)
{
    (void)state;
    begin(64, 0, 5);
    for (int i = 0; i < 1000; i++) {
        refuse("mallory", "", "x");
        refuse("", "192.0.2.9", "x");
    }
    refuse("alice", "", "x");
    assert_int_equal(lines_with(" principal=mallory "), 5);
    assert_int_equal(lines_with(" address=192.0.2.9 "), 5);
    assert_int_equal(lines_with(" principal=alice "), 1);
    decisions_tick(&decisions);
    assert_int_equal(lines_with("refusals-not-logged"), 0); /* the minute is not over */
    clock_set(&test_clock, NOW_MS, 11 * MINUTE_NS);
    decisions_tick(&decisions);
    decisions_tick(&decisions);
    assert_int_equal(lines_with("refusals-not-logged"), 1);
    assert_non_null(strstr(test_log.kept, "not_logged=1990 most_by=mallory of_these=995\n"));
    refuse("mallory", "", "x");
    assert_int_equal(lines_with(" principal=mallory "), 6);
}

static void many_addresses_share_the_lines_of_a_minute(void **state)
{
    (void)state;
    char address[32];
    begin(64, 0, 2);
    for (int i = 0; i < 500; i++) {
        snprintf(address, sizeof(address), "198.51.%d.%d", i / 250, i % 250);
        refuse("", address, "x");
    }
    assert_int_equal(lines_with("refused:"), 2 * DECISIONS_LOG_ASKERS);
    clock_set(&test_clock, NOW_MS, 11 * MINUTE_NS);
    refuse("alice", "", "x"); /* tells without a tick */
    assert_non_null(strstr(test_log.kept, "not_logged=440 "));
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static atomic_bool is_over;

static void *write_many(void *arg)
{
    char first[UB_DECISION_ID_MAX];
    for (int i = 0; i < 2000; i++) {
        snprintf(first, sizeof(first), "%s", refuse(arg, "", "x"));
        assert_memory_equal(first, "d-", 2);
    }
    return NULL;
}

static void *read_many(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_over)) {
        json_t *page = list(NULL, "one", 100), *item;
        size_t at;
        json_array_foreach(json_object_get(page, "items"), at, item)
        {
            json_decref(find(text_of(item, "id")));
        }
        json_decref(page);
        decisions_tick(&decisions);
    }
    return NULL;
}

static void threads_write_while_others_read(void **state)
{
    (void)state;
    char names[3][8] = {"one", "two", ""};
    pthread_t writers[3], reader;
    begin(128, 0, 20);
    atomic_store(&is_over, false);
    pthread_create(&reader, NULL, read_many, NULL);
    for (int i = 0; i < 3; i++) {
        pthread_create(&writers[i], NULL, write_many, names[i]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(writers[i], NULL);
    }
    atomic_store(&is_over, true);
    pthread_join(reader, NULL);
    assert_int_equal(decisions.count, 128);
    assert_int_equal(decisions.known.total + decisions.nobody.total, 128);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_record_says_all_of_it),
        TEST(ids_are_unlike_and_long),
        TEST(texts_are_bounded_and_escaped),
        TEST(input_is_an_object_or_left_out),
        TEST(a_shorter_struct_is_read_as_far_as_it_goes),
        TEST(refusals_are_all_kept_and_of_the_rest_a_sample),
        TEST(one_flood_leaves_the_others),
        TEST(shares_are_even),
        TEST(strangers_give_way_first),
        TEST(addresses_are_counted_by_their_network),
        TEST(pages_follow_each_other),
        TEST(a_flood_does_not_fill_the_disk),
        TEST(many_addresses_share_the_lines_of_a_minute),
        TEST(threads_write_while_others_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
