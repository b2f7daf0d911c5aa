/* SPDX-License-Identifier: Apache-2.0
 *
 * A bounded queue before a fixed number of threads, for everything that blocks. */
#ifndef CORE_POOL_H
#define CORE_POOL_H

#include <unibus/host.h>

enum ub_status pool_open(const char *name, unsigned threads, unsigned queue_max,
                         struct ub_pool **pool_out, struct ub_err *err);

/* Finishes what is queued, then joins. Not from a thread of the pool. */
void pool_close(struct ub_pool **pool);

/* UB_EUNAVAILABLE at once when queue_max tasks wait; then nothing runs. Threads: any. */
enum ub_status pool_submit(struct ub_pool *pool, ub_task_fn work, void *arg);

/* work(arg) on the pool, then done(arg) on the loop. */
enum ub_status pool_offload(struct ub_pool *pool, ub_task_fn work, struct ub_loop *loop,
                            ub_task_fn done, void *arg);

#endif
