/* SPDX-License-Identifier: Apache-2.0
 *
 * One store module on a host of the test kit, its files in a folder of the caller's choice, and the
 * journal of what it acknowledged: whoever records the system calls of this program sees in one
 * sequence what reached the disk and what was promised. */
#ifndef CRASH_OPEN_H
#define CRASH_OPEN_H

#include <unibus/error.h>
#include <unibus/module.h>

struct opened {
    struct ub_host *host;
    const struct ub_module *module;
    void *settings, *self;
    char path[4096]; /* of the store */
};

/* Creates and starts the module with its store below `folder`. Ends the program with 3 and the
 * module's words when it refuses. */
void opened_open(struct opened *opened, const struct ub_module *module, const char *folder);
void opened_close(struct opened *opened);
const void *opened_ops(const struct opened *opened, const char *iface);

/* One line on standard output by one write(2): nothing is held back. */
UB_PRINTF(1, 2) void journal(const char *format, ...);

#endif
