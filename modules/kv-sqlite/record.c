/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

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

void kvsq_row_sum(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES], const struct kvsq_row *row,
                  uint8_t sum_out[KVSQ_SUM_BYTES])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, seal_key, KVSQ_SEAL_KEY_BYTES, KVSQ_SUM_BYTES);
    add_bytes(&state, row->bucket, strlen(row->bucket));
    add_bytes(&state, row->code.ptr, row->code.len);
    add_number(&state, row->revision);
    add_number(&state, row->expires_ms);
    add_number(&state, row->is_deletion);
    add_bytes(&state, row->value.ptr, row->value.len);
    crypto_generichash_final(&state, sum_out, KVSQ_SUM_BYTES);
}

bool kvsq_row_is_intact(const uint8_t seal_key[KVSQ_SEAL_KEY_BYTES], const struct kvsq_row *row,
                        struct ub_bytes sum)
{
    uint8_t right[KVSQ_SUM_BYTES];
    kvsq_row_sum(seal_key, row, right);
    return sum.len == KVSQ_SUM_BYTES && memcmp(sum.ptr, right, KVSQ_SUM_BYTES) == 0;
}

enum ub_status kvsq_row_read(struct kvsq *store, const char *bucket, sqlite3_stmt *stmt,
                             bool is_deletion, struct kvsq_row *row_out, struct ub_err *err)
{
    *row_out = (struct kvsq_row){
        .bucket = bucket,
        .code = kvsq_db_bytes(stmt, 0),
        .revision = sqlite3_column_int64(stmt, 1),
        .expires_ms = sqlite3_column_int64(stmt, 2),
        .is_deletion = is_deletion,
        .value = kvsq_db_bytes(stmt, 4),
    };
    return kvsq_row_is_intact(store->seal_key, row_out, kvsq_db_bytes(stmt, 3))
               ? UB_OK
               : ubs_trouble_record(&store->kv.trouble, bucket, row_out->code, row_out->revision,
                                    err);
}
