/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets live in memory that is locked, guarded and wiped (libsodium), and in no string. */
#ifndef CORE_SECRET_H
#define CORE_SECRET_H

#include <unibus/host.h>

/* A copy of len bytes; NULL when there is no memory. */
struct ub_secret *secret_new(const void *bytes, size_t len);

/* Reads a file that only its owner can read, and that belongs to this process's user or root; one
 * newline at its end is dropped. The message names file, mode and the command that repairs it. */
enum ub_status secret_read(const char *path, struct ub_secret **secret_out, struct ub_err *err);

void secret_free(struct ub_secret **secret);
struct ub_bytes secret_bytes(const struct ub_secret *secret);

#endif
