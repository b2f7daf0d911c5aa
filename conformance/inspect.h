/* SPDX-License-Identifier: Apache-2.0
 *
 * What a module says of itself, after every check of the loader. */
#ifndef CONFORMANCE_INSPECT_H
#define CONFORMANCE_INSPECT_H

#include "runner.h"

/* In a process of its own: {"ok", "file", "sha256", "name", "version", "summary", "abi",
 * "host_abi", "provides", "requires", "settings", "errors": [{code, message, fix}]}. Never NULL, to
 * be decref'ed (jansson). A module that crashes while it is loaded is an error too. */
struct json_t *inspect(const struct run_options *options);

/* As tables, for people. */
void inspect_print(const struct json_t *about, FILE *out);

#endif
