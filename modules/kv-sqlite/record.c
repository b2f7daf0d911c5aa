/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <string.h>

#include <sodium.h>

static void add_number(crypto_generichash_state *state, int64_t number)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
    crypto_generichash_update(state, bytes, sizeof(bytes));
}

static void add_bytes(crypto_generichash_state *state, const void *ptr, size_t len)
{
    add_number(state, (int64_t)len);
    if (len > 0) {
        crypto_generichash_update(state, ptr, len);
    }
}

void kvsq_record_sum(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES], const struct kvsq_record *record,
                     uint8_t sum_out[KVSQ_SUM_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, seal_key, KVSQ_SEAL_KEY_BYTES, KVSQ_SUM_BYTES);
    add_bytes(&state, record->bucket, strlen(record->bucket));
    add_bytes(&state, record->code.ptr, record->code.len);
    add_number(&state, record->revision);
    add_number(&state, record->expires_ms);
    add_number(&state, record->is_deletion);
    add_bytes(&state, record->value.ptr, record->value.len);
    crypto_generichash_final(&state, sum_out, KVSQ_SUM_BYTES);
}

bool kvsq_record_is_intact(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES],
                           const struct kvsq_record *record, struct ub_bytes sum)
{
    uint8_t right[KVSQ_SUM_BYTES];
    kvsq_record_sum(seal_key, record, right);
    return sum.len == KVSQ_SUM_BYTES && memcmp(sum.ptr, right, KVSQ_SUM_BYTES) == 0;
}
