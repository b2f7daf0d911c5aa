/* SPDX-License-Identifier: Apache-2.0
 *
 * Subjects and patterns as text: validity, matching, covering, overlap. Pure functions, any thread.
 *
 * A subject is 1 to NATS_TOKENS_MAX tokens between dots, no token empty, UTF-8 without control
 * characters and spaces. In a pattern a token `*` stands for any one token and a last token `>` for
 * one or more; `foo*` is an ordinary token. */
#ifndef NATS_SUBJECT_H
#define NATS_SUBJECT_H

#include <string.h>

#include <unibus/abi.h>

#define NATS_TOKENS_MAX 256

static inline struct ub_bytes nats_text(const char *text)
{
    return (struct ub_bytes){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool nats_bytes_equal(struct ub_bytes a, struct ub_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool nats_starts(struct ub_bytes text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

/* Takes the first token off *rest; false when nothing is left. "a..b" yields an empty token, and a
 * text that ends in a dot yields one at its end. *rest with ptr NULL is at its end. */
bool nats_token_next(struct ub_bytes *rest, struct ub_bytes *token_out);

static inline bool nats_is_star(struct ub_bytes token)
{
    return token.len == 1 && token.ptr[0] == '*';
}

static inline bool nats_is_rest(struct ub_bytes token)
{
    return token.len == 1 && token.ptr[0] == '>';
}

bool nats_subject_is_pattern(struct ub_bytes subject); /* valid, wildcards allowed */
bool nats_subject_is_literal(struct ub_bytes subject); /* valid, no wildcards */

/* Does the rule token `rule`, with the family form when is_family, match the literal token? */
bool nats_token_matches(struct ub_bytes rule, bool is_family, struct ub_bytes token);

/* Does the pattern match the literal subject? family: authz.h, counted from 1, 0 = none. */
bool nats_subject_matches(struct ub_bytes pattern, uint32_t family, struct ub_bytes literal);
/* Is everything that `inner` (a pattern) matches also matched by `outer`? */
bool nats_subject_covers(struct ub_bytes outer, uint32_t family, struct ub_bytes inner);
/* Is there a subject that both patterns match? family belongs to a. */
bool nats_subjects_overlap(struct ub_bytes a, uint32_t family, struct ub_bytes b);

#endif
