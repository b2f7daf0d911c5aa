/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the trie: for sublist.c and match.c only. Everything here is under the list's lock. */
#ifndef NATS_SUBLIST_NODE_H
#define NATS_SUBLIST_NODE_H

#include "sublist.h"

struct nats_group {
    struct nats_group *next;
    struct nats_sub *first;
    uint64_t hash;
    uint16_t name_len;
    uint8_t name[];
};

struct nats_node {
    struct nats_node *next, *parent;
    struct nats_sub *subs;
    struct nats_group *groups;
    uint32_t literals; /* children other than `*` and `>` */
    uint16_t token_len;
    bool has_star, has_rest;
    uint8_t token[];
};

struct nats_node *nats_node_child(const struct nats_sublist *list, const struct nats_node *parent,
                                  struct ub_bytes token);

#endif
