/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_NKEY_H
#define UBR_NKEY_H

#include <stdbool.h>
#include <stdint.h>

#include "ubr/key.h"

/* Text form of a NATS user key, as nats clients and servers write it (nkeys: base32 in upper case
 * without padding of prefix ‖ key ‖ CRC-16/XMODEM, little-endian). Only user keys: other prefixes
 * are refused. */

#define UBR_NKEY_LEN      56 /* "U…" */
#define UBR_NKEY_SEED_LEN 58 /* "SU…" */

void ubr_nkey_encode(const uint8_t nats_pk[UBR_KEY_LEN], char text_out[UBR_NKEY_LEN + 1]);
/* False unless text is exactly what ubr_nkey_encode writes. Says nothing about the key (4.3). */
bool ubr_nkey_decode(struct ubr_bytes text, uint8_t nats_pk_out[UBR_KEY_LEN]);

/* text_out is secret. */
void ubr_nkey_seed_encode(const uint8_t seed[UBR_SEED_LEN], char text_out[UBR_NKEY_SEED_LEN + 1]);
bool ubr_nkey_seed_decode(struct ubr_bytes text, uint8_t seed_out[UBR_SEED_LEN]);

#endif
