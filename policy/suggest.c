/* SPDX-License-Identifier: Apache-2.0 */
#include "suggest.h"

#include <stdio.h>
#include <string.h>

#define SUGGEST_MAX_LEN 64

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edit distance where swapping neighbours counts as one (optimal string alignment). */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][SUGGEST_MAX_LEN + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b_len; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = a[i - 1] != b[j - 1];
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = min3(now[j], before[j - 2] + 1, now[j]);
            }
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b_len];
}

void ubp_suggest_offer(struct ubp_suggest *suggest, const char *candidate)
{
    size_t a_len = strlen(suggest->written), b_len = strlen(candidate);
    if (a_len > SUGGEST_MAX_LEN || b_len > SUGGEST_MAX_LEN) {
        return;
    }
    size_t here = distance(suggest->written, a_len, candidate, b_len);
    size_t limit = b_len <= 3 ? 1 : b_len <= 6 ? 2 : 3;
    if (here <= limit && here < b_len && (suggest->best == NULL || here < suggest->distance)) {
        suggest->best = candidate;
        suggest->distance = here;
    }
}

void ubp_suggest_text(const struct ubp_suggest *suggest, char *out, size_t out_size)
{
    if (suggest->best == NULL) {
        snprintf(out, out_size, "%s", "");
    } else {
        snprintf(out, out_size, " (did you mean \"%s\"?)", suggest->best);
    }
}
