/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: records, checked, from a view of the last commit. */
#ifndef KVLM_READ_H
#define KVLM_READ_H

#include <ubs/kv.h>

#include "cell.h"

#define KVLM_RECORD_HEAD 16 /* revision, expires_ms; then the value */

/* The record of a key, also an expired one, borrowed from the transaction. UB_ENOTFOUND comes
 * without words; UB_EDAMAGED is noted, and also the answer for an absent key while names of keys
 * are damaged. */
enum ub_status kvlm_record_read(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                struct ub_bytes code, struct ubs_record *record_out,
                                struct ub_err *err);

/* Of ubs_engine. */
enum ub_status kvlm_get(struct ub_kv_bucket *bucket, struct ub_bytes code,
                        struct ub_kv_value *value_out, struct ub_err *err);
enum ub_status kvlm_list(struct ub_kv_bucket *bucket, struct ubs_list *list, struct ub_err *err);
enum ub_status kvlm_look(struct ub_kv_bucket *bucket, struct ubs_look *look); /* look.c */

#endif
