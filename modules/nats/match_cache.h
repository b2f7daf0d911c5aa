/* SPDX-License-Identifier: Apache-2.0
 *
 * What one loop remembers of subjects: who receives them, and whether a permission set lets publish
 * on them. A subject enters when it is met the second time, so that subjects used once (inboxes,
 * acknowledgements) do not push others out. Threads: the loop's. */
#ifndef NATS_MATCH_CACHE_H
#define NATS_MATCH_CACHE_H

#include "perms.h"
#include "sublist.h"

#define NATS_CACHE_SETS 4096

struct nats_match_cache;

/* One subject, valid until the next nats_match_look. */
struct nats_route {
    struct nats_match match;
    struct nats_cached *cached; /* NULL = not remembered */
    bool is_valid;              /* false: the subject is not a literal subject */
};

/* What it did so far and holds now; fanout counts the receivers of all results. */
struct nats_match_stats {
    uint64_t matches, hits, results, fanout, fanout_max;
};

struct nats_match_cache *nats_match_cache_new(struct nats_sublist *list); /* NULL = no memory */
void nats_match_cache_free(struct nats_match_cache **cache);

void nats_match_look(struct nats_match_cache *cache, struct ub_bytes subject,
                     struct nats_route *route_out);
/* Walks over the sets [first, first + count) of NATS_CACHE_SETS and adds what it finds; what was
 * done so far is added with the first set. */
void nats_match_cache_stats(const struct nats_match_cache *cache, size_t first, size_t count,
                            struct nats_match_stats *stats);
/* nats_perms_publish for the subject of the route, remembered when it can be. */
struct nats_verdict nats_match_verdict(const struct nats_route *route, struct ub_bytes subject,
                                       const struct nats_perms *perms);

#endif
