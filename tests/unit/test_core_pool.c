/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <core/kit.h>
#include <core/loop.h>
#include <core/pool.h>

struct job {
    sem_t is_started, may_end;
    atomic_int ran;
    int done;
    const struct ub_host *host;
    bool was_done_on_main;
};

static void wait_for_end(void *arg)
{
    struct job *job = arg;
    sem_post(&job->is_started);
    sem_wait(&job->may_end);
    job->ran++;
}

static void run_job(void *arg)
{
    ((struct job *)arg)->ran++;
}

static void done_job(void *arg)
{
    struct job *job = arg;
    job->done++;
    job->was_done_on_main = job->host->loop->is_current(job->host->loop->main(job->host));
}

static void job_init(struct job *job)
{
    memset(job, 0, sizeof(*job));
    sem_init(&job->is_started, 0, 0);
    sem_init(&job->may_end, 0, 0);
}

/* One thread is busy and two wait: the next is refused at once and never runs. */
static void full_queue_answers_unavailable(void **state)
{
    (void)state;
    struct ub_pool *pool = NULL;
    struct job busy, refused;
    job_init(&busy);
    job_init(&refused);
    assert_int_equal(pool_open("p", 1, 2, &pool, NULL), UB_OK);
    assert_int_equal(pool_submit(pool, wait_for_end, &busy), UB_OK);
    sem_wait(&busy.is_started);
    assert_int_equal(pool_submit(pool, run_job, &busy), UB_OK);
    assert_int_equal(pool_submit(pool, run_job, &busy), UB_OK);
    assert_int_equal(pool_submit(pool, run_job, &refused), UB_EUNAVAILABLE);
    sem_post(&busy.may_end);
    pool_close(&pool);
    assert_int_equal(busy.ran, 3);
    assert_int_equal(refused.ran, 0);
}

static bool is_done(void *arg)
{
    return ((struct job *)arg)->done > 0;
}

/* work on a thread of the pool, done on the loop. */
static void offload_answers_on_the_loop(void **state)
{
    (void)state;
    struct ub_host *host = kit_host_new("demo");
    struct ub_pool *pool = NULL;
    struct job job;
    job_init(&job);
    job.host = host;
    assert_int_equal(host->pool->open(host, "p", 2, 8, &pool, NULL), UB_OK);
    assert_int_equal(host->pool->offload(pool, run_job, host->loop->main(host), done_job, &job),
                     UB_OK);
    assert_true(kit_run_until(host, is_done, &job, 2000));
    assert_int_equal(job.ran, 1);
    assert_true(job.was_done_on_main);
    host->pool->close(&pool);
    assert_null(pool);
    kit_host_free(&host);
}

/* Close finishes what is queued, with all threads. */
static void close_finishes_the_queue(void **state)
{
    (void)state;
    struct ub_pool *pool = NULL;
    struct job job;
    job_init(&job);
    assert_int_equal(pool_open("p", 4, 1000, &pool, NULL), UB_OK);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pool_submit(pool, run_job, &job), UB_OK);
    }
    pool_close(&pool);
    assert_int_equal(job.ran, 1000);
}

static void pool_without_threads_is_refused(void **state)
{
    (void)state;
    struct ub_pool *pool = NULL;
    struct ub_err err = UB_ERR_INIT;
    assert_int_equal(pool_open("p", 0, 8, &pool, &err), UB_EINVAL);
    assert_string_equal(err.message, "pool \"p\": at least one thread and one place in the queue");
    assert_int_equal(pool_open("p", 1, 0, &pool, &err), UB_EINVAL);
    assert_null(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_queue_answers_unavailable),
        cmocka_unit_test(offload_answers_on_the_loop),
        cmocka_unit_test(close_finishes_the_queue),
        cmocka_unit_test(pool_without_threads_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
