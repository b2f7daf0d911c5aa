/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_PADDING_H
#define UBR_PADDING_H

#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"

/* Padded content (UBR1, section 9.2): u32 n, n bytes, zeros up to Padmé(4 + n). Padmé leaves at
 * most log2 log2 of the length visible and costs at most 12 %. */

#define UBR_PADDING_PREFIX_LEN 4

/* Padmé(len): len rounded up so that only its highest bits can be set; len < 2^53. */
uint64_t ubr_padme(uint64_t len);

/* Length of the padded form of n bytes; n < 2^32. */
uint64_t ubr_padding_len(uint64_t n);

/* Appends the padded form of data. The writer fails when there is no room. */
void ubr_padding_put(struct ubr_writer *writer, struct ubr_bytes data);

/* Gives the n bytes inside padded, still there. E-PARSE unless the length is exactly Padmé(4 + n)
 * and every byte after the n is zero. */
enum ubr_error ubr_padding_open(struct ubr_bytes padded, struct ubr_bytes *data_out);

#endif
