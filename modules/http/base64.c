/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"

#include <string.h>

#include <sodium.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* The alphabet is checked here: sodium_base642bin of libsodium 1.0.18 reads some bytes above 0x7f
 * as digits (found by fuzz_http_signature), so that one value would have several texts. */
static bool decode(const char *text, size_t len, const char *alphabet, int variant, uint8_t *out,
                   size_t size)
{
    size_t count = 0;
    return strspn(text, alphabet) >= len &&
           sodium_base642bin(out, size, text, len, NULL, &count, NULL, variant) == 0 &&
           count == size;
}

bool http_base64_decode(const char *text, size_t len, uint8_t *out, size_t size)
{
    return decode(text, len, LETTERS "+/=", sodium_base64_VARIANT_ORIGINAL, out, size);
}

bool http_base64url_decode(const char *text, size_t len, uint8_t *out, size_t size)
{
    return decode(text, len, LETTERS "-_", sodium_base64_VARIANT_URLSAFE_NO_PADDING, out, size);
}
