/* SPDX-License-Identifier: Apache-2.0 */
#include "duration.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_MS 3.2e13

static const struct {
    const char *name;
    double ms;
} units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xC2\xB5s", 1e-3}, {"\xCE\xBCs", 1e-3},
             {"ms", 1},    {"s", 1000},  {"m", 60000},        {"h", 3600000}};

/* The unit that stands here, the longest first; 0 = none. */
static double unit_at(const char **at)
{
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(*at, units[i].name, len) == 0) {
            *at += len;
            return units[i].ms;
        }
    }
    return 0;
}

/* Digits with at most one dot among them, not in the notation of strtod. */
static size_t amount_len(const char *at)
{
    size_t whole = strspn(at, "0123456789");
    size_t part = at[whole] == '.' ? 1 + strspn(at + whole + 1, "0123456789") : 0;
    return whole + part > (part > 0) ? whole + part : 0;
}

bool duration_of_go(const char *text, int64_t *ms_out)
{
    double total = 0;
    const char *at = strcmp(text, "0") == 0 ? "0s" : text;
    const char *start = at;
    while (*at != '\0') {
        size_t len = amount_len(at);
        char *end = NULL;
        double amount = len > 0 && len < 32 ? strtod(at, &end) : -1;
        if (amount < 0 || end != at + len) {
            return false;
        }
        at += len;
        double unit = unit_at(&at);
        total += amount * unit;
        if (unit == 0 || total > DURATION_MAX_MS) {
            return false;
        }
    }
    *ms_out = (int64_t)ceil(total);
    return at != start;
}
