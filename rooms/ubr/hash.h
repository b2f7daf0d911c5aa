/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_HASH_H
#define UBR_HASH_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"

/* H, DS labels and kdf (UBR1, section 3). H is BLAKE2b without key. All functions are pure;
 * sodium_init() must have been called. */

#define UBR_HASH_LEN 32

/* The labels, each for exactly one structure. X(constant, label) */
#define UBR_LABEL_TABLE(X)                                                                         \
    X(UBR_DS_DEVICE, "device")                                                                     \
    X(UBR_DS_DEVICE_HASH, "device-hash")                                                           \
    X(UBR_DS_DEVICE_KID, "device-kid")                                                             \
    X(UBR_DS_DEVICE_POP, "device-pop")                                                             \
    X(UBR_DS_NATS_POP, "nats-pop")                                                                 \
    X(UBR_DS_ENROLL, "enroll")                                                                     \
    X(UBR_DS_INBOX, "inbox")                                                                       \
    X(UBR_DS_ROOM_ID, "room-id")                                                                   \
    X(UBR_DS_ROOM_ENTRY, "room-entry")                                                             \
    X(UBR_DS_ROOM_ENTRY_HASH, "room-entry-hash")                                                   \
    X(UBR_DS_ROOM_STATE, "room-state")                                                             \
    X(UBR_DS_MEMBERS, "members")                                                                   \
    X(UBR_DS_RECIPIENTS, "recipients")                                                             \
    X(UBR_DS_EPOCH_COMMIT, "epoch-commit")                                                         \
    X(UBR_DS_EPOCH_LINK, "epoch-link")                                                             \
    X(UBR_DS_SEALED_KEY, "sealed-key")                                                             \
    X(UBR_DS_MSG, "msg")                                                                           \
    X(UBR_DS_MSG_TBS, "msg-tbs")                                                                   \
    X(UBR_DS_MSG_SIG, "msg-sig")                                                                   \
    X(UBR_DS_BLOB, "blob")                                                                         \
    X(UBR_DS_KEYFILE, "keyfile")                                                                   \
    X(UBR_DS_BACKUP, "backup")                                                                     \
    X(UBR_DS_FINGERPRINT, "fingerprint")                                                           \
    X(UBR_DS_SAFETY, "safety")

enum ubr_label {
#define UBR_LABEL_CONSTANT(constant, label) constant,
    UBR_LABEL_TABLE(UBR_LABEL_CONSTANT)
#undef UBR_LABEL_CONSTANT
        UBR_LABEL_COUNT
};

/* Longest DS(label), in bytes. */
#define UBR_DS_MAX 32

/* DS(label): 0xFF, "unibus/1/", the label, 0x00. Static memory. */
struct ubr_bytes ubr_ds(enum ubr_label label);

/* H(DS(label) ‖ x). */
void ubr_hash(enum ubr_label label, struct ubr_bytes x, uint8_t hash_out[UBR_HASH_LEN]);

/* H(x) without label: object addresses, stored tokens. */
void ubr_hash_plain(struct ubr_bytes x, uint8_t hash_out[UBR_HASH_LEN]);

/* H(n, x): 16 ≤ n ≤ 64 bytes; not a prefix of H(m, x) for m ≠ n. */
void ubr_hash_plain_n(struct ubr_bytes x, uint8_t *hash_out, size_t n);

/* The same piece by piece: begin, add…, end. Holds no secret beyond what was added; needs no fini.
 */
struct ubr_hasher {
    crypto_generichash_state state;
    size_t len;
};

/* Begins H(len, DS(label) ‖ …). */
void ubr_hasher_begin(struct ubr_hasher *hasher, enum ubr_label label, size_t len);
/* Begins H(len, …) without label. */
void ubr_hasher_begin_plain(struct ubr_hasher *hasher, size_t len);
void ubr_hasher_add(struct ubr_hasher *hasher, const void *ptr, size_t len);
void ubr_hasher_add_bytes(struct ubr_hasher *hasher, struct ubr_bytes bytes);
void ubr_hasher_add_u8(struct ubr_hasher *hasher, uint8_t value);
void ubr_hasher_add_u32(struct ubr_hasher *hasher, uint32_t value);
void ubr_hasher_add_u64(struct ubr_hasher *hasher, uint64_t value);
/* str8; bytes.len ≤ 255, asserted. */
void ubr_hasher_add_str8(struct ubr_hasher *hasher, struct ubr_bytes bytes);
/* hash_out has the len of begin. */
void ubr_hasher_end(struct ubr_hasher *hasher, uint8_t *hash_out);

#define UBR_KDF_LEN   32
#define UBR_KDF_IDENT "ubident1" /* from an account or service seed (4.1) */
#define UBR_KDF_EPOCH "ubepoch1" /* from an epoch secret (6.1) */

/* crypto_kdf: 32 bytes from key under ctx (8 ASCII characters) and id < 2^31. */
void ubr_kdf(const uint8_t key[UBR_KDF_LEN], const char ctx[8], uint32_t id,
             uint8_t key_out[UBR_KDF_LEN]);

#endif
