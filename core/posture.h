/* SPDX-License-Identifier: Apache-2.0
 *
 * Gathers what modules state, computes the level, and says in words what is missing. */
#ifndef CORE_POSTURE_H
#define CORE_POSTURE_H

#include "resolver.h"

enum posture_level { POSTURE_DEV = 0, POSTURE_ENFORCE, POSTURE_CLUSTER, POSTURE_NONE = -1 };

struct posture_fact {
    const struct instance *instance;
    const char *name, *value, *setting;
};

struct posture_listener {
    const struct instance *instance;
    const char *address, *setting;
    bool is_loopback, has_tls;
};

struct posture {
    struct arena arena;
    struct posture_fact *facts;
    size_t fact_count;
    struct posture_listener *listeners;
    size_t listener_count;
};

/* Asks every created module. Threads: the main loop's. */
void posture_gather(struct posture *posture, const struct instance *instances, size_t count);
void posture_fini(struct posture *posture);

/* The highest level that the facts meet; POSTURE_NONE when not even dev's. */
enum posture_level posture_level(const struct posture *posture);

/* Reports what keeps the node below `required`; true when nothing does. is_partial: some modules
 * could not be asked, so what nobody states is no fault. */
bool posture_judge(const struct posture *posture, enum posture_level required,
                   struct ub_where where, bool is_partial, struct report *report);

/* "dev", "enforce", "cluster", "none". */
const char *posture_level_name(enum posture_level level);

/* The weakest value that is stated of "auth" or "acl", "none" when nobody states it; of "tls" from
 * the listeners. */
const char *posture_weakest(const struct posture *posture, const char *fact);

#endif
