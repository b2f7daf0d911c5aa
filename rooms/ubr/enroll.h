/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_ENROLL_H
#define UBR_ENROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "ubr/key.h"

/* The proof of an enrolment (UBR1, 4.8): the account's signature over one use of a token, at one
 * cluster, with one device record. */

struct ubr_enrollment {
    struct ubr_bytes token;            /* its bytes as typed */
    struct ubr_bytes cluster_id;       /* ≤ 255 bytes */
    uint8_t device_hash[UBR_HASH_LEN]; /* of the account's first record */
};

/* UBR_E_PARSE for a cluster id above 255 bytes. */
enum ubr_error ubr_enroll_prove(const struct ubr_sign_key *account,
                                const struct ubr_enrollment *enrollment,
                                uint8_t proof_out[UBR_SIG_LEN]);

/* UBR_E_SIG when proof is not account_pk's; UBR_E_PARSE as above. */
enum ubr_error ubr_enroll_check(const uint8_t account_pk[UBR_KEY_LEN],
                                const struct ubr_enrollment *enrollment,
                                const uint8_t proof[UBR_SIG_LEN]);

#endif
