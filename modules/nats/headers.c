/* SPDX-License-Identifier: Apache-2.0
 *
 * Header blocks: `NATS/1.0[ status[ text]]`, then `name: value` lines, then an empty line, each
 * ended by CRLF. To us they are opaque but for two things: nothing malformed goes on to others, and
 * nobody but a server says what servers say. */
#include "proto.h"

#include <strings.h>

#define HEADERS_MAX 1024 /* lines */

static const char *const reserved_headers[] = {"Nats-Request-Info", "Nats-Trace-Dest"};

/* Blanks that some parsers take off names: spaces, and those of Unicode. */
static bool is_blank(uint8_t c)
{
    return c == ' ' || c >= 0x80;
}

/* A reader that takes blanks off must not find a reserved name under them. */
static struct ub_bytes name_bare(struct ub_bytes name)
{
    while (name.len > 0 && is_blank(name.ptr[0])) {
        name.ptr++;
        name.len--;
    }
    while (name.len > 0 && is_blank(name.ptr[name.len - 1])) {
        name.len--;
    }
    return name;
}

static bool name_is_reserved(struct ub_bytes name)
{
    name = name_bare(name);
    for (size_t i = 0; i < sizeof(reserved_headers) / sizeof(reserved_headers[0]); i++) {
        if (name.len == strlen(reserved_headers[i]) &&
            strncasecmp((const char *)name.ptr, reserved_headers[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

/* The next line without its end; false when there is none, or a CR, LF or NUL stands alone. */
static bool line_next(struct ub_bytes *rest, struct ub_bytes *line_out)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, '\r', rest->len);
    if (end == NULL || (size_t)(end - rest->ptr) + 2 > rest->len || end[1] != '\n') {
        return false;
    }
    size_t len = (size_t)(end - rest->ptr);
    *line_out = (struct ub_bytes){rest->ptr, len};
    *rest = (struct ub_bytes){end + 2, rest->len - len - 2};
    return len == 0 ||
           (memchr(line_out->ptr, '\n', len) == NULL && memchr(line_out->ptr, '\0', len) == NULL);
}

static bool line_name(struct ub_bytes line, struct ub_bytes *name_out)
{
    const uint8_t *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL || colon == line.ptr) {
        return false;
    }
    *name_out = (struct ub_bytes){line.ptr, (size_t)(colon - line.ptr)};
    for (size_t i = 0; i < name_out->len; i++) {
        if (name_out->ptr[i] < 0x20 || name_out->ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool status_is_fine(struct ub_bytes line)
{
    return nats_starts(line, "NATS/1.0") && (line.len == 8 || line.ptr[8] == ' ');
}

/* Moves what stands before the line over it, so that the block stays in one piece. */
static void line_cut(struct ub_bytes *headers, struct ub_bytes line)
{
    uint8_t *start = (uint8_t *)(uintptr_t)headers->ptr;
    size_t cut = line.len + 2, before = (size_t)(line.ptr - headers->ptr);
    memmove(start + cut, start, before);
    headers->ptr += cut;
    headers->len -= cut;
}

bool nats_headers_clean(struct ub_bytes *headers)
{
    struct ub_bytes rest = *headers, line, name;
    if (!line_next(&rest, &line) || !status_is_fine(line)) {
        return false;
    }
    for (size_t count = 0; line_next(&rest, &line); count++) {
        if (line.len == 0) {
            return rest.len == 0;
        }
        if (count == HEADERS_MAX || !line_name(line, &name)) {
            return false;
        }
        if (name_is_reserved(name)) {
            line_cut(headers, line);
        }
    }
    return false;
}
