/* SPDX-License-Identifier: Apache-2.0
 *
 * Event loops over libevent: one per thread, woken by posts from any thread, once a burst. */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <unibus/host.h>

/* A loop that belongs to the calling thread and runs when loop_run or loop_step is called. */
enum ub_status loop_new(const char *name, struct ub_loop **loop_out, struct ub_err *err);

/* Runs what is still posted, then frees. Threads: the loop's. */
void loop_free(struct ub_loop **loop);

/* Runs until loop_quit. Threads: the loop's. */
void loop_run(struct ub_loop *loop);

/* Makes loop_run return after the current callback. Threads: the loop's. */
void loop_quit(struct ub_loop *loop);

/* Handles what is there, waiting for it at most wait_ms. Threads: the loop's. */
void loop_step(struct ub_loop *loop, int64_t wait_ms);

/* Runs what is posted, and what that posts, until nothing is left; not from a task of the loop.
 * Threads: the loop's. */
void loop_flush(struct ub_loop *loop);

/* A loop with a thread of its own. Threads: any; loop_close not from the loop itself. */
enum ub_status loop_open(const char *name, struct ub_loop **loop_out, struct ub_err *err);
void loop_close(struct ub_loop **loop);

/* Runs fn(arg) on the loop in the order of the calls. Threads: any. */
void loop_post(struct ub_loop *loop, ub_task_fn fn, void *arg);

bool loop_is_current(const struct ub_loop *loop);

/* The libevent `struct event_base *`. */
void *loop_native(struct ub_loop *loop);

/* A timer that repeats until it is stopped; it may be stopped in its own callback. NULL when there
 * is no memory. Threads: the loop's. A loop is freed with no timer left (checked). */
struct ub_timer *loop_timer_start(struct ub_loop *loop, int64_t every_ms, ub_task_fn fn, void *arg);
void loop_timer_stop(struct ub_timer **timer);

/* For tests: calls every running timer once, whatever the time is. Threads: the loop's. */
void loop_timers_fire(struct ub_loop *loop);

#endif
