/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_RECOVERY_H
#define UBR_RECOVERY_H

#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"

/* The recovery key (UBR1, section 11.2): the account seed in Bech32 (BIP 173), "ubsec1…". */

#define UBR_RECOVERY_SEED_LEN 32
#define UBR_RECOVERY_TEXT_LEN 64

/* Writes the recovery key and a final zero. A secret: the caller wipes it after showing it. */
void ubr_recovery_encode(const uint8_t seed[UBR_RECOVERY_SEED_LEN],
                         char text_out[UBR_RECOVERY_TEXT_LEN + 1]);

/* Reads exactly what encode writes: lower case, 32 bytes, zero padding bits, Bech32 and not
 * Bech32m. Everything else is E-RECOVERY-KEY, and the seed is then zeros. */
enum ubr_error ubr_recovery_decode(struct ubr_bytes text, uint8_t seed_out[UBR_RECOVERY_SEED_LEN]);

#endif
