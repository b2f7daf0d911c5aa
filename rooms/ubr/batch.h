/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_BATCH_H
#define UBR_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "ubr/bytes.h"
#include "ubr/error.h"

/* Batched content (UBR1, section 9.2): 1 to 65,535 records, each u32 length and bytes. One
 * envelope, one signature, many records. */

#define UBR_BATCH_RECORDS_MAX 65535

/* Checks the whole form and counts the records. E-PARSE: none, too many, or it does not end exactly
 * with a record. */
enum ubr_error ubr_batch_check(struct ubr_bytes batch, size_t *records_out);

/* Takes the next record off rest, which begins as a checked batch; false at the end. The record
 * stays where it is:
 *
 *     for (struct ubr_bytes rest = batch, record; ubr_batch_next(&rest, &record);)
 */
bool ubr_batch_next(struct ubr_bytes *rest, struct ubr_bytes *record_out);

/* Appends one record. The writer fails when there is no room or the record exceeds u32. */
void ubr_batch_put(struct ubr_writer *writer, struct ubr_bytes record);

#endif
