/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_MESSAGE_JUDGE_H
#define UBR_MESSAGE_JUDGE_H

#include "ubr/accept.h"

/* One message on its way through the steps of 9.4. */
struct judging {
    const struct ubr_receiver *receiver;
    const struct ubr_delivery *delivery;
    uint8_t *plain;
    struct ubr_msg *msg;
    uint32_t c;                    /* the receiver's head; from step 2 on */
    const struct ubr_msg_key *key; /* from step 2 on */
    /* From step 3 on. */
    uint8_t sig[UBR_SIG_LEN];
    uint8_t digest[UBR_HASH_LEN]; /* what sig signs */
    struct ubr_bytes body;        /* u16 ext_len ‖ extensions ‖ content */
    /* From step 4 on. */
    struct ubr_log_kid device;
};

/* Step 3: decrypts and takes plain apart. E-MSG-OPEN. */
enum ubr_error msg_open(struct judging *judging);

/* Step 11: extensions, padding, batch; what requests and replies need. E-EXT, E-PARSE. */
enum ubr_error msg_read_body(struct judging *judging);

/* 9.5, without regard to whether the receiver is live: whether the message comes too late. */
bool msg_is_late(const struct judging *judging);

#endif
