/* SPDX-License-Identifier: Apache-2.0
 *
 * Who serves whom, and in which order modules live: by dependency, else as in the config. */
#ifndef CORE_RESOLVER_H
#define CORE_RESOLVER_H

#include "host.h"
#include "loader.h"

enum instance_step { STEP_NONE = 0, STEP_CREATED, STEP_STARTED };

/* Requirement `require` of the module is served by provide `provide` of module number `provider`.
 */
struct binding {
    uint32_t require, provide;
    size_t provider;
    const char *name; /* of the provider, in its descriptor */
};

/* One module of the node. */
struct instance {
    const struct config_block *block;
    struct loaded loaded;
    struct settings settings; /* in force */
    struct settings created;  /* after a reload: those that create was given, else empty */
    struct host host;
    void *self;
    enum instance_step step;
    bool is_loaded;           /* descriptor accepted */
    bool is_settled;          /* settings valid */
    struct binding *bindings; /* in an arena */
    size_t binding_count;
};

/* Fills bindings and order_out[count] (numbers of modules, providers first). False when a fault was
 * reported. Modules that are not loaded take no part. */
bool resolver_resolve(struct instance *instances, size_t count, size_t *order_out,
                      struct arena *arena, struct report *report);

#endif
