/* SPDX-License-Identifier: Apache-2.0 */
#include "subject.h"

#include <string.h>

/* Bytes of the UTF-8 character at `at`, 0 = none: shortest form, no surrogates, up to U+10FFFF. */
static size_t utf8_len(const uint8_t *at)
{
    uint32_t value, least;
    size_t len;
    if (at[0] < 0x80) {
        return 1;
    }
    if ((at[0] & 0xE0) == 0xC0) {
        len = 2, value = at[0] & 0x1Fu, least = 0x80;
    } else if ((at[0] & 0xF0) == 0xE0) {
        len = 3, value = at[0] & 0x0Fu, least = 0x800;
    } else if ((at[0] & 0xF8) == 0xF0) {
        len = 4, value = at[0] & 0x07u, least = 0x10000;
    } else {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0; /* the end of the text too */
        }
        value = value << 6 | (at[i] & 0x3Fu);
    }
    bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
    return value < least || value > 0x10FFFF || is_surrogate ? 0 : len;
}

static const char *bytes_fault(const char *text)
{
    for (const uint8_t *at = (const uint8_t *)text; *at != '\0';) {
        size_t len = utf8_len(at);
        if (len == 0) {
            return "is not UTF-8";
        }
        if (*at < 0x20 || *at == 0x7F) {
            return "has a control character in it";
        }
        at += len;
    }
    return NULL;
}

/* Length of the token at `at`. */
static size_t token_len(const char *at)
{
    return strcspn(at, ".");
}

static bool token_is(const char *at, const char *token)
{
    return token_len(at) == strlen(token) && strncmp(at, token, strlen(token)) == 0;
}

/* Behind the token and its dot; at the end of the text when it was the last. */
static const char *token_next(const char *at)
{
    at += token_len(at);
    return *at == '.' ? at + 1 : at;
}

static const char *pattern_fault(const char *pattern)
{
    size_t tokens = 0;
    const char *at = pattern;
    for (;;) {
        size_t len = token_len(at);
        if (len == 0) {
            return "has an empty token (two dots, or one at an end)";
        }
        if (token_is(at, ">") && at[len] != '\0') {
            return "has a \">\" that is not its last token";
        }
        if (++tokens > USERS_TOKENS_MAX) {
            return "has more than 256 tokens";
        }
        if (at[len] == '\0') {
            return NULL;
        }
        at += len + 1;
    }
}

static const char *text_fault(const char *pattern)
{
    const char *why = bytes_fault(pattern);
    return why != NULL ? why : pattern_fault(pattern);
}

const char *users_subject_parse(const char *text, bool may_have_queue,
                                char subject_out[USERS_SUBJECT_MAX],
                                char queue_out[USERS_SUBJECT_MAX])
{
    static const char blanks[] = " \t";
    subject_out[0] = queue_out[0] = '\0';
    text += strspn(text, blanks);
    size_t len = strcspn(text, blanks);
    const char *queue = text + len + strspn(text + len, blanks);
    size_t queue_len = strcspn(queue, blanks);
    if (len == 0) {
        return "is empty";
    }
    if (len >= USERS_SUBJECT_MAX || queue_len >= USERS_SUBJECT_MAX) {
        return "is longer than 1023 bytes";
    }
    if (queue[queue_len + strspn(queue + queue_len, blanks)] != '\0') {
        return "has more than two words: a subject, and for subscriptions a queue group";
    }
    if (queue_len > 0 && !may_have_queue) {
        return "has a blank in it: only subscriptions have queue groups";
    }
    memcpy(subject_out, text, len);
    memcpy(queue_out, queue, queue_len);
    subject_out[len] = queue_out[queue_len] = '\0';
    const char *why = text_fault(subject_out);
    return why == NULL && queue_len > 0 ? text_fault(queue_out) : why;
}

bool users_subject_names_room(const char *pattern)
{
    static const char *const prefixes[] = {"UB_R_", "KV_UB_R_", "OBJ_UB_R_"};
    const char *second = token_next(pattern);
    if (token_is(pattern, "ub") && token_is(second, "r") && *token_next(second) != '\0') {
        return true;
    }
    for (const char *at = pattern; *at != '\0'; at = token_next(at)) {
        for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
            if (strncmp(at, prefixes[i], strlen(prefixes[i])) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool users_subject_begins(const char *pattern, const char *token)
{
    return token_is(pattern, token) && *token_next(pattern) != '\0';
}

bool users_subject_reaches(const char *pattern, const char *token)
{
    return token_is(pattern, ">") ||
           ((token_is(pattern, "*") || token_is(pattern, token)) && *token_next(pattern) != '\0');
}
