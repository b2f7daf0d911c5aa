/* SPDX-License-Identifier: Apache-2.0
 *
 * Named facts of fixed length about the store, each kept twice, at the two ends of the tree: one
 * damaged page cannot take the revision of a bucket, or the key of all checksums, with it. */
#ifndef KVLM_FACT_H
#define KVLM_FACT_H

#include "cell.h"

/* UB_ENOTFOUND when there is none, UB_EDAMAGED when no copy is intact. *is_whole_out (or NULL):
 * both copies are. */
enum ub_status kvlm_fact_read(struct kvlm_txn *txn, const char *name, void *out, size_t len,
                              bool *is_whole_out, struct ub_err *err);
enum ub_status kvlm_fact_write(struct kvlm_txn *txn, const char *name, struct ub_bytes value,
                               struct ub_err *err);

#endif
