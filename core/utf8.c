/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <stdbool.h>
#include <string.h>

size_t utf8_decode(const unsigned char *text, uint32_t *point_out)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80   ? 1
                 : text[0] < 0xC2 ? 0
                 : text[0] < 0xE0 ? 2
                 : text[0] < 0xF0 ? 3
                 : text[0] < 0xF5 ? 4
                                  : 0;
    if (len < 2) {
        *point_out = text[0];
        return len;
    }
    uint32_t point = text[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
        point = point << 6 | (text[i] & 0x3Fu);
    }
    *point_out = point;
    bool is_valid =
        point >= smallest[len] && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
    return is_valid ? len : 0;
}

const char *utf8_find_fault(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        unsigned char next[5] = {0}; /* a character that the end cuts off meets a NUL */
        uint32_t point = 0;
        memcpy(next, text + at, len - at < 4 ? len - at : 4);
        size_t taken = utf8_decode(next, &point);
        if (taken == 0) {
            return text + at;
        }
        at += taken;
    }
    return NULL;
}
