/* SPDX-License-Identifier: Apache-2.0 */
#include "match_cache.h"

#include <stdlib.h>

#include "hash.h"

#define CACHE_SETS     NATS_CACHE_SETS
#define CACHE_WAYS     4
#define CACHE_MET      4096 /* fingerprints of subjects met once */
#define CACHE_VERDICTS 2
#define CACHE_HELD_MAX ((size_t)1 << 20) /* receivers in all results, 24 bytes each */

struct nats_cached {
    uint64_t hash, generation;
    size_t generation_set;
    struct nats_match match;
    uint32_t plain_room, member_room, group_room;
    struct {
        uint64_t perms_id; /* 0 = none */
        struct nats_verdict verdict;
    } verdicts[CACHE_VERDICTS];
    uint16_t len;
    uint8_t subject[];
};

struct nats_match_cache {
    struct nats_sublist *list;
    struct nats_match_builder builder;
    struct nats_cached *sets[CACHE_SETS][CACHE_WAYS]; /* the newest first */
    struct nats_cached *last; /* of the look before; NULL = none, or it may be gone */
    uint32_t met[CACHE_MET];
    size_t held;
    uint64_t matches, misses;
};

struct nats_match_cache *nats_match_cache_new(struct nats_sublist *list)
{
    struct nats_match_cache *cache = calloc(1, sizeof(*cache));
    if (cache != NULL) {
        cache->list = list;
    }
    return cache;
}

static size_t cached_held(const struct nats_cached *cached)
{
    return cached == NULL ? 0 : (size_t)cached->plain_room + cached->member_room;
}

static void cached_free(struct nats_cached *cached)
{
    if (cached != NULL) {
        free(cached->match.plain);
        free(cached->match.members);
        free(cached->match.groups);
        free(cached);
    }
}

void nats_match_cache_free(struct nats_match_cache **cache)
{
    if (*cache == NULL) {
        return;
    }
    for (size_t i = 0; i < CACHE_SETS; i++) {
        for (size_t way = 0; way < CACHE_WAYS; way++) {
            cached_free((*cache)->sets[i][way]);
        }
    }
    nats_match_builder_fini(&(*cache)->builder);
    free(*cache);
    *cache = NULL;
}

static bool items_copy(void **to, uint32_t *room, const void *from, uint32_t count,
                       size_t item_size)
{
    if (count > *room) {
        void *grown = reallocarray(*to, count, item_size);
        if (grown == NULL) {
            return false;
        }
        *to = grown;
        *room = count;
    }
    if (count > 0) {
        memcpy(*to, from, count * item_size);
    }
    return true;
}

/* Takes over what the builder holds; false = no memory, the old result is not usable either. */
static bool cached_fill(struct nats_cached *cached, const struct nats_match *match,
                        uint64_t generation)
{
    if (!items_copy((void **)&cached->match.plain, &cached->plain_room, match->plain,
                    match->plain_count, sizeof(*match->plain)) ||
        !items_copy((void **)&cached->match.members, &cached->member_room, match->members,
                    match->member_count, sizeof(*match->members)) ||
        !items_copy((void **)&cached->match.groups, &cached->group_room, match->groups,
                    match->group_count, sizeof(*match->groups))) {
        cached->generation = UINT64_MAX;
        return false;
    }
    cached->match.plain_count = match->plain_count;
    cached->match.member_count = match->member_count;
    cached->match.group_count = match->group_count;
    cached->generation = generation;
    return true;
}

static bool cached_is_of(const struct nats_cached *cached, struct ub_bytes subject)
{
    return cached->len == subject.len && nats_key_is(cached->subject, subject.ptr, subject.len);
}

static struct nats_cached *cache_find(struct nats_match_cache *cache, uint64_t hash,
                                      struct ub_bytes subject)
{
    struct nats_cached **set = cache->sets[hash % CACHE_SETS];
    for (size_t way = 0; way < CACHE_WAYS && set[way] != NULL; way++) {
        if (set[way]->hash == hash && cached_is_of(set[way], subject)) {
            return set[way];
        }
    }
    return NULL;
}

/* Puts the builder's result in, in the place of the oldest of its set. */
static struct nats_cached *cache_add(struct nats_match_cache *cache, uint64_t hash,
                                     struct ub_bytes subject, uint64_t generation)
{
    struct nats_cached *cached =
        subject.len > UINT16_MAX ? NULL : calloc(1, sizeof(*cached) + subject.len);
    if (cached == NULL) {
        return NULL;
    }
    cached->hash = hash;
    cached->len = (uint16_t)subject.len;
    memcpy(cached->subject, subject.ptr, subject.len);
    cached->generation_set = nats_sublist_set_of(cache->list, subject);
    if (!cached_fill(cached, &cache->builder.match, generation)) {
        cached_free(cached);
        return NULL;
    }
    struct nats_cached **set = cache->sets[hash % CACHE_SETS];
    cache->held += cached_held(cached);
    cache->held -= cached_held(set[CACHE_WAYS - 1]);
    cache->last = NULL;
    cached_free(set[CACHE_WAYS - 1]);
    memmove(set + 1, set, (CACHE_WAYS - 1) * sizeof(struct nats_cached *));
    set[0] = cached;
    return cached;
}

static bool cache_was_met(struct nats_match_cache *cache, uint64_t hash)
{
    uint32_t *met = &cache->met[(hash >> 32) % CACHE_MET];
    uint32_t print = (uint32_t)hash | 1u;
    bool was_met = *met == print;
    *met = print;
    return was_met;
}

static void look_afresh(struct nats_match_cache *cache, uint64_t hash, struct ub_bytes subject,
                        struct nats_cached *cached, struct nats_route *route)
{
    uint64_t generation;
    cache->misses++;
    nats_sublist_match(cache->list, subject, &cache->builder, &generation);
    if (cached != NULL) {
        cache->held -= cached_held(cached);
        bool is_filled = cached_fill(cached, &cache->builder.match, generation);
        cache->held += cached_held(cached);
        cached = is_filled ? cached : NULL;
    } else if (!cache->builder.is_broken && cache->held < CACHE_HELD_MAX &&
               cache_was_met(cache, hash)) {
        cached = cache_add(cache, hash, subject, generation);
    }
    if (cached != NULL && cache->builder.is_broken) {
        cached->generation = UINT64_MAX;
    }
    route->cached = cached;
    route->match = cached != NULL ? cached->match : cache->builder.match;
}

static bool look_is_fresh(const struct nats_match_cache *cache, struct nats_cached *cached,
                          struct nats_route *route)
{
    if (cached->generation != nats_sublist_generation(cache->list, cached->generation_set)) {
        return false;
    }
    route->is_valid = true;
    route->cached = cached;
    route->match = cached->match;
    return true;
}

void nats_match_look(struct nats_match_cache *cache, struct ub_bytes subject,
                     struct nats_route *route_out)
{
    /* Most come in runs on one subject. */
    if (cache->last != NULL && cached_is_of(cache->last, subject) &&
        look_is_fresh(cache, cache->last, route_out)) {
        return;
    }
    uint64_t hash = nats_hash(subject, cache->list->seed);
    cache->matches++;
    struct nats_cached *cached = cache_find(cache, hash, subject);
    if (cached != NULL && look_is_fresh(cache, cached, route_out)) {
        cache->last = cached;
        return;
    }
    route_out->is_valid = cached != NULL || nats_subject_is_literal(subject);
    if (route_out->is_valid) {
        look_afresh(cache, hash, subject, cached, route_out);
    }
}

struct nats_verdict nats_match_verdict(const struct nats_route *route, struct ub_bytes subject,
                                       const struct nats_perms *perms)
{
    if (route->cached == NULL) {
        return nats_perms_publish(perms, subject);
    }
    size_t slot = perms->id % CACHE_VERDICTS;
    if (route->cached->verdicts[slot].perms_id != perms->id) {
        route->cached->verdicts[slot].verdict = nats_perms_publish(perms, subject);
        route->cached->verdicts[slot].perms_id = perms->id;
    }
    return route->cached->verdicts[slot].verdict;
}

void nats_match_cache_stats(const struct nats_match_cache *cache, size_t first, size_t count,
                            struct nats_match_stats *stats)
{
    if (first == 0) {
        stats->matches += cache->matches;
        stats->hits += cache->matches - cache->misses;
    }
    for (size_t i = first; i < first + count && i < CACHE_SETS; i++) {
        for (size_t way = 0; way < CACHE_WAYS && cache->sets[i][way] != NULL; way++) {
            const struct nats_match *match = &cache->sets[i][way]->match;
            uint64_t fanout = (uint64_t)match->plain_count + match->group_count;
            stats->results++;
            stats->fanout += fanout;
            stats->fanout_max = fanout > stats->fanout_max ? fanout : stats->fanout_max;
        }
    }
}
