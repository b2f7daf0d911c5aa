/* SPDX-License-Identifier: Apache-2.0
 *
 * The trie of subscriptions, its match caches and the interest of modules while all of it changes:
 * threads that add, remove and filter subscriptions beside threads that match. Changes are numbered
 * in the order in which they were made; a result must be what brute force says of one of the states
 * between the start and the end of the call. The control forgets to say that something changed. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "interest.h"
#include "match_cache.h"
#include "nats_oracle.h"
#include "perms.h"
#include "server.h"

#define SLOTS    32 /* subscriptions at most at one time */
#define PATTERNS 40
#define SUBJECTS 24
#define CHANGES  12000
#define WRITERS  2
#define READERS  3
#define NARROW   3  /* states that a result may be of, in most checks */
#define PACE     3  /* results a change, at least */
#define WATCHED  20 /* changes that a watch lasts; the next begins within as many */
#define NO_SUB   UINT32_MAX

static char patterns[PATTERNS][ORACLE_SUBJECT_MAX], subjects[SUBJECTS][ORACLE_SUBJECT_MAX];
static bool is_match[PATTERNS][SUBJECTS], is_secret[SUBJECTS];
static const char *const queues[] = {"", "q", "r"};

/* What stands in a slot. */
struct place {
    uint64_t id; /* 0 = nothing */
    uint32_t pattern, queue;
    bool has_filter;
};

/* The change that leads to a state. */
struct change {
    uint32_t slot;
    struct place place;
};

struct trie {
    struct nats_server server; /* its list and its interests only */
    const struct nats_perms *filter;
    bool forgets; /* the control */

    pthread_mutex_t writing; /* changes have an order */
    struct nats_sub *subs[SLOTS];
    struct place places[SLOTS];
    struct change changes[CHANGES + 1]; /* [n] leads to state n */
    _Atomic uint32_t begun, done;       /* states */

    _Atomic uint64_t checked, narrow, differences, watches, fired;
};

/* A thread with a copy of one state. */
struct reader {
    struct trie *trie;
    pthread_t thread;
    uint32_t at;
    struct place places[SLOTS];
    uint64_t random;
};

static uint32_t draw(struct reader *reader, uint32_t below)
{
    reader->random ^= reader->random << 13;
    reader->random ^= reader->random >> 7;
    reader->random ^= reader->random << 17;
    return (uint32_t)(reader->random >> 33) % below;
}

/* ---- the definition ---------------------------------------------------------------------------
 */

static bool is_wanted(const struct place *place, uint32_t subject)
{
    return place->id != 0 && is_match[place->pattern][subject] &&
           !(place->has_filter && is_secret[subject]);
}

static bool has_id(const struct nats_member *members, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == id) {
            return true;
        }
    }
    return false;
}

/* Each queue group lies together and holds nobody else. */
static bool groups_are_right(const struct place *places, const struct nats_match *match,
                             const uint32_t *by_queue)
{
    uint32_t names = 0;
    for (uint32_t q = 1; q < 3; q++) {
        names += by_queue[q] > 0;
    }
    if (match->group_count != names) {
        return false;
    }
    for (uint32_t g = 0; g < match->group_count; g++) {
        const struct nats_match_group *group = &match->groups[g];
        uint32_t queue = NO_SUB;
        for (uint32_t i = 0; i < SLOTS; i++) {
            if (places[i].id != 0 && has_id(match->members + group->first, 1, places[i].id)) {
                queue = places[i].queue;
            }
        }
        if (queue == NO_SUB || group->count != by_queue[queue]) {
            return false;
        }
        for (uint32_t i = 0; i < SLOTS; i++) {
            if (places[i].id != 0 && places[i].queue != queue &&
                has_id(match->members + group->first, group->count, places[i].id)) {
                return false;
            }
        }
    }
    return true;
}

static bool is_result(const struct place *places, const struct nats_match *match, uint32_t subject)
{
    uint32_t by_queue[3] = {0};
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (!is_wanted(&places[i], subject)) {
            continue;
        }
        by_queue[places[i].queue]++;
        const bool is_plain = places[i].queue == 0;
        if (!has_id(is_plain ? match->plain : match->members,
                    is_plain ? match->plain_count : match->member_count, places[i].id)) {
            return false;
        }
    }
    return match->plain_count == by_queue[0] && match->member_count == by_queue[1] + by_queue[2] &&
           groups_are_right(places, match, by_queue);
}

static bool is_anybody(const struct place *places, uint32_t subject)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (is_wanted(&places[i], subject)) {
            return true;
        }
    }
    return false;
}

static void reader_go_to(struct reader *reader, uint32_t state)
{
    while (reader->at < state) {
        const struct change *change = &reader->trie->changes[++reader->at];
        reader->places[change->slot] = change->place;
    }
}

/* ---- those who change -------------------------------------------------------------------------
 */

static void place_fill(struct trie *trie, struct reader *writer, uint32_t slot)
{
    static uint64_t last_id; /* under trie->writing */
    struct place *place = &trie->places[slot];
    *place = (struct place){.id = ++last_id,
                            .pattern = draw(writer, PATTERNS),
                            .queue = draw(writer, 3),
                            .has_filter = draw(writer, 4) == 0};
    trie->subs[slot] = nats_sub_new(nats_text("1"), nats_text(patterns[place->pattern]),
                                    nats_text(queues[place->queue]));
    assert_non_null(trie->subs[slot]);
    trie->subs[slot]->id = place->id;
    trie->subs[slot]->shard = (uint16_t)draw(writer, 4);
    trie->subs[slot]->filter = place->has_filter ? trie->filter : NULL;
}

/* One change of the list, numbered before and after. */
static void change_one(struct trie *trie, struct reader *writer)
{
    struct nats_sublist *list = &trie->server.sublist;
    pthread_mutex_lock(&trie->writing);
    uint32_t state = atomic_load(&trie->begun) + 1, slot = draw(writer, SLOTS);
    struct nats_sub *old = trie->subs[slot];
    bool is_new = old == NULL, is_filter = !is_new && draw(writer, 3) == 0;
    if (state > CHANGES) {
        pthread_mutex_unlock(&trie->writing);
        return;
    }
    if (is_new) {
        place_fill(trie, writer, slot);
    } else if (is_filter) {
        trie->places[slot].has_filter = !trie->places[slot].has_filter;
    } else {
        trie->places[slot].id = 0;
        trie->subs[slot] = NULL;
    }
    trie->changes[state] = (struct change){slot, trie->places[slot]};
    atomic_store(&trie->begun, state);
    if (is_new) {
        assert_true(nats_sublist_insert(list, trie->subs[slot]));
    } else if (is_filter) {
        nats_sublist_set_filter(list, old, trie->places[slot].has_filter ? trie->filter : NULL);
    } else {
        nats_sublist_remove(list, old);
    }
    if (trie->forgets) {
        for (size_t i = 0; i < NATS_GENERATION_SETS; i++) {
            atomic_store(&list->generations[i], 0);
        }
        atomic_store(&list->wild_generation, 0);
    }
    if (!is_new) {
        nats_interest_lost(&trie->server, old);
    }
    if (!is_new && !is_filter) {
        free(old);
    }
    atomic_store(&trie->done, state);
    pthread_mutex_unlock(&trie->writing);
}

static void *write_all(void *arg)
{
    struct reader *writer = arg;
    struct trie *trie = writer->trie;
    while (atomic_load(&trie->begun) < CHANGES) {
        /* On a busy machine the readers would sleep through it. */
        while (atomic_load(&trie->checked) < (uint64_t)atomic_load(&trie->begun) * PACE ||
               atomic_load(&trie->watches) * WATCHED * 2 < atomic_load(&trie->begun)) {
            sched_yield();
        }
        change_one(trie, writer);
    }
    return NULL;
}

/* ---- those who match --------------------------------------------------------------------------
 */

/* true: brute force gives `match` (or, without one, `answer`) in one of the states. */
static void check_states(struct reader *reader, uint32_t from, uint32_t to, uint32_t subject,
                         const struct nats_match *match, bool answer)
{
    struct trie *trie = reader->trie;
    bool is_right = false;
    for (uint32_t state = from; state <= to && !is_right; state++) {
        reader_go_to(reader, state);
        is_right = match != NULL ? is_result(reader->places, match, subject)
                                 : is_anybody(reader->places, subject) == answer;
    }
    if (!is_right && atomic_fetch_add(&trie->differences, 1) == 0 && !trie->forgets) {
        fprintf(stderr, "\"%s\": the result is that of no state from %u to %u\n", subjects[subject],
                from, to);
    }
    atomic_fetch_add(&trie->checked, 1);
    atomic_fetch_add(&trie->narrow, to - from <= NARROW);
}

static void *match_all(void *arg)
{
    struct reader *reader = arg;
    struct trie *trie = reader->trie;
    struct nats_sublist *list = &trie->server.sublist;
    struct nats_match_cache *cache = nats_match_cache_new(list);
    struct nats_match_builder builder = {0};
    for (uint32_t from = 0; from < CHANGES;) {
        struct nats_route route;
        struct nats_member member;
        uint64_t generation;
        uint32_t subject = draw(reader, SUBJECTS), kind = draw(reader, 8);
        struct ub_bytes text = nats_text(subjects[subject]);
        from = atomic_load(&trie->done);
        if (kind == 0) {
            bool is_found = nats_sublist_find(list, text, NULL, NULL, &member);
            check_states(reader, from, atomic_load(&trie->begun), subject, NULL, is_found);
        } else if (kind == 1) {
            nats_sublist_match(list, text, &builder, &generation);
            check_states(reader, from, atomic_load(&trie->begun), subject, &builder.match, false);
        } else {
            nats_match_look(cache, text, &route);
            check_states(reader, from, atomic_load(&trie->begun), subject, &route.match, false);
        }
    }
    nats_match_builder_fini(&builder);
    nats_match_cache_free(&cache);
    return NULL;
}

/* ---- a module that watches interest -----------------------------------------------------------
 */

struct watching {
    struct trie *trie;
    uint32_t subject;
    _Atomic uint32_t fired_at; /* state; 0 = not yet */
};

/* Runs in the thread whose change took the last one away, while no other change is made. */
static void on_gone(void *arg, struct ub_bytes subject)
{
    struct watching *watching = arg;
    struct trie *trie = watching->trie;
    assert_true(nats_bytes_equal(subject, nats_text(subjects[watching->subject])));
    if (is_anybody(trie->places, watching->subject)) {
        atomic_fetch_add(&trie->differences, 1);
        fprintf(stderr, "\"%s\" was called gone in state %u\n", subjects[watching->subject],
                atomic_load(&trie->begun));
    }
    assert_int_equal(atomic_exchange(&watching->fired_at, atomic_load(&trie->begun)), 0);
    atomic_fetch_add(&trie->fired, 1);
}

/* While it was not called there was somebody, in every state. */
static void check_unfired(struct reader *reader, uint32_t from, uint32_t to, uint32_t subject)
{
    for (uint32_t state = from; state <= to; state++) {
        reader_go_to(reader, state);
        if (!is_anybody(reader->places, subject)) {
            atomic_fetch_add(&reader->trie->differences, 1);
            fprintf(stderr, "\"%s\" was gone in state %u and nobody was told\n", subjects[subject],
                    state);
            return;
        }
    }
}

static void *watch_all(void *arg)
{
    struct reader *reader = arg;
    struct trie *trie = reader->trie;
    uint64_t misses = 0; /* nobody was interested: should that be all, the others go on */
    for (uint32_t from = 0; from < CHANGES;) {
        struct watching watching = {.trie = trie, .subject = draw(reader, SUBJECTS)};
        struct ub_bus_interest *interest = NULL;
        from = atomic_load(&trie->done);
        enum ub_status status = nats_interest_watch(
            &trie->server, nats_text(subjects[watching.subject]), on_gone, &watching, &interest);
        uint32_t to = atomic_load(&trie->begun);
        assert_true(status == UB_OK || status == UB_ENOTFOUND);
        check_states(reader, from, to, watching.subject, NULL, status == UB_OK);
        misses += status != UB_OK;
        atomic_fetch_add(&trie->watches, status == UB_OK || misses % 500 == 0);
        if (status != UB_OK) {
            continue;
        }
        while (atomic_load(&watching.fired_at) == 0 && atomic_load(&trie->done) < to + WATCHED &&
               atomic_load(&trie->done) < CHANGES) {
            sched_yield();
        }
        uint32_t until = atomic_load(&trie->done);
        nats_interest_unwatch(&trie->server, &interest);
        uint32_t fired_at = atomic_load(&watching.fired_at);
        check_unfired(reader, to, fired_at != 0 ? fired_at - 1 : until, watching.subject);
    }
    return NULL;
}

/* ---- together ---------------------------------------------------------------------------------
 */

static void no_ref(const struct ub_perms *perms)
{
    (void)perms;
}

static const struct nats_perms *filter_new(void)
{
    static const struct ub_perm_rule rule = {
        .actions = UB_SUBSCRIBE, .is_deny = true, .subject = "a.>"};
    static const struct ub_perms set = {.size = sizeof(set),
                                        .provider = "test",
                                        .rule_count = 1,
                                        .rule_stride = sizeof(rule),
                                        .rules = &rule,
                                        .ref = no_ref,
                                        .unref = no_ref};
    const struct ub_perms *sets[] = {&set};
    struct ub_err err = UB_ERR_INIT;
    return nats_perms_new(sets, 1, &err);
}

static void draw_texts(void)
{
    struct oracle_pattern pattern;
    for (int i = 0; i < PATTERNS; i++) {
        oracle_pattern_draw(&pattern);
        strcpy(patterns[i], pattern.text);
    }
    for (int s = 0; s < SUBJECTS; s++) { /* of one and two words: many patterns match */
        strcpy(subjects[s], oracle_subject(oracle_draw(2) == 0 ? oracle_draw(ORACLE_WORLD) : 1));
        uint32_t dots = 0;
        for (char *at = subjects[s]; *at != '\0'; at++) {
            dots += *at == '.';
            *at = dots == 2 ? '\0' : *at;
        }
        is_secret[s] = oracle_literal_matches("a.>", 0, subjects[s]);
        for (int i = 0; i < PATTERNS; i++) {
            is_match[i][s] = oracle_literal_matches(patterns[i], 0, subjects[s]);
        }
    }
}

static struct trie *trie_new(bool forgets)
{
    struct trie *trie = calloc(1, sizeof(*trie));
    assert_non_null(trie);
    draw_texts();
    assert_true(nats_sublist_init(&trie->server.sublist, oracle_draw(1000)));
    trie->server.interests = nats_interests_new();
    trie->filter = filter_new();
    trie->forgets = forgets;
    pthread_mutex_init(&trie->writing, NULL);
    return trie;
}

static void trie_free(struct trie *trie)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (trie->subs[i] != NULL) {
            nats_sublist_remove(&trie->server.sublist, trie->subs[i]);
            free(trie->subs[i]);
        }
    }
    assert_int_equal(trie->server.sublist.node_count, 0);
    nats_perms_unref(&trie->filter);
    nats_interests_free(&trie->server.interests);
    nats_sublist_fini(&trie->server.sublist);
    pthread_mutex_destroy(&trie->writing);
    free(trie);
}

static void trie_run(struct trie *trie)
{
    struct reader threads[WRITERS + READERS + 1];
    for (size_t i = 0; i < WRITERS + READERS + 1; i++) {
        memset(&threads[i], 0, sizeof(threads[i]));
        threads[i].trie = trie;
        threads[i].random = oracle_draw(UINT32_MAX) + 1u;
        void *(*run)(void *) = i < WRITERS             ? write_all
                               : i < WRITERS + READERS ? match_all
                                                       : watch_all;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, run, &threads[i]), 0);
    }
    for (size_t i = 0; i < WRITERS + READERS + 1; i++) {
        pthread_join(threads[i].thread, NULL);
    }
}

static void test_under_change(void **state)
{
    (void)state;
    struct trie *trie = trie_new(false);
    trie_run(trie);
    printf("%d changes, %llu results, %llu of them of one of %d states, %llu called gone\n",
           CHANGES, (unsigned long long)trie->checked, (unsigned long long)trie->narrow, NARROW + 1,
           (unsigned long long)trie->fired);
    assert_int_equal(trie->differences, 0);
    assert_true(trie->checked > 10000 && trie->narrow > trie->checked / 2 && trie->fired > 0);
    trie_free(trie);
}

/* The control: a list that does not move its generations has its caches answer what was. */
static void test_forgotten_generation_is_caught(void **state)
{
    (void)state;
    struct trie *trie = trie_new(true);
    trie_run(trie);
    assert_true(trie->differences > 0);
    trie_free(trie);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_under_change),
        cmocka_unit_test(test_forgotten_generation_is_caught),
    };
    oracle_init();
    oracle_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
