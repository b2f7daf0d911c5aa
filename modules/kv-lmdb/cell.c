/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <sodium.h>

#define PLACE_SUM 8
#define SUM       16

static const uint8_t no_key[KVLM_SEAL_KEY_BYTES];

/* ---- places -----------------------------------------------------------------------------------
 */

void kvlm_put_number(uint8_t *out, size_t bytes, int64_t number)
{
    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)((uint64_t)number >> (8 * (bytes - 1 - i)));
    }
}

int64_t kvlm_get_number(const uint8_t *in, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        number = number << 8 | in[i];
    }
    return (int64_t)number;
}

void kvlm_place_fact(enum kvlm_kind kind, const char *name, struct kvlm_place *place_out)
{
    place_out->bytes[0] = (uint8_t)kind;
    place_out->len = 1 + strlen(name);
    memcpy(place_out->bytes + 1, name, place_out->len - 1);
}

void kvlm_place_record(uint32_t bucket, struct ub_bytes code, struct kvlm_place *place_out)
{
    place_out->bytes[0] = KVLM_RECORD;
    kvlm_put_number(place_out->bytes + 1, 4, bucket);
    place_out->len = 5 + code.len;
    if (code.len > 0) {
        memcpy(place_out->bytes + 5, code.ptr, code.len);
    }
}

void kvlm_place_revision(enum kvlm_kind kind, uint32_t bucket, int64_t revision,
                         struct kvlm_place *place_out)
{
    place_out->bytes[0] = (uint8_t)kind;
    kvlm_put_number(place_out->bytes + 1, 4, bucket);
    kvlm_put_number(place_out->bytes + 5, 8, revision);
    place_out->len = 13;
}

void kvlm_place_expiry(int64_t expires_ms, uint32_t bucket, int64_t revision,
                       struct kvlm_place *place_out)
{
    place_out->bytes[0] = KVLM_EXPIRY;
    kvlm_put_number(place_out->bytes + 1, 8, expires_ms);
    kvlm_put_number(place_out->bytes + 9, 4, bucket);
    kvlm_put_number(place_out->bytes + 13, 8, revision);
    place_out->len = 21;
}

/* ---- sums -------------------------------------------------------------------------------------
 */

/* Against accidents only, so under a key that everybody knows. */
static void place_sum(struct ub_bytes place, uint8_t out[PLACE_SUM])
{
    crypto_shorthash(out, place.ptr, place.len, no_key);
}

static void cell_sum(const uint8_t *seal_key, struct ub_bytes place, struct ub_bytes head,
                     struct ub_bytes body, uint8_t out[SUM])
{
    crypto_generichash_state state;
    uint8_t len[2];
    kvlm_put_number(len, sizeof(len), (int64_t)place.len);
    crypto_generichash_init(&state, seal_key, KVLM_SEAL_KEY_BYTES, SUM);
    crypto_generichash_update(&state, len, sizeof(len));
    crypto_generichash_update(&state, place.ptr, place.len);
    if (head.len > 0) {
        crypto_generichash_update(&state, head.ptr, head.len);
    }
    if (body.len > 0) {
        crypto_generichash_update(&state, body.ptr, body.len);
    }
    crypto_generichash_final(&state, out, SUM);
}

/* The seal key is itself a fact. */
static const uint8_t *key_for(const uint8_t *seal_key, uint8_t kind)
{
    return kind == KVLM_FACT || kind == KVLM_FACT_COPY ? no_key : seal_key;
}

bool kvlm_cell_is_in_place(struct ub_bytes place, struct ub_bytes cell)
{
    uint8_t sum[PLACE_SUM];
    place_sum(place, sum);
    return cell.len >= KVLM_CELL_HEAD && memcmp(cell.ptr, sum, PLACE_SUM) == 0;
}

bool kvlm_cell_open(const uint8_t *seal_key, struct ub_bytes place, struct ub_bytes cell,
                    struct ub_bytes *payload_out)
{
    uint8_t sum[SUM];
    *payload_out = (struct ub_bytes){NULL, 0};
    if (cell.len < KVLM_CELL_HEAD || place.len == 0) {
        return false;
    }
    *payload_out = (struct ub_bytes){cell.ptr + KVLM_CELL_HEAD, cell.len - KVLM_CELL_HEAD};
    cell_sum(key_for(seal_key, place.ptr[0]), place, *payload_out, (struct ub_bytes){NULL, 0}, sum);
    return memcmp(cell.ptr + PLACE_SUM, sum, SUM) == 0;
}

/* ---- in a transaction -------------------------------------------------------------------------
 */

static MDB_val val_of(const struct kvlm_place *place)
{
    return (MDB_val){place->len, (void *)(uintptr_t)place->bytes};
}

/* Every error of LMDB but "not there" ends the transaction. */
static enum ub_status judge(struct kvlm_txn *txn, int rc, struct ub_err *err)
{
    if (rc == MDB_NOTFOUND) {
        return UB_ENOTFOUND;
    }
    if (rc != MDB_SUCCESS) {
        txn->rc = txn->rc == 0 ? rc : txn->rc;
        return kvlm_env_fail(txn->store, rc, err);
    }
    return UB_OK;
}

enum ub_status kvlm_cell_get(struct kvlm_txn *txn, const struct kvlm_place *place,
                             struct ub_bytes *payload_out, struct ub_err *err)
{
    MDB_val key = val_of(place), value = {0, NULL};
    enum ub_status status = judge(txn, mdb_get(txn->mdb, KVLM_DBI, &key, &value), err);
    *payload_out = (struct ub_bytes){NULL, 0};
    if (status != UB_OK) {
        return status;
    }
    return kvlm_cell_open(txn->store->seal_key, (struct ub_bytes){place->bytes, place->len},
                          (struct ub_bytes){value.mv_data, value.mv_size}, payload_out)
               ? UB_OK
               : UB_EDAMAGED;
}

enum ub_status kvlm_cell_put(struct kvlm_txn *txn, const struct kvlm_place *place,
                             struct ub_bytes head, struct ub_bytes body, struct ub_err *err)
{
    struct ub_bytes at = {place->bytes, place->len};
    MDB_val key = val_of(place), value = {KVLM_CELL_HEAD + head.len + body.len, NULL};
    enum ub_status status = judge(txn, mdb_put(txn->mdb, KVLM_DBI, &key, &value, MDB_RESERVE), err);
    if (status != UB_OK) {
        return status;
    }
    uint8_t *out = value.mv_data;
    place_sum(at, out);
    cell_sum(key_for(txn->store->seal_key, place->bytes[0]), at, head, body, out + PLACE_SUM);
    if (head.len > 0) {
        memcpy(out + KVLM_CELL_HEAD, head.ptr, head.len);
    }
    if (body.len > 0) {
        memcpy(out + KVLM_CELL_HEAD + head.len, body.ptr, body.len);
    }
    txn->is_changed = true;
    return UB_OK;
}

enum ub_status kvlm_cell_delete(struct kvlm_txn *txn, const struct kvlm_place *place,
                                struct ub_err *err)
{
    MDB_val key = val_of(place);
    enum ub_status status = judge(txn, mdb_del(txn->mdb, KVLM_DBI, &key, NULL), err);
    txn->is_changed |= status == UB_OK;
    return status == UB_ENOTFOUND ? UB_OK : status;
}
