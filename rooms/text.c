/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/text.h"

#include <sodium.h>

#include "base32.h"

void ubr_base64_encode(struct ubr_bytes bytes, char *text_out)
{
    sodium_bin2base64(text_out, UBR_BASE64_LEN(bytes.len) + 1, bytes.ptr, bytes.len,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static bool is_ascii(struct ubr_bytes text)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < text.len; i++) {
        seen |= text.ptr[i];
    }
    return seen < 0x80;
}

/* libsodium refuses other alphabets, padding and trailing bits by itself, but 1.0.18 takes bytes
 * from 0x80 on for digits where char is signed (found by fuzz_ubr_text). */
bool ubr_base64_decode(struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out)
{
    size_t len = 0;
    if (!is_ascii(text)) {
        return false;
    }
    if (text.len > 0 && sodium_base642bin(out, cap, (const char *)text.ptr, text.len, NULL, &len,
                                          NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0) {
        return false;
    }
    *len_out = len;
    return true;
}

void ubr_base32_encode(struct ubr_bytes bytes, char *text_out)
{
    base32_encode('a', bytes, text_out);
}

bool ubr_base32_decode(struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out)
{
    return base32_decode('a', text, out, cap, len_out);
}

void ubr_hex_encode(struct ubr_bytes bytes, char *text_out)
{
    sodium_bin2hex(text_out, UBR_HEX_LEN(bytes.len) + 1, bytes.ptr, bytes.len);
}

bool ubr_hex_decode(struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F') {
            return false;
        }
    }
    size_t len = 0;
    if (text.len > 0 &&
        sodium_hex2bin(out, cap, (const char *)text.ptr, text.len, NULL, &len, NULL) != 0) {
        return false;
    }
    *len_out = len;
    return true;
}

bool ubr_base64_decode_exact(struct ubr_bytes text, uint8_t *out, size_t len)
{
    size_t got = 0;
    return ubr_base64_decode(text, out, len, &got) && got == len;
}

bool ubr_base32_decode_exact(struct ubr_bytes text, uint8_t *out, size_t len)
{
    size_t got = 0;
    return ubr_base32_decode(text, out, len, &got) && got == len;
}

bool ubr_hex_decode_exact(struct ubr_bytes text, uint8_t *out, size_t len)
{
    size_t got = 0;
    return ubr_hex_decode(text, out, len, &got) && got == len;
}

/* One row for each well-formed form of a character (Unicode, table 3-7), controls left out: the
 * second byte carries the limits against overlong forms, surrogates and U+110000. */
struct utf8_form {
    uint8_t lead_first, lead_last;
    uint8_t second_first, second_last;
    uint8_t len;
};

static const struct utf8_form utf8_forms[] = {
    {0x20, 0x7e, 0, 0, 1},       {0xc2, 0xc2, 0xa0, 0xbf, 2}, {0xc3, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool form_matches(const struct utf8_form *form, const uint8_t *at, size_t left)
{
    if (at[0] < form->lead_first || at[0] > form->lead_last || form->len > left) {
        return false;
    }
    if (form->len > 1 && (at[1] < form->second_first || at[1] > form->second_last)) {
        return false;
    }
    for (size_t i = 2; i < form->len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Length of the character at `at`, 0 when there is no valid one. left ≥ 1. */
static size_t character_len(const uint8_t *at, size_t left)
{
    for (size_t i = 0; i < sizeof utf8_forms / sizeof utf8_forms[0]; i++) {
        if (form_matches(&utf8_forms[i], at, left)) {
            return utf8_forms[i].len;
        }
    }
    return 0;
}

bool ubr_text_is_valid(struct ubr_bytes text)
{
    for (size_t at = 0, step; at < text.len; at += step) {
        step = character_len(text.ptr + at, text.len - at);
        if (step == 0) {
            return false;
        }
    }
    return true;
}

static bool is_handle_byte(uint8_t byte, bool first)
{
    bool alphanumeric = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
    return alphanumeric || (!first && (byte == '.' || byte == '_' || byte == '-'));
}

bool ubr_handle_is_valid(struct ubr_bytes handle)
{
    if (handle.len < 1 || handle.len > UBR_HANDLE_MAX) {
        return false;
    }
    for (size_t i = 0; i < handle.len; i++) {
        if (!is_handle_byte(handle.ptr[i], i == 0)) {
            return false;
        }
    }
    return true;
}

bool ubr_room_name_is_valid(struct ubr_bytes name)
{
    return name.len <= UBR_ROOM_NAME_MAX && ubr_text_is_valid(name);
}
