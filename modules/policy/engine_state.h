/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of an engine, for engine.c and runner.c. */
#ifndef PLCY_ENGINE_STATE_H
#define PLCY_ENGINE_STATE_H

#include <pthread.h>
#include <time.h>

#include "engine.h"

enum plcy_job_state { PLCY_JOB_WAITS = 0, PLCY_JOB_RUNS, PLCY_JOB_DONE, PLCY_JOB_STRUCK };

/* A question in the queue; everything under the engine's lock, but what the running thread fills
 * before it says DONE. */
struct plcy_job {
    struct plcy_job *next;
    unsigned refs;
    enum plcy_job_state state;
    pthread_cond_t is_over;
    struct plcy_question *question;
    bool wants_trace;
    struct ubp_decision decision;
    struct ubp_trace trace;
    int64_t took_us;
};

struct plcy_runner {
    struct plcy_engine *engine;
    struct ubp_script *script; /* NULL while it is loaded and freed */
    struct plcy_job *job;      /* what it is at */
    int64_t cpu_start_ns, wall_start_ms;
    pthread_t thread;
    bool is_abandoned;
};

struct plcy_engine {
    pthread_mutex_t lock;
    pthread_cond_t has_work; /* for the runner */
    pthread_cond_t has_news; /* loaded, or a thread has ended */
    unsigned users, threads;
    bool is_closing;
    struct plcy_source *source;
    struct plcy_tuning tuning;
    struct plcy_runner *runner; /* the one that is not abandoned; NULL = none is any more */
    struct plcy_job *first, *last;
    unsigned abandoned;

    /* Of the first load. */
    bool is_loaded, is_good;
    struct ubp_fault fault;
    json_t *tests;
};

int64_t plcy_now_ms(void);
void plcy_cond_init(pthread_cond_t *cond);
void plcy_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms);

/* All under the lock. */
bool plcy_runner_start(struct plcy_engine *engine);
/* Processor time that the running call has used, in ms. */
int64_t plcy_runner_cpu_ms(const struct plcy_runner *runner);

void plcy_job_unref(struct plcy_job **job);
/* Without the lock: the last thread of an engine without users. */
void plcy_engine_free(struct plcy_engine *engine);

#endif
