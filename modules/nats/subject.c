/* SPDX-License-Identifier: Apache-2.0 */
#include "subject.h"

#include "utf8.h"

bool nats_token_next(struct ub_bytes *rest, struct ub_bytes *token_out)
{
    if (rest->ptr == NULL) {
        return false;
    }
    const uint8_t *dot = rest->len == 0 ? NULL : memchr(rest->ptr, '.', rest->len);
    if (dot == NULL) {
        *token_out = *rest;
        *rest = (struct ub_bytes){NULL, 0};
        return true;
    }
    size_t len = (size_t)(dot - rest->ptr);
    *token_out = (struct ub_bytes){rest->ptr, len};
    *rest = (struct ub_bytes){dot + 1, rest->len - len - 1};
    return true;
}

static bool subject_bytes_are_valid(struct ub_bytes subject)
{
    bool is_ascii = true;
    for (size_t i = 0; i < subject.len; i++) {
        uint8_t c = subject.ptr[i];
        if (c <= 0x20 || c == 0x7f) {
            return false;
        }
        is_ascii = is_ascii && c < 0x80;
    }
    return is_ascii || nats_utf8_is_valid(subject);
}

static bool subject_is_valid(struct ub_bytes subject, bool may_have_wildcards)
{
    if (subject.len == 0 || !subject_bytes_are_valid(subject)) {
        return false;
    }
    struct ub_bytes rest = subject, token;
    size_t count = 0;
    while (nats_token_next(&rest, &token)) {
        bool is_rest = nats_is_rest(token);
        if (token.len == 0 || ++count > NATS_TOKENS_MAX || (is_rest && rest.ptr != NULL) ||
            (!may_have_wildcards && (is_rest || nats_is_star(token)))) {
            return false;
        }
    }
    return true;
}

bool nats_subject_is_pattern(struct ub_bytes subject)
{
    return subject_is_valid(subject, true);
}

bool nats_subject_is_literal(struct ub_bytes subject)
{
    return subject_is_valid(subject, false);
}

bool nats_token_matches(struct ub_bytes rule, bool is_family, struct ub_bytes token)
{
    if (nats_bytes_equal(rule, token)) {
        return true;
    }
    return is_family && token.len > rule.len && memcmp(token.ptr, rule.ptr, rule.len) == 0 &&
           token.ptr[rule.len] == '_';
}

bool nats_subject_matches(struct ub_bytes pattern, uint32_t family, struct ub_bytes literal)
{
    struct ub_bytes p, t;
    for (uint32_t place = 1; nats_token_next(&pattern, &p); place++) {
        if (!nats_token_next(&literal, &t)) {
            return false;
        }
        if (nats_is_rest(p)) {
            return true;
        }
        if (!nats_is_star(p) && !nats_token_matches(p, place == family, t)) {
            return false;
        }
    }
    return literal.ptr == NULL;
}

bool nats_subject_covers(struct ub_bytes outer, uint32_t family, struct ub_bytes inner)
{
    struct ub_bytes o, i;
    for (uint32_t place = 1; nats_token_next(&outer, &o); place++) {
        if (!nats_token_next(&inner, &i)) {
            return false;
        }
        if (nats_is_rest(o)) {
            return true;
        }
        if (nats_is_rest(i)) {
            return false;
        }
        if (nats_is_star(o)) {
            continue;
        }
        if (nats_is_star(i) || !nats_token_matches(o, place == family, i)) {
            return false;
        }
    }
    return inner.ptr == NULL;
}

bool nats_subjects_overlap(struct ub_bytes a, uint32_t family, struct ub_bytes b)
{
    struct ub_bytes x, y;
    for (uint32_t place = 1;; place++) {
        bool has_x = nats_token_next(&a, &x), has_y = nats_token_next(&b, &y);
        if (!has_x || !has_y) {
            return has_x == has_y;
        }
        if (nats_is_rest(x) || nats_is_rest(y)) {
            return true;
        }
        if (!nats_is_star(x) && !nats_is_star(y) && !nats_token_matches(x, place == family, y)) {
            return false;
        }
    }
}
