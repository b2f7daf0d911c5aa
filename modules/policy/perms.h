/* SPDX-License-Identifier: Apache-2.0
 *
 * Permission sets of a policy: what narrows, and what grants outside the reserved name spaces. */
#ifndef PLCY_PERMS_H
#define PLCY_PERMS_H

#include <ubp/ask.h>
#include <unibus/authz.h>

/* A set that says what the answer says, with one reference. NULL = no memory. */
const struct ub_perms *plcy_perms_new(const struct ubp_permissions *permissions);

/* Makes `sum` what both allow: denials of both, grants and the limits that both have. False without
 * memory. */
bool plcy_permissions_narrow(struct ubp_permissions *sum, const struct ubp_permissions *by);

#endif
