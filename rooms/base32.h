/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_BASE32_H
#define UBR_BASE32_H

#include "ubr/bytes.h"

/* RFC 4648 base32 without padding in either case. Internal: rooms and fingerprints use the lower
 * one (text.h), NATS nkeys the upper one (nkey.h). Secrets pass through here: no table is indexed
 * by a secret and no branch depends on one. */

/* letter_a is 'a' or 'A'. out: UBR_BASE32_LEN(bytes.len) characters and a final zero. */
void base32_encode(char letter_a, struct ubr_bytes bytes, char *text_out);

/* Strict, as the decoders of text.h. */
bool base32_decode(char letter_a, struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out);

#endif
