/* SPDX-License-Identifier: Apache-2.0
 *
 * The two signature fields, parted by the first LF, and the digest field. What is accepted is the
 * one shape: writing it again from the parsed values gives the same text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <digest.h>
#include <signature.h>

#include "must.h"

static void write_again(const struct http_signature *signature, char *out, size_t out_size)
{
    char nonce[32], kid[33];
    size_t len = 0;
    sodium_bin2base64(nonce, sizeof(nonce), signature->nonce, 16,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_bin2hex(kid, sizeof(kid), signature->kid, 16);
    for (int i = 0; i < HTTP_COMPONENTS; i++) {
        if ((signature->covered >> i & 1u) != 0) {
            len += (size_t)snprintf(out + len, out_size - len, "%s\"%s\"", len == 0 ? "ub=(" : " ",
                                    http_component_names[i]);
        }
    }
    snprintf(out + len, out_size - len,
             ");created=%" PRId64 ";expires=%" PRId64 ";nonce=\"%s\";keyid=\"%s\";alg=\"ed25519\""
             ";tag=\"unibus-v1\"",
             signature->created_s, signature->expires_s, nonce, kid);
}

static void check_signature(const char *input, const char *bytes)
{
    struct http_signature signature;
    char why[HTTP_WHY_MAX] = "", text[1024], field[128];
    if (!http_signature_parse(input, bytes, &signature, why)) {
        MUST(why[0] != '\0' && strlen(why) < sizeof(why));
        return;
    }
    int64_t life = signature.expires_s - signature.created_s;
    MUST(life > 0 && life <= 120 && (signature.covered & 0xfu) == 0xfu);
    write_again(&signature, text, sizeof(text));
    MUST(strcmp(text, input) == 0);
    memcpy(field, "ub=:", 4);
    sodium_bin2base64(field + 4, sizeof(field) - 4, signature.bytes, 64,
                      sodium_base64_VARIANT_ORIGINAL);
    MUST(strlen(bytes) == 93 && strncmp(field, bytes, 92) == 0 && bytes[92] == ':');
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *text = malloc(size + 1);
    uint8_t digest[HTTP_DIGEST_SIZE];
    MUST(text != NULL && sodium_init() >= 0);
    memcpy(text, data, size);
    text[size] = '\0';
    char *line_end = strchr(text, '\n');
    http_digest_parse(text, digest);
    if (line_end != NULL) {
        *line_end = '\0';
        check_signature(text, line_end + 1);
    }
    free(text);
    return 0;
}
