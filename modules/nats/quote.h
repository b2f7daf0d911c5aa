/* SPDX-License-Identifier: Apache-2.0
 *
 * Quoting as Go's %q (strconv.Quote) does it, because clients read subjects out of -ERR texts. */
#ifndef NATS_QUOTE_H
#define NATS_QUOTE_H

#include <unibus/abi.h>

/* Writes the quoted text, NUL-terminated and cut at out_size; returns the length without NUL that
 * it has in full (as snprintf). Any thread. */
size_t nats_quote(struct ub_bytes text, char *out, size_t out_size);

/* strconv.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space. */
bool nats_is_printable(uint32_t rune);

#endif
