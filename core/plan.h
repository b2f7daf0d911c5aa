/* SPDX-License-Identifier: Apache-2.0
 *
 * What a config means for a node: its modules loaded, their settings filled, who serves whom, every
 * module created and its posture judged. Without a side effect, so that --check and a reload plan a
 * node exactly as its start does. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "posture.h"

/* A front: a program that runs the core on a config of another language (front/). Its node keeps
 * nothing, so it has no state folder; and since its language names no posture, none is required. */
struct plan_front {
    /* Fills the config, as config_load does from Lua. Faults go to the report. The main loop's
     * thread, at the start and at every reload. */
    void (*load)(void *ctx, struct config *config, struct report *report);
    log_form_fn form; /* of log lines; NULL = our own */
    void *ctx;        /* of both */
};

struct plan_source {
    const char *config_file;
    const struct plan_front *front; /* NULL = config_file is in Lua */
    const char *const *sets;        /* module.key=value */
    size_t set_count;
    struct loader loader;
};

struct plan {
    struct config config;
    struct core_settings core;
    bool is_core_sound;
    struct arena arena;
    struct instance *instances; /* in the order of the config */
    size_t count;
    size_t *order; /* providers first */
    char name[64];
    char state_dir[PATH_MAX];
};

void plan_init(struct plan *plan);

/* Reads the file, --set and the blocks of the core. False when the config could not be run to its
 * end; plan_build then judges the blocks that were read. Other faults stand in the report only. */
bool plan_read(struct plan *plan, const struct plan_source *source, struct report *report);

/* Load, fill, resolve, create, judge; all faults go to the report. True when it has none. Threads:
 * the main loop's of the node. */
bool plan_build(struct plan *plan, const struct plan_source *source, struct node *node,
                struct report *report);

/* Destroys the modules that are created and not started. Threads: the main loop's. */
void plan_unmake(struct plan *plan);

/* After plan_init; no module may be left. */
void plan_fini(struct plan *plan);

/* Where a setting of the block was said, else the block, else the file as a whole. */
struct ub_where plan_where(const struct plan *plan, const struct config_block *block,
                           const char *setting);

/* Number of the module of this name; count when there is none. */
size_t plan_find(const struct plan *plan, const char *name);

/* One block of the config with what its settings came to. */
struct plan_block {
    const struct config_block *block;
    struct field_table table;
    const void *data;                /* the filled struct */
    const struct instance *instance; /* NULL = a block of the core */
};

/* The blocks of the core, then the modules in the order of the config. False past the last. */
bool plan_block_at(const struct plan *plan, size_t i, struct plan_block *block_out);

#endif
