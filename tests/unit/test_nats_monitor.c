/* SPDX-License-Identifier: Apache-2.0
 *
 * Monitoring without a server: JSON and the formats of Go, options, sorting and paging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "monitor/closed.h"
#include "monitor/query.h"
#include "monitor/rows.h"
#include "monitor/text.h"

/* ---- JSON -------------------------------------------------------------------------------------
 */

static void write_sample(struct mon_text *text)
{
    static const uint8_t odd[] = {'a', '"', '\\', '\n', 0, 0x7f, 0xc3, 0xa9};
    static const uint8_t bad[] = {'x', 0xff, 'y'};
    mon_open(text, NULL, '{');
    mon_string(text, "plain", "text");
    mon_bytes(text, "odd", (struct ub_bytes){odd, sizeof(odd)});
    mon_bytes(text, "bad", (struct ub_bytes){bad, sizeof(bad)});
    mon_number(text, "least", INT64_MIN);
    mon_unsigned(text, "most", INT64_MAX);
    mon_real(text, "half", 0.5);
    mon_bool(text, "yes", true);
    mon_null(text, "nothing");
    mon_string_if(text, "left out", "");
    mon_open(text, "none", '[');
    mon_close(text, ']');
    mon_open(text, "list", '[');
    mon_number(text, NULL, 1);
    mon_open(text, NULL, '{');
    mon_close(text, '}');
    mon_close(text, ']');
    mon_close(text, '}');
}

static json_t *parsed(const struct mon_text *text)
{
    json_error_t error;
    json_t *json =
        json_loadb(text->ptr, text->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        fail_msg("%s: %.*s", error.text, (int)text->len, text->ptr);
    }
    return json;
}

static void json_is_what_jansson_reads(void **state)
{
    (void)state;
    static const char odd[] = "a\"\\\n\0\x7f\xc3\xa9";
    struct mon_text indented, compact;
    mon_text_init(&indented, 4096, true, 0);
    mon_text_init(&compact, 4096, false, 0);
    write_sample(&indented);
    write_sample(&compact);
    assert_false(indented.is_broken);
    json_t *a = parsed(&indented), *b = parsed(&compact);
    assert_true(json_equal(a, b));
    assert_true(memchr(compact.ptr, '\n', compact.len) == NULL);
    assert_memory_equal(indented.ptr, "{\n  \"plain\": \"text\",\n", 21);
    const json_t *value = json_object_get(a, "odd");
    assert_int_equal(json_string_length(value), sizeof(odd) - 1);
    assert_memory_equal(json_string_value(value), odd, sizeof(odd) - 1);
    assert_string_equal(json_string_value(json_object_get(a, "bad")), "x\xef\xbf\xbdy");
    assert_int_equal(json_integer_value(json_object_get(a, "least")), INT64_MIN);
    assert_int_equal(json_integer_value(json_object_get(a, "most")), INT64_MAX);
    assert_int_equal(json_array_size(json_object_get(a, "list")), 2);
    assert_int_equal(json_object_size(a), 10);
    json_decref(a);
    json_decref(b);
    mon_text_fini(&indented);
    mon_text_fini(&compact);
}

static void json_keeps_its_bound(void **state)
{
    (void)state;
    struct mon_text text;
    mon_text_init(&text, 100, false, 0);
    mon_open(&text, NULL, '[');
    for (int i = 0; i < 100; i++) {
        mon_string(&text, NULL, "something");
    }
    assert_true(text.is_broken);
    assert_true(text.len <= 100);
    mon_text_fini(&text);
}

static void pieces_become_items(void **state)
{
    (void)state;
    struct mon_text text, pieces;
    size_t at[2], len[2];
    mon_text_init(&pieces, 4096, true, 2);
    for (size_t i = 0; i < 2; i++) {
        at[i] = mon_piece_begin(&pieces);
        mon_open(&pieces, NULL, '{');
        mon_number(&pieces, "i", (int64_t)i);
        mon_close(&pieces, '}');
        len[i] = pieces.len - at[i];
    }
    mon_text_init(&text, 4096, true, 0);
    mon_open(&text, NULL, '{');
    mon_open(&text, "items", '[');
    mon_piece(&text, pieces.ptr + at[1], len[1]);
    mon_piece(&text, pieces.ptr + at[0], len[0]);
    mon_close(&text, ']');
    mon_close(&text, '}');
    static const char expected[] =
        "{\n  \"items\": [\n    {\n      \"i\": 1\n    },\n    {\n      \"i\": "
        "0\n    }\n  ]\n}";
    assert_int_equal(text.len, sizeof(expected) - 1);
    assert_memory_equal(text.ptr, expected, text.len);
    mon_text_fini(&text);
    mon_text_fini(&pieces);
}

static void formats_are_those_of_go(void **state)
{
    (void)state;
    static const struct {
        void (*write)(struct mon_text *text, const char *name, int64_t value);
        int64_t value;
        const char *expected;
    } rows[] = {
        {mon_time, 0, "1970-01-01T00:00:00Z"},
        {mon_time, 1795437392473, "2026-11-23T12:36:32.473Z"},
        {mon_time, 1795437392460, "2026-11-23T12:36:32.46Z"},
        {mon_time, 1795437392006, "2026-11-23T12:36:32.006Z"},
        {mon_uptime, -5, "0s"},
        {mon_uptime, 59999, "59s"},
        {mon_uptime, 60000, "1m0s"},
        {mon_uptime, 3723000, "1h2m3s"},
        {mon_uptime, 90061000, "1d1h1m1s"},
        {mon_uptime, 34300801000, "1y32d0h0m1s"},
        {mon_duration, 0, "0s"},
        {mon_duration, 250, "250µs"},
        {mon_duration, 1000, "1ms"},
        {mon_duration, 1050, "1.05ms"},
        {mon_duration, 999999, "999.999ms"},
        {mon_duration, 1500000, "1.5s"},
        {mon_duration, 61000001, "1m1.000001s"},
        {mon_duration, 7200000000, "2h0m0s"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mon_text text;
        char quoted[64];
        mon_text_init(&text, 4096, false, 0);
        rows[i].write(&text, NULL, rows[i].value);
        snprintf(quoted, sizeof(quoted), "\"%s\"", rows[i].expected);
        assert_int_equal(text.len, strlen(quoted));
        assert_memory_equal(text.ptr, quoted, text.len);
        mon_text_fini(&text);
    }
}

/* ---- options ----------------------------------------------------------------------------------
 */

static bool connz_of(const char *query, struct mon_connz *out, struct mon_fault *fault)
{
    struct mon_pairs pairs;
    bool is_body = query[0] == '{';
    bool is_fine =
        is_body ? mon_pairs_of_body(&pairs,
                                    (struct ub_bytes){(const uint8_t *)query, strlen(query)}, fault)
                : mon_pairs_of_address(&pairs, query, fault);
    is_fine = is_fine && mon_connz_read(&pairs, out, fault);
    mon_pairs_fini(&pairs);
    return is_fine;
}

static void options_are_read(void **state)
{
    (void)state;
    static const char *const same[] = {
        "sort=bytes_to&offset=5&limit=7&state=Closed&subs=detail&auth=1&user=a+b&acc=%24G&"
        "filter_subject=foo.%3E&other=x&flag&&mqtt_client=",
        "{\"sort\":\"bytes_to\",\"offset\":5,\"limit\":7,\"state\":1,\"subscriptions_detail\":true,"
        "\"auth\":true,\"user\":\"a b\",\"acc\":\"$G\",\"filter_subject\":\"foo.>\",\"tags\":[]}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct mon_connz ask;
        struct mon_fault fault = {""};
        if (!connz_of(same[i], &ask, &fault)) {
            fail_msg("%s", fault.text);
        }
        assert_int_equal(ask.sort, MON_BY_BYTES_TO);
        assert_int_equal(ask.state, MON_CLOSED);
        assert_int_equal(ask.offset, 5);
        assert_int_equal(ask.limit, 7);
        assert_true(ask.has_auth && ask.has_details && !ask.has_subs);
        assert_string_equal(ask.user, "a b");
        assert_string_equal(ask.account, "$G");
        assert_string_equal(ask.subject, "foo.>");
    }
}

static void limits_have_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int64_t offset, limit;
    } rows[] = {{"", 0, 1024},
                {"offset=-3&limit=-1", 0, 1024},
                {"limit=0", 0, 1024},
                {"limit=99999999", 0, MON_LIMIT_MAX},
                {"cid=7&limit=50", 0, 1},
                {"limit=3&limit=4", 0, 3}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mon_connz ask;
        struct mon_fault fault = {""};
        assert_true(connz_of(rows[i].query, &ask, &fault));
        assert_int_equal(ask.offset, rows[i].offset);
        assert_int_equal(ask.limit, rows[i].limit);
    }
}

static void malformed_options_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *query, *said;
    } rows[] = {
        {"sort=foo", "invalid sorting option: foo"},
        {"sort=stop", "sort by stop only valid on closed connections"},
        {"sort=reason&state=any", "sort by reason only valid on closed connections"},
        {"subs=foo", "Error decoding boolean for subs: foo"},
        {"auth=2", "Error decoding boolean for auth: 2"},
        {"limit=a", "Error decoding int for limit: a"},
        {"limit=-", "Error decoding int for limit: -"},
        {"offset=99999999999999999999", "Error decoding int for offset: 99999999999999999999"},
        {"cid=-1", "Error decoding uint64 for cid: -1"},
        {"state=ajar", "Error decoding state for ajar"},
        {"filter_subject=a", "filter by subject only valid with account filtering"},
        {"filter_subject=a..b&acc=$G", "filter_subject is no subject"},
        {"user=%00", "the query has more than 32 options, or a NUL"},
        {"{\"state\":\"open\"}", "Error decoding state for open"},
        {"{\"limit\":{}}", "not an acceptable option: limit"},
        {"{\"limit\":1.5}", "not an acceptable option: limit"},
        {"{\"a\":1,\"a\":2}", "the request is not a JSON object"},
        {"{", "the request is not a JSON object"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mon_connz ask;
        struct mon_fault fault = {""};
        assert_false(connz_of(rows[i].query, &ask, &fault));
        if (strncmp(fault.text, rows[i].said, strlen(rows[i].said)) != 0) {
            fail_msg("%s: \"%s\" instead of \"%s\"", rows[i].query, fault.text, rows[i].said);
        }
    }
}

static void long_options_are_told(void **state)
{
    (void)state;
    char query[MON_QUERY_MAX + 64];
    struct mon_connz ask;
    struct mon_fault fault = {""};
    size_t len = 5;
    memset(query, 'x', sizeof(query));
    memcpy(query, "user=", 5);
    query[sizeof(query) - 1] = '\0';
    assert_false(connz_of(query, &ask, &fault));
    assert_string_equal(fault.text, "the query is too long");
    query[5 + MON_TEXT_MAX] = '\0';
    assert_false(connz_of(query, &ask, &fault));
    assert_string_equal(fault.text, "too long: user");
    query[5 + MON_TEXT_MAX - 1] = '\0';
    assert_true(connz_of(query, &ask, &fault));
    for (len = 0; len < 2 * (MON_PAIRS_MAX + 1); len += 2) {
        memcpy(query + len, "a&", 3);
    }
    assert_false(connz_of(query, &ask, &fault));
}

/* ---- order ------------------------------------------------------------------------------------
 */

/* Three connections; which comes first, second, third by each key. */
static void sorts_as_nats_server(void **state)
{
    (void)state;
    static const struct mon_keys keys[3] = {
        {.subs = 1,
         .pending = 3,
         .msgs_to = 2,
         .msgs_from = 1,
         .bytes_to = 5,
         .bytes_from = 0,
         .last = 100,
         .uptime = 50,
         .stop = 7,
         .reason = NATS_CLOSED_STALE,
         .rtt = 10},
        {.subs = 2,
         .pending = 2,
         .msgs_to = 2,
         .msgs_from = 3,
         .bytes_to = 6,
         .bytes_from = 0,
         .last = 300,
         .uptime = 40,
         .stop = 9,
         .reason = NATS_CLOSED_CLIENT,
         .rtt = 30},
        {.subs = 3,
         .pending = 1,
         .msgs_to = 9,
         .msgs_from = 2,
         .bytes_to = 4,
         .bytes_from = 1,
         .last = 200,
         .uptime = 60,
         .stop = 8,
         .reason = NATS_CLOSED_KICKED,
         .rtt = 20},
    };
    static const char *const expected[MON_SORTS] = {
        [MON_BY_CID] = "123",      [MON_BY_START] = "123",      [MON_BY_SUBS] = "321",
        [MON_BY_PENDING] = "123",  [MON_BY_MSGS_TO] = "312",    [MON_BY_MSGS_FROM] = "231",
        [MON_BY_BYTES_TO] = "213", [MON_BY_BYTES_FROM] = "312", [MON_BY_LAST] = "231",
        [MON_BY_IDLE] = "132",     [MON_BY_UPTIME] = "213",     [MON_BY_STOP] = "231",
        [MON_BY_REASON] = "231",   [MON_BY_RTT] = "231",
    };
    for (int sort = 0; sort < MON_SORTS; sort++) {
        struct mon_rows rows = {0};
        char order[4] = {0};
        for (uint64_t i = 3; i > 0; i--) {
            const struct mon_row row = {.cid = i,
                                        .key = mon_key((enum mon_sort)sort, &keys[i - 1])};
            mon_rows_add(&rows, &row);
        }
        mon_rows_sort(&rows, (enum mon_sort)sort);
        for (size_t i = 0; i < 3; i++) {
            order[i] = (char)('0' + rows.items[i].cid);
        }
        assert_string_equal(order, expected[sort]);
        mon_rows_fini(&rows);
    }
}

static void pages_are_cut(void **state)
{
    (void)state;
    static const struct {
        size_t count;
        int64_t offset, limit;
        size_t first, end;
    } rows[] = {{0, 0, 10, 0, 0},        {5, 0, 10, 0, 5},        {5, 0, 2, 0, 2},
                {5, 4, 2, 4, 5},         {5, 5, 2, 5, 5},         {5, 99, 2, 5, 5},
                {5, INT64_MAX, 1, 5, 5}, {5, 1, INT64_MAX, 1, 5}, {5, -1, 3, 0, 3},
                {5, 2, 0, 2, 2},         {5, 0, -4, 0, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t first, end;
        mon_page(rows[i].count, rows[i].offset, rows[i].limit, &first, &end);
        assert_int_equal(first, rows[i].first);
        assert_int_equal(end, rows[i].end);
    }
}

static void many_rows_are_kept(void **state)
{
    (void)state;
    struct mon_rows rows = {0};
    for (uint64_t i = 0; i < 10000; i++) {
        const struct mon_row row = {.cid = (i * 7919) % 10000, .key = (int64_t)(i % 3)};
        mon_rows_add(&rows, &row);
    }
    mon_rows_sort(&rows, MON_BY_SUBS);
    for (size_t i = 1; i < rows.count; i++) {
        const struct mon_row *a = &rows.items[i - 1], *b = &rows.items[i];
        assert_true(a->key < b->key || (a->key == b->key && a->cid < b->cid));
    }
    mon_rows_fini(&rows);
}

static void reasons_ascend_by_text(void **state)
{
    (void)state;
    for (int i = 1; i < NATS_CLOSED_REASONS; i++) {
        assert_true(strcmp(nats_closed_text((enum nats_closed_reason)(i - 1)),
                           nats_closed_text((enum nats_closed_reason)i)) < 0);
    }
    assert_int_equal(nats_closed_reason_of(NULL), NATS_CLOSED_CLIENT);
    assert_int_equal(nats_closed_reason_of("stale"), NATS_CLOSED_STALE);
    assert_int_equal(nats_closed_reason_of("lame-duck"), NATS_CLOSED_SHUTDOWN);
    assert_int_equal(nats_closed_reason_of("whatever"), NATS_CLOSED_OPERATION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_what_jansson_reads), cmocka_unit_test(json_keeps_its_bound),
        cmocka_unit_test(pieces_become_items),        cmocka_unit_test(formats_are_those_of_go),
        cmocka_unit_test(options_are_read),           cmocka_unit_test(limits_have_bounds),
        cmocka_unit_test(malformed_options_are_told), cmocka_unit_test(long_options_are_told),
        cmocka_unit_test(sorts_as_nats_server),       cmocka_unit_test(pages_are_cut),
        cmocka_unit_test(many_rows_are_kept),         cmocka_unit_test(reasons_ascend_by_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
