/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <pthread.h>

#include <unibus/error.h>

#include "check.h"
#include "loop.h"
#include "thread.h"

struct pool_task {
    ub_task_fn work, done;
    void *arg;
    struct ub_loop *loop;
};

struct ub_pool {
    pthread_mutex_t lock;
    pthread_cond_t is_filled;
    struct pool_task *tasks; /* a ring of queue_max, under lock */
    size_t queue_max, first, count;
    bool is_closing;
    pthread_t *threads;
    unsigned thread_count;
};

static bool pool_take(struct ub_pool *pool, struct pool_task *task_out)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->count == 0 && !pool->is_closing) {
        pthread_cond_wait(&pool->is_filled, &pool->lock);
    }
    bool is_taken = pool->count > 0;
    if (is_taken) {
        *task_out = pool->tasks[pool->first];
        pool->first = (pool->first + 1) % pool->queue_max;
        pool->count--;
    }
    pthread_mutex_unlock(&pool->lock);
    return is_taken;
}

static void *pool_main(void *arg)
{
    struct pool_task task;
    while (pool_take(arg, &task)) {
        task.work(task.arg);
        if (task.loop != NULL) {
            loop_post(task.loop, task.done, task.arg);
        }
    }
    return NULL;
}

void pool_close(struct ub_pool **pool_ref)
{
    struct ub_pool *pool = *pool_ref;
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->is_filled);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->is_filled);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool->tasks);
    free(pool);
    *pool_ref = NULL;
}

static struct ub_pool *pool_new(unsigned threads, unsigned queue_max)
{
    struct ub_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pool->threads = calloc(threads, sizeof(*pool->threads));
    pool->tasks = calloc(queue_max, sizeof(*pool->tasks));
    if (pool->threads == NULL || pool->tasks == NULL) {
        free(pool->threads);
        free(pool->tasks);
        free(pool);
        return NULL;
    }
    pool->queue_max = queue_max;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->is_filled, NULL);
    return pool;
}

enum ub_status pool_open(const char *name, unsigned threads, unsigned queue_max,
                         struct ub_pool **pool_out, struct ub_err *err)
{
    if (threads == 0 || queue_max == 0) {
        return ub_fail(err, UB_EINVAL,
                       "pool \"%s\": at least one thread and one place in the queue", name);
    }
    struct ub_pool *pool = pool_new(threads, queue_max);
    if (pool == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for pool \"%s\"", name);
    }
    for (unsigned i = 0; i < threads; i++) {
        enum ub_status status = thread_start(name, pool_main, pool, &pool->threads[i], err);
        if (status != UB_OK) {
            pool_close(&pool);
            return status;
        }
        pool->thread_count++;
    }
    *pool_out = pool;
    return UB_OK;
}

static enum ub_status pool_put(struct ub_pool *pool, struct pool_task task)
{
    pthread_mutex_lock(&pool->lock);
    bool is_taken = pool->count < pool->queue_max && !pool->is_closing;
    if (is_taken) {
        pool->tasks[(pool->first + pool->count) % pool->queue_max] = task;
        pool->count++;
        pthread_cond_signal(&pool->is_filled);
    }
    pthread_mutex_unlock(&pool->lock);
    return is_taken ? UB_OK : UB_EUNAVAILABLE;
}

enum ub_status pool_submit(struct ub_pool *pool, ub_task_fn work, void *arg)
{
    return pool_put(pool, (struct pool_task){work, NULL, arg, NULL});
}

enum ub_status pool_offload(struct ub_pool *pool, ub_task_fn work, struct ub_loop *loop,
                            ub_task_fn done, void *arg)
{
    return pool_put(pool, (struct pool_task){work, done, arg, loop});
}
