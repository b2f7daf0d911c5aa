/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of one permission set in a trie of tokens, so that a set of many rooms costs no more
 * than a small one. Built once, then read by any thread. */
#ifndef NATS_PERMS_INDEX_H
#define NATS_PERMS_INDEX_H

#include <unibus/authz.h>

struct nats_perms_index;

/* NULL = no memory. The rules must outlive it; their subjects are valid patterns. */
struct nats_perms_index *nats_perms_index_new(const struct ub_perm_rule *rules, uint32_t count);
void nats_perms_index_free(struct nats_perms_index **index);

/* Calls visit for each rule whose pattern covers `subject`, itself literal or a pattern, until
 * visit answers false. Rules of the same subject come in their order. */
void nats_perms_index_covering(const struct nats_perms_index *index, struct ub_bytes subject,
                               bool (*visit)(void *arg, const struct ub_perm_rule *rule),
                               void *arg);

#endif
