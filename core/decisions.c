/* SPDX-License-Identifier: Apache-2.0 */
#include "decisions.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "check.h"

void decisions_init(struct decisions *decisions, const struct clock *clock, struct log *log)
{
    *decisions = (struct decisions){.clock = clock, .log = log};
    decisions->settings =
        (struct decisions_settings){.keep = 4096, .sample = 16, .log_per_minute = 20};
    pthread_mutex_init(&decisions->lock, NULL);
    randombytes_buf(decisions->hash_key, sizeof(decisions->hash_key));
    decisions_tables_init(decisions);
}

void decisions_fini(struct decisions *decisions)
{
    decisions_tables_fini(decisions);
    pthread_mutex_destroy(&decisions->lock);
}

void decisions_configure(struct decisions *decisions, const struct decisions_settings *settings)
{
    CHECK(decisions->count == 0 && settings->keep >= 16);
    decisions_tables_fini(decisions);
    decisions->settings = *settings;
    decisions_tables_init(decisions);
}

/* 120 random bits: whoever was not told an id does not find it. */
static void make_id(char *id_out)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t random[24];
    randombytes_buf(random, sizeof(random));
    memcpy(id_out, "d-", 2);
    for (size_t i = 0; i < sizeof(random); i++) {
        id_out[2 + i] = digits[random[i] % 32];
    }
    id_out[2 + sizeof(random)] = '\0';
}

static bool is_sampled(const struct decisions *decisions)
{
    int64_t sample = decisions->settings.sample;
    return sample > 0 && randombytes_uniform((uint32_t)sample) == 0;
}

void decisions_record(struct decisions *decisions, const char *module,
                      const struct ub_decision *from, char *id_out)
{
    struct decisions_silence ended = {.silent = 0};
    struct decision *evicted = NULL;
    id_out[0] = '\0';
    if (from->is_allowed && !is_sampled(decisions)) {
        return;
    }
    make_id(id_out);
    struct decision *decision = decision_new(from, id_out, clock_now_ms(decisions->clock));
    if (decision == NULL) {
        return; /* no memory: the refusal stands all the same */
    }
    struct decision *given = decision_ref(decision);
    pthread_mutex_lock(&decisions->lock);
    struct asker *asker = decisions_keep(decisions, &given, &evicted);
    bool is_logged = !decision->is_allowed && decisions_may_log(decisions, asker, &ended);
    pthread_mutex_unlock(&decisions->lock);
    if (is_logged) {
        decisions_log_refusal(decisions, module, decision);
    }
    decisions_log_silence(decisions, &ended);
    decision_unref(&evicted);
    decision_unref(&given);
    decision_unref(&decision);
}

void decisions_tick(struct decisions *decisions)
{
    struct decisions_silence ended = {.silent = 0};
    pthread_mutex_lock(&decisions->lock);
    decisions_turn(decisions, &ended);
    pthread_mutex_unlock(&decisions->lock);
    decisions_log_silence(decisions, &ended);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

char *decisions_find_json(struct decisions *decisions, const char *node, const char *id)
{
    pthread_mutex_lock(&decisions->lock);
    struct decision *decision = decisions_find(decisions, id);
    if (decision != NULL) {
        decision_ref(decision);
    }
    pthread_mutex_unlock(&decisions->lock);
    if (decision == NULL) {
        return NULL;
    }
    json_t *json = decision_json(decision, node);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    decision_unref(&decision);
    return text;
}

struct page {
    struct decision **items;
    size_t count, max;
    bool has_more, has_gap;
};

/* The next one of this asker, or of all. */
static struct decision *next_of(struct decision *decision, const struct asker *asker)
{
    return asker != NULL ? TAILQ_NEXT(decision, own) : TAILQ_NEXT(decision, all);
}

/* The references of a page, so that the lock is not held while JSON is made. */
static void collect(struct decisions *decisions, const char *since, const char *principal,
                    struct page *page)
{
    const struct asker *asker = principal != NULL ? decisions_asker(decisions, principal) : NULL;
    bool has_since = since != NULL && since[0] != '\0';
    struct decision *at = has_since ? decisions_find(decisions, since) : NULL;
    if (at != NULL && principal != NULL && at->asker != asker) {
        at = NULL; /* somebody else's is unknown */
    }
    page->has_gap = has_since && at == NULL;
    if (at != NULL) {
        at = next_of(at, asker);
    } else if (asker != NULL) {
        at = TAILQ_FIRST(&asker->own);
    } else {
        at = principal == NULL ? TAILQ_FIRST(&decisions->all) : NULL;
    }
    for (; at != NULL && page->count < page->max; at = next_of(at, asker)) {
        page->items[page->count++] = decision_ref(at);
    }
    page->has_more = at != NULL;
}

static json_t *page_json(const struct page *page, const char *node)
{
    json_t *items = json_array();
    for (size_t i = 0; i < page->count; i++) {
        json_array_append_new(items, decision_json(page->items[i], node));
    }
    const char *next = page->has_more ? page->items[page->count - 1]->id : NULL;
    return json_pack("{s:o, s:s?, s:b}", "items", items, "next", next, "gap", page->has_gap);
}

char *decisions_list_json(struct decisions *decisions, const char *node, const char *since,
                          const char *principal, size_t max)
{
    size_t room = max < (size_t)decisions->settings.keep ? max : (size_t)decisions->settings.keep;
    struct page page = {.max = room, .items = calloc(room + 1, sizeof(struct decision *))};
    if (page.items == NULL || room == 0) {
        free(page.items);
        return NULL;
    }
    pthread_mutex_lock(&decisions->lock);
    collect(decisions, since, principal, &page);
    pthread_mutex_unlock(&decisions->lock);
    json_t *json = page_json(&page, node);
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    for (size_t i = 0; i < page.count; i++) {
        decision_unref(&page.items[i]);
    }
    free(page.items);
    return text;
}
