/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_NAME_H
#define UBR_NAME_H

#include <stdint.h>

#include "ubr/key.h"

/* Names made from keys: kid and fingerprint (UBR1, 4.2), safety number (12.1), inbox token (13.4),
 * and the room id's text form (5.2). */

#define UBR_KID_LEN         16
#define UBR_FINGERPRINT_LEN 20
#define UBR_ROOM_ID_LEN     20
#define UBR_ROOM32_LEN      32 /* characters */
#define UBR_SAFETY_LEN      71 /* 12 groups of 5 digits, joined by '-' */
#define UBR_SAFETY_LINK_LEN 149

/* The id of a device: H(DS("device-kid") ‖ sign_pk)[0..16]. */
void ubr_kid(const uint8_t sign_pk[UBR_KEY_LEN], uint8_t kid_out[UBR_KID_LEN]);

/* The id of an identity: H(DS("fingerprint") ‖ account_pk)[0..20]. Text: base32, 32 characters. */
void ubr_fingerprint(const uint8_t account_pk[UBR_KEY_LEN],
                     uint8_t fingerprint_out[UBR_FINGERPRINT_LEN]);
void ubr_fingerprint_text(const uint8_t account_pk[UBR_KEY_LEN], char text_out[33]);

/* What two people compare; the same for (a, b) and (b, a). */
void ubr_safety_number(const uint8_t a[UBR_KEY_LEN], const uint8_t b[UBR_KEY_LEN],
                       char text_out[UBR_SAFETY_LEN + 1]);
/* "unibus:verify/1?a=…&b=…", smaller key first. */
void ubr_safety_link(const uint8_t a[UBR_KEY_LEN], const uint8_t b[UBR_KEY_LEN],
                     char link_out[UBR_SAFETY_LINK_LEN + 1]);

/* The inbox token reserved for a NATS key: subjects "_INBOX.<token>.…". */
void ubr_inbox_token(const uint8_t nats_pk[UBR_KEY_LEN], char token_out[33]);

/* "<room32>": base32 of the room id. */
void ubr_room32(const uint8_t room_id[UBR_ROOM_ID_LEN], char text_out[UBR_ROOM32_LEN + 1]);
/* False unless text is exactly what ubr_room32 writes. */
bool ubr_room32_parse(struct ubr_bytes text, uint8_t room_id_out[UBR_ROOM_ID_LEN]);

#endif
