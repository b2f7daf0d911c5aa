/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_ACCEPT_H
#define UBR_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ubr/history.h"
#include "ubr/kv.h"
#include "ubr/message.h"
#include "ubr/window.h"

/* Acceptance of a message (UBR1, 9.3 to 9.6 and 9.8): which message is shown, as whose, and with
 * which code the others are dropped. Judging changes nothing: the caller takes the counter of an
 * accepted message into its window afterwards (ubr_window_take), and of a KV value also
 * (ubr_kv_advance). */

#define UBR_MSG_MAX_AGE_MS     300000 /* default of max_age_ms */
#define UBR_MSG_GRACE_MS       60000
#define UBR_MSG_HEAD_CLAIM_MAX 4096

/* What the receiver knows: the same for many messages. */
struct ubr_receiver {
    const struct ubr_log *log;      /* of the room, verified; its newest entry is the head c */
    const struct ubr_msg_key *keys; /* of the epochs held, in any order */
    size_t key_n;
    uint64_t now_ms;      /* Unix time */
    uint64_t now_mono_ms; /* the monotonic clock of superseded_mono_ms */
    uint64_t max_age_ms;  /* of live messages */
    bool is_history;      /* reads a stream, a KV bucket or history: nothing is late */
    bool may_be_rerouted; /* opted in to messages signed for another subject */
};

enum ubr_msg_expected {
    UBR_MSG_ANY,
    UBR_MSG_REQUEST, /* must have an expiry */
    UBR_MSG_REPLY,   /* must answer delivery.request */
};

/* One message as it was delivered. */
struct ubr_delivery {
    struct ubr_bytes wire;
    struct ubr_bytes subject;           /* the delivered one, see 9.3 */
    const struct ubr_bytes *ub_subject; /* header Ub-Subject; NULL when absent */
    struct ubr_place place;
    const struct ubr_window *window; /* of the kid in the header; NULL for a new one */
    uint32_t entries_since;          /* log entries verified while the message waited */
    enum ubr_kv_marker kv_marker;
    enum ubr_msg_expected expected;
    const struct ubr_msg_id *request; /* of UBR_MSG_REPLY */
};

/* What is shown to the application. Complete only on UBR_OK; else the header if it could be read,
 * the sender from step 4, head_seq and head_hash from step 3 on (the claim of E-HEAD-UNPROVEN). */
struct ubr_msg {
    struct ubr_msg_header header;
    uint8_t account_pk[UBR_KEY_LEN];
    enum ubr_role role; /* at head_seq */
    const char *handle; /* at head_seq; borrowed until the log's next append */
    uint32_t head_seq;  /* the sender's head h, and the beginning of its entry's hash */
    uint8_t head_hash[UBR_MSG_HEAD_HASH_LEN];
    struct ubr_bytes subject;  /* the authenticated one, inside the delivery */
    struct ubr_extensions ext; /* media_type is inside plain */
    struct ubr_bytes content;  /* without padding, inside plain; see ubr_msg_record_next */
    size_t record_n;           /* 1 unless a batch */
    bool is_signed;            /* if not: "from a member", never evidence of who */
    bool is_redelivery;        /* the same place of the same stream again */
    bool is_rerouted;          /* delivered on another subject than signed */
    bool is_sender_gone;       /* history: cannot write any more at c */
    bool may_fetch;            /* refused, but a newer log could change that: fetch once */
};

/* Judges a message in the order of 9.4; the first failure names the code. plain has room for
 * wire.len bytes and takes the plaintext, which msg_out points into; after an error it holds none.
 *
 *  0  KV-UNSIGNED-DELETE (marker without envelope)   7  FORK
 *  1  PARSE LIMIT VERSION FLAG RANGE                 8  MSG-EPOCH (not in force at h)
 *  2  LOG-BEHIND MSG-EPOCH (no secret)               9  NOT-MEMBER KID-UNKNOWN DEVICE-REVOKED ROLE
 *  3  MSG-OPEN                                      10  MSG-REROUTED
 *  4  KID-UNKNOWN                                   11  EXT PARSE
 *  5  MSG-SIG MSG-UNSIGNED                          12  MSG-LATE
 *  6  HEAD-UNPROVEN LOG-BEHIND                      13  MSG-REPLAY, then KV-UNSIGNED-DELETE
 *
 * HEAD-UNPROVEN only for a signed message of somebody who can write at c and against which nothing
 * else speaks (9.6); any other message with a head above c is LOG-BEHIND. */
enum ubr_error ubr_msg_accept(const struct ubr_receiver *receiver,
                              const struct ubr_delivery *delivery, uint8_t *plain,
                              struct ubr_msg *msg_out);

/* The records of an accepted message; one, the content, unless it is a batch. *cursor starts at 0;
 * false at the end. */
bool ubr_msg_record_next(const struct ubr_msg *msg, size_t *cursor, struct ubr_bytes *record_out);

#endif
