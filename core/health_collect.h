/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks the modules how it goes and writes the report that /healthz serves:
 *
 *     {"status": "ok" | "waiting" | "degraded" | "stopping", "node", "version", "uptime_s",
 * "clock", "posture": {"level", "auth", "acl", "tls", "required", "codes": []}, "waiting": [what],
 * "problems": [{code, what}], and every number and text that modules state, "cluster.id" as
 * {"cluster": {"id": …}}}
 *
 * Admins also get "modules", "listeners", "facts", "config": {"generation", "applied_at",
 * "last_reload": {"at", "applied", "summary"} | null}, and with each problem its module and fix.
 * The same round writes the modules as `GET /v1/modules` shows them (module_view.c). */
#ifndef CORE_HEALTH_COLLECT_H
#define CORE_HEALTH_COLLECT_H

#include "reload.h"

struct health_source {
    struct node *node;
    const struct plan *plan;            /* in force */
    const struct reload_status *reload; /* of the config */
    int64_t started_mono_ns;
    bool is_started, is_stopping;
};

/* Publishes a fresh report in node->health and the modules in node->view. Threads: the main loop's.
 */
void health_collect(const struct health_source *source);

/* {"name", "version", "summary", "abi", "file", "provides", "requires", "state", "waiting",
 * "problems"} of one module; takes the two lists (module_view.c). To be decref'ed. */
struct json_t *module_view(const struct instance *instance, struct json_t *take_waiting,
                           struct json_t *take_problems);

#endif
