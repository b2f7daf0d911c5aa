/* SPDX-License-Identifier: Apache-2.0
 *
 * Finds `action == "room.crate"` in the text: a rule that never applies is the worst mistake in a
 * policy, because nothing fails. Only comparisons of the name `action` with a literal are judged.
 */
#include "script_state.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <ubp/actions.h>

enum lint_kind { LINT_END = 0, LINT_NAME, LINT_TEXT, LINT_COMPARE, LINT_OTHER };

struct lint_token {
    enum lint_kind kind;
    const char *ptr;
    size_t len;
    uint32_t line;
};

struct lint {
    const char *at, *end;
    uint32_t line;
};

static char peek(const struct lint *lint, size_t ahead)
{
    return (size_t)(lint->end - lint->at) > ahead ? lint->at[ahead] : '\0';
}

static void advance(struct lint *lint, size_t count)
{
    for (; count > 0 && lint->at < lint->end; count--) {
        lint->line += *lint->at == '\n';
        lint->at++;
    }
}

/* The number of `=` in `[==[`, or -1 when here is no long bracket. */
static int long_level(const struct lint *lint)
{
    size_t level = 0;
    if (peek(lint, 0) != '[') {
        return -1;
    }
    while (peek(lint, level + 1) == '=') {
        level++;
    }
    return peek(lint, level + 1) == '[' ? (int)level : -1;
}

static void skip_long(struct lint *lint, size_t level)
{
    advance(lint, level + 2);
    while (lint->at < lint->end) {
        size_t i = 0;
        if (peek(lint, 0) == ']') {
            while (i < level && peek(lint, i + 1) == '=') {
                i++;
            }
            if (i == level && peek(lint, level + 1) == ']') {
                advance(lint, level + 2);
                return;
            }
        }
        advance(lint, 1);
    }
}

/* Blanks and comments. */
static void skip_blank(struct lint *lint)
{
    while (lint->at < lint->end) {
        if (isspace((unsigned char)peek(lint, 0))) {
            advance(lint, 1);
        } else if (peek(lint, 0) == '-' && peek(lint, 1) == '-') {
            advance(lint, 2);
            int level = long_level(lint);
            if (level >= 0) {
                skip_long(lint, (size_t)level);
            }
            while (level < 0 && lint->at < lint->end && peek(lint, 0) != '\n') {
                advance(lint, 1);
            }
        } else {
            return;
        }
    }
}

static void read_quoted(struct lint *lint, struct lint_token *token)
{
    char quote = peek(lint, 0);
    advance(lint, 1);
    token->ptr = lint->at;
    while (lint->at < lint->end && peek(lint, 0) != quote && peek(lint, 0) != '\n') {
        advance(lint, peek(lint, 0) == '\\' ? 2 : 1);
    }
    token->kind = LINT_TEXT;
    token->len = (size_t)(lint->at - token->ptr);
    advance(lint, 1);
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static struct lint_token next_token(struct lint *lint)
{
    skip_blank(lint);
    struct lint_token token = {LINT_END, lint->at, 0, lint->line};
    char c = peek(lint, 0), next = peek(lint, 1);
    if (lint->at >= lint->end) {
        return token;
    }
    token.kind = LINT_OTHER;
    if (c == '"' || c == '\'') {
        read_quoted(lint, &token);
    } else if (long_level(lint) >= 0) {
        skip_long(lint, (size_t)long_level(lint));
    } else if (is_name_char(c)) {
        token.kind = LINT_NAME;
        while (is_name_char(peek(lint, token.len))) {
            token.len++;
        }
        advance(lint, token.len);
    } else if ((c == '=' || c == '~') && next == '=') {
        token.kind = LINT_COMPARE;
        advance(lint, 2);
    } else {
        advance(lint, 1);
    }
    return token;
}

static bool is_action(const struct lint_token *token)
{
    return token->kind == LINT_NAME && token->len == 6 && memcmp(token->ptr, "action", 6) == 0;
}

static bool text_is_good(const struct lint_token *text, struct ubp_fault *fault)
{
    char name[64], hint[96];
    snprintf(name, sizeof(name), "%.*s", (int)(text->len < 63 ? text->len : 63), text->ptr);
    if (!ubp_action_is_suspect(name, hint, sizeof(hint))) {
        return true;
    }
    fault->error = UBP_E_SCRIPT;
    fault->line = text->line;
    snprintf(fault->text, sizeof(fault->text), "\"%s\" is no action%s", name, hint);
    return false;
}

bool ubp_lint(const char *text, size_t len, struct ubp_fault *fault_out)
{
    struct lint lint = {text, text + len, 1};
    struct lint_token before = {LINT_OTHER, text, 0, 1}, middle = before;
    for (;;) {
        struct lint_token token = next_token(&lint);
        if (token.kind == LINT_END) {
            return true;
        }
        bool is_left = is_action(&before) && token.kind == LINT_TEXT;
        bool is_right = before.kind == LINT_TEXT && is_action(&token);
        if (middle.kind == LINT_COMPARE && (is_left || is_right) &&
            !text_is_good(is_left ? &token : &before, fault_out)) {
            return false;
        }
        before = middle;
        middle = token;
    }
}
