/* SPDX-License-Identifier: Apache-2.0
 *
 * Subjects, the trie and its caches against models that are too simple to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "match_cache.h"
#include "quote.h"
#include "sublist.h"
#include "subject.h"

/* ---- random patterns --------------------------------------------------------------------------
 */

static uint32_t draw(uint32_t below)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t)(x >> 33) % below;
}

/* The first three words are those of the small world below. */
static void random_words(char *out, bool may_have_wildcards, uint32_t word_count)
{
    static const char *const words[] = {"a", "b", "a_b", "ab", "ab_", "a_"};
    uint32_t count = 1 + draw(4);
    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        const char *word = words[draw(word_count)];
        uint32_t kind = may_have_wildcards ? draw(10) : 9;
        if (kind < 2) {
            word = "*";
        } else if (kind == 2 && i + 1 == count) {
            word = ">";
        }
        strcat(out, i > 0 ? "." : "");
        strcat(out, word);
    }
}

static void random_pattern(char *out, bool may_have_wildcards)
{
    random_words(out, may_have_wildcards, 6);
}

/* Every literal subject over a small alphabet, so that covering and overlap can be looked up. */
#define ALL_WORDS 4
#define ALL_MAX   (4 + 16 + 64 + 256 + 1024)
static char all_subjects[ALL_MAX][32];
static size_t all_count;

static void list_all(const char *prefix, int depth)
{
    static const char *const words[ALL_WORDS] = {"a", "b", "a_b", "zz"};
    for (int i = 0; i < ALL_WORDS; i++) {
        char next[32];
        snprintf(next, sizeof(next), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", words[i]);
        strcpy(all_subjects[all_count++], next);
        if (depth > 1) {
            list_all(next, depth - 1);
        }
    }
}

/* The oracle: arrays of tokens, and the definition. */
struct split {
    char text[64];
    char *tokens[16];
    int count;
};

static void split(const char *text, struct split *out)
{
    out->count = 0;
    strcpy(out->text, text);
    char *save = NULL;
    for (char *token = strtok_r(out->text, ".", &save); token != NULL;
         token = strtok_r(NULL, ".", &save)) {
        out->tokens[out->count++] = token;
    }
}

static bool oracle_token(const char *rule, bool is_family, const char *token)
{
    size_t len = strlen(rule);
    return strcmp(rule, "*") == 0 || strcmp(rule, token) == 0 ||
           (is_family && strncmp(rule, token, len) == 0 && token[len] == '_');
}

static bool oracle_matches(const char *pattern, uint32_t family, const char *literal)
{
    struct split p, l;
    split(pattern, &p);
    split(literal, &l);
    for (int i = 0; i < p.count; i++) {
        if (strcmp(p.tokens[i], ">") == 0) {
            return l.count > i;
        }
        if (i >= l.count || !oracle_token(p.tokens[i], (uint32_t)i + 1 == family, l.tokens[i])) {
            return false;
        }
    }
    return p.count == l.count;
}

static void test_matching(void **state)
{
    (void)state;
    char pattern[64], literal[64];
    for (int i = 0; i < 100000; i++) {
        random_pattern(pattern, true);
        random_pattern(literal, false);
        uint32_t family = draw(4);
        assert_int_equal(nats_subject_matches(nats_text(pattern), family, nats_text(literal)),
                         oracle_matches(pattern, family, literal));
    }
}

/* Over all subjects of a small world: b is covered when each subject that it matches is matched by
 * a; they overlap when one subject is matched by both. The world is one token deeper and one word
 * wider than the patterns, so that `>` and `*` show. */
static void test_covering_and_overlap(void **state)
{
    (void)state;
    char a[64], b[64];
    int covered = 0, overlapping = 0;
    for (int i = 0; i < 3000; i++) {
        random_words(a, true, 3);
        random_words(b, true, 3);
        uint32_t family = draw(4);
        bool is_covered = true, is_overlapping = false;
        for (size_t s = 0; s < all_count; s++) {
            bool in_a = oracle_matches(a, family, all_subjects[s]);
            bool in_b = oracle_matches(b, 0, all_subjects[s]);
            is_covered = is_covered && (in_a || !in_b);
            is_overlapping = is_overlapping || (in_a && in_b);
        }
        if (nats_subject_covers(nats_text(a), family, nats_text(b)) != is_covered) {
            fail_msg("covers: \"%s\" (family %u) \"%s\"", a, family, b);
        }
        if (nats_subjects_overlap(nats_text(a), family, nats_text(b)) != is_overlapping) {
            fail_msg("overlap: \"%s\" (family %u) \"%s\"", a, family, b);
        }
        covered += is_covered;
        overlapping += is_overlapping;
    }
    assert_true(covered > 50 && overlapping > 300); /* the test saw both answers often */
}

static void test_validity(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      ".",    "a.",  ".a",    "a..b", "a b",      "a\tb",         "a\rb",     "a\nb",
        "a\x7f", "\x01", ">.a", "a.>.b", "\xff", "\xc0\x80", "\xed\xa0\x80", "a\xe2\x82"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(nats_subject_is_pattern(nats_text(bad[i])));
        assert_false(nats_subject_is_literal(nats_text(bad[i])));
    }
    static const char *const good[] = {"a", "a.b", "foo*", "a*.b>c", "\xc3\xa9.x", "$JS.API.INFO"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(nats_subject_is_pattern(nats_text(good[i])));
        assert_true(nats_subject_is_literal(nats_text(good[i])));
    }
    assert_true(nats_subject_is_pattern(nats_text("a.*.>")));
    assert_false(nats_subject_is_literal(nats_text("a.*")));
    assert_false(nats_subject_is_literal(nats_text(">")));
    char many[2048];
    for (size_t i = 0; i < 512; i += 2) {
        memcpy(many + i, "a.", 2);
    }
    assert_true(nats_subject_is_pattern((struct ub_bytes){(uint8_t *)many, 511}));
    memcpy(many + 511, ".a", 2);
    assert_false(nats_subject_is_pattern((struct ub_bytes){(uint8_t *)many, 513}));
    assert_false(nats_subject_is_pattern((struct ub_bytes){(const uint8_t *)"a\0b", 3}));
}

/* ---- the trie ---------------------------------------------------------------------------------
 */

#define MODEL_SUBS 400

struct model {
    struct nats_sublist list;
    struct nats_sub *subs[MODEL_SUBS];
    char patterns[MODEL_SUBS][64];
    char queues[MODEL_SUBS][8];
};

static struct nats_sub *sub_make(const char *pattern, const char *queue, uint64_t id,
                                 uint16_t shard)
{
    struct nats_sub *sub = nats_sub_new(nats_text("1"), nats_text(pattern), nats_text(queue));
    assert_non_null(sub);
    sub->id = id;
    sub->shard = shard;
    return sub;
}

static void model_toggle(struct model *model, uint32_t i)
{
    if (model->subs[i] != NULL) {
        nats_sublist_remove(&model->list, model->subs[i]);
        free(model->subs[i]);
        model->subs[i] = NULL;
        return;
    }
    random_pattern(model->patterns[i], true);
    snprintf(model->queues[i], sizeof(model->queues[i]), "%s", draw(3) == 0 ? "q" : "");
    if (model->queues[i][0] != '\0' && draw(2) == 0) {
        model->queues[i][0] = 'r';
    }
    model->subs[i] = sub_make(model->patterns[i], model->queues[i], i + 1, (uint16_t)draw(3));
    assert_true(nats_sublist_insert(&model->list, model->subs[i]));
}

static bool match_has(const struct nats_member *members, uint32_t count, uint64_t id)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        found += members[i].id == id;
    }
    assert_true(found <= 1);
    return found == 1;
}

static void model_check(const struct model *model, const struct nats_match *match,
                        const char *subject)
{
    uint32_t plain = 0, queued = 0;
    bool has_q = false, has_r = false;
    for (uint32_t i = 0; i < MODEL_SUBS; i++) {
        bool is_wanted = model->subs[i] != NULL && oracle_matches(model->patterns[i], 0, subject);
        bool is_queue = model->queues[i][0] != '\0';
        assert_int_equal(match_has(match->plain, match->plain_count, i + 1),
                         is_wanted && !is_queue);
        assert_int_equal(match_has(match->members, match->member_count, i + 1),
                         is_wanted && is_queue);
        plain += is_wanted && !is_queue;
        queued += is_wanted && is_queue;
        has_q = has_q || (is_wanted && model->queues[i][0] == 'q');
        has_r = has_r || (is_wanted && model->queues[i][0] == 'r');
    }
    assert_int_equal(match->plain_count, plain);
    assert_int_equal(match->member_count, queued);
    /* One group a name, however many patterns it stands at, and its members lie together. */
    assert_int_equal(match->group_count, (uint32_t)has_q + (uint32_t)has_r);
    for (uint32_t g = 0; g < match->group_count; g++) {
        uint64_t first = match->members[match->groups[g].first].id;
        for (uint32_t m = 0; m < match->groups[g].count; m++) {
            uint64_t id = match->members[match->groups[g].first + m].id;
            assert_int_equal(model->queues[id - 1][0], model->queues[first - 1][0]);
        }
    }
    for (uint32_t i = 1; i < match->plain_count; i++) {
        assert_true(match->plain[i - 1].shard <= match->plain[i].shard);
    }
}

static void test_trie_and_cache(void **state)
{
    (void)state;
    struct model *model = calloc(1, sizeof(*model));
    assert_true(nats_sublist_init(&model->list, 42));
    struct nats_match_cache *cache = nats_match_cache_new(&model->list);
    struct nats_match_builder builder = {0};
    char subject[64];
    for (int round = 0; round < 20000; round++) {
        if (draw(3) == 0) {
            model_toggle(model, draw(MODEL_SUBS));
        }
        random_pattern(subject, false);
        if (round % 10 == 0) {
            uint64_t generation;
            nats_sublist_match(&model->list, nats_text(subject), &builder, &generation);
            model_check(model, &builder.match, subject);
        }
        struct nats_route route;
        nats_match_look(cache, nats_text(subject), &route);
        assert_true(route.is_valid);
        if (round % 4 == 0) {
            model_check(model, &route.match, subject);
        }
        struct nats_member member;
        assert_int_equal(nats_sublist_find(&model->list, nats_text(subject), NULL, NULL, &member),
                         route.match.plain_count + route.match.member_count > 0);
    }
    for (uint32_t i = 0; i < MODEL_SUBS; i++) {
        if (model->subs[i] != NULL) {
            model_toggle(model, i);
        }
    }
    assert_int_equal(model->list.node_count, 0); /* nothing stays behind */
    assert_int_equal(atomic_load(&model->list.count), 0);
    nats_match_builder_fini(&builder);
    nats_match_cache_free(&cache);
    nats_sublist_fini(&model->list);
    free(model);
}

static void test_cache_keeps_and_forgets(void **state)
{
    (void)state;
    struct nats_sublist list;
    struct nats_route route;
    assert_true(nats_sublist_init(&list, 7));
    struct nats_match_cache *cache = nats_match_cache_new(&list);
    nats_match_look(cache, nats_text("a.b"), &route);
    assert_null(route.cached); /* met once */
    nats_match_look(cache, nats_text("a.b"), &route);
    assert_non_null(route.cached);
    struct nats_sub *sub = sub_make("a.*", "", 1, 0);
    assert_true(nats_sublist_insert(&list, sub));
    nats_match_look(cache, nats_text("a.b"), &route);
    assert_non_null(route.cached);
    assert_int_equal(route.match.plain_count, 1);
    nats_match_look(cache, nats_text("a.>"), &route);
    assert_false(route.is_valid);
    for (int i = 0; i < 100000; i++) { /* more subjects than it keeps */
        char subject[32];
        snprintf(subject, sizeof(subject), "a.%d", i / 2);
        nats_match_look(cache, nats_text(subject), &route);
        assert_int_equal(route.match.plain_count, 1);
    }
    nats_sublist_remove(&list, sub);
    free(sub);
    nats_match_look(cache, nats_text("a.b"), &route);
    assert_int_equal(route.match.plain_count, 0);
    nats_match_cache_free(&cache);
    nats_sublist_fini(&list);
}

/* ---- quoting ----------------------------------------------------------------------------------
 */

/* Expected texts are what Go 1.19's fmt.Sprintf("%q") prints. */
static void test_quoting(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"foo.bar", "\"foo.bar\""},
        {"", "\"\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\""},
        {"\x01\x1f\x7f", "\"\\x01\\x1f\\x7f\""},
        {"\xff\xc0\x80", "\"\\xff\\xc0\\x80\""},
        {"h\xc3\xa9llo \xe4\xb8\x96", "\"h\xc3\xa9llo \xe4\xb8\x96\""},
        {"\xc2\xa0\xc2\xad", "\"\\u00a0\\u00ad\""},
        {"\xe2\x80\xa8\xef\xbb\xbf", "\"\\u2028\\ufeff\""},
        {"\xef\xbf\xbd", "\"\xef\xbf\xbd\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\xf3\xa0\x80\x81", "\"\\U000e0001\""},
        {"'", "\"'\""},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char out[128];
        assert_int_equal(nats_quote(nats_text(pairs[i][0]), out, sizeof(out)), strlen(pairs[i][1]));
        assert_string_equal(out, pairs[i][1]);
    }
    char small[6];
    assert_int_equal(nats_quote(nats_text("abcdefgh"), small, sizeof(small)), 10);
    assert_string_equal(small, "\"abcd");
}

int main(void)
{
    list_all("", 5);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_matching),
        cmocka_unit_test(test_covering_and_overlap),
        cmocka_unit_test(test_trie_and_cache),
        cmocka_unit_test(test_cache_keeps_and_forgets),
        cmocka_unit_test(test_quoting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
