/* SPDX-License-Identifier: Apache-2.0
 *
 * Percent-decoding of path segments and of values in a query. Decoded once, after the raw path was
 * cut at '/': a %2F belongs to the value and never makes a segment. */
#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes the segment [raw, raw + len) to out as a C string; out has room for len + 1 bytes. NULL,
 * or a constant that says what is wrong: a broken escape, a control character, bytes that are not
 * UTF-8, "." or "..". */
const char *http_segment_decode(const char *raw, size_t len, char *out);

/* Judges every segment of a raw path so; scratch has room for the path. */
const char *http_path_judge(const char *path, char *scratch);

/* The value of the first parameter `name` in a raw query ("a=1&b=2"), decoded as a segment is; ""
 * when it is not there. false: it does not decode, or takes `room` bytes or more as it stands. */
bool http_query_value(const char *query, const char *name, char *out, size_t room);

#endif
