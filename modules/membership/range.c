/* SPDX-License-Identifier: Apache-2.0 */
#include "range.h"

#include <stdlib.h>
#include <string.h>

/* Digits up to 16 places; -1 = none there. Goes on behind them. */
static int64_t read_number(const char **at)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > 16) {
        return -1;
    }
    int64_t number = strtoll(*at, NULL, 10);
    *at += digits;
    return number;
}

static enum memb_range read_suffix(const char *at, int64_t length, int64_t *first, int64_t *last)
{
    int64_t count = read_number(&at);
    if (count < 0 || *at != '\0') {
        return MEMB_RANGE_WHOLE;
    }
    if (count == 0 || length == 0) {
        return MEMB_RANGE_OUTSIDE;
    }
    *first = count < length ? length - count : 0;
    *last = length - 1;
    return MEMB_RANGE_PART;
}

enum memb_range memb_range_read(const char *text, int64_t length, int64_t *first_out,
                                int64_t *last_out)
{
    if (text == NULL || strncmp(text, "bytes=", 6) != 0) {
        return MEMB_RANGE_WHOLE;
    }
    const char *at = text + 6;
    if (*at == '-') {
        return read_suffix(at + 1, length, first_out, last_out);
    }
    int64_t first = read_number(&at);
    if (first < 0 || *at++ != '-') {
        return MEMB_RANGE_WHOLE;
    }
    int64_t last = *at == '\0' ? length - 1 : read_number(&at);
    if (*at != '\0' || (last < first && first < length)) {
        return MEMB_RANGE_WHOLE;
    }
    if (first >= length) {
        return MEMB_RANGE_OUTSIDE;
    }
    *first_out = first;
    *last_out = last < length ? last : length - 1;
    return MEMB_RANGE_PART;
}
