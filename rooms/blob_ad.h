/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_BLOB_AD_H
#define UBR_BLOB_AD_H

#include "ubr/blob.h"

#define BLOB_AD_MAX (UBR_DS_MAX + UBR_ROOM_ID_LEN + 8)

/* The associated data of the first chunk: DS("blob") ‖ room_id ‖ u64 size (section 10). */
struct ubr_bytes ubr_blob_put_ad(uint8_t buf[BLOB_AD_MAX], const uint8_t *room_id, uint64_t size);

#endif
