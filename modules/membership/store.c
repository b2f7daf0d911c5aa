/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#define EPOCH_TRIES 4

void memb_key_set(struct memb_key *key, const char *word)
{
    key->key.count = 0;
    key->numbers_len = 0;
    memb_key_text(key, word);
}

void memb_key_bytes(struct memb_key *key, const void *ptr, size_t len)
{
    key->key.segments[key->key.count++] = (struct ub_bytes){ptr, len};
}

void memb_key_text(struct memb_key *key, const char *text)
{
    memb_key_bytes(key, text, strlen(text));
}

static void add_number(struct memb_key *key, uint64_t number, size_t len)
{
    uint8_t *at = key->numbers[key->numbers_len++];
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)(number >> 8 * (len - 1 - i));
    }
    memb_key_bytes(key, at, len);
}

void memb_key_u32(struct memb_key *key, uint32_t number)
{
    add_number(key, number, 4);
}

void memb_key_u64(struct memb_key *key, uint64_t number)
{
    add_number(key, number, 8);
}

void memb_key_box(struct memb_key *key, const char *word, const uint8_t *room_id, uint32_t epoch,
                  const uint8_t *kid)
{
    memb_key_set(key, word);
    memb_key_bytes(key, room_id, UBR_ROOM_ID_LEN);
    memb_key_u32(key, epoch);
    memb_key_bytes(key, kid, UBR_KID_LEN);
}

const uint8_t *memb_key_segment(const struct ub_kv_key *key, uint32_t index, size_t len)
{
    bool is_there = index < key->count && key->segments[index].len == len;
    return is_there ? key->segments[index].ptr : NULL;
}

bool memb_key_number(const struct ub_kv_key *key, uint32_t index, size_t len, uint64_t *out)
{
    const uint8_t *segment = memb_key_segment(key, index, len);
    if (segment == NULL) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        *out = *out << 8 | segment[i];
    }
    return true;
}

struct memb_txn *memb_txn_new(struct memb *memb, struct memb_ticket *ticket)
{
    struct memb_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL) {
        return NULL;
    }
    txn->memb = memb;
    txn->ticket = ticket != NULL && !ticket->is_committed ? ticket : NULL;
    memb_generation_begin(&memb->generation, &txn->flight);
    return txn;
}

void memb_txn_free(struct memb_txn **txn)
{
    if (*txn != NULL) {
        memb_generation_end(&(*txn)->memb->generation, &(*txn)->flight, (*txn)->revision);
        free(*txn);
        *txn = NULL;
    }
}

static struct memb_key *add_write(struct memb_txn *txn, struct ub_kv_bucket *bucket,
                                  enum ub_kv_verb verb, struct ub_bytes value, int64_t expected)
{
    static struct memb_key overflow; /* never used: commit refuses */
    if (txn->count == MEMB_TXN_MAX) {
        txn->count++;
    }
    if (txn->count > MEMB_TXN_MAX) {
        return &overflow;
    }
    struct ub_kv_write *write = &txn->writes[txn->count];
    write->bucket = bucket;
    write->verb = verb;
    write->value = value;
    write->expected = expected;
    return &txn->keys[txn->count++];
}

struct memb_key *memb_txn_write(struct memb_txn *txn, enum ub_kv_verb verb, struct ub_bytes value,
                                int64_t expected)
{
    return add_write(txn, txn->memb->control, verb, value, expected);
}

enum ub_problem memb_store_problem(enum ub_status status)
{
    switch (status) {
    case UB_OK:
        return UB_P_NONE;
    case UB_ECONFLICT:
    case UB_EEXISTS:
        return UB_P_HEAD_CONFLICT;
    case UB_EUNAVAILABLE:
    case UB_EUNKNOWN:
    case UB_EIO:
        return UB_P_STORE_AWAY;
    default:
        return UB_P_INTERNAL;
    }
}

/* The nonce's two writes come last: the index of a failed one tells which it was. */
static void add_nonce(struct memb_txn *txn)
{
    static const uint8_t zero;
    struct memb_ticket *ticket = txn->ticket;
    struct memb_key *key =
        add_write(txn, txn->memb->nonce_bucket, UB_KV_CREATE, (struct ub_bytes){&zero, 1}, 0);
    memb_key_set(key, "n");
    memb_key_bytes(key, ticket->key, UBR_KID_LEN);
    memb_key_bytes(key, ticket->key + UBR_KID_LEN, 16);
    key = add_write(txn, txn->memb->nonce_bucket, UB_KV_CHECK, (struct ub_bytes){NULL, 0}, 0);
    memb_key_set(key, "epoch");
}

/* The epoch's record is written again and again with the same content, so its revision moves while
 * it stays the same: then, and only then, the batch is tried once more. */
static enum ub_problem expect_epoch(struct memb_txn *txn)
{
    char epoch[MEMB_NONCE_EPOCH_LEN + 1];
    struct ub_kv_write *check = &txn->writes[txn->count - 1];
    memb_nonce_epoch(txn->memb, epoch, &check->expected);
    return strcmp(epoch, txn->ticket->epoch) == 0 ? UB_P_NONE : UB_P_NONCE_EPOCH;
}

static enum ub_status run_batch(struct memb_txn *txn, size_t *failed_out, struct ub_err *err)
{
    int64_t revisions[MEMB_TXN_MAX] = {0};
    struct memb *memb = txn->memb;
    for (size_t i = 0; i < txn->count; i++) {
        txn->writes[i].key = txn->keys[i].key;
    }
    enum ub_status status =
        memb->kv->batch(memb->kv_self, txn->writes, txn->count, revisions, failed_out, err);
    for (size_t i = 0; status == UB_OK && i < txn->count; i++) {
        bool is_ours = txn->writes[i].bucket == memb->control && revisions[i] > txn->revision;
        txn->revision = is_ours ? revisions[i] : txn->revision;
    }
    return status;
}

static enum ub_problem commit_with_nonce(struct memb_txn *txn, struct ub_err *err)
{
    add_nonce(txn);
    if (txn->count > MEMB_TXN_MAX) {
        return UB_P_INTERNAL;
    }
    for (int i = 0; i < EPOCH_TRIES; i++) {
        size_t failed = SIZE_MAX;
        enum ub_problem problem = expect_epoch(txn);
        if (problem != UB_P_NONE) {
            return problem;
        }
        enum ub_status status = run_batch(txn, &failed, err);
        if (status == UB_EEXISTS && failed == txn->count - 2) {
            return UB_P_NONCE_REPLAYED;
        }
        if (status != UB_ECONFLICT || failed != txn->count - 1) {
            txn->ticket->is_committed = status == UB_OK;
            return memb_store_problem(status);
        }
        if (memb_nonce_epoch_read(txn->memb, err) != UB_OK) {
            return UB_P_STORE_AWAY;
        }
    }
    return UB_P_STORE_AWAY;
}

enum ub_problem memb_txn_commit(struct memb_txn *txn, struct ub_err *err)
{
    enum ub_problem problem = UB_P_INTERNAL;
    if (txn->ticket != NULL) {
        problem = commit_with_nonce(txn, err);
    } else if (txn->count <= MEMB_TXN_MAX) {
        size_t failed;
        problem = memb_store_problem(run_batch(txn, &failed, err));
    }
    if (err->status == UB_EUNKNOWN) {
        memb_fail(txn->memb, "the outcome of a write is unknown");
    }
    return problem;
}
