/* SPDX-License-Identifier: Apache-2.0
 *
 * --signal COMMAND[=PID]: tells a running server. */
#ifndef FRONT_SIGNAL_COMMAND_H
#define FRONT_SIGNAL_COMMAND_H

#include <stddef.h>
#include <stdbool.h>

/* PID is a number or a file with one; without it the only other process of this program is meant.
 * False with a sentence in fault. */
bool signal_command(const char *text, char *fault, size_t fault_size);

#endif
