/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_SIGNATURE_H
#define UNIBUS_CLIENT_SIGNATURE_H

#include <stdint.h>

#include <ubr/name.h>

/* Signed requests: the fixed shape of RFC 9421 in docs/http-api.md, on the signing side. */

struct signature_input {
    const char *method, *path, *query; /* query NULL = none */
    const char *audience;              /* "<cluster id>.<nonce epoch>" */
    /* Values of the headers that are sent; NULL = not sent. */
    const char *content_digest, *content_type, *if_match, *if_none_match, *idempotency_key,
        *upload_offset;
    int64_t created_s;
    const uint8_t *nonce; /* 16 random bytes */
};

/* The values of the headers Signature-Input and Signature, and the base that was signed (for
 * tests). All three are the caller's to free; false when out of memory. */
bool signature_make(const struct signature_input *input, const struct ubr_sign_key *sign,
                    char **signature_input_out, char **signature_out, char **base_out);

#endif
