/* SPDX-License-Identifier: Apache-2.0
 *
 * NATS subjects: tokens with dots between, `*` stands for one, `>` at the end for one or more. */
#include "lang.h"

#include <string.h>

struct token {
    const char *ptr;
    size_t len;
};

/* The next token; *rest_len is SIZE_MAX after the last one. */
static bool token_next(const char **rest, size_t *rest_len, struct token *token_out)
{
    if (*rest_len == SIZE_MAX) {
        return false;
    }
    const char *dot = memchr(*rest, '.', *rest_len);
    token_out->ptr = *rest;
    token_out->len = dot != NULL ? (size_t)(dot - *rest) : *rest_len;
    if (dot == NULL) {
        *rest_len = SIZE_MAX;
    } else {
        *rest_len -= token_out->len + 1;
        *rest = dot + 1;
    }
    return true;
}

static bool token_is(const struct token *token, char c)
{
    return token->len == 1 && token->ptr[0] == c;
}

static bool token_is_sound(const struct token *token)
{
    for (size_t i = 0; i < token->len; i++) {
        if ((unsigned char)token->ptr[i] <= ' ' || token->ptr[i] == 0x7f) {
            return false;
        }
    }
    return token->len > 0;
}

bool ubp_subject_is_pattern(const char *text, size_t len)
{
    struct token token;
    while (token_next(&text, &len, &token)) {
        if (!token_is_sound(&token) || (token_is(&token, '>') && len != SIZE_MAX)) {
            return false;
        }
    }
    return true;
}

bool ubp_subject_matches(const char *pattern, size_t pattern_len, const char *subject, size_t len)
{
    struct token want, have;
    while (token_next(&pattern, &pattern_len, &want)) {
        if (!token_next(&subject, &len, &have)) {
            return false;
        }
        if (token_is(&want, '>')) {
            return true;
        }
        if (!token_is(&want, '*') &&
            (want.len != have.len || memcmp(want.ptr, have.ptr, want.len) != 0)) {
            return false;
        }
    }
    return len == SIZE_MAX;
}

/* Can one subject match both patterns? */
static bool patterns_meet(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct token x, y;
    for (;;) {
        bool has_x = token_next(&a, &a_len, &x), has_y = token_next(&b, &b_len, &y);
        if (!has_x || !has_y) {
            return has_x == has_y;
        }
        if (token_is(&x, '>') || token_is(&y, '>')) {
            return true;
        }
        if (!token_is(&x, '*') && !token_is(&y, '*') &&
            (x.len != y.len || memcmp(x.ptr, y.ptr, x.len) != 0)) {
            return false;
        }
    }
}

const char *ubp_subject_reserved(const char *pattern, size_t len)
{
    static const char *const spaces[] = {"ub.r.>", "$JS.>", "$KV.>", "$O.>", "$SYS.>", "_INBOX.>"};
    struct token token;
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        if (patterns_meet(pattern, len, spaces[i], strlen(spaces[i]))) {
            return spaces[i];
        }
    }
    while (token_next(&pattern, &len, &token)) {
        if (token.len >= 5 && memcmp(token.ptr, "UB_R_", 5) == 0) {
            return "UB_R_…";
        }
    }
    return NULL;
}
