/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks the modules how it goes and writes the report that /healthz serves:
 *
 *     {"status": "ok" | "waiting" | "degraded" | "stopping", "node", "version", "uptime_s",
 * "clock", "posture": {"level", "auth", "acl", "tls", "required", "codes": []}, "waiting": [what],
 * "problems": [{code, what}], and every number and text that modules state, "cluster.id" as
 * {"cluster": {"id": …}}}
 *
 * Admins also get "modules", "listeners", "facts", and with each problem its module and fix. */
#ifndef CORE_HEALTH_COLLECT_H
#define CORE_HEALTH_COLLECT_H

#include "posture.h"

struct health_source {
    struct node *node;
    const struct instance *instances;
    size_t count;
    enum posture_level required;
    int64_t started_mono_ns;
    bool is_started, is_stopping;
};

/* Publishes a fresh report in node->health. Threads: the main loop's. */
void health_collect(const struct health_source *source);

#endif
