/* SPDX-License-Identifier: Apache-2.0 */
#include "signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/text.h>

#define LIFETIME_S 60

struct component {
    const char *name;
    const char *value; /* NULL = the header is not sent, so it is not covered */
};

/* "@query" is '?' and the raw query, also when there is none. */
static char *query_component(const char *query)
{
    char *text = NULL;
    return asprintf(&text, "?%s", query != NULL ? query : "") < 0 ? NULL : text;
}

static char *parameters(const struct component *components, size_t count,
                        const struct signature_input *input, const char *kid_hex)
{
    char nonce[UBR_BASE64_LEN(16) + 1];
    ubr_base64_encode(ubr_bytes_of(input->nonce, 16), nonce);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    const char *before = "(";
    for (size_t i = 0; i < count; i++) {
        if (components[i].value != NULL) {
            fprintf(out, "%s\"%s\"", before, components[i].name);
            before = " ";
        }
    }
    fprintf(out,
            ");created=%lld;expires=%lld;nonce=\"%s\";keyid=\"%s\";alg=\"ed25519\""
            ";tag=\"unibus-v1\"",
            (long long)input->created_s, (long long)input->created_s + LIFETIME_S, nonce, kid_hex);
    return fclose(out) == 0 ? text : NULL;
}

static char *signature_base(const struct component *components, size_t count, const char *params)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (components[i].value != NULL) {
            fprintf(out, "\"%s\": %s\n", components[i].name, components[i].value);
        }
    }
    fprintf(out, "\"@signature-params\": %s", params);
    return fclose(out) == 0 ? text : NULL;
}

static char *sign_base(const struct ubr_sign_key *sign, const char *base)
{
    uint8_t sig[UBR_SIG_LEN];
    char base64[sodium_base64_ENCODED_LEN(UBR_SIG_LEN, sodium_base64_VARIANT_ORIGINAL)];
    crypto_sign_detached(sig, NULL, (const uint8_t *)base, strlen(base), sign->sk);
    sodium_bin2base64(base64, sizeof(base64), sig, sizeof(sig), sodium_base64_VARIANT_ORIGINAL);
    char *text = NULL;
    return asprintf(&text, "ub=:%s:", base64) < 0 ? NULL : text;
}

bool signature_make(const struct signature_input *input, const struct ubr_sign_key *sign,
                    char **signature_input_out, char **signature_out, char **base_out)
{
    uint8_t kid[UBR_KID_LEN];
    char kid_hex[UBR_HEX_LEN(UBR_KID_LEN) + 1];
    ubr_kid(sign->pk, kid);
    ubr_hex_encode(ubr_bytes_of(kid, sizeof(kid)), kid_hex);

    char *query = query_component(input->query);
    const struct component components[] = {
        {"@method", input->method},
        {"@path", input->path},
        {"@query", query},
        {"unibus-audience", input->audience},
        {"content-digest", input->content_digest},
        {"content-type", input->content_type},
        {"if-match", input->if_match},
        {"if-none-match", input->if_none_match},
        {"idempotency-key", input->idempotency_key},
        {"upload-offset", input->upload_offset},
    };
    const size_t count = sizeof(components) / sizeof(components[0]);

    char *params = query != NULL ? parameters(components, count, input, kid_hex) : NULL;
    char *base = params != NULL ? signature_base(components, count, params) : NULL;
    char *signature = base != NULL ? sign_base(sign, base) : NULL;
    char *signature_input = NULL;
    bool made = signature != NULL && asprintf(&signature_input, "ub=%s", params) >= 0;
    free(query);
    free(params);
    if (!made) {
        free(base);
        free(signature);
        return false;
    }
    *signature_input_out = signature_input;
    *signature_out = signature;
    *base_out = base;
    return true;
}
