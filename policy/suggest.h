/* SPDX-License-Identifier: Apache-2.0
 *
 * "did you mean": the offered name that is nearest to what was written. */
#ifndef POLICY_SUGGEST_H
#define POLICY_SUGGEST_H

#include <stddef.h>

struct ubp_suggest {
    const char *written;
    const char *best; /* NULL = none is near */
    size_t distance;
};

/* The candidate must live until ubp_suggest_text. */
void ubp_suggest_offer(struct ubp_suggest *suggest, const char *candidate);
/* " (did you mean \"x\"?)" or "". */
void ubp_suggest_text(const struct ubp_suggest *suggest, char *out, size_t out_size);

#endif
