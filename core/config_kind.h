/* SPDX-License-Identifier: Apache-2.0
 *
 * The texts that settings are written in. Pure functions. */
#ifndef CORE_CONFIG_KIND_H
#define CORE_CONFIG_KIND_H

#include <unibus/settings.h>

#include "arena.h"

/* "64 MiB", "10 GB", "512 B", "4096": whole numbers of bytes. */
bool size_parse(const char *text, int64_t *bytes_out);

/* "250 ms", "2 s", "5 min", "1 h", "7 d" into milliseconds; a unit is needed. */
bool duration_parse(const char *text, int64_t *ms_out);

/* The same back, with the largest unit that divides. */
void size_text(int64_t bytes, char *out, size_t out_size);
void duration_text(int64_t ms, char *out, size_t out_size);

/* "127.0.0.1:8470", "[::1]:8470", "localhost:8470". NULL, or what is wrong. Texts are copied. */
const char *listen_parse(struct arena *arena, const char *text, struct ub_listen *listen_out);

#endif
