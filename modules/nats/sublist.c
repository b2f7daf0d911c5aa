/* SPDX-License-Identifier: Apache-2.0 */
#include "sublist.h"

#include <stdlib.h>

#include "hash.h"
#include "sublist_node.h"

#define SUBLIST_FIRST_BUCKETS 64

struct nats_sub *nats_sub_new(struct ub_bytes sid, struct ub_bytes subject, struct ub_bytes queue)
{
    struct nats_sub *sub = calloc(1, sizeof(*sub) + sid.len + subject.len + queue.len);
    if (sub == NULL) {
        return NULL;
    }
    sub->sid_len = (uint16_t)sid.len;
    sub->subject_len = (uint16_t)subject.len;
    sub->queue_len = (uint16_t)queue.len;
    uint8_t *at = sub->text;
    const struct ub_bytes parts[] = {sid, subject, queue};
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len > 0) {
            memcpy(at, parts[i].ptr, parts[i].len);
            at += parts[i].len;
        }
    }
    return sub;
}

static size_t node_bucket(const struct nats_sublist *list, const struct nats_node *parent,
                          struct ub_bytes token)
{
    return nats_hash(token, list->seed ^ (uint64_t)(uintptr_t)parent) & (list->bucket_count - 1);
}

static struct ub_bytes node_token(const struct nats_node *node)
{
    return (struct ub_bytes){node->token, node->token_len};
}

struct nats_node *nats_node_child(const struct nats_sublist *list, const struct nats_node *parent,
                                  struct ub_bytes token)
{
    struct nats_node *node = list->buckets[node_bucket(list, parent, token)];
    while (node != NULL && (node->parent != parent || !nats_bytes_equal(node_token(node), token))) {
        node = node->next;
    }
    return node;
}

/* Twice the buckets; keeps the old ones when memory is short. */
static void sublist_grow(struct nats_sublist *list)
{
    size_t old_count = list->bucket_count;
    struct nats_node **old = list->buckets;
    struct nats_node **fresh = calloc(old_count * 2, sizeof(struct nats_node *));
    if (fresh == NULL) {
        return;
    }
    list->buckets = fresh;
    list->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        for (struct nats_node *node = old[i], *next; node != NULL; node = next) {
            next = node->next;
            size_t bucket = node_bucket(list, node->parent, node_token(node));
            node->next = fresh[bucket];
            fresh[bucket] = node;
        }
    }
    free(old);
}

static void node_mark(struct nats_node *node, bool is_there)
{
    if (nats_is_star(node_token(node))) {
        node->parent->has_star = is_there;
    } else if (nats_is_rest(node_token(node))) {
        node->parent->has_rest = is_there;
    } else if (is_there) {
        node->parent->literals++;
    } else {
        node->parent->literals--;
    }
}

static struct nats_node *node_new(struct nats_sublist *list, struct nats_node *parent,
                                  struct ub_bytes token)
{
    struct nats_node *node = calloc(1, sizeof(*node) + token.len);
    if (node == NULL) {
        return NULL;
    }
    node->parent = parent;
    node->token_len = (uint16_t)token.len;
    memcpy(node->token, token.ptr, token.len);
    if (list->node_count >= list->bucket_count) {
        sublist_grow(list);
    }
    size_t bucket = node_bucket(list, parent, token);
    node->next = list->buckets[bucket];
    list->buckets[bucket] = node;
    list->node_count++;
    node_mark(node, true);
    return node;
}

static void node_free(struct nats_sublist *list, struct nats_node *node)
{
    struct nats_node **link = &list->buckets[node_bucket(list, node->parent, node_token(node))];
    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    list->node_count--;
    node_mark(node, false);
    free(node);
}

static bool node_is_empty(const struct nats_node *node)
{
    return node->subs == NULL && node->groups == NULL && node->literals == 0 && !node->has_star &&
           !node->has_rest;
}

static void node_prune(struct nats_sublist *list, struct nats_node *node)
{
    while (node != list->root && node_is_empty(node)) {
        struct nats_node *parent = node->parent;
        node_free(list, node);
        node = parent;
    }
}

static struct nats_node *node_make(struct nats_sublist *list, struct ub_bytes pattern)
{
    struct nats_node *node = list->root;
    struct ub_bytes token;
    while (nats_token_next(&pattern, &token)) {
        struct nats_node *child = nats_node_child(list, node, token);
        if (child == NULL && (child = node_new(list, node, token)) == NULL) {
            node_prune(list, node);
            return NULL;
        }
        node = child;
    }
    return node;
}

static struct nats_group **group_find(struct nats_node *node, struct ub_bytes queue)
{
    struct nats_group **link = &node->groups;
    while (*link != NULL &&
           !nats_bytes_equal((struct ub_bytes){(*link)->name, (*link)->name_len}, queue)) {
        link = &(*link)->next;
    }
    return link;
}

static struct nats_group *group_make(struct nats_sublist *list, struct nats_node *node,
                                     struct ub_bytes queue)
{
    struct nats_group **link = group_find(node, queue);
    if (*link == NULL) {
        struct nats_group *group = calloc(1, sizeof(*group) + queue.len);
        if (group == NULL) {
            return NULL;
        }
        group->hash = nats_hash(queue, list->seed);
        group->name_len = (uint16_t)queue.len;
        memcpy(group->name, queue.ptr, queue.len);
        *link = group;
    }
    return *link;
}

static void sub_link(struct nats_sub **head, struct nats_sub *sub)
{
    sub->next = *head;
    sub->link = head;
    if (*head != NULL) {
        (*head)->link = &sub->next;
    }
    *head = sub;
}

static void sub_unlink(struct nats_sub *sub)
{
    *sub->link = sub->next;
    if (sub->next != NULL) {
        sub->next->link = sub->link;
    }
}

static void sublist_touch(struct nats_sublist *list, const struct nats_sub *sub)
{
    struct ub_bytes rest = nats_sub_subject(sub), token;
    nats_token_next(&rest, &token);
    if (nats_is_star(token) || nats_is_rest(token)) {
        atomic_fetch_add_explicit(&list->wild_generation, 1, memory_order_release);
    } else {
        size_t set = nats_sublist_generation_set(nats_hash(token, list->seed));
        atomic_fetch_add_explicit(&list->generations[set], 1, memory_order_release);
    }
}

size_t nats_sublist_set_of(const struct nats_sublist *list, struct ub_bytes subject)
{
    struct ub_bytes token;
    nats_token_next(&subject, &token);
    return nats_sublist_generation_set(nats_hash(token, list->seed));
}

bool nats_sublist_init(struct nats_sublist *list, uint64_t seed)
{
    memset(list, 0, sizeof(*list));
    list->seed = seed;
    list->root = calloc(1, sizeof(*list->root));
    list->buckets = calloc(SUBLIST_FIRST_BUCKETS, sizeof(struct nats_node *));
    list->bucket_count = SUBLIST_FIRST_BUCKETS;
    if (list->root == NULL || list->buckets == NULL) {
        free(list->root);
        free(list->buckets);
        return false;
    }
    /* Writers first: loops that look things up all the time must not keep a SUB waiting. */
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&list->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    pthread_mutex_init(&list->turn, NULL);
    return true;
}

void nats_sublist_fini(struct nats_sublist *list)
{
    free(list->buckets);
    free(list->root);
    pthread_rwlock_destroy(&list->lock);
    pthread_mutex_destroy(&list->turn);
}

void nats_sublist_write_begin(struct nats_sublist *list)
{
    pthread_mutex_lock(&list->turn);
    pthread_rwlock_wrlock(&list->lock);
}

void nats_sublist_write_end(struct nats_sublist *list)
{
    pthread_rwlock_unlock(&list->lock);
    pthread_mutex_unlock(&list->turn);
}

static bool sublist_put(struct nats_sublist *list, struct nats_sub *sub)
{
    struct nats_node *node = node_make(list, nats_sub_subject(sub));
    if (node == NULL) {
        return false;
    }
    if (sub->queue_len == 0) {
        sub_link(&node->subs, sub);
    } else {
        struct nats_group *group = group_make(list, node, nats_sub_queue(sub));
        if (group == NULL) {
            node_prune(list, node);
            return false;
        }
        sub_link(&group->first, sub);
    }
    sub->node = node;
    return true;
}

/* What modules subscribe, this one's monitoring among them, is no client's. */
static bool is_counted(const struct nats_sub *sub)
{
    return sub->shard != NATS_SHARD_BUS;
}

bool nats_sublist_insert(struct nats_sublist *list, struct nats_sub *sub)
{
    nats_sublist_write_begin(list);
    bool is_done = sublist_put(list, sub);
    if (is_done) {
        atomic_fetch_add_explicit(&list->count, is_counted(sub), memory_order_relaxed);
        atomic_fetch_add_explicit(&list->inserts, is_counted(sub), memory_order_relaxed);
        sublist_touch(list, sub);
    }
    nats_sublist_write_end(list);
    return is_done;
}

static void group_drop_if_empty(struct nats_node *node, struct ub_bytes queue)
{
    struct nats_group **link = group_find(node, queue);
    if (*link != NULL && (*link)->first == NULL) {
        struct nats_group *group = *link;
        *link = group->next;
        free(group);
    }
}

void nats_sublist_remove(struct nats_sublist *list, struct nats_sub *sub)
{
    nats_sublist_write_begin(list);
    sub_unlink(sub);
    if (sub->queue_len > 0) {
        group_drop_if_empty(sub->node, nats_sub_queue(sub));
    }
    node_prune(list, sub->node);
    sub->node = NULL;
    sub->filter = NULL;
    atomic_fetch_sub_explicit(&list->count, is_counted(sub), memory_order_relaxed);
    sublist_touch(list, sub);
    nats_sublist_write_end(list);
}

void nats_sublist_set_filter(struct nats_sublist *list, struct nats_sub *sub,
                             const struct nats_perms *filter)
{
    nats_sublist_write_begin(list);
    sub->filter = filter;
    sublist_touch(list, sub);
    nats_sublist_write_end(list);
}
