/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. Pure. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that text begins with, 0 when it is none. text ends with a NUL. */
size_t utf8_decode(const unsigned char *text, uint32_t *point_out);

/* The first byte of text[0..len) that belongs to no character; NULL = all of it is sound. */
const char *utf8_find_fault(const char *text, size_t len);

#endif
