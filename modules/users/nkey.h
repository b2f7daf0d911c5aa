/* SPDX-License-Identifier: Apache-2.0 */
#ifndef USERS_NKEY_H
#define USERS_NKEY_H

#include <unibus/abi.h>

#define USERS_NKEY_LEN 56

/* The public key in a user's nkey ("U…": base32 without padding of a prefix byte, the key and its
 * CRC-16, little-endian). False when it is none. Source: the nkeys specification of NATS. */
bool users_nkey_decode(const char *text, uint8_t key_out[32]);

#endif
