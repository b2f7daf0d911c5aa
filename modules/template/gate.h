/* SPDX-License-Identifier: Apache-2.0
 *
 * The module at work: whoever comes from a listed address is refused. The lists are asked by worker
 * threads of other modules and replaced by the main loop, so a lock guards them. */
#ifndef TEMPLATE_GATE_H
#define TEMPLATE_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/authz.h>
#include <unibus/module.h>

#include "addresses.h"

/* Filled by the core from the table in module.c. */
struct template_settings {
    struct ub_strings deny;
    const char *file; /* absolute; NULL = none */
    int64_t every;    /* milliseconds */
};

struct template_gate {
    const struct ub_host *host;
    const struct template_settings *settings;

    pthread_rwlock_t lock;
    struct template_addresses denied;    /* under lock: the setting `deny` */
    struct template_addresses from_file; /* under lock: what the file said last */

    struct ub_pool *pool; /* one thread, for the file; NULL without one */
    struct ub_timer *timer;
    bool is_reading;                 /* main loop: the pool is at it */
    struct template_addresses fresh; /* the pool's while is_reading, then the main loop's */
    struct ub_err trouble;           /* the same; status UB_OK = the last reading went well */

    _Atomic int64_t asked, refused;
};

extern const struct ub_authz_ops template_authz_ops;

/* Reads the file into gate->fresh, its failure into gate->trouble. Blocks. */
void template_gate_read(void *gate);
/* Takes gate->fresh over, unless there was trouble: then the old list stays. Main loop. */
void template_gate_take(void *gate);
/* Has the file read on the pool; the timer calls it. Main loop. */
void template_gate_refresh(void *gate);

#endif
