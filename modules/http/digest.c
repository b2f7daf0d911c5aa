/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <string.h>

#include <sodium.h>

bool http_digest_parse(const char *value, uint8_t digest_out[HTTP_DIGEST_SIZE])
{
    static const char prefix[] = "sha-512=:";
    size_t prefix_len = sizeof(prefix) - 1, count = 0;
    if (strlen(value) != prefix_len + 89 || memcmp(value, prefix, prefix_len) != 0 ||
        value[prefix_len + 88] != ':') {
        return false;
    }
    return sodium_base642bin(digest_out, HTTP_DIGEST_SIZE, value + prefix_len, 88, NULL, &count,
                             NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
           count == HTTP_DIGEST_SIZE;
}
