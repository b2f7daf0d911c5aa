/* SPDX-License-Identifier: Apache-2.0
 *
 * The latest health report: written about once a second on the main loop, read by any thread
 * without waiting for a module. */
#ifndef CORE_HEALTH_H
#define CORE_HEALTH_H

#include <pthread.h>

#include <unibus/host.h>

struct health {
    pthread_mutex_t lock;
    char *json[2]; /* by enum ub_detail; NULL = nothing known yet */
    bool is_healthy, is_ready;
    bool is_waiting;
    char awaited[128]; /* the first thing that a module waits for */
};

void health_init(struct health *health);
void health_fini(struct health *health);

/* Takes both texts (malloc) as the newest report. */
void health_publish(struct health *health, char *take_public, char *take_admin, bool is_healthy,
                    bool is_ready);

/* What the node waits for; NULL = nothing. */
void health_await(struct health *health, const char *what);

/* Whether it waits, and for what. Threads: any. */
bool health_is_waiting(struct health *health, char *what_out, size_t out_size);

/* A copy of the newest report, to be freed; NULL when there is no memory. Threads: any. */
char *health_read(struct health *health, enum ub_detail detail, bool *is_healthy_out,
                  bool *is_ready_out);

#endif
