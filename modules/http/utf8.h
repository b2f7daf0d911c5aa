/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_UTF8_H
#define HTTP_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes the character at `text` takes; 0 = not UTF-8 (RFC 3629: overlong forms, surrogates
 * and what lies above U+10FFFF are not). len > 0. */
size_t http_utf8_length(const uint8_t *text, size_t len);

#endif
