/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "log.h"

/* Bytes of the UTF-8 character at text, 0 when it is not one; RFC 3629. */
static size_t utf8_decode(const unsigned char *text, uint32_t *point_out)
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

/* Control characters of both ranges, and marks that change the direction or split the line. */
static bool is_dangerous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x200E || point == 0x200F ||
           (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069) ||
           point == 0xFEFF;
}

static bool escape_short(FILE *out, uint32_t point, enum log_escape how)
{
    static const char names[][2] = {
        {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'"', '"'}, {'\\', '\\'}};
    size_t count = how == LOG_ESCAPE_PLAIN ? 3 : 5;
    for (size_t i = 0; i < count; i++) {
        if (point == (unsigned char)names[i][0]) {
            fprintf(out, "\\%c", names[i][1]);
            return true;
        }
    }
    return false;
}

static void escape_point(FILE *out, const unsigned char *text, size_t len, uint32_t point,
                         enum log_escape how)
{
    if (escape_short(out, point, how)) {
        return;
    }
    if (!is_dangerous(point)) {
        fwrite(text, 1, len, out);
    } else if (how == LOG_ESCAPE_JSON || point >= 0x100) {
        fprintf(out, "\\u%04x", (unsigned)point);
    } else {
        fprintf(out, "\\x%02x", (unsigned)point);
    }
}

void log_escape(FILE *out, const char *text, enum log_escape how)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0') {
        uint32_t point = 0;
        size_t len = utf8_decode(at, &point);
        if (len > 0) {
            escape_point(out, at, len, point, how);
        } else if (how == LOG_ESCAPE_JSON) {
            fputs("\\ufffd", out);
        } else {
            fprintf(out, "\\x%02x", *at);
        }
        at += len > 0 ? len : 1;
    }
}
