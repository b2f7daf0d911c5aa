/* SPDX-License-Identifier: Apache-2.0 */
#include "path.h"

#include <string.h>

#include "utf8.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The decoded length, or SIZE_MAX for a broken escape. */
static size_t unescape(const char *raw, size_t len, char *out)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        if (raw[i] != '%') {
            out[count++] = raw[i];
            continue;
        }
        int high = i + 1 < len ? hex_value(raw[i + 1]) : -1;
        int low = i + 2 < len ? hex_value(raw[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return (size_t)-1;
        }
        out[count++] = (char)(high << 4 | low);
        i += 2;
    }
    out[count] = '\0';
    return count;
}

static const char *judge_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t step = http_utf8_length((const uint8_t *)text + i, len - i);
        if (step == 0) {
            return "the path is not UTF-8";
        }
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return "the path holds a control character";
        }
        i += step;
    }
    return NULL;
}

const char *http_segment_decode(const char *raw, size_t len, char *out)
{
    size_t count = unescape(raw, len, out);
    if (count == (size_t)-1) {
        return "the path holds a broken percent escape";
    }
    const char *why = judge_text(out, count);
    if (why == NULL && (strcmp(out, ".") == 0 || strcmp(out, "..") == 0)) {
        why = "the path holds a dot segment";
    }
    return why;
}

const char *http_path_judge(const char *path, char *scratch)
{
    const char *why = NULL;
    while (*path != '\0' && why == NULL) {
        path++; /* the '/' */
        size_t len = strcspn(path, "/");
        why = http_segment_decode(path, len, scratch);
        path += len;
    }
    return why;
}

bool http_query_value(const char *query, const char *name, char *out, size_t room)
{
    size_t name_len = strlen(name);
    out[0] = '\0';
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        if (len > name_len && strncmp(query, name, name_len) == 0 && query[name_len] == '=') {
            const char *value = query + name_len + 1;
            size_t value_len = len - name_len - 1;
            return value_len < room && http_segment_decode(value, value_len, out) == NULL;
        }
        query += len + (query[len] == '&');
    }
    return true;
}
