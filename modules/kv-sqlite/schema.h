/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables, their version, and the store's own secret for checksums. */
#ifndef KVSQ_SCHEMA_H
#define KVSQ_SCHEMA_H

#include "db.h"

#define KVSQ_SCHEMA_VERSION 1

/* Before SQLite opens: looks at the header only, so that a file of another program or of a newer
 * version is told apart from a damaged one. Errors as below. */
enum ub_status kvsq_schema_peek(const char *file, struct ub_err *err);

/* Makes the tables in an empty file, or checks what is there: UB_EUNSUPPORTED with both versions
 * when the file was made by a newer program, UB_EINVAL when it is no store of ours. */
enum ub_status kvsq_schema_ready(struct kvsq_db *db, struct ub_err *err);

/* Reads (or makes) the key of the checksums into the store. */
enum ub_status kvsq_schema_seal_key(struct kvsq_db *db, struct ub_err *err);

#endif
