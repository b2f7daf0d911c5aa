/* SPDX-License-Identifier: Apache-2.0
 *
 * Content-Digest (RFC 9530) in the one form of the profile: sha-512=:<base64>: */
#ifndef HTTP_DIGEST_H
#define HTTP_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#define HTTP_DIGEST_SIZE 64

/* False: another form, another algorithm, or more than one. */
bool http_digest_parse(const char *value, uint8_t digest_out[HTTP_DIGEST_SIZE]);

#endif
