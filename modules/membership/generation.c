/* SPDX-License-Identifier: Apache-2.0 */
#include "generation.h"

#include <errno.h>
#include <time.h>

bool memb_generation_init(struct memb_generation *generation, int64_t revision)
{
    pthread_condattr_t attr;
    generation->flights.prev = generation->flights.next = &generation->flights;
    generation->newest = revision;
    if (pthread_mutex_init(&generation->lock, NULL) != 0) {
        return false;
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    bool is_made = pthread_cond_init(&generation->moved, &attr) == 0;
    pthread_condattr_destroy(&attr);
    if (!is_made) {
        pthread_mutex_destroy(&generation->lock);
    }
    return is_made;
}

void memb_generation_fini(struct memb_generation *generation)
{
    pthread_cond_destroy(&generation->moved);
    pthread_mutex_destroy(&generation->lock);
}

void memb_generation_begin(struct memb_generation *generation, struct memb_flight *flight)
{
    pthread_mutex_lock(&generation->lock);
    flight->above = generation->newest;
    flight->next = &generation->flights;
    flight->prev = generation->flights.prev;
    flight->prev->next = flight->next->prev = flight;
    pthread_mutex_unlock(&generation->lock);
}

void memb_generation_end(struct memb_generation *generation, struct memb_flight *flight,
                         int64_t revision)
{
    pthread_mutex_lock(&generation->lock);
    flight->prev->next = flight->next;
    flight->next->prev = flight->prev;
    if (revision > generation->newest) {
        generation->newest = revision;
    }
    pthread_cond_broadcast(&generation->moved);
    pthread_mutex_unlock(&generation->lock);
}

/* `above` never falls from one flight to the next, so the oldest decides. */
static int64_t visible(const struct memb_generation *generation)
{
    const struct memb_flight *oldest = generation->flights.next;
    return oldest != &generation->flights ? oldest->above : generation->newest;
}

int64_t memb_generation_now(struct memb_generation *generation)
{
    pthread_mutex_lock(&generation->lock);
    int64_t now = visible(generation);
    pthread_mutex_unlock(&generation->lock);
    return now;
}

bool memb_generation_wait(struct memb_generation *generation, int64_t wanted, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(wait_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    int rc = 0;
    pthread_mutex_lock(&generation->lock);
    bool may_wait = generation->waiting < MEMB_WAITING_MAX;
    generation->waiting += may_wait;
    while (may_wait && visible(generation) < wanted && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&generation->moved, &generation->lock, &until);
    }
    generation->waiting -= may_wait;
    bool is_reached = visible(generation) >= wanted;
    pthread_mutex_unlock(&generation->lock);
    return is_reached;
}
