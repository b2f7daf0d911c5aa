/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: records, checked, from a view of the last commit. */
#ifndef KVLM_READ_H
#define KVLM_READ_H

#include <unibus/kv.h>

#include "cell.h"

/* A record that is intact, borrowed from its transaction. */
struct kvlm_record {
    int64_t revision;
    int64_t expires_ms; /* on the store's clock; 0 = never */
    struct ub_bytes value;
};

#define KVLM_RECORD_HEAD 16 /* revision, expires_ms; then the value */

/* The store's clock: the wall clock of the start, moved on by the monotonic one, so that a jump of
 * the wall clock neither expires nor revives anything. Unix milliseconds. */
int64_t kvlm_now_ms(const struct kvlm *store);

bool kvlm_is_expired(const struct kvlm *store, const struct kvlm_record *record);

/* The record of a key, also an expired one. UB_ENOTFOUND comes without words; UB_EDAMAGED is noted,
 * and also the answer for an absent key while names of keys are damaged. */
enum ub_status kvlm_record_read(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                struct ub_bytes code, struct kvlm_record *record_out,
                                struct ub_err *err);

/* Of ub_kv_ops. */
enum ub_status kvlm_get(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                        enum ub_kv_read read, struct ub_kv_value *value_out, struct ub_err *err);
void kvlm_value_free(void *self, struct ub_kv_value *value);
enum ub_status kvlm_list(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                         const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn, void *arg,
                         struct ub_err *err);

#endif
