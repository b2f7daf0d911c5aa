/* SPDX-License-Identifier: Apache-2.0
 *
 * Structs that begin with their size and are of another minor than one's own: both sides touch
 * min(size, own) bytes. Header-only, so that a module needs no library. */
#ifndef UNIBUS_SIZED_H
#define UNIBUS_SIZED_H

#include <string.h>

#include <unibus/abi.h>

/* Fills a caller's output struct from one's own; `size` in it stays the caller's, and nothing
 * behind it is touched. */
static inline void ub_sized_give(void *out, const void *own, size_t own_size)
{
    uint32_t size;
    memcpy(&size, out, sizeof(size));
    size_t bytes = size < own_size ? size : own_size;
    if (bytes > sizeof(size)) {
        memcpy((char *)out + sizeof(size), (const char *)own + sizeof(size), bytes - sizeof(size));
    }
}

/* Takes a caller's input struct into one's own: what he does not have is zero. NULL is all zero. */
static inline void ub_sized_take(void *own, size_t own_size, const void *given)
{
    uint32_t size = 0;
    memset(own, 0, own_size);
    if (given != NULL) {
        memcpy(&size, given, sizeof(size));
        memcpy(own, given, size < own_size ? size : own_size);
    }
}

#endif
