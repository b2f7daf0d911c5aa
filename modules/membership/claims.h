/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_CLAIMS_H
#define MEMB_CLAIMS_H

#include <ubr/device.h>

#include "model.h"

/* Whether the keys of a device record may be used by this identity (NULL = a new one) with this
 * role: UBR_OK, UBR_E_KID_CLAIMED or UBR_E_KEY_REUSE. Under the lock. */
enum ubr_error memb_claims_check(const struct memb_model *model,
                                 const struct memb_identity *identity, enum ub_role role,
                                 const struct ubr_device_body *body);

/* Makes the keys the identity's; false = no memory. Under the lock, for writing. */
bool memb_claims_add(struct memb_model *model, struct memb_identity *identity,
                     const struct ubr_device_body *body);

#endif
