/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_ALLOWLIST_H
#define MEMB_ALLOWLIST_H

#include "call.h"

/* Writing the allowlist: judge a step, store it as the next numbered record, publish it, tell the
 * holders of permission sets. */

struct memb_change {
    struct memb_allow allow;
    const char *if_match; /* what the identity's version or its chain's head must be; NULL = any */
    int status;           /* of the answer */
    /* out */
    struct memb_identity *identity;
    uint32_t connections; /* that changed before we returned */
    json_t *body;         /* the answer; for CREATE and DEVICE made here, to be stored with it */
};

/* On failure answered, and false. */
bool memb_allow_apply(struct memb_call *call, struct memb_change *change);

#endif
