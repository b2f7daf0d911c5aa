/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_MAP_H
#define MEMB_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A hash map from keys of one fixed length to pointers, which it does not own. Keyed hashing, so
 * that a client who chooses keys cannot make it slow. Threads: the owner's lock. */

struct memb_map;

/* NULL = no memory. key_len 1 to 64. */
struct memb_map *memb_map_new(size_t key_len);
void memb_map_free(struct memb_map **map);

/* NULL when absent. */
void *memb_map_get(const struct memb_map *map, const void *key);
/* Sets or replaces; false = no memory, nothing changed. */
bool memb_map_put(struct memb_map *map, const void *key, void *value);
/* The value that was there, or NULL. */
void *memb_map_remove(struct memb_map *map, const void *key);
size_t memb_map_count(const struct memb_map *map);

/* Calls fn for every value; fn must not change the map, except that it may ask for the removal of
 * the current key by answering false. */
typedef bool (*memb_map_keep_fn)(void *arg, const uint8_t *key, void *value);
void memb_map_sweep(struct memb_map *map, memb_map_keep_fn keep, void *arg);

#endif
