/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder of everything that a node keeps, and its lock: one daemon a folder. */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "report.h"

/* `node.state` as written into an absolute path: relative ones start at the working directory. */
bool state_path(const char *written, char *out, size_t out_size);

/* Makes the folder with mode 0700 when it is missing, below the working directory with those above
 * it, refuses one that is not ours or not private,
 * and takes the lock with our pid in it. False when a fault was reported. */
bool state_open(const char *dir, struct ub_where where, int *lock_fd_out, struct report *report);

/* Gives the lock back; -1 is fine. */
void state_close(int *lock_fd);

#endif
