/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "utf8.h"

/* Control characters of both ranges, and marks that change the direction or split the line. */
static bool is_dangerous(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x200E || point == 0x200F ||
           point == 0x061C || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xFEFF;
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
    } else if (how == LOG_ESCAPE_LUA && point >= 0x80) {
        fprintf(out, "\\u{%x}", (unsigned)point);
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
