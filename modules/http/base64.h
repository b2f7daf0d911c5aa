/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_BASE64_H
#define HTTP_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exactly `size` bytes from the `len` characters of base64 (RFC 4648 section 4, with padding; 5,
 * base64url, without), in the one form that encodes them. */
bool http_base64_decode(const char *text, size_t len, uint8_t *out, size_t size);
bool http_base64url_decode(const char *text, size_t len, uint8_t *out, size_t size);

#endif
