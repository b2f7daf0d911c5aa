/* SPDX-License-Identifier: Apache-2.0
 *
 * Permissions against brute force: random sets of one to three providers, subjects, patterns and
 * queue groups; what may be published, subscribed, received; who owns an inbox; where may be
 * answered. Each run draws other cases; UNIBUS_ORACLE_SEED repeats one, UNIBUS_ORACLE_CASES asks
 * for more. The control runs the same on wrong implementations, each of which must be caught. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_nats_rig.h"

#include "inbox.h"
#include "match_cache.h"
#include "nats_oracle.h"
#include "perms.h"
#include "replies.h"

#define CASES_MIN     1000000
#define CASES_A_SET   240
#define SETS_A_POOL   700
#define RULES_A_SET   8
#define GUARDS        6
#define CONTROL_CASES 40000

enum mutant {
    MUTANT_NONE = 0,
    MUTANT_DENY,     /* the last deny rule is forgotten */
    MUTANT_FAMILY,   /* no families */
    MUTANT_QUEUE,    /* rules without their queues */
    MUTANT_GUARD,    /* rules without their guards */
    MUTANT_RESERVED, /* every provider grants everywhere */
    MUTANT_FILTER,   /* a pattern that overlaps a deny goes without a filter */
    MUTANT_RECEIVE,  /* the filter lets everything through */
    MUTANT_REST,     /* `>` matches one token only */
    MUTANTS
};

static struct oracle_pattern pool[ORACLE_POOL], inboxes = {.text = "_INBOX.>"};
static struct oracle_pattern asked[ORACLE_POOL]; /* the same texts without families: of clients */
static const struct ub_guard guards[GUARDS] = {{.what = "0"}, {.what = "1"}, {.what = "2"},
                                               {.what = "3"}, {.what = "4"}, {.what = "5"}};

struct rule {
    struct ub_perm_rule rule;
    const struct oracle_pattern *pattern;
    uint32_t set;
};

struct world {
    struct rule rules[3 * RULES_A_SET];
    uint32_t count, set_count;
    bool has_inbox_rules;
    enum mutant mutant;
    const struct nats_perms *perms;
    struct nats_match_cache *cache;
    uint64_t cases, differences, allowed, refused, filtered;
};

/* ---- the definition ---------------------------------------------------------------------------
 */

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Only the first provider grants in the reserved name spaces; a deny counts everywhere. */
static bool counts(const struct rule *it)
{
    bool is_reserved = oracle_overlaps(it->pattern, &inboxes) ||
                       starts(it->pattern->text, "UB_R_") ||
                       strstr(it->pattern->text, ".UB_R_") != NULL;
    return it->set == 0 || it->rule.is_deny || !is_reserved;
}

static bool takes_queue(const struct rule *it, const char *queue)
{
    return it->rule.queue == NULL ||
           (queue[0] != '\0' && oracle_literal_matches(it->rule.queue, 0, queue));
}

static struct nats_verdict want_publish(const struct world *world, size_t subject)
{
    struct nats_verdict want = {.right = NATS_PUBLISH_DENIED};
    bool is_free = false, is_met[GUARDS] = {false};
    for (uint32_t i = 0; i < world->count; i++) {
        const struct rule *it = &world->rules[i];
        if ((it->rule.actions & UB_PUBLISH) == 0 || !counts(it) ||
            !oracle_has(it->pattern, subject)) {
            continue;
        }
        if (it->rule.is_deny) {
            want.has_denial = true;
        } else if (it->rule.guard == NULL) {
            is_free = true;
        } else {
            is_met[it->rule.guard - guards] = true;
        }
    }
    for (int i = 0; i < GUARDS; i++) {
        want.guard_count += is_met[i];
    }
    if (want.has_denial) {
        return want;
    }
    want.right = is_free ? NATS_PUBLISH_ALLOWED
                 : want.guard_count > 0 && want.guard_count <= NATS_GUARDS_MAX
                     ? NATS_PUBLISH_GUARDED
                     : NATS_PUBLISH_DENIED;
    return want;
}

static bool inbox_shape(const char *text)
{
    const char *token = text + strlen("_INBOX.");
    size_t len = strcspn(token, ".");
    return !(len == 1 && (token[0] == '*' || token[0] == '>'));
}

static bool want_subscribe(const struct world *world, const struct oracle_pattern *pattern,
                           const char *queue)
{
    bool is_allowed = false, has_queue_rule = false, is_queue_allowed = false;
    for (uint32_t i = 0; i < world->count; i++) {
        const struct rule *it = &world->rules[i];
        if ((it->rule.actions & UB_SUBSCRIBE) == 0 || !counts(it) ||
            !oracle_covers(it->pattern, pattern)) {
            continue;
        }
        if (it->rule.is_deny && takes_queue(it, queue)) {
            return false;
        }
        is_allowed |= !it->rule.is_deny && it->rule.queue == NULL;
        has_queue_rule |= !it->rule.is_deny && it->rule.queue != NULL;
        is_queue_allowed |= !it->rule.is_deny && it->rule.queue != NULL && takes_queue(it, queue);
    }
    if (world->has_inbox_rules && starts(pattern->text, "_INBOX.")) {
        return inbox_shape(pattern->text);
    }
    return queue[0] != '\0' && has_queue_rule ? is_queue_allowed : is_allowed;
}

/* Is there any subject that the subscription would match and may not receive? */
static bool want_filter(const struct world *world, const struct oracle_pattern *pattern,
                        const char *queue)
{
    if (world->has_inbox_rules && !starts(pattern->text, "_INBOX.") &&
        oracle_overlaps(pattern, &inboxes)) {
        return true;
    }
    for (uint32_t i = 0; i < world->count; i++) {
        const struct rule *it = &world->rules[i];
        if (it->rule.is_deny && (it->rule.actions & UB_SUBSCRIBE) != 0 && takes_queue(it, queue) &&
            oracle_overlaps(it->pattern, pattern)) {
            return true;
        }
    }
    return false;
}

static bool want_receive(const struct world *world, const struct oracle_pattern *pattern,
                         const char *queue, size_t subject)
{
    if (world->has_inbox_rules && oracle_has(&inboxes, subject) &&
        !starts(pattern->text, "_INBOX.")) {
        return false;
    }
    for (uint32_t i = 0; i < world->count; i++) {
        const struct rule *it = &world->rules[i];
        if (it->rule.is_deny && (it->rule.actions & UB_SUBSCRIBE) != 0 && takes_queue(it, queue) &&
            oracle_has(it->pattern, subject)) {
            return false;
        }
    }
    return true;
}

/* ---- drawing ----------------------------------------------------------------------------------
 */

static void draw_pool(void)
{
    for (size_t i = 0; i < ORACLE_POOL; i++) {
        oracle_pattern_draw(&pool[i]);
        asked[i] = pool[i];
        asked[i].family = 0;
        oracle_pattern_fill(&asked[i]);
    }
    strcpy(pool[0].text, ">"); /* seldom drawn, often written */
    pool[0].family = 0;
    oracle_pattern_fill(&pool[0]);
    asked[0] = pool[0];
}

static void draw_rules(struct world *world)
{
    static const char *const queues[] = {"q", "q.*", "q.>", "r"};
    world->set_count = 1 + oracle_draw(3);
    world->has_inbox_rules = oracle_draw(2) == 0;
    world->count = 0;
    for (uint32_t set = 0; set < world->set_count; set++) {
        for (uint32_t i = oracle_draw(RULES_A_SET + 1); i > 0; i--) {
            struct rule *it = &world->rules[world->count++];
            it->set = set;
            it->pattern = &pool[oracle_draw(6) == 0 ? 0 : oracle_draw(ORACLE_POOL)];
            it->rule = (struct ub_perm_rule){
                .actions = 1 + oracle_draw(3),
                .is_deny = it->pattern != &pool[0] && oracle_draw(4) == 0,
                .family_token = it->pattern->family,
                .subject = it->pattern->text,
                .queue = oracle_draw(4) == 0 ? queues[oracle_draw(4)] : NULL,
                .guard = oracle_draw(3) == 0 ? &guards[oracle_draw(GUARDS)] : NULL,
            };
        }
    }
}

static void mutate_rules(enum mutant mutant, struct rule *rules, uint32_t *count)
{
    for (uint32_t i = 0; i < *count; i++) {
        struct ub_perm_rule *rule = &rules[i].rule;
        rule->family_token = mutant == MUTANT_FAMILY ? 0 : rule->family_token;
        rule->queue = mutant == MUTANT_QUEUE ? NULL : rule->queue;
        rule->guard = mutant == MUTANT_GUARD ? NULL : rule->guard;
        rules[i].set = mutant == MUTANT_RESERVED ? 0 : rules[i].set;
        if (mutant == MUTANT_REST && strcmp(rule->subject, ">") == 0) {
            rule->subject = "*";
        }
    }
    for (uint32_t i = *count; mutant == MUTANT_DENY && i > 0; i--) {
        if (rules[i - 1].rule.is_deny) {
            rules[i - 1] = rules[--*count];
            return;
        }
    }
}

/* The rules as the code under test gets them; a mutant gets others. */
static const struct nats_perms *compile(const struct world *world)
{
    struct rule rules[3 * RULES_A_SET];
    struct ub_perm_rule of_set[3 * RULES_A_SET];
    const struct ub_perms *sets[3];
    uint32_t count = world->count;
    struct ub_err err = UB_ERR_INIT;
    memcpy(rules, world->rules, sizeof(rules));
    mutate_rules(world->mutant, rules, &count);
    for (uint32_t set = 0; set < world->set_count; set++) {
        size_t n = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (rules[i].set == set && n < RIG_RULES_MAX) {
                of_set[n++] = rules[i].rule;
            }
        }
        sets[set] = rig_perms(world->has_inbox_rules ? UB_PERM_INBOX : 0, of_set, n, NULL);
    }
    const struct nats_perms *perms = nats_perms_new(sets, world->set_count, &err);
    assert_non_null(perms);
    for (uint32_t set = 0; set < world->set_count; set++) {
        ub_perms_unref(&sets[set]);
    }
    return perms;
}

/* ---- comparing --------------------------------------------------------------------------------
 */

static void differ(struct world *world, const char *what, const char *subject, const char *queue)
{
    world->differences++;
    if (world->mutant != MUTANT_NONE || world->differences > 1) {
        return;
    }
    fprintf(stderr, "%s \"%s\" queue \"%s\" differs, inbox rules %d, with\n", what, subject, queue,
            world->has_inbox_rules);
    for (uint32_t i = 0; i < world->count; i++) {
        const struct ub_perm_rule *rule = &world->rules[i].rule;
        fprintf(stderr, "  set %u: %s actions %u \"%s\" family %u queue \"%s\" guard %s\n",
                world->rules[i].set, rule->is_deny ? "deny" : "allow", rule->actions, rule->subject,
                rule->family_token, rule->queue == NULL ? "" : rule->queue,
                rule->guard == NULL ? "-" : rule->guard->what);
    }
}

static void check_publish(struct world *world)
{
    size_t subject = oracle_draw(ORACLE_WORLD);
    struct ub_bytes text = nats_text(oracle_subject(subject));
    struct nats_verdict want = want_publish(world, subject), have;
    if (oracle_draw(2) == 0) {
        have = nats_perms_publish(world->perms, text);
    } else { /* the way of a message, which remembers verdicts */
        struct nats_route route;
        nats_match_look(world->cache, text, &route);
        have = nats_match_verdict(&route, text, world->perms);
    }
    bool is_same = have.right == want.right && have.has_denial == want.has_denial &&
                   (want.right != NATS_PUBLISH_GUARDED || have.guard_count == want.guard_count);
    if (!is_same) {
        differ(world, "publish", oracle_subject(subject), "");
    }
    world->cases++;
    world->allowed += want.right != NATS_PUBLISH_DENIED;
    world->refused += want.right == NATS_PUBLISH_DENIED;
}

static void check_receive(struct world *world, const struct oracle_pattern *pattern,
                          const char *queue, bool has_filter)
{
    for (int i = 0; i < 3; i++) {
        size_t subject = oracle_draw(ORACLE_WORLD);
        while (!oracle_has(pattern, subject)) { /* every pattern matches something */
            subject = (subject + 1) % ORACLE_WORLD;
        }
        bool have = !has_filter || world->mutant == MUTANT_RECEIVE ||
                    nats_perms_may_receive(world->perms, nats_text(pattern->text), nats_text(queue),
                                           nats_text(oracle_subject(subject)));
        bool want = want_receive(world, pattern, queue, subject);
        if (have != want) {
            differ(world, "receive", oracle_subject(subject), queue);
        }
        world->cases++;
        world->filtered += !want;
    }
}

static void check_subscribe(struct world *world)
{
    static const char *const queues[] = {"", "", "q", "q.a", "q.a.b", "r", "s"};
    const struct oracle_pattern *pattern =
        &asked[oracle_draw(6) == 0 ? 0 : oracle_draw(ORACLE_POOL)];
    const char *queue = queues[oracle_draw(7)];
    bool has_filter = false, want = want_subscribe(world, pattern, queue);
    bool have =
        nats_perms_subscribe(world->perms, nats_text(pattern->text), nats_text(queue), &has_filter);
    has_filter = has_filter && world->mutant != MUTANT_FILTER;
    if (have != want || (want && has_filter != want_filter(world, pattern, queue))) {
        differ(world, "subscribe", pattern->text, queue);
    }
    world->cases++;
    world->allowed += want;
    world->refused += !want;
    if (have && want) {
        check_receive(world, pattern, queue, has_filter);
    }
}

static void run(struct world *world, uint64_t cases)
{
    struct nats_sublist list;
    assert_true(nats_sublist_init(&list, 1));
    world->cache = nats_match_cache_new(&list);
    for (uint32_t sets = 0; world->cases < cases; sets++) {
        if (sets % SETS_A_POOL == 0) {
            draw_pool();
        }
        draw_rules(world);
        world->perms = compile(world);
        for (uint64_t end = world->cases + CASES_A_SET; world->cases < end;) {
            check_publish(world);
            check_subscribe(world);
        }
        nats_perms_unref(&world->perms);
    }
    nats_match_cache_free(&world->cache);
    nats_sublist_fini(&list);
}

static void test_no_difference(void **state)
{
    (void)state;
    const char *wanted = getenv("UNIBUS_ORACLE_CASES");
    struct world world = {.mutant = MUTANT_NONE};
    run(&world, wanted != NULL ? strtoull(wanted, NULL, 10) : CASES_MIN);
    printf("%llu cases: %llu allowed, %llu refused, %llu filtered; %llu differences\n",
           (unsigned long long)world.cases, (unsigned long long)world.allowed,
           (unsigned long long)world.refused, (unsigned long long)world.filtered,
           (unsigned long long)world.differences);
    assert_int_equal(world.differences, 0);
    /* Each answer was wanted often enough to mean something. */
    assert_true(world.allowed > world.cases / 20 && world.refused > world.cases / 20 &&
                world.filtered > world.cases / 400);
}

/* The control: whatever is wrong shows. */
static void test_mutants_are_caught(void **state)
{
    (void)state;
    for (enum mutant mutant = MUTANT_NONE + 1; mutant < MUTANTS; mutant++) {
        struct world world = {.mutant = mutant};
        run(&world, CONTROL_CASES);
        if (world.differences == 0) {
            fail_msg("mutant %d was not caught in %d cases", mutant, CONTROL_CASES);
        }
    }
}

/* ---- inboxes ----------------------------------------------------------------------------------
 */

#define INBOX_TOKENS 6
#define INBOX_STEPS  200000

static const char *const identities[] = {"alice", "bob", "carol", "dave"};

/* Of one token: who has it, and why. */
struct inbox_model {
    int owner; /* -1 = nobody */
    uint32_t holds, reserves;
    int64_t free_at_ms; /* when neither held nor reserved */
};

static void inbox_settle(struct inbox_model *it, int64_t now)
{
    if (it->holds == 0 && it->reserves == 0) {
        it->free_at_ms = now + NATS_INBOX_LINGER_MS;
    }
}

static bool inbox_step(struct nats_inbox_table *table, struct inbox_model *it,
                       struct ub_bytes token, int who, int64_t now)
{
    const char *name = identities[who];
    bool is_used = it->holds > 0 || it->reserves > 0, is_taken_over = false;
    if (it->owner >= 0 && !is_used && now >= it->free_at_ms) {
        *it = (struct inbox_model){.owner = -1};
    }
    bool is_own = it->owner == who, is_anothers = it->owner >= 0 && !is_own;
    switch (oracle_draw(5)) {
    case 0:
        if (!is_anothers) {
            it->owner = who;
            it->holds++;
        }
        return nats_inbox_hold(table, token, name, now) == !is_anothers;
    case 1:
        nats_inbox_release(table, token, name, now);
        if (is_own && it->holds > 0) {
            it->holds--;
            inbox_settle(it, now);
        }
        return true;
    case 2:
        if (oracle_draw(4) != 0) { /* seldom, or everything is reserved */
            return true;
        }
        if (!nats_inbox_reserve(table, token, name, now, &is_taken_over) ||
            is_taken_over != (is_anothers && it->holds > 0)) {
            return false;
        }
        *it = is_own ? *it : (struct inbox_model){.owner = who};
        it->reserves++;
        return true;
    case 3:
        nats_inbox_unreserve(table, token, name, now);
        if (is_own && it->reserves > 0) {
            it->reserves--;
            inbox_settle(it, now);
        }
        return true;
    default:
        return nats_inbox_is_owner(table, token, name, now) == is_own;
    }
}

static void test_inboxes(void **state)
{
    (void)state;
    struct nats_inbox_table *table = nats_inbox_table_new(oracle_draw(1000));
    struct inbox_model models[INBOX_TOKENS];
    int64_t now = 1000;
    for (int i = 0; i < INBOX_TOKENS; i++) {
        models[i] = (struct inbox_model){.owner = -1};
    }
    for (int step = 0; step < INBOX_STEPS; step++) {
        char token[16];
        uint32_t at = oracle_draw(INBOX_TOKENS);
        snprintf(token, sizeof(token), "t%u", at);
        now += oracle_draw(3) == 0 ? oracle_draw(NATS_INBOX_LINGER_MS) : oracle_draw(2);
        if (!inbox_step(table, &models[at], nats_text(token), (int)oracle_draw(4), now)) {
            fail_msg("token %s differs after %d steps", token, step);
        }
    }
    nats_inbox_table_free(&table);
}

/* ---- reply subjects ---------------------------------------------------------------------------
 */

#define REPLY_SUBJECTS 300
#define REPLY_STEPS    100000

struct reply_model {
    int64_t until_ms;
    uint32_t uses; /* 0 = any number */
    bool is_there;
};

static void test_replies(void **state)
{
    (void)state;
    struct nats_replies *replies = NULL;
    struct reply_model *models = calloc(REPLY_SUBJECTS, sizeof(*models));
    uint8_t key[NATS_REPLY_KEY_BYTES] = {7};
    int64_t now = 1;
    for (int step = 0; step < REPLY_STEPS; step++) {
        char text[32];
        uint32_t at = oracle_draw(REPLY_SUBJECTS), kind = oracle_draw(4);
        struct reply_model *it = &models[at];
        snprintf(text, sizeof(text), "_INBOX.%u", at);
        now += oracle_draw(3);
        bool is_valid = it->is_there && it->until_ms > now;
        if (kind == 0) {
            *it = (struct reply_model){now + oracle_draw(500), oracle_draw(3), true};
            assert_true(
                nats_replies_add(&replies, key, nats_text(text), now, it->until_ms, it->uses));
        } else if (kind == 1) {
            assert_int_equal(nats_replies_has(replies, key, nats_text(text), now), is_valid);
        } else {
            assert_int_equal(nats_replies_use(replies, key, nats_text(text), now), is_valid);
            if (is_valid && it->uses > 0) {
                it->uses--;
                it->is_there = it->uses > 0;
            }
        }
    }
    free(models);
    nats_replies_free(&replies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_difference),
        cmocka_unit_test(test_mutants_are_caught),
        cmocka_unit_test(test_inboxes),
        cmocka_unit_test(test_replies),
    };
    oracle_init();
    oracle_seed();
    oracle_pattern_fill(&inboxes);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
