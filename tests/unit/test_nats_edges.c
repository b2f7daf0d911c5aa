/* SPDX-License-Identifier: Apache-2.0
 *
 * The odd corners of parser, CONNECT, header blocks, subjects and permission sets: what neither the
 * ordinary tests nor random cases meet. Together with those they take every branch
 * (tests/coverage). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_nats_rig.h"

#include "hash.h"
#include "inbox.h"
#include "parser.h"
#include "perms.h"
#include "perms_index.h"
#include "proto.h"
#include "subject.h"
#include "utf8.h"

/* ---- frames -----------------------------------------------------------------------------------
 */

static enum nats_parsed parse(const char *text, struct nats_op *op)
{
    static const struct nats_parse_limits limits = {10, 100};
    return nats_parse(&limits, (const uint8_t *)text, strlen(text), op);
}

static void test_ends_of_lines(void **state)
{
    (void)state;
    struct nats_op op;
    assert_int_equal(parse("PING\n", &op), NATS_PARSED_OP);
    assert_int_equal(op.frame_len, 5);
    assert_int_equal(parse("PING\r\n", &op), NATS_PARSED_OP);
    assert_int_equal(parse("PING\t\r\n", &op), NATS_PARSED_OP);
    assert_int_equal(parse("PINGX\n", &op), NATS_PARSED_BAD);
    assert_int_equal(parse("PI\nG", &op), NATS_PARSED_BAD);
    assert_int_equal(op.fault, NATS_FAULT_UNKNOWN);
    /* The line is whole and its arguments one byte too long. */
    assert_int_equal(parse("SUB a 890123456\n", &op), NATS_PARSED_BAD);
    assert_int_equal(op.fault, NATS_FAULT_CONTROL_LINE);
    assert_int_equal(parse("SUB a 8901234\n", &op), NATS_PARSED_OP);
    int64_t number;
    assert_false(nats_parse_number(nats_text(""), 3, &number));
    assert_false(nats_parse_number(nats_text("1234"), 3, &number));
    assert_false(nats_parse_number(nats_text("1:"), 3, &number));
    assert_true(nats_parse_number(nats_text("007"), 3, &number) && number == 7);
}

/* ---- CONNECT ----------------------------------------------------------------------------------
 */

static void test_connect_members(void **state)
{
    (void)state;
    static const char *const names[] = {"verbose", "pedantic",   "echo",     "headers",
                                        "name",    "nkey",       "user",     "pass",
                                        "sig",     "auth_token", "protocol", "no_responders"};
    struct nats_connect_options options;
    char json[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(json, sizeof(json), "{\"%s\":[]}", names[i]);
        assert_false(nats_connect_parse(nats_text(json), &options));
        snprintf(json, sizeof(json), "{\"%s\":null}", names[i]);
        assert_true(nats_connect_parse(nats_text(json), &options));
    }
    static const struct {
        const char *json;
        bool is_foreign;
    } foreign[] = {{"{\"jwt\":null}", false},    {"{\"jwt\":false}", false},
                   {"{\"account\":true}", true}, {"{\"account\":\"\"}", false},
                   {"{\"proxy_sig\":[]}", true}, {"{\"new_account\":\"a\"}", true},
                   {"{\"account\":\"a\"}", true}};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        assert_true(nats_connect_parse(nats_text(foreign[i].json), &options));
        assert_int_equal(options.has_foreign, foreign[i].is_foreign);
    }
    static const char *const bad[] = {"}", "]", "{\"a\":\"\\\"", "{\"a\":[1}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(nats_connect_parse(nats_text(bad[i]), &options));
    }
    static const char lang[] =
        "{\"lang\":\"0123456789012345678901234567890123456789012345678901234567890123"
        "\",\"version\":\"\"}"; /* only shown: too long is as good as not sent */
    assert_true(nats_connect_parse(nats_text(lang), &options));
    assert_string_equal(options.lang, "");
    static const char nul[] = "{\"echo\":true\0,\"protocol\":1\0}";
    assert_false(
        nats_connect_parse((struct ub_bytes){(const uint8_t *)nul, sizeof(nul) - 1}, &options));
    char long_nkey[256] = "{\"nkey\":\"";
    memset(long_nkey + 9, 'U', 200);
    strcpy(long_nkey + 209, "\"}");
    assert_false(nats_connect_parse(nats_text(long_nkey), &options));
    /* A name is only shown: cut, but not within a character. */
    char name[400] = "{\"name\":\"x";
    for (size_t i = 0; i < 290; i += 2) {
        memcpy(name + 10 + i, "\xc3\xa9", 2);
    }
    strcpy(name + 300, "\"}");
    assert_true(nats_connect_parse(nats_text(name), &options));
    assert_int_equal(strlen(options.name), 255);
    memmove(name + 9, name + 10, strlen(name + 10) + 1);
    assert_true(nats_connect_parse(nats_text(name), &options));
    assert_int_equal(strlen(options.name), 254);
}

/* ---- header blocks ----------------------------------------------------------------------------
 */

static bool headers_are_fine(const char *text, size_t len)
{
    char copy[256];
    memcpy(copy, text, len);
    struct ub_bytes headers = {(uint8_t *)copy, len};
    return nats_headers_clean(&headers);
}

static void test_header_lines(void **state)
{
    (void)state;
    static const char same_length[] = "NATS/1.0\r\nNats-Request-Inf0: x\r\n\r\n";
    static const char del[] = "NATS/1.0\r\nA\x7f: x\r\n\r\n";
    static const char other[] = "NATS/1.0\r\nA: x\rB\r\n\r\n", cut[] = "NATS/1.0\r";
    assert_true(headers_are_fine(same_length, sizeof(same_length) - 1));
    assert_false(headers_are_fine(del, sizeof(del) - 1));
    assert_false(headers_are_fine(other, sizeof(other) - 1));
    assert_false(headers_are_fine(cut, sizeof(cut) - 1));
    assert_false(headers_are_fine("", 0));
    static const char blanks[] = "NATS/1.0\r\n  : x\r\n\xc2\xa0: y\r\nA : z\r\n\r\n";
    assert_true(headers_are_fine(blanks, sizeof(blanks) - 1)); /* a name of nothing else stays */
    char *many = malloc(10 + 1100 * 5 + 2);
    size_t len = (size_t)sprintf(many, "NATS/1.0\r\n");
    for (int i = 0; i < 1100; i++) {
        len += (size_t)sprintf(many + len, "a:\r\n");
    }
    struct ub_bytes headers = {(uint8_t *)many, len};
    assert_false(nats_headers_clean(&headers)); /* more lines than anybody needs */
    free(many);
}

/* ---- subjects ---------------------------------------------------------------------------------
 */

static void test_bytes_of_subjects(void **state)
{
    (void)state;
    struct ub_bytes rest = {(const uint8_t *)"", 0}, token;
    assert_true(nats_token_next(&rest, &token) && token.len == 0 && rest.ptr == NULL);
    assert_false(nats_token_next(&rest, &token));
    static const char *const bad[] = {"a\x7f", "a\x1f", "\xc3\xa9 ", "\xc3\xa9\xff", "\xc3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(nats_subject_is_pattern(nats_text(bad[i])));
    }
    assert_true(nats_subject_is_literal(nats_text("\xc3\xa9\x61\xc3\xa9")));
    assert_false(nats_subject_matches(nats_text("a.b"), 0, nats_text("a")));
    assert_false(nats_subject_covers(nats_text("a.b"), 0, nats_text("a")));
    assert_false(nats_subject_covers(nats_text("a.*"), 0, nats_text("a.>")));
    assert_false(nats_subject_covers(nats_text("a"), 0, nats_text("*")));
    assert_true(nats_subjects_overlap(nats_text("*.a"), 0, nats_text("b.*")));
}

static void test_utf8(void **state)
{
    (void)state;
    uint32_t rune;
    assert_int_equal(nats_utf8_decode((struct ub_bytes){NULL, 0}, &rune), 0);
    static const char *const bad[] = {
        "\xf8\x88\x80\x80\x80", "\xf4\x90\x80\x80", "\xed\xa0\x80", "\xed\xbf\xbf", "\xe0\x80\x80",
        "\xf0\x8f\xbf\xbf",     "\xc1\xbf",         "\x80",         "\xe2\x28\xa1", "\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(nats_utf8_decode(nats_text(bad[i]), &rune), 0);
    }
    static const struct {
        const char *text;
        uint32_t rune;
    } good[] = {{"\xf4\x8f\xbf\xbf", 0x10ffff}, {"\xee\x80\x80", 0xe000}, {"\xed\x9f\xbf", 0xd7ff},
                {"\xf0\x90\x80\x80", 0x10000},  {"\xc2\x80", 0x80},       {"a", 'a'}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(nats_utf8_decode(nats_text(good[i].text), &rune), strlen(good[i].text));
        assert_int_equal(rune, good[i].rune);
    }
}

/* ---- permission sets --------------------------------------------------------------------------
 */

static void no_ref(const struct ub_perms *perms)
{
    (void)perms;
}

static struct ub_perms set_of(const struct ub_perm_rule *rules, uint32_t count)
{
    return (struct ub_perms){.size = sizeof(struct ub_perms),
                             .provider = "test",
                             .rule_count = count,
                             .rule_stride = sizeof(*rules),
                             .rules = rules,
                             .ref = no_ref,
                             .unref = no_ref};
}

static const struct nats_perms *compile(const struct ub_perms *const *sets, uint32_t count,
                                        struct ub_err *err)
{
    return nats_perms_new(sets, count, err);
}

static void test_rules_without_subject(void **state)
{
    (void)state;
    const struct ub_perm_rule allow = {.actions = UB_PUBLISH};
    const struct ub_perm_rule deny = {.actions = UB_PUBLISH, .is_deny = true};
    struct ub_perms a = set_of(&allow, 1), d = set_of(&deny, 1);
    const struct ub_perms *sets[NATS_SETS_MAX + 1] = {&a, &d};
    struct ub_err err = UB_ERR_INIT;
    const struct nats_perms *perms = compile(sets, 1, &err);
    assert_non_null(perms);
    assert_int_equal(perms->rule_count, 0);
    nats_perms_unref(&perms);
    nats_perms_unref(&perms); /* of nothing: nothing */
    assert_null(compile(sets, 2, &err));
    assert_int_equal(err.status, UB_EINVAL);
    assert_null(compile(sets, 0, &err));
    assert_null(compile(sets, NATS_SETS_MAX + 1, &err));
    assert_null(nats_perms_ref(NULL));
}

static void test_lowest_limit_counts(void **state)
{
    (void)state;
    struct ub_perms a = set_of(NULL, 0), b = a, c = a;
    const struct ub_perms *sets[] = {&a, &b, &c};
    struct ub_err err = UB_ERR_INIT;
    a.max_subscriptions = 7;
    c.max_subscriptions = 5;
    b.max_payload_bytes = 100;
    c.max_payload_bytes = 200;
    const struct nats_perms *perms = compile(sets, 3, &err);
    assert_int_equal(perms->max_subscriptions, 5);
    assert_int_equal(perms->max_payload_bytes, 100);
    nats_perms_unref(&perms);
}

/* More guards on one subject than are kept: denied, unless a rule allows without a guard. */
static void test_too_many_guards(void **state)
{
    (void)state;
    static const struct ub_guard guards[NATS_GUARDS_MAX + 1];
    struct ub_perm_rule rules[NATS_GUARDS_MAX + 3];
    for (int i = 0; i <= NATS_GUARDS_MAX + 1; i++) { /* one of them twice */
        rules[i] = (struct ub_perm_rule){
            .actions = UB_PUBLISH, .subject = "a", .guard = &guards[i <= NATS_GUARDS_MAX ? i : 0]};
    }
    rules[NATS_GUARDS_MAX + 2] = (struct ub_perm_rule){.actions = UB_PUBLISH, .subject = "*"};
    struct ub_err err = UB_ERR_INIT;
    for (uint32_t with_free = 0; with_free < 2; with_free++) {
        struct ub_perms set = set_of(rules, NATS_GUARDS_MAX + 2 + with_free);
        const struct ub_perms *sets[] = {&set};
        const struct nats_perms *perms = compile(sets, 1, &err);
        assert_int_equal(nats_perms_publish(perms, nats_text("a")).right,
                         with_free ? NATS_PUBLISH_ALLOWED : NATS_PUBLISH_DENIED);
        nats_perms_unref(&perms);
    }
}

static void test_subject_of_too_many_tokens(void **state)
{
    (void)state;
    const struct ub_perm_rule rule = {.actions = UB_PUBLISH, .subject = ">"};
    struct ub_perms set = set_of(&rule, 1);
    const struct ub_perms *sets[] = {&set};
    struct ub_err err = UB_ERR_INIT;
    const struct nats_perms *perms = compile(sets, 1, &err);
    char many[(NATS_TOKENS_MAX + 1) * 2];
    for (size_t i = 0; i < sizeof(many); i += 2) {
        memcpy(many + i, "a.", 2);
    }
    struct ub_bytes most = {(const uint8_t *)many, NATS_TOKENS_MAX * 2 - 1};
    struct ub_bytes too_many = {(const uint8_t *)many, NATS_TOKENS_MAX * 2 + 1};
    assert_int_equal(nats_perms_publish(perms, most).right, NATS_PUBLISH_ALLOWED);
    assert_int_equal(nats_perms_publish(perms, too_many).right, NATS_PUBLISH_DENIED);
    nats_perms_unref(&perms);
}

/* Every single thing that two sets can differ in. */
static void test_what_is_not_the_same(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "abcd";
    const struct ub_guard_alternative alternatives[] = {
        {{bytes, 2}, 0}, {{bytes, 2}, 1}, {{bytes + 1, 2}, 0}, {{bytes, 3}, 0}};
    const struct ub_guard_condition conditions[] = {
        {0, 2, 1, &alternatives[0]}, {1, 2, 1, &alternatives[0]}, {0, 3, 1, &alternatives[0]},
        {0, 2, 2, &alternatives[0]}, {0, 2, 1, &alternatives[1]}, {0, 2, 1, &alternatives[2]},
        {0, 2, 1, &alternatives[3]}};
    struct ub_guard guards[10];
    struct ub_perm_rule rules[18];
    struct ub_perms sets[26];
    for (size_t i = 0; i < 7; i++) {
        guards[i] = (struct ub_guard){1, &conditions[i], "g"};
    }
    guards[7] = (struct ub_guard){1, &conditions[0], "h"};
    guards[8] = (struct ub_guard){2, &conditions[0], "g"};
    guards[9] = (struct ub_guard){1, &conditions[0], NULL};
    for (size_t i = 0; i < 18; i++) {
        rules[i] = (struct ub_perm_rule){
            .actions = UB_PUBLISH, .subject = "a", .queue = "q", .guard = &guards[i < 10 ? i : 0]};
    }
    rules[10].guard = NULL;
    rules[11].queue = NULL;
    rules[12].queue = "r";
    rules[13].subject = "b";
    rules[14].family_token = 1;
    rules[15].is_deny = true;
    rules[16].actions = UB_SUBSCRIBE;
    for (size_t i = 0; i < 26; i++) {
        sets[i] = set_of(&rules[i < 17 ? i : 0], 1);
    }
    sets[17].flags = UB_PERM_INBOX;
    sets[18].inbox_token = "t";
    sets[19].max_subscriptions = 1;
    sets[20].max_payload_bytes = 1;
    sets[21].max_response_count = 1;
    sets[22].max_response_ms = 1;
    sets[23].rule_count = 0;
    for (size_t i = 0; i < 26; i++) {
        const struct ub_perms *one[] = {&sets[i]};
        struct ub_err err = UB_ERR_INIT;
        const struct nats_perms *perms = compile(one, 1, &err);
        assert_non_null(perms);
        for (size_t k = 0; k < 26; k++) {
            const struct ub_perms *other[] = {&sets[k]};
            bool is_same = i == k || ((i == 0 || i > 23) && (k == 0 || k > 23));
            if (nats_perms_says(perms, other, 1) != is_same) {
                fail_msg("sets %zu and %zu: same is %d", i, k, !is_same);
            }
            assert_true(!is_same || perms->content == nats_perms_content(other, 1));
        }
        nats_perms_unref(&perms);
    }
}

static void test_guard_alternatives(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "abc";
    const struct ub_guard_alternative odd[] = {{{bytes, 3}, 0}, {{bytes, 1}, 0}};
    const struct ub_guard_condition condition = {0, 2, 2, odd};
    const struct ub_guard guard = {1, &condition, "g"};
    assert_false(nats_guard_accepts(&guard, nats_text("abc"), 0)); /* none has that length */
}

/* ---- inboxes ----------------------------------------------------------------------------------
 */

/* A token that hashes to the same as others of its kind: the seed is known here. */
static void colliding(uint8_t out[16], uint64_t seed, uint64_t first)
{
    uint64_t hash = seed ^ (16 * 0x9e3779b97f4a7c15u);
    memcpy(out, &first, 8);
    hash = nats_hash_mix(hash ^ first, 0xa0761d6478bd642fu);
    memcpy(out + 8, &hash, 8);
}

static void test_inbox_tokens_of_one_hash(void **state)
{
    (void)state;
    const uint64_t seed = 3;
    uint8_t a[16], b[16], c[8];
    uint64_t word = seed ^ (8 * 0x9e3779b97f4a7c15u);
    colliding(a, seed, 1);
    colliding(b, seed, 2);
    memcpy(c, &word, 8);
    const struct ub_bytes tokens[] = {{a, 16}, {b, 16}, {c, 8}};
    assert_true(nats_hash(tokens[0], seed) == nats_hash(tokens[1], seed));
    assert_true(nats_hash(tokens[0], seed) == nats_hash(tokens[2], seed));
    struct nats_inbox_table *table = nats_inbox_table_new(seed);
    static const char *const owners[] = {"alice", "bob", "carol"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(nats_inbox_hold(table, tokens[i], owners[i], 1));
    }
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(nats_inbox_is_owner(table, tokens[i], owners[k], 1), i == k);
        }
    }
    nats_inbox_table_free(&table);
    nats_inbox_table_free(&table); /* of nothing: nothing */
}

static void test_many_inbox_owners(void **state)
{
    (void)state;
    struct nats_inbox_table *table = nats_inbox_table_new(5);
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_true(nats_inbox_hold(table, nats_text(name), name, 1));
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_true(nats_inbox_is_owner(table, nats_text(name), name, 1));
        nats_inbox_unreserve(table, nats_text(name), name, 1); /* was not reserved */
        nats_inbox_unreserve(table, nats_text("unknown"), name, 1);
        nats_inbox_release(table, nats_text("unknown"), name, 1);
    }
    assert_int_equal(nats_inbox_count(table), 1000);
    nats_inbox_table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_of_lines),
        cmocka_unit_test(test_connect_members),
        cmocka_unit_test(test_header_lines),
        cmocka_unit_test(test_bytes_of_subjects),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_rules_without_subject),
        cmocka_unit_test(test_lowest_limit_counts),
        cmocka_unit_test(test_too_many_guards),
        cmocka_unit_test(test_subject_of_too_many_tokens),
        cmocka_unit_test(test_what_is_not_the_same),
        cmocka_unit_test(test_guard_alternatives),
        cmocka_unit_test(test_inbox_tokens_of_one_hash),
        cmocka_unit_test(test_many_inbox_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
