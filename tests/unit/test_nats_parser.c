/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser: what it takes, what it refuses, and that no split of the bytes matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "parser.h"
#include "proto.h"
#include "subject.h"

static const struct nats_parse_limits limits = {4096, 1 << 20};

static enum nats_parsed parse(const char *text, struct nats_op *op)
{
    return nats_parse(&limits, (const uint8_t *)text, strlen(text), op);
}

static void assert_bytes(struct ub_bytes bytes, const char *text)
{
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.ptr, text, bytes.len);
}

static void test_every_verb(void **state)
{
    (void)state;
    struct nats_op op;
    assert_int_equal(parse("PUB a.b 5\r\nhello\r\n", &op), NATS_PARSED_OP);
    assert_int_equal(op.verb, NATS_VERB_PUB);
    assert_bytes(op.subject, "a.b");
    assert_bytes(op.payload, "hello");
    assert_int_equal(op.reply.len, 0);
    assert_int_equal(op.frame_len, 18);

    assert_int_equal(parse("pub\ta.b \t r.s  0\r\n\r\n", &op), NATS_PARSED_OP);
    assert_bytes(op.reply, "r.s");
    assert_int_equal(op.payload.len, 0);

    assert_int_equal(parse("HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", &op), NATS_PARSED_OP);
    assert_bytes(op.headers, "NATS/1.0\r\n\r\n");
    assert_bytes(op.payload, "hi");

    assert_int_equal(parse("SUB a.* q 7\r\n", &op), NATS_PARSED_OP);
    assert_bytes(op.subject, "a.*");
    assert_bytes(op.queue, "q");
    assert_bytes(op.sid, "7");
    assert_int_equal(parse("Sub a 7\n", &op), NATS_PARSED_OP);
    assert_int_equal(op.queue.len, 0);

    assert_int_equal(parse("UNSUB 7\r\n", &op), NATS_PARSED_OP);
    assert_int_equal(op.max, 0);
    assert_int_equal(parse("UNSUB 7 12\r\n", &op), NATS_PARSED_OP);
    assert_int_equal(op.max, 12);

    assert_int_equal(parse("ping\r\n", &op), NATS_PARSED_OP);
    assert_int_equal(op.verb, NATS_VERB_PING);
    assert_int_equal(parse("PONG \r\n", &op), NATS_PARSED_OP);
    assert_int_equal(parse("+OK\r\n", &op), NATS_PARSED_OP);
    assert_int_equal(parse("CONNECT {\"a\": 1} \r\n", &op), NATS_PARSED_OP);
    assert_bytes(op.text, "{\"a\": 1}");
    assert_int_equal(parse("-ERR 'x y'\r\n", &op), NATS_PARSED_OP);
    assert_bytes(op.text, "'x y'");
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {"GET / HTTP/1.1\r\n",
                                      "\r\n",
                                      "\n",
                                      " PING\r\n",
                                      "PINGS\r\n",
                                      "PUBLISH a 1\r\n",
                                      "PUB\r\n",
                                      "PUB a\r\n",
                                      "PUB a b c 1\r\n",
                                      "PUB a b c d 1\r\n",
                                      "PUB a -1\r\n",
                                      "PUB a 5x\r\n",
                                      "PUB a 00000000005\r\n",
                                      "PUB a 9223372036854775808\r\n",
                                      "PUB a 2147483648\r\n",
                                      "PUB a 0x5\r\n",
                                      "PUB a +5\r\n",
                                      "PUB a 1\r\nxy\r\n",
                                      "PUB a 1\r\nx\ny",
                                      "PUB a 0\r\nab",
                                      "HPUB a 12\r\n",
                                      "HPUB a 6 5\r\n",
                                      "HPUB a -1 5\r\n",
                                      "HPUB a 5 -1\r\n",
                                      "HPUB a b c 1 2\r\n",
                                      "SUB a\r\n",
                                      "SUB a b c d\r\n",
                                      "UNSUB\r\n",
                                      "UNSUB 1 2 3\r\n",
                                      "UNSUB 1 -2\r\n",
                                      "UNSUB 1 9999999999999999999\r\n",
                                      "PING x\r\n",
                                      "MSG a 1 0\r\n\r\n",
                                      "RS+ a b\r\n",
                                      "LS+ a\r\n",
                                      "A+ a\r\n",
                                      "\x80\xff\r\n"};
    struct nats_op op;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(bad[i], &op) != NATS_PARSED_BAD) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
        assert_int_equal(op.fault, NATS_FAULT_UNKNOWN);
    }
    assert_int_equal(parse("PUB a 1048577\r\n", &op), NATS_PARSED_BAD);
    assert_int_equal(op.fault, NATS_FAULT_PAYLOAD);
    assert_int_equal(parse("PUB a 1048576\r\n", &op), NATS_PARSED_MORE);
    assert_int_equal(op.frame_len, 15 + 1048576 + 2);
}

static void test_long_lines(void **state)
{
    (void)state;
    char line[8192];
    struct nats_op op;
    memset(line, 'a', sizeof(line));
    memcpy(line, "CONNECT ", 8);
    /* 4096 bytes of arguments are taken, 4097 are not, with and without an end in sight. */
    memcpy(line + 8 + 4096, "\r\n", 3);
    assert_int_equal(parse(line, &op), NATS_PARSED_OP);
    assert_int_equal(op.text.len, 4096);
    memset(line + 8, 'a', sizeof(line) - 8);
    memcpy(line + 8 + 4097, "\r\n", 3);
    assert_int_equal(parse(line, &op), NATS_PARSED_BAD);
    assert_int_equal(op.fault, NATS_FAULT_CONTROL_LINE);
    memset(line + 8, 'a', sizeof(line) - 8);
    assert_int_equal(nats_parse(&limits, (uint8_t *)line, 4100, &op), NATS_PARSED_MORE);
    assert_int_equal(nats_parse(&limits, (uint8_t *)line, 4200, &op), NATS_PARSED_BAD);
    assert_int_equal(op.fault, NATS_FAULT_CONTROL_LINE);
}

/* Each beginning of a frame asks for more, and never for less than it will need. */
static void test_every_beginning(void **state)
{
    (void)state;
    static const char *const frames[] = {"CONNECT {\"verbose\":false}\r\n",
                                         "PING\r\n",
                                         "SUB foo.* workers 12\r\n",
                                         "UNSUB 12 5\r\n",
                                         "PUB foo.bar reply.to 11\r\nhello\r\nPUB \r\n",
                                         "HPUB foo 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\n"};
    struct nats_op op;
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        size_t full = strlen(frames[i]);
        for (size_t len = 0; len < full; len++) {
            assert_int_equal(nats_parse(&limits, (const uint8_t *)frames[i], len, &op),
                             NATS_PARSED_MORE);
            assert_true(op.frame_len == 0 || op.frame_len == full);
        }
        assert_int_equal(nats_parse(&limits, (const uint8_t *)frames[i], full, &op),
                         NATS_PARSED_OP);
        assert_int_equal(op.frame_len, full);
    }
}

/* ---- CONNECT ----------------------------------------------------------------------------------
 */

static bool connect_is_taken(const char *json)
{
    struct nats_connect_options options;
    return nats_connect_parse(nats_text(json), &options);
}

static void test_connect_options(void **state)
{
    (void)state;
    struct nats_connect_options options;
    assert_true(nats_connect_parse(nats_text("{}"), &options));
    assert_true(options.is_verbose && options.is_pedantic && options.is_echo);
    assert_false(options.has_headers || options.has_no_responders || options.has_nkey);
    assert_true(nats_connect_parse(
        nats_text("{\"verbose\":false,\"pedantic\":false,\"echo\":false,\"headers\":true,"
                  "\"no_responders\":true,\"protocol\":1,\"user\":\"u\",\"pass\":\"p\","
                  "\"auth_token\":null,\"jwt\":\"\",\"lang\":\"c\",\"later\":[{}]}"),
        &options));
    assert_false(options.is_verbose || options.is_pedantic || options.is_echo ||
                 options.has_foreign || options.has_token);
    assert_true(options.has_headers && options.has_no_responders);
    assert_int_equal(options.protocol, 1);
    assert_string_equal(options.user, "u");
    assert_string_equal(options.password, "p");
    assert_true(nats_connect_parse(nats_text("{\"jwt\":\"x.y.z\"}"), &options));
    assert_true(options.has_foreign);
    assert_true(nats_connect_parse(nats_text("{\"account\":\"A\"}"), &options));
    assert_true(options.has_foreign);
}

static void test_connect_refusals(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "1",
                                      "\"x\"",
                                      "null",
                                      "{\"verbose\":1}",
                                      "{\"verbose\":\"true\"}",
                                      "{\"user\":1}",
                                      "{\"user\":\"a\",\"user\":\"b\"}",
                                      "{\"protocol\":1.0}",
                                      "{\"protocol\":1e400}",
                                      "{\"protocol\":\"1\"}",
                                      "{\"user\":\"a\\u0000b\"}",
                                      "{\"a\":[[[[[[[[[[1]]]]]]]]]]}",
                                      "{\"x\":99999999999999999999}",
                                      "{} x",
                                      "{\"user\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (connect_is_taken(bad[i])) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
    struct nats_connect_options options;
    assert_false(nats_connect_parse((struct ub_bytes){(const uint8_t *)"{\"a\":\0}", 7}, &options));
}

static void test_signatures(void **state)
{
    (void)state;
    struct nats_connect_options options;
    char json[256], sig[96];
    memset(sig, 'A', 86);
    sig[86] = '\0';
    snprintf(json, sizeof(json), "{\"sig\":\"%s\"}", sig);
    assert_true(nats_connect_parse(nats_text(json), &options));
    assert_int_equal(options.signature_len, 64);
    snprintf(json, sizeof(json), "{\"sig\":\"%s==\"}", sig); /* ordinary base64 */
    assert_true(nats_connect_parse(nats_text(json), &options));
    assert_int_equal(options.signature_len, 64);
    sig[84] = '\0'; /* 63 bytes */
    snprintf(json, sizeof(json), "{\"sig\":\"%s\"}", sig);
    /* No signature, but good JSON: the login will be refused, with the text for that. */
    assert_true(nats_connect_parse(nats_text(json), &options));
    assert_int_equal(options.signature_len, 0);
    assert_true(nats_connect_parse(nats_text("{\"sig\":\"!!!!\"}"), &options));
    assert_int_equal(options.signature_len, 0);
}

/* ---- headers ----------------------------------------------------------------------------------
 */

static bool clean(const char *text, char *out)
{
    char copy[512];
    size_t len = strlen(text);
    memcpy(copy, text, len);
    struct ub_bytes headers = {(uint8_t *)copy, len};
    bool is_fine = nats_headers_clean(&headers);
    memcpy(out, headers.ptr, headers.len);
    out[headers.len] = '\0';
    return is_fine;
}

static void test_headers(void **state)
{
    (void)state;
    char out[512];
    static const char *const good[] = {
        "NATS/1.0\r\n\r\n", "NATS/1.0 503\r\n\r\n", "NATS/1.0 404 No Messages\r\n\r\n",
        "NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0\r\nA:\r\nA:c\r\nOdd name: ja\r\n\r\n"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(clean(good[i], out));
        assert_string_equal(out, good[i]);
    }
    static const char *const bad[] = {"NATS/1.0",
                                      "NATS/1.0\r\n",
                                      "HTTP/1.1\r\n\r\n",
                                      "NATS/1.1\r\n\r\n",
                                      "NATS/1.0x\r\n\r\n",
                                      "NATS/1.0\r\nA\r\n\r\n",
                                      "NATS/1.0\r\n: b\r\n\r\n",
                                      "NATS/1.0\r\nA: b\nC: d\r\n\r\n",
                                      "NATS/1.0\r\nA: b\rc\r\n\r\n",
                                      "NATS/1.0\r\nA\x01: b\r\n\r\n",
                                      "NATS/1.0\r\n\r\nA: b\r\n",
                                      "NATS/1.0\r\nA: b\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (clean(bad[i], out)) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
    assert_true(clean("NATS/1.0\r\nA: 1\r\nnats-request-info: {}\r\nB: 2\r\n"
                      "Nats-Trace-Dest: x\r\nC: 3\r\n\r\n",
                      out));
    assert_string_equal(out, "NATS/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n");
    struct ub_bytes nul = {(const uint8_t *)"NATS/1.0\r\nA: \0\r\n\r\n", 18};
    assert_false(nats_headers_clean(&nul));
}

static uint64_t random_next(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random >> 11;
}

/* A publish that is often regular and often not: blanks, tabs, odd bytes, short, long, many words.
 */
static size_t random_publish(uint64_t *random, char *line)
{
    static const char alphabet[] = "ab.1230789 \t\r\n\x01\x7f\x80\xff -+";
    size_t len = (size_t)sprintf(line, random_next(random) % 2 == 0 ? "PUB " : "HPUB ");
    size_t words = 1 + random_next(random) % 5, size = random_next(random) % 40;
    for (size_t word = 0; word < words; word++) {
        for (size_t left = random_next(random) % 24; left > 0; left--) {
            bool is_odd = random_next(random) % 64 == 0;
            line[len++] = alphabet[random_next(random) % (is_odd ? sizeof(alphabet) - 1 : 10)];
        }
        line[len++] = random_next(random) % 16 == 0 ? '\t' : ' ';
    }
    len += (size_t)sprintf(line + len, "%zu %zu", random_next(random) % 40, size);
    len += (size_t)sprintf(line + len, random_next(random) % 16 == 0 ? "\n" : "\r\n");
    memset(line + len, 'x', size);
    len += size;
    len += (size_t)sprintf(line + len, random_next(random) % 16 == 0 ? "xx" : "\r\nPUB more");
    return random_next(random) % 4 == 0 ? random_next(random) % (len + 1) : len;
}

static bool bytes_are_same(struct ub_bytes a, struct ub_bytes b)
{
    return a.len == b.len && a.ptr == b.ptr;
}

/* Lines in upper case have a way of their own through the parser: it must answer as the other. */
static void test_quick_way_agrees(void **state)
{
    (void)state;
    static const struct nats_parse_limits small = {48, 32};
    uint64_t random = 0x5eed;
    size_t taken = 0;
    for (int i = 0; i < 300000; i++) {
        char line[512];
        struct nats_op quick, slow;
        size_t len = random_publish(&random, line);
        enum nats_parsed answer = nats_parse(&small, (const uint8_t *)line, len, &quick);
        line[0] = (char)(line[0] + 'a' - 'A');
        assert_int_equal(nats_parse(&small, (const uint8_t *)line, len, &slow), answer);
        if (answer == NATS_PARSED_BAD) {
            assert_int_equal(quick.fault, slow.fault);
            continue;
        }
        assert_int_equal(quick.frame_len, slow.frame_len);
        assert_int_equal(quick.verb, slow.verb);
        if (answer == NATS_PARSED_OP) {
            taken++;
            assert_true(bytes_are_same(quick.subject, slow.subject));
            assert_true(bytes_are_same(quick.reply, slow.reply));
            assert_true(bytes_are_same(quick.headers, slow.headers));
            assert_true(bytes_are_same(quick.payload, slow.payload));
        }
    }
    assert_true(taken > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quick_way_agrees), cmocka_unit_test(test_every_verb),
        cmocka_unit_test(test_refusals),         cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_every_beginning),  cmocka_unit_test(test_connect_options),
        cmocka_unit_test(test_connect_refusals), cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
