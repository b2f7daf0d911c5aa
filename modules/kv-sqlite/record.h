/* SPDX-License-Identifier: Apache-2.0
 *
 * What a record is, and the keyed checksum that ties its value to its place. */
#ifndef KVSQ_RECORD_H
#define KVSQ_RECORD_H

#include <unibus/kv.h>

#define KVSQ_SUM_BYTES      16
#define KVSQ_SEAL_KEY_BYTES 32

/* One row of `record` or `deletion`, borrowed from a statement. */
struct kvsq_record {
    const char *bucket;
    struct ub_bytes code; /* the encoded key */
    int64_t revision;
    int64_t expires_ms; /* on the store's clock; 0 = never */
    bool is_deletion;
    struct ub_bytes value;
};

/* BLAKE2b-128 under the store's key over bucket, key, revision, expiry, kind and value, each with
 * its length before it. */
void kvsq_record_sum(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES], const struct kvsq_record *record,
                     uint8_t sum_out[KVSQ_SUM_BYTES]);

bool kvsq_record_is_intact(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES],
                           const struct kvsq_record *record, struct ub_bytes sum);

#endif
