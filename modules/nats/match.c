/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking the trie with a literal subject. */
#include <stdlib.h>

#include "perms.h"
#include "sublist_node.h"

/* Called for each node whose pattern matches; false ends the walk. */
typedef bool (*match_visit_fn)(void *arg, const struct nats_node *node);

struct match_walk {
    const struct nats_sublist *list;
    const struct ub_bytes *tokens;
    size_t count;
    match_visit_fn visit;
    void *arg;
};

static bool match_step(const struct match_walk *walk, const struct nats_node *node, size_t depth)
{
    static const struct ub_bytes star = {(const uint8_t *)"*", 1}, rest = {(const uint8_t *)">", 1};
    if (depth == walk->count) {
        return walk->visit(walk->arg, node);
    }
    if (node->has_rest && !walk->visit(walk->arg, nats_node_child(walk->list, node, rest))) {
        return false;
    }
    if (node->has_star && !match_step(walk, nats_node_child(walk->list, node, star), depth + 1)) {
        return false;
    }
    if (node->literals == 0) {
        return true;
    }
    const struct nats_node *child = nats_node_child(walk->list, node, walk->tokens[depth]);
    return child == NULL || match_step(walk, child, depth + 1);
}

static void match_run(const struct nats_sublist *list, struct ub_bytes subject,
                      match_visit_fn visit, void *arg)
{
    struct ub_bytes tokens[NATS_TOKENS_MAX], token;
    size_t count = 0;
    while (nats_token_next(&subject, &token)) {
        if (count == NATS_TOKENS_MAX) {
            return;
        }
        tokens[count++] = token;
    }
    struct match_walk walk = {list, tokens, count, visit, arg};
    match_step(&walk, list->root, 0);
}

static bool room_for(void **items, uint32_t *room, uint32_t count, size_t item_size)
{
    if (count < *room) {
        return true;
    }
    uint32_t fresh = *room == 0 ? 16 : *room * 2;
    void *grown = fresh > *room ? reallocarray(*items, fresh, item_size) : NULL;
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = fresh;
    return true;
}

struct match_collect {
    struct nats_match_builder *builder;
    struct ub_bytes subject;
};

static bool may_receive(const struct nats_sub *sub, struct ub_bytes subject)
{
    return sub->filter == NULL ||
           nats_perms_may_receive(sub->filter, nats_sub_subject(sub), nats_sub_queue(sub), subject);
}

static struct nats_member member_of(struct nats_sub *sub)
{
    return (struct nats_member){sub, sub->id, sub->shard};
}

static void collect_plain(const struct match_collect *collect, const struct nats_node *node)
{
    struct nats_match_builder *builder = collect->builder;
    struct nats_match *match = &builder->match;
    for (struct nats_sub *sub = node->subs; sub != NULL; sub = sub->next) {
        if (!may_receive(sub, collect->subject)) {
            continue;
        }
        if (!room_for((void **)&match->plain, &builder->plain_room, match->plain_count,
                      sizeof(*match->plain))) {
            builder->is_broken = true;
            return;
        }
        match->plain[match->plain_count++] = member_of(sub);
    }
}

static bool collect_node(void *arg, const struct nats_node *node)
{
    const struct match_collect *collect = arg;
    struct nats_match_builder *builder = collect->builder;
    collect_plain(collect, node);
    for (const struct nats_group *group = node->groups; group != NULL; group = group->next) {
        if (!room_for((void **)&builder->queues, &builder->queue_room, builder->queue_count,
                      sizeof(*builder->queues))) {
            builder->is_broken = true;
            return false;
        }
        builder->queues[builder->queue_count++] = group;
    }
    return !builder->is_broken;
}

static void collect_members(struct match_collect *collect, const struct nats_group *group)
{
    struct nats_match_builder *builder = collect->builder;
    struct nats_match *match = &builder->match;
    for (struct nats_sub *sub = group->first; sub != NULL; sub = sub->next) {
        if (!may_receive(sub, collect->subject)) {
            continue;
        }
        if (!room_for((void **)&match->members, &builder->member_room, match->member_count,
                      sizeof(*match->members))) {
            builder->is_broken = true;
            return;
        }
        match->members[match->member_count++] = member_of(sub);
    }
}

static int by_hash(const void *a, const void *b)
{
    const struct nats_group *x = *(const struct nats_group *const *)a;
    const struct nats_group *y = *(const struct nats_group *const *)b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The groups of one name at several patterns are one group. */
static void collect_groups(struct match_collect *collect)
{
    struct nats_match_builder *builder = collect->builder;
    struct nats_match *match = &builder->match;
    if (builder->queue_count > 1) {
        qsort(builder->queues, builder->queue_count, sizeof(*builder->queues), by_hash);
    }
    for (uint32_t i = 0; i < builder->queue_count && !builder->is_broken;) {
        uint32_t first = match->member_count;
        uint64_t hash = ((const struct nats_group *)builder->queues[i])->hash;
        for (; i < builder->queue_count; i++) {
            const struct nats_group *group = builder->queues[i];
            if (group->hash != hash) {
                break;
            }
            collect_members(collect, group);
        }
        if (match->member_count == first) {
            continue;
        }
        if (!room_for((void **)&match->groups, &builder->group_room, match->group_count,
                      sizeof(*match->groups))) {
            builder->is_broken = true;
            return;
        }
        match->groups[match->group_count++] =
            (struct nats_match_group){hash, first, match->member_count - first};
    }
}

static int by_shard(const void *a, const void *b)
{
    const struct nats_member *x = a, *y = b;
    return x->shard < y->shard ? -1 : x->shard > y->shard;
}

void nats_sublist_match(struct nats_sublist *list, struct ub_bytes subject,
                        struct nats_match_builder *builder, uint64_t *generation_out)
{
    struct match_collect collect = {builder, subject};
    struct nats_match *match = &builder->match;
    match->plain_count = match->member_count = match->group_count = builder->queue_count = 0;
    builder->is_broken = false;

    pthread_rwlock_rdlock(&list->lock);
    *generation_out = nats_sublist_generation(list, nats_sublist_set_of(list, subject));
    match_run(list, subject, collect_node, &collect);
    collect_groups(&collect);
    pthread_rwlock_unlock(&list->lock);

    if (match->plain_count > 1) {
        qsort(match->plain, match->plain_count, sizeof(*match->plain), by_shard);
    }
}

void nats_match_builder_fini(struct nats_match_builder *builder)
{
    free(builder->match.plain);
    free(builder->match.members);
    free(builder->match.groups);
    free(builder->queues);
    memset(builder, 0, sizeof(*builder));
}

struct match_find {
    struct ub_bytes subject;
    bool (*wanted)(void *arg, const struct nats_sub *sub);
    void *arg;
    struct nats_sub *found;
};

static bool find_among(struct match_find *find, struct nats_sub *first)
{
    for (struct nats_sub *sub = first; sub != NULL; sub = sub->next) {
        if (may_receive(sub, find->subject) &&
            (find->wanted == NULL || find->wanted(find->arg, sub))) {
            find->found = sub;
            return true;
        }
    }
    return false;
}

static bool find_node(void *arg, const struct nats_node *node)
{
    struct match_find *find = arg;
    if (find_among(find, node->subs)) {
        return false;
    }
    for (const struct nats_group *group = node->groups; group != NULL; group = group->next) {
        if (find_among(find, group->first)) {
            return false;
        }
    }
    return true;
}

bool nats_sublist_find_locked(struct nats_sublist *list, struct ub_bytes subject,
                              bool (*wanted)(void *arg, const struct nats_sub *sub), void *arg,
                              struct nats_sub **sub_out)
{
    struct match_find find = {subject, wanted, arg, NULL};
    match_run(list, subject, find_node, &find);
    *sub_out = find.found;
    return find.found != NULL;
}

bool nats_sublist_find(struct nats_sublist *list, struct ub_bytes subject,
                       bool (*wanted)(void *arg, const struct nats_sub *sub), void *arg,
                       struct nats_member *member_out)
{
    struct nats_sub *sub;
    pthread_rwlock_rdlock(&list->lock);
    bool is_found = nats_sublist_find_locked(list, subject, wanted, arg, &sub);
    if (is_found) {
        *member_out = member_of(sub);
    }
    pthread_rwlock_unlock(&list->lock);
    return is_found;
}
