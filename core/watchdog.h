/* SPDX-License-Identifier: Apache-2.0
 *
 * Names the module that holds up the main loop: a thread of its own sees for how long the loop has
 * been in one life-cycle call. */
#ifndef CORE_WATCHDOG_H
#define CORE_WATCHDOG_H

#include <pthread.h>

#include "log.h"

#define WATCHDOG_AFTER_MS 5000

struct watchdog {
    struct log *log;
    int64_t after_ms; /* silence until then; said again whenever the time has doubled */
    pthread_t thread;
    bool has_thread;

    pthread_mutex_t lock;
    pthread_cond_t is_closing_now;
    /* under lock */
    bool is_closing;
    const char *module, *step; /* NULL = the loop is in no module */
    int64_t since_ns, next_ms;
};

void watchdog_init(struct watchdog *watchdog, struct log *log);
void watchdog_fini(struct watchdog *watchdog);

/* The thread; without it enter and leave do nothing but note. */
enum ub_status watchdog_start(struct watchdog *watchdog, struct ub_err *err);
void watchdog_stop(struct watchdog *watchdog);

/* Around each call into a module; not nested. Both texts live until leave. */
void watchdog_enter(struct watchdog *watchdog, const char *module, const char *step);
void watchdog_leave(struct watchdog *watchdog);

#endif
