/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <modules/http/path.h>
#include <modules/http/reader.h>

static const struct http_limits limits = {64, 128, 4};

/* Reads all of text in pieces; writes the events as a word: H, B, E, and ! for a refusal. */
static void run(const char *text, size_t step, char *events, struct http_fault *fault_out)
{
    struct http_reader reader;
    size_t len = strlen(text), count = 0;
    enum http_event event = HTTP_EVENT_MORE;
    http_reader_init(&reader, &limits);
    for (size_t at = 0; at < len && event != HTTP_EVENT_BAD; at += step) {
        size_t end = len - at < step ? len : at + step, used = at;
        do {
            size_t taken;
            struct ub_bytes body;
            event =
                http_reader_next(&reader, (const uint8_t *)text + used, end - used, &taken, &body);
            used += taken;
            bool is_again = event == HTTP_EVENT_BODY && count > 0 && events[count - 1] == 'B';
            if (event != HTTP_EVENT_MORE && !is_again) {
                events[count++] = "?HBE!"[event];
            }
        } while (event != HTTP_EVENT_MORE && event != HTTP_EVENT_BAD);
    }
    events[count] = '\0';
    *fault_out = reader.fault;
    http_reader_fini(&reader);
}

static const struct {
    const char *text, *events;
    enum ub_problem problem;
} rows[] = {
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HE", UB_P_NONE},
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "HEHE", UB_P_NONE},
    {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET", "HBE", UB_P_NONE},
    {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HE", UB_P_NONE},
    {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HE", UB_P_NONE},
    {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n001\r\na\r\n0\r\n\r\n", "HBE",
     UB_P_NONE},
    {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab", "HB!",
     UB_P_BAD_REQUEST},
    {"GET / HTTP/1.1\r\n\r\n", "!", UB_P_BAD_REQUEST},
    {"GET / HTTP/1.0\r\n\r\n", "HE", UB_P_NONE},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nA: 2\r\nA: 3\r\n\r\n", "HE", UB_P_NONE},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n\r\n", "!",
     UB_P_HEADERS_TOO_LARGE},
    {"GET /2345678901234567890123456789012345678901234567890123456789012 HTTP/1.1\r\nHost: "
     "x\r\n\r\n",
     "HE", UB_P_NONE},
    {"GET /23456789012345678901234567890123456789012345678901234567890123456 HTTP/1.1\r\n", "!",
     UB_P_URI_TOO_LONG},
    {"GET /2345678901234567890123456789012345678901234567890123456789012345678901234567890123456"
     "78901234567890",
     "!", UB_P_URI_TOO_LONG},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: "
     "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
     "23456789012345678901234567890",
     "!", UB_P_HEADERS_TOO_LARGE},
};

static void events_do_not_depend_on_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 1; step <= strlen(rows[i].text); step++) {
            char events[64];
            struct http_fault fault;
            run(rows[i].text, step, events, &fault);
            assert_string_equal(events, rows[i].events);
            assert_int_equal(fault.problem, rows[i].problem);
        }
    }
}

/* The next head after `text`, sealed. */
static void read_head(const char *text, struct http_head *head_out)
{
    struct http_reader reader;
    size_t used;
    struct ub_bytes body;
    static const struct http_limits wide = {8192, 16384, 100};
    http_reader_init(&reader, &wide);
    assert_int_equal(http_reader_next(&reader, (const uint8_t *)text, strlen(text), &used, &body),
                     HTTP_EVENT_HEAD);
    *head_out = reader.head;
    http_head_init(&reader.head);
    http_reader_fini(&reader);
    http_head_seal(head_out);
}

static void parts_are_the_raw_bytes(void **state)
{
    (void)state;
    struct http_head head;
    read_head("GET /a%2Fb?x=%41&&y HTTP/1.1\r\nHOST: x\r\nX-Ab: \t v 1 \t\r\nEmpty:\r\n\r\n",
              &head);
    assert_string_equal(http_head_text(&head, head.method), "GET");
    assert_string_equal(http_head_text(&head, head.path), "/a%2Fb");
    assert_string_equal(http_head_text(&head, head.query), "x=%41&&y");
    assert_string_equal(http_head_text(&head, head.fields[0].name), "host");
    assert_string_equal(http_head_text(&head, head.fields[1].value), "v 1");
    assert_string_equal(http_head_text(&head, head.fields[2].value), "");
    assert_int_equal(http_head_find(&head, "X-AB", 0), 1);
    assert_int_equal(http_head_find(&head, "x-abc", 0), -1);
    http_head_fini(&head);
    read_head("GET /a? HTTP/1.1\r\nHost: x\r\nConnection: a, cLose\r\n\r\n", &head);
    assert_string_equal(http_head_text(&head, head.path), "/a");
    assert_string_equal(http_head_text(&head, head.query), "");
    assert_true(head.wants_close);
    http_head_fini(&head);
    read_head("GET /a HTTP/1.1\r\nHost: x\r\nConnection: closed, xclose\r\n\r\n", &head);
    assert_string_equal(http_head_text(&head, head.query), "");
    assert_false(head.wants_close);
    http_head_fini(&head);
}

static void nothing_is_held_between_requests(void **state)
{
    (void)state;
    static const char text[] = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na";
    struct http_reader reader;
    size_t used, at = 0;
    struct ub_bytes body;
    http_reader_init(&reader, &limits);
    while (http_reader_next(&reader, (const uint8_t *)text + at, sizeof(text) - 1 - at, &used,
                            &body) != HTTP_EVENT_END) {
        at += used;
        assert_true(http_reader_is_started(&reader));
    }
    assert_false(http_reader_is_started(&reader));
    assert_null(reader.head.bytes);
    assert_null(reader.head.fields);
}

static void segments_decode_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *decoded; /* NULL = refused */
    } segments[] = {
        {"abc", "abc"},
        {"a%20b", "a b"},
        {"%2F", "/"},
        {"%2e%2e%2e", "..."},
        {"%C3%A9", "\xc3\xa9"},
        {"%252e", "%2e"},
        {"", ""},
        {"a%00", NULL},
        {".", NULL},
        {"%2E", NULL},
        {".%2e", NULL},
        {"%", NULL},
        {"%4", NULL},
        {"%4g", NULL},
        {"%c0%af", NULL},
        {"%e0%80%af", NULL},
        {"%ed%a0%80", NULL},
        {"%f4%90%80%80", NULL},
        {"%ff", NULL},
        {"%0d%0a", NULL},
        {"%7f", NULL},
        {"%c3", NULL},
        {"%f0%9f%98%80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        char out[64];
        const char *why = http_segment_decode(segments[i].raw, strlen(segments[i].raw), out);
        if (segments[i].decoded == NULL) {
            assert_non_null(why);
        } else {
            assert_null(why);
            assert_string_equal(out, segments[i].decoded);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_do_not_depend_on_pieces),
        cmocka_unit_test(parts_are_the_raw_bytes),
        cmocka_unit_test(nothing_is_held_between_requests),
        cmocka_unit_test(segments_decode_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
