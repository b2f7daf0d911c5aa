/* SPDX-License-Identifier: Apache-2.0
 *
 * "did you mean": the known name that is nearest to what was written. */
#ifndef CORE_SUGGEST_H
#define CORE_SUGGEST_H

#include <stddef.h>

/* Collects the best of the candidates that are offered; start with {.written = text}. */
struct suggest {
    const char *written;
    const char *best; /* NULL = nothing is near enough */
    size_t distance;
};

void suggest_offer(struct suggest *suggest, const char *candidate);

/* ` (did you mean "file"?)`, or "" without a suggestion. */
void suggest_text(const struct suggest *suggest, char *out, size_t out_size);

#endif
