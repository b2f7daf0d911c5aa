/* SPDX-License-Identifier: Apache-2.0
 *
 * Who owns an inbox: the first token after `_INBOX.` belongs to the identity that subscribed it
 * first, while anybody of that identity holds it and NATS_INBOX_LINGER_MS after. A token that a
 * permission set reserves belongs to the set's identity, whoever was first.
 * One table a server. Threads: any. */
#ifndef NATS_INBOX_H
#define NATS_INBOX_H

#include <unibus/abi.h>

#define NATS_INBOX_LINGER_MS 60000
/* Released tokens that one identity may keep from others; beyond, its oldest go. */
#define NATS_INBOX_LINGER_MAX 65536

struct nats_inbox_table;

struct nats_inbox_table *nats_inbox_table_new(uint64_t seed); /* NULL = no memory */
void nats_inbox_table_free(struct nats_inbox_table **table);

/* The token of a subject or pattern below `_INBOX.`; empty when there is none. */
struct ub_bytes nats_inbox_token(struct ub_bytes subject);

/* Counts one more holder; false when the token is another identity's, or memory is short. */
bool nats_inbox_hold(struct nats_inbox_table *table, struct ub_bytes token, const char *identity,
                     int64_t now_ms);
/* One holder less. Does nothing when the token has passed to another identity meanwhile. */
void nats_inbox_release(struct nats_inbox_table *table, struct ub_bytes token, const char *identity,
                        int64_t now_ms);
bool nats_inbox_is_owner(struct nats_inbox_table *table, struct ub_bytes token,
                         const char *identity, int64_t now_ms);

/* Grows whenever a token loses its owner: what was found before may hold no more. */
uint64_t nats_inbox_version(const struct nats_inbox_table *table);

/* The token is the identity's until as many unreserves; *is_taken_over_out: another identity held
 * it and must be put out. false = no memory. */
bool nats_inbox_reserve(struct nats_inbox_table *table, struct ub_bytes token, const char *identity,
                        int64_t now_ms, bool *is_taken_over_out);
void nats_inbox_unreserve(struct nats_inbox_table *table, struct ub_bytes token,
                          const char *identity, int64_t now_ms);

/* Tokens that the table knows, lingering ones included. */
size_t nats_inbox_count(struct nats_inbox_table *table);

#endif
