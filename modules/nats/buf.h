/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of memory: reference-counted buffers that hold what was read (struct ub_buf inside), and a
 * pool that keeps those of the usual size, so that the data path does not malloc. */
#ifndef NATS_BUF_H
#define NATS_BUF_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/abi.h>

#define NATS_BLOCK_SIZE ((size_t)64 * 1024)

struct nats_pool;

/* base.ptr and base.len name all of data. Written by its maker before it is shared. */
struct nats_buf {
    struct ub_buf base;
    _Atomic uint32_t refs;
    struct nats_pool *pool;
    struct nats_buf *next; /* while it lies in the pool */
    size_t room;
    _Alignas(16) uint8_t data[];
};

/* Keeps at most keep_max spare blocks. Threads: any. */
struct nats_pool {
    pthread_mutex_t lock;
    struct nats_buf *spare; /* under lock */
    size_t spare_count, keep_max;
    size_t unused; /* the fewest that lay here since the last shrink: under lock */
};

void nats_pool_init(struct nats_pool *pool, size_t keep_max);
void nats_pool_fini(struct nats_pool *pool); /* every buffer was returned */

/* Gives back the blocks that nobody needed since the last call; answers their bytes. */
size_t nats_pool_shrink(struct nats_pool *pool);

/* A buffer with room for at least `room` bytes and one reference, or NULL (no memory). */
struct nats_buf *nats_buf_new(struct nats_pool *pool, size_t room);
void nats_buf_unref(struct nats_buf **buf);

static inline struct nats_buf *nats_buf_ref(struct nats_buf *buf)
{
    atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

/* Does the caller hold the only reference? */
static inline bool nats_buf_is_sole(const struct nats_buf *buf)
{
    return atomic_load_explicit(&buf->refs, memory_order_acquire) == 1;
}

#endif
