/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, at most U+10FFFF. Any thread. */
#ifndef NATS_UTF8_H
#define NATS_UTF8_H

#include <unibus/abi.h>

/* The length of the character at the start of text (1 to 4) and the character; 0 = not valid. */
size_t nats_utf8_decode(struct ub_bytes text, uint32_t *rune_out);
bool nats_utf8_is_valid(struct ub_bytes text);

#endif
