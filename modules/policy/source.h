/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a script, with where they come from and what their hash is. Immutable. */
#ifndef PLCY_SOURCE_H
#define PLCY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include <unibus/abi.h>

struct plcy_source {
    char *path; /* for messages: file:line */
    char *text;
    size_t len;
    char digest[65]; /* SHA-256, hexadecimal */
};

/* Reads a file: regular, at most 256 KiB, not writable by others. */
struct plcy_source *plcy_source_read(const char *path, struct ub_err *err);
/* Copies. NULL without memory. */
struct plcy_source *plcy_source_new(const char *path, const char *text, size_t len);
/* "path:line"; "path" for line 0: no line of it decided, or is at fault. */
void plcy_source_place(const struct plcy_source *source, uint32_t line, char *out, size_t out_size);
void plcy_source_free(struct plcy_source **source);

#endif
