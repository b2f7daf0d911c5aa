/* SPDX-License-Identifier: Apache-2.0
 *
 * What a running server leaves on disk for others: process id, ports, log. */
#ifndef FRONT_FILES_H
#define FRONT_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* The id and nothing else. False with errno. */
bool files_write_pid(const char *path);

/* DIR/PROGRAM_PID.ports, as nats-server calls it. */
void files_ports_path(const char *dir, const char *program, char *out, size_t out_size);

/* {"nats":["nats://127.0.0.1:4222"],"monitoring":["http://…"]}: for a listener on all addresses one
 * URL for each address of this machine. `monitor` may be NULL. The file appears whole. False with
 * errno. */
bool files_write_ports(const char *path, const char *nats, const char *monitor);

/* Opens for appending; takes the place of *fd, which is the log of running threads. False with
 * errno, and *fd stays as it was. */
bool files_open_log(const char *path, int *fd);

#endif
