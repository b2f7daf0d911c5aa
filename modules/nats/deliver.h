/* SPDX-License-Identifier: Apache-2.0
 *
 * From a message to those who receive it. Threads: the shard's loop. */
#ifndef NATS_DELIVER_H
#define NATS_DELIVER_H

#include "shard.h"

/* A message on its way. headers and payload lie in buf; so does everything when is_whole. */
struct nats_message {
    struct ub_bytes subject, reply, headers, payload;
    struct ub_buf *buf;
    bool is_whole;
    bool has_line_end; /* CRLF lies behind the payload */
    bool may_share;    /* large enough to be written from buf */
    uint64_t source;   /* connection; 0 = a module */
    bool has_no_echo;

    /* " reply size" and line end, made when first needed: for MSG and for HMSG */
    uint16_t tail_len[2];
    uint8_t tail[2][48]; /* two numbers of at most 20 digits, two blanks, a line end */
};

/* All but the four ranges, which are the caller's to set; every flag is off. */
static inline void nats_message_init(struct nats_message *message, struct ub_buf *buf,
                                     uint64_t source)
{
    message->buf = buf;
    message->source = source;
    message->is_whole = message->has_line_end = message->may_share = false;
    message->has_no_echo = false;
    message->tail_len[0] = message->tail_len[1] = 0;
}

/* To all who receive the subject of the route; false = nobody was there. */
bool nats_deliver(struct nats_shard *shard, const struct nats_match *match,
                  struct nats_message *message);

/* What other loops and modules sent. */
void nats_deliver_batch(struct nats_shard *shard, struct nats_batch *batch);

/* To one subscription of this loop; false when it does not count: gone, own echo, denied. */
bool nats_deliver_to(struct nats_shard *shard, struct nats_sub *sub, struct nats_message *message);

#endif
