/* SPDX-License-Identifier: Apache-2.0 */
#include "buf.h"

#include <stdlib.h>

static void buf_ref(struct ub_buf *base)
{
    nats_buf_ref((struct nats_buf *)base);
}

static void buf_unref(struct ub_buf *base)
{
    struct nats_buf *buf = (struct nats_buf *)base;
    nats_buf_unref(&buf);
}

void nats_pool_init(struct nats_pool *pool, size_t keep_max)
{
    pthread_mutex_init(&pool->lock, NULL);
    pool->spare = NULL;
    pool->spare_count = 0;
    pool->keep_max = keep_max;
    pool->unused = 0;
}

void nats_pool_fini(struct nats_pool *pool)
{
    while (pool->spare != NULL) {
        struct nats_buf *buf = pool->spare;
        pool->spare = buf->next;
        free(buf);
    }
    pthread_mutex_destroy(&pool->lock);
}

static struct nats_buf *pool_take(struct nats_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct nats_buf *buf = pool->spare;
    if (buf != NULL) {
        pool->spare = buf->next;
        pool->spare_count--;
        pool->unused = pool->spare_count < pool->unused ? pool->spare_count : pool->unused;
    }
    pthread_mutex_unlock(&pool->lock);
    return buf;
}

static bool pool_keep(struct nats_pool *pool, struct nats_buf *buf)
{
    pthread_mutex_lock(&pool->lock);
    bool is_kept = pool->spare_count < pool->keep_max;
    if (is_kept) {
        buf->next = pool->spare;
        pool->spare = buf;
        pool->spare_count++;
    }
    pthread_mutex_unlock(&pool->lock);
    return is_kept;
}

size_t nats_pool_shrink(struct nats_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    struct nats_buf *given = pool->unused > 0 ? pool->spare : NULL;
    struct nats_buf **last = &pool->spare;
    for (size_t i = 0; i < pool->unused; i++) {
        last = &(*last)->next;
    }
    struct nats_buf *kept = *last;
    *last = NULL;
    pool->spare = kept;
    pool->spare_count -= pool->unused;
    pool->unused = pool->spare_count;
    pthread_mutex_unlock(&pool->lock);
    size_t bytes = 0;
    while (given != NULL) {
        struct nats_buf *next = given->next;
        bytes += sizeof(*given) + given->room;
        free(given);
        given = next;
    }
    return bytes;
}

struct nats_buf *nats_buf_new(struct nats_pool *pool, size_t room)
{
    struct nats_buf *buf = room <= NATS_BLOCK_SIZE ? pool_take(pool) : NULL;
    if (buf == NULL) {
        size_t full = room < NATS_BLOCK_SIZE ? NATS_BLOCK_SIZE : room;
        if (full > SIZE_MAX - sizeof(*buf) || (buf = malloc(sizeof(*buf) + full)) == NULL) {
            return NULL;
        }
        buf->base = (struct ub_buf){sizeof(struct ub_buf), buf->data, full, buf_ref, buf_unref};
        buf->pool = pool;
        buf->room = full;
    }
    atomic_store_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

void nats_buf_unref(struct nats_buf **buf)
{
    struct nats_buf *it = *buf;
    *buf = NULL;
    if (it == NULL || atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (it->room != NATS_BLOCK_SIZE || !pool_keep(it->pool, it)) {
        free(it);
    }
}
