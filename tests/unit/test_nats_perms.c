/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiled permission sets against the plain definition, guards, inboxes and reply subjects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_nats_rig.h"

#include "inbox.h"
#include "perms.h"
#include "replies.h"
#include "subject.h"

static uint32_t draw(uint32_t below)
{
    static uint64_t x = 362436069362436069u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t)(x >> 33) % below;
}

static void random_subject(char *out, bool may_have_wildcards)
{
    static const char *const words[] = {"a", "b", "ab", "a_b", "ab_c", "a_"};
    uint32_t count = 1 + draw(4);
    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = may_have_wildcards ? draw(8) : 9;
        strcat(out, i > 0 ? "." : "");
        strcat(out, kind < 2 ? "*" : kind == 2 && i + 1 == count ? ">" : words[draw(6)]);
    }
}

/* ---- the definition ---------------------------------------------------------------------------
 */

struct oracle {
    struct ub_perm_rule rules[RIG_RULES_MAX];
    char subjects[RIG_RULES_MAX][64];
    size_t count;
};

static bool rule_covers(const struct ub_perm_rule *rule, const char *subject)
{
    return nats_subject_covers(nats_text(rule->subject), rule->family_token, nats_text(subject));
}

static enum nats_publish_right oracle_publish(const struct oracle *oracle, const char *subject,
                                              uint32_t *guards_out)
{
    bool is_free = false;
    *guards_out = 0;
    for (size_t i = 0; i < oracle->count; i++) {
        const struct ub_perm_rule *rule = &oracle->rules[i];
        if ((rule->actions & UB_PUBLISH) == 0 || !rule_covers(rule, subject)) {
            continue;
        }
        if (rule->is_deny) {
            return NATS_PUBLISH_DENIED;
        }
        is_free = is_free || rule->guard == NULL;
        *guards_out += rule->guard != NULL;
    }
    return is_free           ? NATS_PUBLISH_ALLOWED
           : *guards_out > 0 ? NATS_PUBLISH_GUARDED
                             : NATS_PUBLISH_DENIED;
}

static bool oracle_queue(const struct ub_perm_rule *rule, const char *queue)
{
    return rule->queue == NULL || strcmp(rule->queue, queue) == 0;
}

static bool oracle_subscribe(const struct oracle *oracle, const char *pattern, const char *queue)
{
    bool is_allowed = false, has_queue_rule = false, is_queue_allowed = false;
    for (size_t i = 0; i < oracle->count; i++) {
        const struct ub_perm_rule *rule = &oracle->rules[i];
        if ((rule->actions & UB_SUBSCRIBE) == 0 || !rule_covers(rule, pattern)) {
            continue;
        }
        if (rule->is_deny && oracle_queue(rule, queue)) {
            return false;
        }
        if (!rule->is_deny) {
            is_allowed = is_allowed || rule->queue == NULL;
            has_queue_rule = has_queue_rule || rule->queue != NULL;
            is_queue_allowed =
                is_queue_allowed || (rule->queue != NULL && oracle_queue(rule, queue));
        }
    }
    return queue[0] != '\0' && has_queue_rule ? is_queue_allowed : is_allowed;
}

static bool oracle_may_receive(const struct oracle *oracle, const char *subject, const char *queue)
{
    for (size_t i = 0; i < oracle->count; i++) {
        const struct ub_perm_rule *rule = &oracle->rules[i];
        if (rule->is_deny && (rule->actions & UB_SUBSCRIBE) != 0 && oracle_queue(rule, queue) &&
            rule_covers(rule, subject)) {
            return false;
        }
    }
    return true;
}

static const struct ub_guard a_guard = {.what = "something"};

static void oracle_draw(struct oracle *oracle)
{
    oracle->count = 1 + draw(RIG_RULES_MAX - 1);
    for (size_t i = 0; i < oracle->count; i++) {
        random_subject(oracle->subjects[i], true);
        oracle->rules[i] = (struct ub_perm_rule){
            .actions = 1 + draw(3),
            .is_deny = draw(4) == 0,
            .family_token = draw(4),
            .subject = oracle->subjects[i],
            .queue = draw(4) == 0 ? "q" : NULL,
            .guard = draw(3) == 0 ? &a_guard : NULL,
        };
    }
}

static const struct nats_perms *compile(const struct oracle *oracle, uint32_t flags)
{
    struct ub_err err = UB_ERR_INIT;
    const struct ub_perms *set = rig_perms(flags, oracle->rules, oracle->count, NULL);
    const struct nats_perms *perms = nats_perms_new(&set, 1, &err);
    assert_non_null(perms);
    ub_perms_unref(&set);
    return perms;
}

static void check_publish(const struct oracle *oracle, const struct nats_perms *perms)
{
    char subject[64];
    uint32_t guards;
    random_subject(subject, false);
    struct nats_verdict verdict = nats_perms_publish(perms, nats_text(subject));
    assert_int_equal(verdict.right, oracle_publish(oracle, subject, &guards));
}

static void check_subscribe(const struct oracle *oracle, const struct nats_perms *perms)
{
    char pattern[64], subject[64];
    const char *queue = draw(3) == 0 ? "q" : draw(2) == 0 ? "r" : "";
    bool needs_filter = false;
    random_subject(pattern, true);
    bool is_allowed =
        nats_perms_subscribe(perms, nats_text(pattern), nats_text(queue), &needs_filter);
    assert_int_equal(is_allowed, oracle_subscribe(oracle, pattern, queue));
    for (int i = 0; i < 8 && is_allowed; i++) {
        random_subject(subject, false);
        if (!nats_subject_matches(nats_text(pattern), 0, nats_text(subject))) {
            continue;
        }
        bool may = oracle_may_receive(oracle, subject, queue);
        /* Without a filter nothing may be withheld that the rules withhold. */
        assert_true(may || needs_filter);
        assert_int_equal(
            nats_perms_may_receive(perms, nats_text(pattern), nats_text(queue), nats_text(subject)),
            may);
    }
}

static void test_oracle(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        struct oracle oracle;
        oracle_draw(&oracle);
        const struct nats_perms *perms = compile(&oracle, 0);
        for (int i = 0; i < 20; i++) {
            check_publish(&oracle, perms);
            check_subscribe(&oracle, perms);
        }
        nats_perms_unref(&perms);
    }
}

/* ---- several sets -----------------------------------------------------------------------------
 */

static bool may_publish(const struct nats_perms *perms, const char *subject)
{
    return nats_perms_publish(perms, nats_text(subject)).right == NATS_PUBLISH_ALLOWED;
}

static void test_other_providers_narrow(void **state)
{
    (void)state;
    const struct ub_perm_rule grant[] = {
        {.actions = UB_PUBLISH, .subject = "ub.r.x.>"},
        {.actions = UB_PUBLISH, .subject = "app.>"},
    };
    const struct ub_perm_rule other[] = {
        {.actions = UB_PUBLISH, .subject = "app.secret.>", .is_deny = true},
        {.actions = UB_PUBLISH, .subject = "extra.>"},
        {.actions = UB_PUBLISH, .subject = "ub.r.y.>"},
        {.actions = UB_PUBLISH, .subject = ">"},
        {.actions = UB_PUBLISH, .subject = "*.API.>"},
        {.actions = UB_PUBLISH, .subject = "$JS.API.INFO"},
        {.actions = UB_PUBLISH, .subject = "_INBOX.x"},
        {.actions = UB_PUBLISH, .subject = "my.UB_R_X.>"},
    };
    struct ub_err err = UB_ERR_INIT;
    const struct ub_perms *sets[2] = {rig_perms(0, grant, 2, NULL), rig_perms(0, other, 8, NULL)};
    const struct nats_perms *perms = nats_perms_new(sets, 2, &err);
    assert_true(may_publish(perms, "ub.r.x.m") && may_publish(perms, "app.a"));
    assert_true(may_publish(perms, "extra.a"));
    assert_false(may_publish(perms, "app.secret.a"));
    static const char *const denied[] = {"ub.r.y.m",    "$JS.API.INFO", "_INBOX.x", "anything",
                                         "my.UB_R_X.m", "$KV.a",        "$SYS.a"};
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        assert_false(may_publish(perms, denied[i]));
    }
    assert_true(nats_perms_says(perms, sets, 2));
    const struct ub_perms *again[2] = {rig_perms(0, grant, 2, NULL), rig_perms(0, other, 7, NULL)};
    assert_false(nats_perms_says(perms, again, 2));
    assert_false(nats_perms_says(perms, sets, 1));
    nats_perms_unref(&perms);
    for (int i = 0; i < 2; i++) {
        ub_perms_unref(&sets[i]);
        ub_perms_unref(&again[i]);
    }
}

static void test_bad_rules_fail_closed(void **state)
{
    (void)state;
    const struct ub_perm_rule allow = {.actions = UB_PUBLISH, .subject = "a..b"};
    const struct ub_perm_rule deny = {.actions = UB_PUBLISH, .subject = "a..b", .is_deny = true};
    struct ub_err err = UB_ERR_INIT;
    const struct ub_perms *set = rig_perms(0, &allow, 1, NULL);
    const struct nats_perms *perms = nats_perms_new(&set, 1, &err);
    assert_non_null(perms);
    assert_false(may_publish(perms, "a"));
    nats_perms_unref(&perms);
    ub_perms_unref(&set);
    set = rig_perms(0, &deny, 1, NULL);
    assert_null(nats_perms_new(&set, 1, &err));
    assert_int_equal(err.status, UB_EINVAL);
    ub_perms_unref(&set);
}

/* ---- guards -----------------------------------------------------------------------------------
 */

static void test_guard(void **state)
{
    (void)state;
    const struct ub_guard_alternative magic[] = {{{(const uint8_t *)"UBM1", 4}, 0}};
    const struct ub_guard_alternative epoch[] = {{{(const uint8_t *)"\0\3", 2}, 0},
                                                 {{(const uint8_t *)"\0\2", 2}, 5000}};
    const struct ub_guard_condition conditions[] = {{0, 4, 1, magic}, {6, 2, 2, epoch}};
    const struct ub_guard guard = {2, conditions, "a sealed envelope of epoch 3"};
    const struct {
        const char *bytes;
        size_t len;
        int64_t now;
        bool is_fine;
    } cases[] = {
        {"UBM1xx\0\3tail", 12, 0, true},
        {"UBM1xx\0\3", 8, 0, true},
        {"UBM1xx\0\3", 7, 0, false},
        {"UBM1xx\0\2", 8, 5000, true},
        {"UBM1xx\0\2", 8, 5001, false},
        {"UBM1xx\0\3", 8, 99999, true},
        {"UBM2xx\0\3", 8, 0, false},
        {"", 0, 0, false},
        {"UBM", 3, 0, false},
        {"UBM1xx\0\4", 8, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ub_bytes payload = {(const uint8_t *)cases[i].bytes, cases[i].len};
        assert_int_equal(nats_guard_accepts(&guard, payload, cases[i].now), cases[i].is_fine);
    }
    const struct ub_guard_condition far_away = {UINT32_MAX, UINT32_MAX, 1, magic};
    const struct ub_guard far_guard = {1, &far_away, ""};
    assert_false(nats_guard_accepts(&far_guard, nats_text("UBM1"), 0));
}

/* ---- inboxes ----------------------------------------------------------------------------------
 */

static void test_inbox_shapes(void **state)
{
    (void)state;
    const struct ub_perm_rule all = {.actions = UB_SUBSCRIBE, .subject = ">"};
    const struct ub_perms *set = rig_perms(UB_PERM_INBOX, &all, 1, NULL);
    struct ub_err err = UB_ERR_INIT;
    const struct nats_perms *perms = nats_perms_new(&set, 1, &err);
    const struct {
        const char *pattern;
        bool is_allowed, needs_filter;
    } cases[] = {
        {"_INBOX.>", false, false},  {"_INBOX.*", false, false},    {"_INBOX.*.x", false, false},
        {"_INBOX.tok", true, false}, {"_INBOX.tok.*", true, false}, {"_INBOX.tok.>", true, false},
        {"a.b", true, false},        {"_INBOXES.>", true, false},   {"_INBOX", true, false},
        {">", true, true},           {"*.>", true, true},           {"*.tok.x", true, true},
        {"*", true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool needs_filter = false;
        bool is_allowed =
            nats_perms_subscribe(perms, nats_text(cases[i].pattern), nats_text(""), &needs_filter);
        if (is_allowed != cases[i].is_allowed ||
            (is_allowed && needs_filter != cases[i].needs_filter)) {
            fail_msg("%s: allowed %d, filter %d", cases[i].pattern, is_allowed, needs_filter);
        }
    }
    assert_false(
        nats_perms_may_receive(perms, nats_text(">"), nats_text(""), nats_text("_INBOX.tok.1")));
    assert_true(nats_perms_may_receive(perms, nats_text(">"), nats_text(""), nats_text("a.b")));
    nats_perms_unref(&perms);
    ub_perms_unref(&set);
}

static void test_inbox_owners(void **state)
{
    (void)state;
    struct nats_inbox_table *table = nats_inbox_table_new(3);
    struct ub_bytes token = nats_text("tok");
    assert_true(nats_inbox_hold(table, token, "alice", 1000));
    assert_true(nats_inbox_hold(table, token, "alice", 1000));
    assert_false(nats_inbox_hold(table, token, "bob", 1000));
    nats_inbox_release(table, token, "alice", 2000);
    assert_false(nats_inbox_hold(table, token, "bob", 999999)); /* held once still */
    nats_inbox_release(table, token, "bob", 2000);              /* not his to release */
    nats_inbox_release(table, token, "alice", 2000);
    assert_false(nats_inbox_hold(table, token, "bob", 2000 + NATS_INBOX_LINGER_MS - 1));
    assert_true(nats_inbox_is_owner(table, token, "alice", 2000 + NATS_INBOX_LINGER_MS - 1));
    assert_false(nats_inbox_is_owner(table, token, "alice", 2000 + NATS_INBOX_LINGER_MS));
    assert_true(nats_inbox_hold(table, token, "bob", 2000 + NATS_INBOX_LINGER_MS));
    assert_false(nats_inbox_hold(table, token, "alice", 2000 + NATS_INBOX_LINGER_MS));
    /* A reserved token passes to its identity at once and stays. */
    bool is_taken_over = false;
    assert_true(nats_inbox_reserve(table, token, "carol", 90000, &is_taken_over));
    assert_true(is_taken_over);
    assert_false(nats_inbox_is_owner(table, token, "bob", 90000));
    nats_inbox_release(table, token, "bob", 90000);
    assert_false(nats_inbox_hold(table, token, "bob", 900000));
    nats_inbox_unreserve(table, token, "carol", 900000);
    assert_true(nats_inbox_hold(table, token, "bob", 900000 + NATS_INBOX_LINGER_MS));
    nats_inbox_table_free(&table);
}

static void test_inbox_memory(void **state)
{
    (void)state;
    struct nats_inbox_table *table = nats_inbox_table_new(3);
    for (int i = 0; i < 200000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "t%d", i);
        assert_true(nats_inbox_hold(table, nats_text(text), "alice", 1000));
        nats_inbox_release(table, nats_text(text), "alice", 1000);
    }
    assert_true(nats_inbox_count(table) <= NATS_INBOX_LINGER_MAX + 1);
    /* The newest still linger. */
    assert_false(nats_inbox_hold(table, nats_text("t199999"), "bob", 1001));
    assert_true(nats_inbox_hold(table, nats_text("t1"), "bob", 1001));
    nats_inbox_table_free(&table);
}

static void test_replies(void **state)
{
    (void)state;
    struct nats_replies *replies = NULL;
    uint8_t key[NATS_REPLY_KEY_BYTES] = {9};
    char text[32];
    assert_false(nats_replies_has(replies, key, nats_text("a"), 0));
    assert_true(nats_replies_add(&replies, key, nats_text("a"), 0, 1000, 0));
    assert_true(nats_replies_add(&replies, key, nats_text("b"), 0, 1000, 2));
    assert_true(nats_replies_use(replies, key, nats_text("a"), 999));
    assert_true(nats_replies_use(replies, key, nats_text("a"), 999));
    assert_false(nats_replies_use(replies, key, nats_text("a"), 1000));
    assert_true(nats_replies_use(replies, key, nats_text("b"), 0));
    assert_true(nats_replies_use(replies, key, nats_text("b"), 0));
    assert_false(nats_replies_use(replies, key, nats_text("b"), 0));
    assert_false(nats_replies_has(replies, key, nats_text("c"), 0));
    /* Far more than it keeps: the newest NATS_REPLIES_MAX are known, older ones are not. */
    int total = NATS_REPLIES_MAX * 3 + 17;
    for (int i = 0; i < total; i++) {
        snprintf(text, sizeof(text), "r%d", i % (NATS_REPLIES_MAX * 2));
        assert_true(nats_replies_add(&replies, key, nats_text(text), 0, 5000, 0));
    }
    for (int i = total - NATS_REPLIES_MAX * 2; i < total; i++) {
        snprintf(text, sizeof(text), "r%d", i % (NATS_REPLIES_MAX * 2));
        assert_int_equal(nats_replies_has(replies, key, nats_text(text), 0),
                         i >= total - NATS_REPLIES_MAX);
    }
    assert_false(nats_replies_has(replies, key, nats_text("a"), 0));
    /* What is over makes room. */
    assert_true(nats_replies_add(&replies, key, nats_text("new"), 6000, 9000, 0));
    assert_true(nats_replies_has(replies, key, nats_text("new"), 6000));
    nats_replies_free(&replies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle),
        cmocka_unit_test(test_other_providers_narrow),
        cmocka_unit_test(test_bad_rules_fail_closed),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_inbox_shapes),
        cmocka_unit_test(test_inbox_owners),
        cmocka_unit_test(test_inbox_memory),
        cmocka_unit_test(test_replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
