/* SPDX-License-Identifier: Apache-2.0
 *
 * The table that one module receives: struct ub_host over the shared node. */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include <unibus/host.h>

#include "node.h"

struct host {
    struct ub_host pub; /* first: a module's pointer is a pointer to this */
    struct node *node;
    const char *module; /* its name; lives as long as the host */
    /* Where a setting was said; NULL = nowhere. */
    struct ub_where (*where)(const void *ctx, const char *setting);
    const void *where_ctx;
    /* Where faults go while create or prepare judges settings; NULL = it does not. */
    void (*fault)(void *ctx, const struct ub_err *err);
    void *fault_ctx;
};

void host_init(struct host *host, struct node *node, const char *module);

#endif
