/* SPDX-License-Identifier: Apache-2.0
 *
 * Several providers of ub.authz: the rule of combination, case by case and against a second, slow
 * statement of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_nats_rig.h"

#include "authz.h"
#include "perms.h"
#include "subject.h"

/* ---- providers that answer as they are told ---------------------------------------------------
 */

#define SAYS_MAX 4

struct says {
    enum ub_verdict verdict;
    bool is_judge, has_set;
    /* what was seen */
    int turn; /* 0 = not asked */
    char principal[UB_ID_MAX];
};

struct scene {
    struct nats_server server;
    struct ub_authz_ops ops[SAYS_MAX];
    struct says says[SAYS_MAX];
    int count, turns, live_sets;
};

static struct scene *scene; /* of the providers' functions: sets only get a pointer to themselves */

static void set_ref(const struct ub_perms *perms)
{
    (void)perms;
    scene->live_sets++;
}

static void set_unref(const struct ub_perms *perms)
{
    (void)perms;
    scene->live_sets--;
}

static const struct ub_perms a_set = {
    .size = sizeof(a_set), .provider = "test", .ref = set_ref, .unref = set_unref};

static enum ub_verdict says_connect(void *self, const struct ub_cred *cred,
                                    struct ub_principal *principal_out,
                                    const struct ub_perms **perms_out, struct ub_reason *reason_out)
{
    struct says *says = self;
    says->turn = ++scene->turns;
    snprintf(says->principal, sizeof(says->principal), "%s",
             cred->principal != NULL ? cred->principal->id : "-");
    snprintf(principal_out->id, sizeof(principal_out->id), "p%d", (int)(says - scene->says));
    snprintf(reason_out->text, sizeof(reason_out->text), "words of %d", (int)(says - scene->says));
    if (says->has_set) {
        set_ref(&a_set);
        *perms_out = &a_set;
    }
    return says->verdict;
}

/* The way of a real node: the module's own bind. */
static void scene_open(struct scene *it, const struct says *says, int count)
{
    struct ub_err err = UB_ERR_INIT;
    memset(it, 0, sizeof(*it));
    scene = it;
    it->count = count;
    for (int i = 0; i < count; i++) {
        it->says[i] = says[i];
        it->ops[i] = (struct ub_authz_ops){.size = sizeof(struct ub_authz_ops),
                                           .connect = says_connect,
                                           .flags = says[i].is_judge ? UB_AUTHZ_JUDGES : 0};
        const struct ub_service service = {.size = sizeof(service),
                                           .iface = UB_AUTHZ_IFACE,
                                           .module = "test",
                                           .ops = &it->ops[i],
                                           .self = &it->says[i]};
        assert_int_equal(unibus_module_nats.ops->bind(&it->server, &service, &err), UB_OK);
    }
}

static enum ub_verdict scene_decide(struct scene *it, char id_out[UB_ID_MAX])
{
    const struct ub_cred cred = {.size = sizeof(cred), .transport = "nats"};
    struct ub_reason reason = {.size = sizeof(reason)};
    struct nats_grant grant;
    enum ub_verdict verdict = nats_authz_decide(&it->server, &cred, &grant, &reason);
    assert_true(verdict == UB_ALLOW || verdict == UB_DENY);
    assert_true(verdict == UB_ALLOW || reason.text[0] != '\0');
    snprintf(id_out, UB_ID_MAX, "%s", verdict == UB_ALLOW ? grant.principal.id : "");
    assert_int_equal(it->live_sets, verdict == UB_ALLOW ? (int)grant.count : 0);
    nats_grant_fini(&grant);
    assert_int_equal(it->live_sets, 0);
    return verdict;
}

/* ---- case by case -----------------------------------------------------------------------------
 */

/* One letter a provider: a allow, A allow without a set, - abstain, ~ abstain with a set, d deny,
 * x and X no verdict at all (without, with a set); a number sign before it: a judge. */
static int parse_says(const char *text, struct says *out)
{
    int count = 0;
    for (; *text != '\0'; text++) {
        bool is_judge = *text == '#';
        text += is_judge;
        out[count++] = (struct says){
            .verdict = *text == 'a' || *text == 'A'   ? UB_ALLOW
                       : *text == 'd'                 ? UB_DENY
                       : *text == 'x' || *text == 'X' ? (enum ub_verdict)(*text == 'x' ? 3 : -1)
                                                      : UB_ABSTAIN,
            .is_judge = is_judge,
            .has_set = *text == 'a' || *text == '~' || *text == 'X',
        };
    }
    return count;
}

static void every_case_of_the_table(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        const char *id; /* of whom was let in; "" = nobody */
    } cases[] = {
        {"", ""},        {"-", ""},      {"a", "p0"},   {"A", ""},         {"d", ""},
        {"x", ""},       {"X", ""},      {"~", ""},     {"--", ""},        {"-a", "p1"},
        {"a-", "p0"},    {"aa", "p0"},   {"ad", ""},    {"da", ""},        {"ax", ""},
        {"xa", ""},      {"aX", ""},     {"aA", "p0"},  {"Aa", ""},        {"a~", "p0"},
        {"~a", "p1"},    {"#a", ""},     {"#A", ""},    {"#-", ""},        {"#d", ""},
        {"#a#a", ""},    {"#aa", "p1"},  {"a#a", "p0"}, {"a#A", "p0"},     {"a#-", "p0"},
        {"a#d", ""},     {"#da", ""},    {"a#x", ""},   {"#xa", ""},       {"#A-", ""},
        {"-#a", ""},     {"a#~", "p0"},  {"a#a#d", ""}, {"#d#aa", ""},     {"--a#A", "p2"},
        {"#a-a-", "p2"}, {"aaaa", "p0"}, {"aaad", ""},  {"#a#A#-a", "p3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct says says[SAYS_MAX];
        struct scene it;
        char id[UB_ID_MAX];
        scene_open(&it, says, parse_says(cases[i].says, says));
        enum ub_verdict verdict = scene_decide(&it, id);
        if (strcmp(id, cases[i].id) != 0 ||
            verdict != (cases[i].id[0] != '\0' ? UB_ALLOW : UB_DENY)) {
            fail_msg("case \"%s\": \"%s\", not \"%s\"", cases[i].says, id, cases[i].id);
        }
    }
}

static void judges_come_last_and_see_whom(void **state)
{
    (void)state;
    struct says says[SAYS_MAX];
    struct scene it;
    char id[UB_ID_MAX];
    scene_open(&it, says, parse_says("#A-#Aa", says));
    assert_int_equal(scene_decide(&it, id), UB_ALLOW);
    static const int turns[] = {3, 1, 4, 2};
    static const char *const seen[] = {"p3", "-", "p3", "-"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(it.says[i].turn, turns[i]);
        assert_string_equal(it.says[i].principal, seen[i]);
    }
    scene_open(&it, says, parse_says("a-#A", says));
    assert_int_equal(scene_decide(&it, id), UB_ALLOW);
    assert_string_equal(it.says[1].principal, "p0"); /* those after the first know him too */
    scene_open(&it, says, parse_says("-#A", says));
    assert_int_equal(scene_decide(&it, id), UB_DENY);
    assert_int_equal(it.says[1].turn, 0); /* nobody to judge */
    scene_open(&it, says, parse_says("d#Aa", says));
    assert_int_equal(scene_decide(&it, id), UB_DENY);
    assert_int_equal(it.turns, 1); /* decided */
}

/* Ops of ub.authz 1.0 end before the flags; what lies behind them says nothing. */
static void old_providers_are_no_judges(void **state)
{
    (void)state;
    struct ub_authz_ops ops = {.size = offsetof(struct ub_authz_ops, flags), .flags = ~0u};
    assert_false(ub_authz_is_judge(&ops));
    ops.size = sizeof(ops);
    assert_true(ub_authz_is_judge(&ops));
}

/* ---- all combinations, against the definition -------------------------------------------------
 */

/* The definition, as DESIGN and authz.h say it; no early end, no order but that of the list. */
static int definition(const struct says *says, int count)
{
    int who = -1;
    bool is_deny = false;
    for (int i = 0; i < count; i++) {
        if (!says[i].is_judge && says[i].verdict == UB_ALLOW && who < 0) {
            who = i;
            is_deny = is_deny || !says[i].has_set;
        }
        is_deny = is_deny || (says[i].verdict != UB_ALLOW && says[i].verdict != UB_ABSTAIN);
    }
    return is_deny ? -1 : who;
}

static void all_combinations(void **state)
{
    (void)state;
    static const enum ub_verdict verdicts[] = {UB_ABSTAIN, UB_ALLOW, UB_DENY, (enum ub_verdict)77};
    int cases = 0, allowed = 0;
    for (int count = 0; count <= 3; count++) {
        for (int code = 0; code < 1 << (4 * count); code++, cases++) {
            struct says says[SAYS_MAX];
            struct scene it;
            char id[UB_ID_MAX], expected[UB_ID_MAX] = "";
            for (int i = 0; i < count; i++) {
                int own = code >> (4 * i) & 15;
                says[i] = (struct says){verdicts[own & 3], (own & 4) != 0, (own & 8) != 0, 0, ""};
            }
            int who = definition(says, count);
            if (who >= 0) {
                snprintf(expected, sizeof(expected), "p%d", who);
                allowed++;
            }
            scene_open(&it, says, count);
            assert_int_equal(scene_decide(&it, id), who >= 0 ? UB_ALLOW : UB_DENY);
            assert_string_equal(id, expected);
        }
    }
    assert_int_equal(cases, 1 + 16 + 256 + 4096);
    assert_in_range(allowed, 100, 2000); /* neither all nor none */
}

/* ---- sets -------------------------------------------------------------------------------------
 */

static uint32_t draw(uint32_t below)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (uint32_t)(x >> 33) % below;
}

static const char *const words[] = {"a",  "ub", "r",    "$JS",    "$KV",
                                    "$O", "b",  "$SYS", "_INBOX", "UB_R_X"};
#define WORDS 10u

/* Subject number n of those with one to three words. */
static void literal(uint32_t n, char *out)
{
    const char *first = words[n % WORDS];
    uint32_t rest = n / WORDS, second = rest % (WORDS + 1), third = rest / (WORDS + 1);
    sprintf(out, "%s%s%s%s%s", first, second > 0 ? "." : "", second > 0 ? words[second - 1] : "",
            second > 0 && third > 0 ? "." : "", second > 0 && third > 0 ? words[third - 1] : "");
}
#define LITERALS (WORDS * (WORDS + 1) * (WORDS + 1))

static void random_pattern(char *out)
{
    uint32_t count = 1 + draw(3);
    out[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = draw(10);
        strcat(out, i > 0 ? "." : "");
        strcat(out, kind < 2 ? "*" : kind == 2 && i + 1 == count ? ">" : words[draw(WORDS)]);
    }
}

static bool is_reserved_literal(const char *subject)
{
    static const char *const spaces[] = {"ub.r.", "$JS.", "$KV.", "$O.", "$SYS.", "_INBOX."};
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        if (strncmp(subject, spaces[i], strlen(spaces[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Does the rule reach into a reserved space? Found by trying every subject. */
static bool reaches_reserved(const char *pattern)
{
    char subject[64];
    for (uint32_t n = 0; n < LITERALS; n++) {
        literal(n, subject);
        if (is_reserved_literal(subject) &&
            nats_subject_matches(nats_text(pattern), 0, nats_text(subject))) {
            return true;
        }
    }
    return strstr(pattern, "UB_R_") != NULL;
}

struct drawn {
    struct ub_perm_rule rules[3][4];
    char subjects[3][4][64];
    bool counts[3][4];
    size_t sets;
};

static void drawn_draw(struct drawn *drawn)
{
    drawn->sets = 1 + draw(3);
    for (size_t s = 0; s < drawn->sets; s++) {
        for (size_t i = 0; i < 4; i++) {
            bool is_deny = draw(4) == 0;
            random_pattern(drawn->subjects[s][i]);
            drawn->rules[s][i] = (struct ub_perm_rule){
                .actions = 1 + draw(3), .is_deny = is_deny, .subject = drawn->subjects[s][i]};
            drawn->counts[s][i] = is_deny || s == 0 || !reaches_reserved(drawn->subjects[s][i]);
        }
    }
}

static bool drawn_allows(const struct drawn *drawn, uint32_t action, const char *subject)
{
    bool is_allowed = false;
    for (size_t s = 0; s < drawn->sets; s++) {
        for (size_t i = 0; i < 4; i++) {
            const struct ub_perm_rule *rule = &drawn->rules[s][i];
            if (!drawn->counts[s][i] || (rule->actions & action) == 0 ||
                !nats_subject_matches(nats_text(rule->subject), 0, nats_text(subject))) {
                continue;
            }
            if (rule->is_deny) {
                return false;
            }
            is_allowed = true;
        }
    }
    return is_allowed;
}

static void check_drawn(const struct drawn *drawn, const struct nats_perms *perms,
                        uint32_t *allowed)
{
    char subject[64];
    bool needs_filter;
    literal(draw(LITERALS), subject);
    bool may_publish = drawn_allows(drawn, UB_PUBLISH, subject);
    enum nats_publish_right right = nats_perms_publish(perms, nats_text(subject)).right;
    assert_int_equal(right == NATS_PUBLISH_ALLOWED, may_publish);
    assert_int_equal(nats_perms_subscribe(perms, nats_text(subject), nats_text(""), &needs_filter),
                     drawn_allows(drawn, UB_SUBSCRIBE, subject));
    *allowed += may_publish;
}

static void sets_combine_as_defined(void **state)
{
    (void)state;
    uint32_t allowed = 0, asked = 0;
    for (int round = 0; round < 3000; round++) {
        struct drawn drawn;
        struct ub_err err = UB_ERR_INIT;
        const struct ub_perms *sets[3];
        drawn_draw(&drawn);
        for (size_t s = 0; s < drawn.sets; s++) {
            sets[s] = rig_perms(0, drawn.rules[s], 4, NULL);
        }
        const struct nats_perms *perms = nats_perms_new(sets, (uint32_t)drawn.sets, &err);
        assert_non_null(perms);
        for (int i = 0; i < 40; i++, asked++) {
            check_drawn(&drawn, perms, &allowed);
        }
        nats_perms_unref(&perms);
        for (size_t s = 0; s < drawn.sets; s++) {
            ub_perms_unref(&sets[s]);
        }
    }
    assert_in_range(allowed, asked / 50, asked / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_the_table),
        cmocka_unit_test(judges_come_last_and_see_whom),
        cmocka_unit_test(old_providers_are_no_judges),
        cmocka_unit_test(all_combinations),
        cmocka_unit_test(sets_combine_as_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
