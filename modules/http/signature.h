/* SPDX-License-Identifier: Apache-2.0
 *
 * The two fields Signature-Input and Signature of RFC 9421, read as the one shape that the profile
 * allows (docs/http-api.md, "Signed requests"): a strict subset of structured fields (RFC 8941). */
#ifndef HTTP_SIGNATURE_H
#define HTTP_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The components that a request may cover, in the order in which it must. The first four always,
 * the others exactly when the header is there. */
enum http_component {
    HTTP_C_METHOD = 0,
    HTTP_C_PATH,
    HTTP_C_QUERY,
    HTTP_C_AUDIENCE,
    HTTP_C_CONTENT_DIGEST,
    HTTP_C_CONTENT_TYPE,
    HTTP_C_IF_MATCH,
    HTTP_C_IF_NONE_MATCH,
    HTTP_C_IDEMPOTENCY_KEY,
    HTTP_C_UPLOAD_OFFSET,
    HTTP_COMPONENTS
};

extern const char *const http_component_names[HTTP_COMPONENTS];

#define HTTP_WHY_MAX 160

struct http_signature {
    uint32_t covered;   /* a bit a component; their order was right */
    const char *params; /* "(…);created=…", borrowed from the field; to its end */
    int64_t created_s, expires_s;
    uint8_t nonce[16], kid[16], bytes[64];
};

/* Reads both fields (C strings). False: why_out (HTTP_WHY_MAX bytes) names the fault. Needs
 * sodium_init. */
bool http_signature_parse(const char *input, const char *signature, struct http_signature *out,
                          char *why_out);

#endif
