/* SPDX-License-Identifier: Apache-2.0
 *
 * A node from its config to its end. Everything here runs on the thread that calls boot_init. */
#ifndef CORE_BOOT_H
#define CORE_BOOT_H

#include "health_collect.h"
#include "plan.h"

#define BOOT_DRAIN_MS 10000

struct boot {
    const struct plan_source *source;
    struct node node;
    struct report report;
    struct plan plan; /* what is in force */
    struct reload reload;
    int lock_fd;
    struct ub_timer *health_timer, *drain_timer, *retire_timer;
    struct health_source health;
    int64_t drain_end_mono_ms;
    bool has_failed; /* a module asked for the end */
};

/* Log lines go to log_fd. False (with a report) when the process lacks the most basic things. */
bool boot_init(struct boot *boot, const struct plan_source *source, int log_fd);

/* Config, modules, settings, services, create, posture: everything without a side effect. False
 * when the report has faults. */
bool boot_plan(struct boot *boot);

/* State folder, bind, start, ready. After a fault everything that was done is undone. */
bool boot_start(struct boot *boot);

/* Runs until boot_stop has finished. True when nobody asked for the end because of a failure. */
bool boot_run(struct boot *boot);

/* Reads the config again and applies all of it or nothing; logs the outcome. True when applied. */
bool boot_reload(struct boot *boot);

/* Lame duck: the modules send their clients elsewhere without haste, then boot_stop. */
void boot_retire(struct boot *boot);

/* Begins to drain; called again, or when BOOT_DRAIN_MS are over, ends boot_run at once. */
void boot_stop(struct boot *boot);

/* Stops and destroys what is there, in the opposite order; after every boot_init. */
void boot_fini(struct boot *boot);

/* {"file", "ok", "errors": […], "posture": {"required", "level"}, "modules": […]} for --check. */
char *boot_json(struct boot *boot);

#endif
