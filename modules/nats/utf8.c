/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

struct utf8_form {
    uint8_t mask, lead;
    uint8_t len;
    uint32_t least;
};

static const struct utf8_form forms[] = {
    {0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};

size_t nats_utf8_decode(struct ub_bytes text, uint32_t *rune_out)
{
    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]) && text.len > 0; f++) {
        if ((text.ptr[0] & forms[f].mask) != forms[f].lead) {
            continue;
        }
        if (text.len < forms[f].len) {
            return 0;
        }
        uint32_t rune = text.ptr[0] & (uint8_t)~forms[f].mask;
        for (size_t i = 1; i < forms[f].len; i++) {
            if ((text.ptr[i] & 0xc0) != 0x80) {
                return 0;
            }
            rune = rune << 6 | (text.ptr[i] & 0x3fu);
        }
        bool is_valid =
            rune >= forms[f].least && rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff);
        *rune_out = rune;
        return is_valid ? forms[f].len : 0;
    }
    return 0;
}

bool nats_utf8_is_valid(struct ub_bytes text)
{
    uint32_t rune;
    while (text.len > 0) {
        size_t len = nats_utf8_decode(text, &rune);
        if (len == 0) {
            return false;
        }
        text.ptr += len;
        text.len -= len;
    }
    return true;
}
