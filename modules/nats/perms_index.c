/* SPDX-License-Identifier: Apache-2.0 */
#include "perms_index.h"

#include <stdlib.h>

#include "hash.h"
#include "subject.h"

#define INDEX_NONE UINT32_MAX

struct index_node {
    struct ub_bytes token; /* borrowed from the rule */
    uint32_t parent, next; /* next in the bucket */
    uint32_t first_rule, last_rule;
    uint32_t star, rest; /* children */
    bool is_family, has_literals, has_families;
};

struct nats_perms_index {
    const struct ub_perm_rule *rules;
    uint32_t *next_rule; /* the next rule of the same node */
    struct index_node *nodes;
    uint32_t node_count, node_room;
    uint32_t *buckets;
    uint32_t bucket_count;
};

struct index_walk {
    const struct nats_perms_index *index;
    struct ub_bytes tokens[NATS_TOKENS_MAX];
    uint32_t count;
    bool (*visit)(void *arg, const struct ub_perm_rule *rule);
    void *arg;
};

static uint32_t index_bucket(const struct nats_perms_index *index, uint32_t parent, bool is_family,
                             struct ub_bytes token)
{
    uint64_t hash = nats_hash(token, (uint64_t)parent << 1 | (is_family ? 1u : 0u));
    return (uint32_t)hash & (index->bucket_count - 1);
}

static uint32_t index_child(const struct nats_perms_index *index, uint32_t parent, bool is_family,
                            struct ub_bytes token)
{
    uint32_t at = index->buckets[index_bucket(index, parent, is_family, token)];
    while (at != INDEX_NONE) {
        const struct index_node *node = &index->nodes[at];
        if (node->parent == parent && node->is_family == is_family &&
            nats_bytes_equal(node->token, token)) {
            break;
        }
        at = node->next;
    }
    return at;
}

static uint32_t index_node_new(struct nats_perms_index *index, struct ub_bytes token,
                               uint32_t parent, bool is_family)
{
    struct index_node *node = &index->nodes[index->node_count];
    *node = (struct index_node){token,      parent,     INDEX_NONE, INDEX_NONE, INDEX_NONE,
                                INDEX_NONE, INDEX_NONE, is_family,  false,      false};
    return index->node_count++;
}

static uint32_t index_child_make(struct nats_perms_index *index, uint32_t parent, bool is_family,
                                 struct ub_bytes token)
{
    struct index_node *up = &index->nodes[parent];
    if (nats_is_star(token)) {
        return up->star != INDEX_NONE ? up->star
                                      : (up->star = index_node_new(index, token, parent, false));
    }
    if (nats_is_rest(token)) {
        return up->rest != INDEX_NONE ? up->rest
                                      : (up->rest = index_node_new(index, token, parent, false));
    }
    uint32_t at = index_child(index, parent, is_family, token);
    if (at == INDEX_NONE) {
        at = index_node_new(index, token, parent, is_family);
        uint32_t *bucket = &index->buckets[index_bucket(index, parent, is_family, token)];
        index->nodes[at].next = *bucket;
        *bucket = at;
        up->has_families = up->has_families || is_family;
        up->has_literals = up->has_literals || !is_family;
    }
    return at;
}

static void index_add(struct nats_perms_index *index, uint32_t rule)
{
    struct ub_bytes rest = nats_text(index->rules[rule].subject), token;
    uint32_t at = 0;
    for (uint32_t place = 1; nats_token_next(&rest, &token); place++) {
        at = index_child_make(index, at, place == index->rules[rule].family_token, token);
    }
    struct index_node *node = &index->nodes[at];
    index->next_rule[rule] = INDEX_NONE;
    if (node->last_rule == INDEX_NONE) {
        node->first_rule = rule;
    } else {
        index->next_rule[node->last_rule] = rule;
    }
    node->last_rule = rule;
}

static uint32_t index_count_tokens(const struct ub_perm_rule *rules, uint32_t count)
{
    uint32_t tokens = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct ub_bytes rest = nats_text(rules[i].subject), token;
        while (nats_token_next(&rest, &token)) {
            tokens++;
        }
    }
    return tokens;
}

struct nats_perms_index *nats_perms_index_new(const struct ub_perm_rule *rules, uint32_t count)
{
    struct nats_perms_index *index = calloc(1, sizeof(*index));
    if (index == NULL) {
        return NULL;
    }
    index->rules = rules;
    index->node_room = index_count_tokens(rules, count) + 1;
    index->bucket_count = 16;
    while (index->bucket_count < index->node_room) {
        index->bucket_count *= 2;
    }
    index->nodes = calloc(index->node_room, sizeof(*index->nodes));
    index->next_rule = calloc(count == 0 ? 1 : count, sizeof(*index->next_rule));
    index->buckets = malloc(index->bucket_count * sizeof(*index->buckets));
    if (index->nodes == NULL || index->next_rule == NULL || index->buckets == NULL) {
        nats_perms_index_free(&index);
        return NULL;
    }
    memset(index->buckets, 0xff, index->bucket_count * sizeof(*index->buckets));
    index_node_new(index, nats_text(""), INDEX_NONE, false);
    for (uint32_t i = 0; i < count; i++) {
        index_add(index, i);
    }
    return index;
}

void nats_perms_index_free(struct nats_perms_index **index)
{
    if (*index != NULL) {
        free((*index)->nodes);
        free((*index)->next_rule);
        free((*index)->buckets);
        free(*index);
        *index = NULL;
    }
}

static bool walk_rules(const struct index_walk *walk, uint32_t at)
{
    const struct nats_perms_index *index = walk->index;
    for (uint32_t rule = index->nodes[at].first_rule; rule != INDEX_NONE;
         rule = index->next_rule[rule]) {
        if (!walk->visit(walk->arg, &index->rules[rule])) {
            return false;
        }
    }
    return true;
}

static bool walk_step(const struct index_walk *walk, uint32_t at, uint32_t depth);

static bool walk_child(const struct index_walk *walk, uint32_t at, uint32_t depth, bool is_family,
                       struct ub_bytes token)
{
    uint32_t child = index_child(walk->index, at, is_family, token);
    return child == INDEX_NONE || walk_step(walk, child, depth + 1);
}

/* A family rule "ab" takes "ab" and "ab_…": try each part of the token that ends before a `_`. */
static bool walk_families(const struct index_walk *walk, uint32_t at, uint32_t depth)
{
    struct ub_bytes token = walk->tokens[depth];
    for (size_t i = 1; i < token.len; i++) {
        if (token.ptr[i] == '_' &&
            !walk_child(walk, at, depth, true, (struct ub_bytes){token.ptr, i})) {
            return false;
        }
    }
    return walk_child(walk, at, depth, true, token);
}

static bool walk_step(const struct index_walk *walk, uint32_t at, uint32_t depth)
{
    const struct index_node *node = &walk->index->nodes[at];
    if (depth == walk->count) {
        return walk_rules(walk, at);
    }
    struct ub_bytes token = walk->tokens[depth];
    if (node->rest != INDEX_NONE && !walk_rules(walk, node->rest)) {
        return false;
    }
    if (nats_is_rest(token)) {
        return true;
    }
    if (node->star != INDEX_NONE && !walk_step(walk, node->star, depth + 1)) {
        return false;
    }
    if (nats_is_star(token)) {
        return true;
    }
    if (node->has_literals && !walk_child(walk, at, depth, false, token)) {
        return false;
    }
    return !node->has_families || walk_families(walk, at, depth);
}

void nats_perms_index_covering(const struct nats_perms_index *index, struct ub_bytes subject,
                               bool (*visit)(void *arg, const struct ub_perm_rule *rule), void *arg)
{
    struct index_walk walk = {.index = index, .count = 0, .visit = visit, .arg = arg};
    struct ub_bytes token;
    while (nats_token_next(&subject, &token)) {
        if (walk.count == NATS_TOKENS_MAX) {
            return;
        }
        walk.tokens[walk.count++] = token;
    }
    walk_step(&walk, 0, 0);
}
