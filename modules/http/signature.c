/* SPDX-License-Identifier: Apache-2.0 */
#include "signature.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base64.h"

#define LIFETIME_MAX_S 120

const char *const http_component_names[HTTP_COMPONENTS] = {
    "@method",      "@path",    "@query",        "unibus-audience", "content-digest",
    "content-type", "if-match", "if-none-match", "idempotency-key", "upload-offset"};

/* Where the parser stands, and where the words of a refusal go. */
struct cursor {
    const char *at;
    char *why;
};

/* False, with the words of the refusal. */
#define refuse(cursor, ...) (snprintf((cursor)->why, HTTP_WHY_MAX, __VA_ARGS__), false)

static bool take(struct cursor *cursor, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(cursor->at, text, len) != 0) {
        return false;
    }
    cursor->at += len;
    return true;
}

/* A quoted word of printable ASCII without escapes; NULL = none. */
static const char *take_quoted(struct cursor *cursor, size_t *len_out)
{
    if (*cursor->at != '"') {
        return NULL;
    }
    const char *word = cursor->at + 1;
    size_t len = 0;
    while (word[len] >= 0x20 && word[len] < 0x7f && word[len] != '"' && word[len] != '\\') {
        len++;
    }
    if (word[len] != '"') {
        return NULL;
    }
    cursor->at = word + len + 1;
    *len_out = len;
    return word;
}

static int component_of(const char *word, size_t len)
{
    for (int i = 0; i < HTTP_COMPONENTS; i++) {
        if (strlen(http_component_names[i]) == len &&
            memcmp(http_component_names[i], word, len) == 0) {
            return i;
        }
    }
    return -1;
}

/* One component; its place is right when it comes behind all that were read before. */
static bool read_component(struct cursor *cursor, uint32_t *covered)
{
    size_t len = 0;
    const char *word = take_quoted(cursor, &len);
    if (word == NULL) {
        return refuse(cursor, "Signature-Input: a component is not a plain quoted name");
    }
    int component = component_of(word, len);
    if (component < 0) {
        return refuse(cursor, "component \"%.*s\" is not in the profile",
                      (int)(len > 40 ? 40 : len), word);
    }
    if (*covered >> component != 0) {
        return refuse(cursor, "component \"%s\" is covered twice or out of order",
                      http_component_names[component]);
    }
    *covered |= 1u << component;
    return true;
}

static bool read_components(struct cursor *cursor, uint32_t *covered_out)
{
    *covered_out = 0;
    if (!take(cursor, "(")) {
        return refuse(cursor, "Signature-Input: no list of components");
    }
    do {
        if (!read_component(cursor, covered_out)) {
            return false;
        }
        if (*cursor->at == ';') {
            return refuse(cursor, "Signature-Input: a component has parameters");
        }
    } while (take(cursor, " "));
    if (!take(cursor, ")")) {
        return refuse(cursor, "Signature-Input: the list of components does not end with ')'");
    }
    for (int i = 0; i <= HTTP_C_AUDIENCE; i++) {
        if ((*covered_out >> i & 1u) == 0) {
            return refuse(cursor, "component \"%s\" is not covered", http_component_names[i]);
        }
    }
    return true;
}

/* ";name=" in its place. */
static bool read_name(struct cursor *cursor, const char *name)
{
    struct cursor probe = *cursor;
    if (take(&probe, ";") && take(&probe, name) && take(&probe, "=")) {
        *cursor = probe;
        return true;
    }
    return refuse(cursor, "parameter \"%s\" is missing or out of order", name);
}

/* An integer of RFC 8941, here without sign and leading zeros. */
static bool read_seconds(struct cursor *cursor, const char *name, int64_t *seconds_out)
{
    if (!read_name(cursor, name)) {
        return false;
    }
    int64_t value = 0;
    size_t digits = strspn(cursor->at, "0123456789");
    if (digits == 0 || digits > 15 || *cursor->at == '0') {
        return refuse(cursor, "parameter \"%s\" is not a whole number of seconds", name);
    }
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (*cursor->at++ - '0');
    }
    *seconds_out = value;
    return true;
}

static const char *read_word(struct cursor *cursor, const char *name, size_t *len_out)
{
    if (!read_name(cursor, name)) {
        return NULL;
    }
    const char *word = take_quoted(cursor, len_out);
    if (word == NULL) {
        (void)refuse(cursor, "parameter \"%s\" is not a quoted text", name);
    }
    return word;
}

static bool read_nonce(struct cursor *cursor, uint8_t nonce_out[16])
{
    size_t len = 0;
    const char *word = read_word(cursor, "nonce", &len);
    if (word == NULL) {
        return false;
    }
    if (len != 22 || !http_base64url_decode(word, len, nonce_out, 16)) {
        return refuse(cursor, "parameter \"nonce\" is not 16 bytes in base64url without padding");
    }
    return true;
}

static bool read_kid(struct cursor *cursor, uint8_t kid_out[16])
{
    size_t len = 0;
    const char *word = read_word(cursor, "keyid", &len);
    if (word == NULL) {
        return false;
    }
    if (len != 32 || strspn(word, "0123456789abcdef") != 32) {
        return refuse(cursor, "parameter \"keyid\" is not a kid of 32 lower-case hex digits");
    }
    return sodium_hex2bin(kid_out, 16, word, len, NULL, NULL, NULL) == 0;
}

static bool read_constant(struct cursor *cursor, const char *name, const char *wanted)
{
    size_t len = 0;
    const char *word = read_word(cursor, name, &len);
    if (word == NULL) {
        return false;
    }
    if (len != strlen(wanted) || memcmp(word, wanted, len) != 0) {
        return refuse(cursor, "parameter \"%s\" must be \"%s\"", name, wanted);
    }
    return true;
}

static bool read_times(struct cursor *cursor, struct http_signature *out)
{
    if (!read_seconds(cursor, "created", &out->created_s) ||
        !read_seconds(cursor, "expires", &out->expires_s)) {
        return false;
    }
    int64_t life = out->expires_s - out->created_s;
    if (life <= 0 || life > LIFETIME_MAX_S) {
        return refuse(cursor, "parameter \"expires\" must be 1 to %d s after \"created\"",
                      LIFETIME_MAX_S);
    }
    return true;
}

static bool parse_input(struct cursor *cursor, struct http_signature *out)
{
    if (!take(cursor, "ub=")) {
        return refuse(cursor, "Signature-Input: the label must be ub");
    }
    out->params = cursor->at;
    if (!read_components(cursor, &out->covered) || !read_times(cursor, out) ||
        !read_nonce(cursor, out->nonce) || !read_kid(cursor, out->kid) ||
        !read_constant(cursor, "alg", "ed25519") || !read_constant(cursor, "tag", "unibus-v1")) {
        return false;
    }
    if (*cursor->at == ';') {
        return refuse(cursor, "Signature-Input: a parameter too many");
    }
    return *cursor->at == '\0' ||
           refuse(cursor, "Signature-Input: exactly one signature, nothing behind it");
}

static bool parse_bytes(struct cursor *cursor, uint8_t bytes_out[64])
{
    if (!take(cursor, "ub=:")) {
        return refuse(cursor, "Signature: the label must be ub, the value :base64:");
    }
    size_t len = strcspn(cursor->at, ":");
    if (len != 88 || !http_base64_decode(cursor->at, len, bytes_out, 64)) {
        return refuse(cursor, "Signature: not 64 bytes in base64 with padding");
    }
    cursor->at += len;
    return strcmp(cursor->at, ":") == 0 ||
           refuse(cursor, "Signature: exactly one signature, nothing behind it");
}

bool http_signature_parse(const char *input, const char *signature, struct http_signature *out,
                          char *why_out)
{
    struct cursor cursor = {input, why_out};
    memset(out, 0, sizeof(*out));
    if (!parse_input(&cursor, out)) {
        return false;
    }
    cursor.at = signature;
    return parse_bytes(&cursor, out->bytes);
}
