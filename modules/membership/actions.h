/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_ACTIONS_H
#define MEMB_ACTIONS_H

#include "memb.h"

/* What an identity may do on the control plane, by its role on the node; what its role in a room
 * allows is added where the room is at hand, and here for those who only ask. */

/* ub.authz action: our own verdict. self is struct memb. */
enum ub_verdict memb_action(void *self, const struct ub_principal *principal,
                            const struct ub_action *action, struct ub_reason *reason_out);

/* Our verdict and every other provider's: by the rule of unibus/authz.h. *provider_out: whose word
 * it was, "" = nobody said anything. */
enum ub_verdict memb_decide(struct memb *memb, const struct ub_principal *principal,
                            const struct ub_action *action, struct ub_reason *reason_out,
                            const char **provider_out);

/* The names of node roles: "operator" …; NULL and UB_ROLE_NONE for none. */
const char *memb_role_name(enum ub_role role);
enum ub_role memb_role_from_name(const char *name);

#endif
