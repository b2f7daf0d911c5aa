/* SPDX-License-Identifier: Apache-2.0 */
#include "base32.h"

/* All ones when value < limit, else 0; both below 2^31. */
static uint32_t mask_below(uint32_t value, uint32_t limit)
{
    return 0u - ((value - limit) >> 31);
}

static char digit_of(char letter_a, uint32_t value)
{
    uint32_t is_letter = mask_below(value, 26);
    uint32_t letter = (uint32_t)letter_a + value;
    uint32_t number = (uint32_t)'2' - 26 + value;
    return (char)((is_letter & letter) | (~is_letter & number));
}

/* The value 0..31 of a digit, 32 when it is none. */
static uint32_t value_of(char letter_a, uint8_t digit)
{
    uint32_t letter = (uint32_t)digit - (uint32_t)letter_a;
    uint32_t number = (uint32_t)digit - (uint32_t)'2';
    uint32_t is_letter = mask_below(letter & 0x7fffffff, 26);
    uint32_t is_number = mask_below(number & 0x7fffffff, 6);
    return (is_letter & letter) | (is_number & (number + 26)) | (~(is_letter | is_number) & 32);
}

void base32_encode(char letter_a, struct ubr_bytes bytes, char *text_out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.ptr[i];
        for (held += 8; held >= 5; held -= 5) {
            *text_out++ = digit_of(letter_a, bits >> (held - 5) & 31);
        }
    }
    if (held > 0) {
        *text_out++ = digit_of(letter_a, bits << (5 - held) & 31);
    }
    *text_out = '\0';
}

bool base32_decode(char letter_a, struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    uint32_t wrong = 0;
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t value = value_of(letter_a, text.ptr[i]);
        wrong |= value & 32;
        bits = bits << 5 | (value & 31);
        held += 5;
        if (held >= 8) {
            if (len == cap) {
                return false;
            }
            held -= 8;
            out[len++] = (uint8_t)(bits >> held & 0xff);
        }
    }
    /* A last digit that gives no byte, and trailing bits, would be a second spelling. */
    if (wrong || held >= 5 || (bits & ((1u << held) - 1)) != 0) {
        return false;
    }
    *len_out = len;
    return true;
}
