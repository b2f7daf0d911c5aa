/* SPDX-License-Identifier: Apache-2.0
 *
 * The one LMDB tree: every entry of it is a cell with two checksums.
 *
 *     key    kind (1 byte), then by kind (numbers are big-endian, so that bytes sort as they do):
 *              FACT, FACT_COPY  name
 *              RECORD           bucket (4), encoded key
 *              CHANGE, DELETION bucket (4), revision (8)
 *              EXPIRY           expires_ms (8), bucket (4), revision (8)
 *     value  place sum (8), sum (16), payload
 *
 * The sum is BLAKE2b-128 under the store's key over key and payload. The place sum covers the key
 * alone: tree.c checks it in every cell without reading the values. */
#ifndef KVLM_CELL_H
#define KVLM_CELL_H

#include <lmdb.h>

#include <unibus/kv.h>

#include <ubs/key.h>

#define KVLM_SEAL_KEY_BYTES 32
#define KVLM_PLACE_MAX      511 /* LMDB's longest key */
#define KVLM_CELL_HEAD      24

struct kvlm;

enum kvlm_kind {
    KVLM_FORMAT = 0x00, /* no cell: its value is text, see format.c */
    KVLM_FACT = 0x01,
    KVLM_RECORD = 0x10,
    KVLM_CHANGE = 0x20,
    KVLM_DELETION = 0x21,
    KVLM_EXPIRY = 0x30,
    KVLM_FACT_COPY = 0xf0
};

struct kvlm_place {
    size_t len;
    uint8_t bytes[KVLM_PLACE_MAX];
};

void kvlm_place_fact(enum kvlm_kind kind, const char *name, struct kvlm_place *place_out);
/* Also the start of all records of the bucket, with an empty code. */
void kvlm_place_record(uint32_t bucket, struct ub_bytes code, struct kvlm_place *place_out);
void kvlm_place_revision(enum kvlm_kind kind, uint32_t bucket, int64_t revision,
                         struct kvlm_place *place_out);
void kvlm_place_expiry(int64_t expires_ms, uint32_t bucket, int64_t revision,
                       struct kvlm_place *place_out);

void kvlm_put_number(uint8_t *out, size_t bytes, int64_t number);
int64_t kvlm_get_number(const uint8_t *in, size_t bytes);

/* A transaction. rc is the first error of LMDB in it that ends it, else 0. */
struct kvlm_txn {
    struct kvlm *store;
    MDB_txn *mdb;
    int rc;
    bool is_changed;
};

/* The payload, borrowed until the next write or the end of the transaction. UB_ENOTFOUND and
 * UB_EDAMAGED (then payload_out is what is there, perhaps empty) come without words. */
enum ub_status kvlm_cell_get(struct kvlm_txn *txn, const struct kvlm_place *place,
                             struct ub_bytes *payload_out, struct ub_err *err);
/* The payload is head and then body. */
enum ub_status kvlm_cell_put(struct kvlm_txn *txn, const struct kvlm_place *place,
                             struct ub_bytes head, struct ub_bytes body, struct ub_err *err);
/* Absent is UB_OK. */
enum ub_status kvlm_cell_delete(struct kvlm_txn *txn, const struct kvlm_place *place,
                                struct ub_err *err);

/* The payload of a cell when it is intact. seal_key may be NULL for facts. */
bool kvlm_cell_open(const uint8_t *seal_key, struct ub_bytes place, struct ub_bytes cell,
                    struct ub_bytes *payload_out);
bool kvlm_cell_is_in_place(struct ub_bytes place, struct ub_bytes cell);

#endif
