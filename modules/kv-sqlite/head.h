/* SPDX-License-Identifier: Apache-2.0
 *
 * Named facts of fixed length about the store, each kept twice with a checksum: a damaged page
 * cannot take the revision of a bucket, or the key of all checksums, with it. */
#ifndef KVSQ_HEAD_H
#define KVSQ_HEAD_H

#include "db.h"

/* UB_ENOTFOUND when there is none, UB_EDAMAGED when no copy is intact. *is_whole_out (or NULL):
 * both copies are. */
enum ub_status kvsq_head_read(struct kvsq_db *db, const char *name, void *out, size_t len,
                              bool *is_whole_out, struct ub_err *err);

/* Writes both copies; for a whole state call it within a transaction. */
enum ub_status kvsq_head_write(struct kvsq_db *db, const char *name, struct ub_bytes value,
                               struct ub_err *err);

#endif
