/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_STORE_H
#define MEMB_STORE_H

#include <unibus/kv.h>
#include <unibus/problem.h>

#include "memb.h"
#include "record.h"

/* Keys and transactions.
 *
 *   bucket control             key                                     value (record.h)
 *     the cluster              ("cluster", "id")                       32 hex digits
 *     allowlist                ("allow", u64 number)                   allow; created only
 *     appends                  ("room", id(20), u64 first seq)         append; created only, later
 *                                                                      without boxes that were
 * acked late boxes               ("late", id, u32 epoch, kid, uploader)  late boxes to be erased
 * ("ack", id, u32 epoch, kid)             empty record (request) wishes for boxes ("request", id,
 * u32 epoch, kid)         request boxes before their epoch ("staged", id, commit(32), first kid)
 * staged blobs of a room          ("blob", id, address(32))               blob answers to repeat
 * ("idem", identity id, H(key))           idem bucket nonces the nonce epoch          ("epoch") 32
 * hex digits used nonces              ("n", kid, nonce)                       one zero byte
 */

/* A key with room for its numbers. It must not move once filled. */
struct memb_key {
    struct ub_kv_key key;
    uint8_t numbers[2][8];
    uint32_t numbers_len;
};

void memb_key_set(struct memb_key *key, const char *word);
void memb_key_bytes(struct memb_key *key, const void *ptr, size_t len);
void memb_key_text(struct memb_key *key, const char *text);
void memb_key_u32(struct memb_key *key, uint32_t number);
void memb_key_u64(struct memb_key *key, uint64_t number);
/* ("late", id, epoch, kid) and its like. */
void memb_key_box(struct memb_key *key, const char *word, const uint8_t *room_id, uint32_t epoch,
                  const uint8_t *kid);

/* Reads segment `index` of a listed key as a big-endian number of len bytes. */
bool memb_key_number(const struct ub_kv_key *key, uint32_t index, size_t len, uint64_t *out);
/* A segment of exactly len bytes, or NULL. */
const uint8_t *memb_key_segment(const struct ub_kv_key *key, uint32_t index, size_t len);

/* What stands for a signed request's nonce between authentication and effect. */
struct memb_ticket {
    uint8_t key[MEMB_NONCE_KEY_LEN];
    uint8_t kid[UBR_KID_LEN];
    char epoch[MEMB_NONCE_EPOCH_LEN + 1]; /* that it was signed for */
    bool is_committed;
};

#define MEMB_TXN_MAX 200

/* Writes that take effect together, with the nonce of the request. Values are borrowed. */
struct memb_txn {
    struct memb *memb;
    struct memb_ticket *ticket; /* NULL = none */
    struct memb_flight flight;
    int64_t revision; /* highest in `control`, after the commit */
    size_t count;
    struct ub_kv_write writes[MEMB_TXN_MAX];
    struct memb_key keys[MEMB_TXN_MAX];
};

/* NULL = no memory. */
struct memb_txn *memb_txn_new(struct memb *memb, struct memb_ticket *ticket);
/* The transaction and what it published are over: the generation moves on. */
void memb_txn_free(struct memb_txn **txn);

/* Adds a write in `control`; fill in the key. At most MEMB_TXN_MAX − 3 of them. */
struct memb_key *memb_txn_write(struct memb_txn *txn, enum ub_kv_verb verb, struct ub_bytes value,
                                int64_t expected);
/* All or nothing, durable: UB_P_NONE. UB_P_HEAD_CONFLICT: a precondition of a write failed;
 * UB_P_NONCE_REPLAYED, UB_P_NONCE_EPOCH, UB_P_STORE_AWAY, UB_P_INTERNAL. Publish what it means,
 * then free. */
enum ub_problem memb_txn_commit(struct memb_txn *txn, struct ub_err *err);

/* The problem for a status of the store. */
enum ub_problem memb_store_problem(enum ub_status status);

#endif
