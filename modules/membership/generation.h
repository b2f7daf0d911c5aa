/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_GENERATION_H
#define MEMB_GENERATION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Which revision of `control` this node's memory has reached. Commits overlap: one with a higher
 * revision may be published first. So the visible generation stays below every write that may have
 * been committed and is not yet published. Threads: any. */

struct memb_flight { /* one write under way; on the writer's stack */
    struct memb_flight *prev, *next;
    int64_t above; /* its revision will be higher than this */
};

struct memb_generation {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct memb_flight flights; /* a ring, oldest first */
    int64_t newest;             /* highest published */
    unsigned waiting;
};

bool memb_generation_init(struct memb_generation *generation, int64_t revision);
void memb_generation_fini(struct memb_generation *generation);

/* Around commit and publication of a write; revision 0 = it failed. */
void memb_generation_begin(struct memb_generation *generation, struct memb_flight *flight);
void memb_generation_end(struct memb_generation *generation, struct memb_flight *flight,
                         int64_t revision);

int64_t memb_generation_now(struct memb_generation *generation);
/* Each wait holds a worker of http: beyond so many at a time nobody waits. */
#define MEMB_WAITING_MAX 4

/* Waits until it is reached; false after wait_ms, or at once when too many wait already. */
bool memb_generation_wait(struct memb_generation *generation, int64_t wanted, int64_t wait_ms);

#endif
