/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

/* For a program that holds keys and many connections: no core file, no tracer, as many descriptors
 * as it may have, and SIGPIPE ignored. Threads: main, before any other. */
void process_harden(void);

#endif
