/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_IDEM_H
#define MEMB_IDEM_H

#include "call.h"

/* Idempotency-Key: the answer of a POST is stored in the transaction of its effect, for 24 hours,
 * and given again to the same caller with the same key and the same request. The members
 * `generation` and `applied` are not stored: a repeat gets the generation of the effect and
 * `{"connections_changed":0}`. */

#define MEMB_IDEM_KEEP_MS (24 * 3600 * 1000LL)

/* Before the handler: false = answered (a repeat, another request, or one under way). */
bool memb_idem_begin(struct memb_call *call);
/* Before the answer goes: whoever has it may repeat the request at once. */
void memb_idem_end(struct memb_call *call);

/* Adds the answer to the transaction; *stored_out (free it after the commit) holds its bytes. */
bool memb_idem_add(struct memb_call *call, struct memb_txn *txn, int status, const char *location,
                   const json_t *body, void **stored_out);

/* Drops answers older than 24 hours; on the pool. */
void memb_idem_expire(struct memb *memb);

#endif
