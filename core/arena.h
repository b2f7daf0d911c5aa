/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that is freed all at once: a config and everything that was read from it. Running out of
 * memory here happens before anything has started, and stops the process. Not thread-safe. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

#include <unibus/abi.h>

struct arena_piece;

struct arena {
    struct arena_piece *pieces;
};

/* Zeroed. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);
char *arena_copy(struct arena *arena, const char *text, size_t len);
UB_PRINTF(2, 3) char *arena_printf(struct arena *arena, const char *format, ...);
void arena_fini(struct arena *arena);

#endif
