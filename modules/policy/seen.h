/* SPDX-License-Identifier: Apache-2.0
 *
 * How each identity was connected when the script let it in. ub.authz asks for the present
 * permission set of an identity without saying of which connection, and a script may decide by the
 * connection: so every different one is remembered and judged again, and the strictest counts.
 * Threads: any. */
#ifndef PLCY_SEEN_H
#define PLCY_SEEN_H

#include <pthread.h>

#include <ubp/ask.h>
#include <unibus/authz.h>

#define PLCY_SEEN_BUCKETS 1024
/* Different connections of one device; more, and its next change of rights disconnects it, which
 * begins a new list. */
#define PLCY_SEEN_MAX 64

struct plcy_seen_conn;

struct plcy_seen {
    pthread_mutex_t lock;
    struct plcy_seen_conn *buckets[PLCY_SEEN_BUCKETS];
};

void plcy_seen_init(struct plcy_seen *seen);
void plcy_seen_fini(struct plcy_seen *seen);

/* False without memory: then it may not connect, for it could not be judged again. */
bool plcy_seen_add(struct plcy_seen *seen, const struct ub_principal *principal,
                   const struct ubp_conn *conn);

/* Copies of the connections of an identity and device; *count_out may be 0. NULL = no memory, or
 * there were too many: the list is then empty from now on. Free with plcy_seen_list_free. */
struct ubp_conn *plcy_seen_list(struct plcy_seen *seen, const struct ub_principal *principal,
                                size_t *count_out);
void plcy_seen_list_free(struct ubp_conn **list);

/* Forgets one that is not let in any more. */
void plcy_seen_remove(struct plcy_seen *seen, const struct ub_principal *principal,
                      const struct ubp_conn *conn);

#endif
