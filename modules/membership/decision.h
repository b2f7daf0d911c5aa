/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_DECISION_H
#define MEMB_DECISION_H

#include "memb.h"

/* Decisions about actions, as `unibus why` shows them. */

/* Records what was decided unless a provider has done so already; then reason->decision has the id.
 * The reason of a refusal is filled where nobody said one. provider: whose word it was, "" =
 * nobody's. */
void memb_decision_record(const struct memb *memb, const struct ub_principal *principal,
                          const struct ub_action *action, const char *provider, bool is_allowed,
                          int64_t took_us, struct ub_reason *reason);

#endif
