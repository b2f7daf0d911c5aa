/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

struct arena_piece {
    struct arena_piece *next;
    size_t size; /* of bytes */
    max_align_t bytes[];
};

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(count, size, &total));
    CHECK(!__builtin_add_overflow(total, sizeof(struct arena_piece), &total));
    struct arena_piece *piece = calloc(1, total);
    CHECK(piece != NULL);
    piece->next = arena->pieces;
    piece->size = total - sizeof(*piece);
    arena->pieces = piece;
    return piece->bytes;
}

char *arena_copy(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1, 1);
    memcpy(copy, text, len);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1, 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

void arena_fini(struct arena *arena)
{
    while (arena->pieces != NULL) {
        struct arena_piece *piece = arena->pieces;
        arena->pieces = piece->next;
        explicit_bzero(piece->bytes, piece->size); /* a front's config has passwords in it */
        free(piece);
    }
}
