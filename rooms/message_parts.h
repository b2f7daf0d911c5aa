/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_MESSAGE_PARTS_H
#define UBR_MESSAGE_PARTS_H

#include "ubr/message.h"

/* What sealing and opening have in common (UBR1, 9.1). */

#define MSG_TAG_LEN 16
#define MSG_AAD_MAX (UBR_DS_MAX + UBR_ROOM_ID_LEN + UBR_MSG_HEADER_LEN + 2 + UBR_MSG_SUBJECT_MAX)

/* Appends the header. E-RANGE: a field out of bounds. */
enum ubr_error msg_put_header(struct ubr_writer *writer, const struct ubr_msg_header *header);

/* Associated data: DS("msg") ‖ room_id ‖ header ‖ u16 length ‖ subject. Neither room nor subject
 * travels in the envelope. */
struct msg_aad {
    uint8_t buf[MSG_AAD_MAX];
    size_t len;
};

/* subject.len ≤ UBR_MSG_SUBJECT_MAX. */
void msg_aad_init(struct msg_aad *aad, const uint8_t room_id[UBR_ROOM_ID_LEN],
                  const uint8_t header[UBR_MSG_HEADER_LEN], struct ubr_bytes subject);

/* H(DS("msg-tbs") ‖ u32 length of aad ‖ aad ‖ inner): what the device signs under "msg-sig". */
void msg_digest(const struct msg_aad *aad, struct ubr_bytes inner, uint8_t hash_out[UBR_HASH_LEN]);

#endif
