/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_TEXT_H
#define UBR_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"

/* Text forms of bytes and validity of texts (UBR1, section 3). Every form has exactly one spelling:
 * a decoder accepts what its encoder writes and nothing else. */

/* Lengths of encoded text without the final zero. bytes ≤ SIZE_MAX / 8. */
#define UBR_BASE64_LEN(bytes) (((bytes)*4 + 2) / 3)
#define UBR_BASE32_LEN(bytes) (((bytes)*8 + 4) / 5)
#define UBR_HEX_LEN(bytes)    ((bytes)*2)

/* Encoders: out has room for the length above plus a final zero, which is written. */
void ubr_base64_encode(struct ubr_bytes bytes, char *text_out);
void ubr_base32_encode(struct ubr_bytes bytes, char *text_out);
void ubr_hex_encode(struct ubr_bytes bytes, char *text_out);

/* Decoders of a text of any length. False, with *len_out untouched, when the text is not what the
 * encoder writes (other alphabet, upper case, padding, non-zero trailing bits, impossible length)
 * or holds more than cap bytes; then out's content is undefined. */
bool ubr_base64_decode(struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out);
bool ubr_base32_decode(struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out);
bool ubr_hex_decode(struct ubr_bytes text, uint8_t *out, size_t cap, size_t *len_out);

/* Decoders of a value with a fixed length, such as a key: false unless text gives exactly len. */
bool ubr_base64_decode_exact(struct ubr_bytes text, uint8_t *out, size_t len);
bool ubr_base32_decode_exact(struct ubr_bytes text, uint8_t *out, size_t len);
bool ubr_hex_decode_exact(struct ubr_bytes text, uint8_t *out, size_t len);

#define UBR_HANDLE_MAX    63
#define UBR_ROOM_NAME_MAX 64

/* Well-formed UTF-8 (nothing overlong, no surrogates, ≤ U+10FFFF) without U+0000–001F and
 * U+007F–009F. The empty text is valid. */
bool ubr_text_is_valid(struct ubr_bytes text);

/* 1–63 bytes [a-z0-9][a-z0-9._-]*. */
bool ubr_handle_is_valid(struct ubr_bytes handle);

/* 0–64 bytes of valid text. */
bool ubr_room_name_is_valid(struct ubr_bytes name);

#endif
