/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines as nats-server writes them: `[PID] 2026/11/23 12:00:00.000000 [INF] Server is ready`. Test
 * harnesses and log shippers wait for some of them, so the events of the core that nats-server has
 * too get its words. */
#ifndef FRONT_LOG_LINE_H
#define FRONT_LOG_LINE_H

#include <stdatomic.h>

#include "core/log.h"

#define LOG_LINE_OWN "front" /* the module of lines that are told as they are */

struct log_line {
    _Atomic bool has_time, is_utc; /* a reload may change them */
    long pid;
};

/* Threads: any (log_form_fn). */
void log_line_write(const struct log_line *line, FILE *out, const struct log_event *event);

#endif
