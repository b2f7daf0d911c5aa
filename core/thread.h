/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads of the daemon: named, with a small stack, and deaf to signals (the main thread hears
 * them). */
#ifndef CORE_THREAD_H
#define CORE_THREAD_H

#include <pthread.h>

#include <unibus/error.h>

/* Starts fn(arg); the name shows in `ps -L`, cut to 15 bytes. Join the thread with pthread_join. */
enum ub_status thread_start(const char *name, void *(*fn)(void *arg), void *arg,
                            pthread_t *thread_out, struct ub_err *err);

#endif
