/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <string.h>

#include "base64.h"

bool http_digest_parse(const char *value, uint8_t digest_out[HTTP_DIGEST_SIZE])
{
    static const char prefix[] = "sha-512=:";
    size_t prefix_len = sizeof(prefix) - 1;
    if (strlen(value) != prefix_len + 89 || memcmp(value, prefix, prefix_len) != 0 ||
        value[prefix_len + 88] != ':') {
        return false;
    }
    return http_base64_decode(value + prefix_len, 88, digest_out, HTTP_DIGEST_SIZE);
}
