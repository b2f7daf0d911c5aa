/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cases of the ub.blob suite are written with. Functions that should work end the case
 * when they do not. */
#ifndef CONFORMANCE_BLOB_TOOL_H
#define CONFORMANCE_BLOB_TOOL_H

#include <unibus/blob.h>

#include "case.h"
#include "subject.h"

struct blob_store {
    const struct ub_blob_ops *ops;
    void *self;
};

struct blob_test {
    struct subject *subject;
    struct blob_store store;
    struct ub_err err; /* of the last call that took it */
};

extern const struct check_case blob_basic_cases[], blob_write_cases[], blob_list_cases[],
    blob_life_cases[], blob_border_cases[];

#define blob_expect_status(t, got, wanted)                                                         \
    case_expect_status(__FILE__, __LINE__, #got, (got), (wanted), &(t)->err)

struct ub_bytes blob_bytes_of(const char *text);
struct ub_blob_hash blob_hash_of(struct ub_bytes bytes);
/* Bytes that differ by seed; free them. */
uint8_t *blob_noise(size_t len, uint32_t seed);

/* begin, append in parts, commit: the first status that is not UB_OK. Threads: any. */
enum ub_status blob_put_in_parts(const struct blob_store *store, struct ub_bytes bytes, size_t part,
                                 const struct ub_blob_hash *hash, struct ub_err *err);
struct ub_blob_hash blob_put(struct blob_test *t, struct ub_bytes bytes);
enum ub_status blob_stat_of(struct blob_test *t, const struct ub_blob_hash *hash,
                            struct ub_blob_stat *stat);
/* Reads everything in parts: is it these bytes? Threads: any. */
bool blob_is_readable(const struct blob_store *store, const struct ub_blob_hash *hash,
                      struct ub_bytes bytes, size_t part);
struct ub_blob_reader *blob_open(struct blob_test *t, const struct ub_blob_hash *hash);
size_t blob_count_all(struct blob_test *t);

/* Stops the module and starts it on the same data. */
void blob_reopen(struct blob_test *t);
void blob_shut(struct blob_test *t);
void blob_start(struct blob_test *t);
/* The limit of one item that the check chose; skips the case when the module has no max_item. */
int64_t blob_item_max(struct blob_test *t);

#endif
