/* SPDX-License-Identifier: Apache-2.0
 *
 * A row, and the keyed checksum that ties its value to its place. */
#ifndef KVSQ_RECORD_H
#define KVSQ_RECORD_H

#include <sqlite3.h>

#include <unibus/kv.h>

#define KVSQ_SUM_BYTES      16
#define KVSQ_SEAL_KEY_BYTES 32

struct kvsq;

/* One row of `record` or `deletion`, borrowed from a statement. */
struct kvsq_row {
    const char *bucket;
    struct ub_bytes code; /* the encoded key */
    int64_t revision;
    int64_t expires_ms; /* on the store's clock; 0 = never */
    bool is_deletion;
    struct ub_bytes value;
};

/* BLAKE2b-128 under the store's key over bucket, key, revision, expiry, kind and value, each with
 * its length before it. */
void kvsq_row_sum(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES], const struct kvsq_row *row,
                  uint8_t sum_out[KVSQ_SUM_BYTES]);

bool kvsq_row_is_intact(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES], const struct kvsq_row *row,
                        struct ub_bytes sum);

/* A row of columns key, revision, expires_ms, sum, value; checks it. UB_EDAMAGED is noted. */
enum ub_status kvsq_row_read(struct kvsq *store, const char *bucket, sqlite3_stmt *stmt,
                             bool is_deletion, struct kvsq_row *row_out, struct ub_err *err);

#endif
