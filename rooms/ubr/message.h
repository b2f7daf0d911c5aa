/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_MESSAGE_H
#define UBR_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ubr/bytes.h"
#include "ubr/error.h"
#include "ubr/extension.h"
#include "ubr/key.h"
#include "ubr/name.h"

/* Messages of sealed rooms (UBR1, 9.1 and 9.2): the envelope, and how it is sealed. What a receiver
 * does with one is accept.h. Nothing here allocates. */

#define UBR_MSG_HEADER_LEN    64
#define UBR_MSG_LEN_MAX       (8 * 1024 * 1024)
#define UBR_MSG_LEN_SIGNED    166 /* of an empty message */
#define UBR_MSG_LEN_UNSIGNED  102
#define UBR_MSG_NONCE_LEN     24
#define UBR_MSG_HEAD_HASH_LEN 16
#define UBR_MSG_SUBJECT_MAX   65535

/* Bits of flags. */
#define UBR_MSG_SIGNED 0x01
#define UBR_MSG_PADDED 0x02
#define UBR_MSG_BATCH  0x04

/* What stands in clear before the ciphertext. Believe none of it before acceptance. */
struct ubr_msg_header {
    uint8_t flags;
    uint32_t epoch;
    struct ubr_msg_id id; /* sender's kid, and counter from 1 */
    uint64_t time_ms;     /* Unix time of the sender */
    uint8_t nonce[UBR_MSG_NONCE_LEN];
};

/* Form and bounds of a whole message, which is step 1 of 9.4, in this order: E-PARSE shorter than a
 * header, or magic; E-LIMIT; E-VERSION; E-FLAG; E-RANGE epoch, counter, time; E-PARSE shorter than
 * an empty message. */
enum ubr_error ubr_msg_parse_header(struct ubr_bytes wire, struct ubr_msg_header *header_out);

/* The message key of one epoch that this device holds. Secret: its owner wipes it. */
struct ubr_msg_key {
    uint32_t epoch;
    uint8_t key[UBR_KDF_LEN];
    /* When this client verified the entry of the next epoch, on its monotonic clock. 0: not yet, or
     * not known; then no grace is given (9.5). */
    uint64_t superseded_mono_ms;
};

/* From the secret of the epoch (6.1), which the caller has checked against its commit. */
void ubr_msg_key_init(struct ubr_msg_key *key, uint32_t epoch, const uint8_t secret[UBR_KEY_LEN]);

/* A message to seal. Everything is borrowed. */
struct ubr_msg_draft {
    const uint8_t *room_id; /* UBR_ROOM_ID_LEN */
    const struct ubr_msg_key *key;
    const uint8_t *kid;              /* this device's */
    const struct ubr_sign_key *sign; /* its key; NULL for an unsigned message */
    uint64_t counter;                /* from 1, per (room, device), persisted before sending */
    uint64_t time_ms;                /* Unix time */
    const uint8_t *nonce;            /* NULL for a random one, which is what senders use */
    struct ubr_bytes subject;        /* as in Ub-Subject; KV: "$KV.<bucket>.<key>" */
    uint32_t head_seq;               /* this device's verified head */
    const uint8_t *head;             /* its entry hash, UBR_HASH_LEN */
    struct ubr_extensions ext;
    const struct ubr_bytes *records; /* at most one unless is_batch; none is empty content */
    size_t record_n;
    bool is_batch;
    bool is_padded;
};

/* Length of the sealed message; SIZE_MAX when it cannot be sealed. */
size_t ubr_msg_sealed_len(const struct ubr_msg_draft *draft);

/* Writes the sealed message to wire_out, which has room for cap ≥ ubr_msg_sealed_len(draft) bytes.
 * The checks of 9.7 (stale, closed, unproven head …) are the caller's, before. E-RANGE: epoch,
 * counter, time, subject or number of records out of bounds, or cap too small. E-EXT. E-LIMIT:
 * above 8 MiB. */
enum ubr_error ubr_msg_seal(const struct ubr_msg_draft *draft, uint8_t *wire_out, size_t cap,
                            size_t *len_out);

/* Nats-Msg-Id of a sealed message (9.8): its nonce in base64url, for no one can predict that. */
#define UBR_MSG_NATS_ID_LEN 32
void ubr_msg_nats_id(const struct ubr_msg_header *header, char text_out[UBR_MSG_NATS_ID_LEN + 1]);

#endif
