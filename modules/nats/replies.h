/* SPDX-License-Identifier: Apache-2.0
 *
 * The reply subjects of messages that were delivered to one connection: where it may answer. Kept
 * as 64-bit keyed hashes (SipHash with a random key, so that nobody can make two alike), the newest
 * NATS_REPLIES_MAX, each for a time. Threads: the connection's loop. */
#ifndef NATS_REPLIES_H
#define NATS_REPLIES_H

#include <unibus/abi.h>

#define NATS_REPLIES_MAX 65536

struct nats_replies;

#define NATS_REPLY_KEY_BYTES 16

/* Remembers a delivered reply subject. uses 0 = any number. *replies is made when NULL. false = no
 * memory. key: NATS_REPLY_KEY_BYTES, the same in each call. */
bool nats_replies_add(struct nats_replies **replies, const uint8_t *key, struct ub_bytes reply,
                      int64_t now_ms, int64_t until_ms, uint32_t uses);
/* Was it delivered, is it still valid, are there uses left? Takes one use. */
bool nats_replies_use(struct nats_replies *replies, const uint8_t *key, struct ub_bytes subject,
                      int64_t now_ms);
/* The same without taking a use. */
bool nats_replies_has(struct nats_replies *replies, const uint8_t *key, struct ub_bytes subject,
                      int64_t now_ms);
void nats_replies_free(struct nats_replies **replies);

#endif
