/* SPDX-License-Identifier: Apache-2.0 */
#include "map.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
    void *value;
    uint8_t key[];
};

struct memb_map {
    size_t key_len;
    size_t count;
    size_t slots_len; /* a power of two */
    struct node **slots;
    uint8_t hash_key[crypto_shorthash_KEYBYTES];
};

struct memb_map *memb_map_new(size_t key_len)
{
    struct memb_map *map = calloc(1, sizeof *map);
    if (map == NULL) {
        return NULL;
    }
    map->key_len = key_len;
    map->slots_len = 8;
    map->slots = calloc(map->slots_len, sizeof(struct node *));
    if (map->slots == NULL) {
        free(map);
        return NULL;
    }
    randombytes_buf(map->hash_key, sizeof map->hash_key);
    return map;
}

void memb_map_free(struct memb_map **map)
{
    if (*map == NULL) {
        return;
    }
    for (size_t i = 0; i < (*map)->slots_len; i++) {
        for (struct node *node = (*map)->slots[i], *next; node != NULL; node = next) {
            next = node->next;
            free(node);
        }
    }
    free((*map)->slots);
    free(*map);
    *map = NULL;
}

static size_t slot_of(const struct memb_map *map, const void *key)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t number;
    crypto_shorthash(hash, key, map->key_len, map->hash_key);
    memcpy(&number, hash, sizeof number);
    return (size_t)number & (map->slots_len - 1);
}

/* The link that points to the key's node, or to the NULL at the end of its slot. */
static struct node **find(const struct memb_map *map, const void *key)
{
    struct node **link = &map->slots[slot_of(map, key)];
    while (*link != NULL && memcmp((*link)->key, key, map->key_len) != 0) {
        link = &(*link)->next;
    }
    return link;
}

void *memb_map_get(const struct memb_map *map, const void *key)
{
    struct node *node = *find(map, key);
    return node != NULL ? node->value : NULL;
}

/* A map that cannot grow only gets slower. */
static void grow(struct memb_map *map)
{
    size_t old_len = map->slots_len;
    struct node **old = map->slots;
    struct node **slots = calloc(old_len * 2, sizeof(struct node *));
    if (slots == NULL) {
        return;
    }
    map->slots = slots;
    map->slots_len = old_len * 2;
    for (size_t i = 0; i < old_len; i++) {
        for (struct node *node = old[i], *next; node != NULL; node = next) {
            next = node->next;
            struct node **slot = &slots[slot_of(map, node->key)];
            node->next = *slot;
            *slot = node;
        }
    }
    free(old);
}

bool memb_map_put(struct memb_map *map, const void *key, void *value)
{
    struct node *node = *find(map, key);
    if (node != NULL) {
        node->value = value;
        return true;
    }
    node = malloc(sizeof *node + map->key_len);
    if (node == NULL) {
        return false;
    }
    if (map->count >= map->slots_len) {
        grow(map);
    }
    struct node **slot = &map->slots[slot_of(map, key)];
    memcpy(node->key, key, map->key_len);
    node->value = value;
    node->next = *slot;
    *slot = node;
    map->count++;
    return true;
}

static void *unlink_node(struct memb_map *map, struct node **link)
{
    struct node *node = *link;
    void *value = node->value;
    *link = node->next;
    free(node);
    map->count--;
    return value;
}

void *memb_map_remove(struct memb_map *map, const void *key)
{
    struct node **link = find(map, key);
    return *link != NULL ? unlink_node(map, link) : NULL;
}

size_t memb_map_count(const struct memb_map *map)
{
    return map->count;
}

void memb_map_sweep(struct memb_map *map, memb_map_keep_fn keep, void *arg)
{
    for (size_t i = 0; i < map->slots_len; i++) {
        for (struct node **link = &map->slots[i]; *link != NULL;) {
            if (keep(arg, (*link)->key, (*link)->value)) {
                link = &(*link)->next;
            } else {
                unlink_node(map, link);
            }
        }
    }
}
