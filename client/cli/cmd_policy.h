/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_CMD_POLICY_H
#define UNIBUS_CLI_CMD_POLICY_H

#include <ubp/script.h>

#include "output.h"

/* What the commands about policy scripts share; all of it works without a node. */

/* Reads and loads a script ("-" = stdin). A fault of the script: UNIBUS_FAILED with its place. */
enum unibus_status policy_load(const char *path, struct ubp_script **script_out,
                               struct unibus_err *err);
/* "path:12", or the path alone for line 0. */
void policy_place(const char *path, uint32_t line, char *out, size_t size);

#endif
