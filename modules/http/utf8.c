/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

/* RFC 3629, section 4: the second byte alone tells overlong forms and surrogates. */
static const struct {
    uint8_t first_min, first_max, second_min, second_max, length;
} utf8_rows[] = {
    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t http_utf8_length(const uint8_t *text, size_t len)
{
    size_t row = 0, rows = sizeof(utf8_rows) / sizeof(utf8_rows[0]);
    while (row < rows &&
           !(text[0] >= utf8_rows[row].first_min && text[0] <= utf8_rows[row].first_max)) {
        row++;
    }
    if (row == rows || len < utf8_rows[row].length) {
        return 0;
    }
    for (size_t i = 1; i < utf8_rows[row].length; i++) {
        uint8_t min = i == 1 ? utf8_rows[row].second_min : 0x80;
        uint8_t max = i == 1 ? utf8_rows[row].second_max : 0xbf;
        if (text[i] < min || text[i] > max) {
            return 0;
        }
    }
    return utf8_rows[row].length;
}
