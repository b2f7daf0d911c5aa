/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <core/loop.h>

enum { POSTERS = 4, POSTS = 20000 };

struct post {
    struct tally *tally;
    int from, number;
};

struct tally {
    struct ub_loop *loop;
    struct post posts[POSTERS][POSTS];
    int next[POSTERS]; /* the loop's thread only */
    int out_of_order, on_other_thread;
    atomic_int total;
};

static void count_post(void *arg)
{
    struct post *post = arg;
    struct tally *tally = post->tally;
    tally->out_of_order += post->number != tally->next[post->from];
    tally->on_other_thread += !loop_is_current(tally->loop);
    tally->next[post->from] = post->number + 1;
    tally->total++;
}

static void *post_all(void *arg)
{
    struct post *posts = arg;
    for (int i = 0; i < POSTS; i++) {
        loop_post(posts[i].tally->loop, count_post, &posts[i]);
    }
    return NULL;
}

/* Every task runs once, on the loop, in the order of its poster; close runs what was posted. */
static void posts_of_four_threads_keep_their_order(void **state)
{
    (void)state;
    struct tally *tally = calloc(1, sizeof(*tally));
    pthread_t threads[POSTERS];
    assert_int_equal(loop_open("tally", &tally->loop, NULL), UB_OK);
    for (int from = 0; from < POSTERS; from++) {
        for (int i = 0; i < POSTS; i++) {
            tally->posts[from][i] = (struct post){tally, from, i};
        }
        pthread_create(&threads[from], NULL, post_all, tally->posts[from]);
    }
    for (int from = 0; from < POSTERS; from++) {
        pthread_join(threads[from], NULL);
    }
    assert_false(loop_is_current(tally->loop));
    loop_close(&tally->loop);
    assert_null(tally->loop);
    assert_int_equal(tally->total, POSTERS * POSTS);
    assert_int_equal(tally->out_of_order, 0);
    assert_int_equal(tally->on_other_thread, 0);
    free(tally);
}

static void count_int(void *arg)
{
    (*(int *)arg)++;
}

/* A burst of posts costs one wake-up: one step of the loop has run them all. */
static void burst_is_one_wakeup(void **state)
{
    (void)state;
    struct ub_loop *loop = NULL;
    int ran = 0;
    assert_int_equal(loop_new("main", &loop, NULL), UB_OK);
    for (int i = 0; i < 1000; i++) {
        loop_post(loop, count_int, &ran);
    }
    assert_int_equal(ran, 0);
    loop_step(loop, 1000);
    assert_int_equal(ran, 1000);
    loop_free(&loop);
}

struct chain {
    struct ub_loop *loop;
    int left;
};

static void post_again(void *arg)
{
    struct chain *chain = arg;
    if (chain->left-- > 0) {
        loop_post(chain->loop, post_again, chain);
    }
}

/* A task may post; free runs the rest of such a chain too. */
static void tasks_may_post_tasks(void **state)
{
    (void)state;
    struct chain chain = {NULL, 100};
    assert_int_equal(loop_new("main", &chain.loop, NULL), UB_OK);
    loop_post(chain.loop, post_again, &chain);
    loop_step(chain.loop, 100);
    assert_in_range(chain.left, 98, 100);
    loop_free(&chain.loop);
    assert_int_equal(chain.left, -1);
}

struct ticker {
    struct ub_loop *loop;
    struct ub_timer *timer;
    int ticks, stop_at;
};

static void on_tick(void *arg)
{
    struct ticker *ticker = arg;
    if (++ticker->ticks == ticker->stop_at) {
        loop_timer_stop(&ticker->timer);
        loop_quit(ticker->loop);
    }
}

/* A timer repeats and may stop itself. */
static void timer_repeats_until_stopped(void **state)
{
    (void)state;
    struct ticker ticker = {.stop_at = 3};
    assert_int_equal(loop_new("main", &ticker.loop, NULL), UB_OK);
    ticker.timer = loop_timer_start(ticker.loop, 2, on_tick, &ticker);
    assert_non_null(ticker.timer);
    loop_run(ticker.loop);
    assert_int_equal(ticker.ticks, 3);
    assert_null(ticker.timer);
    loop_step(ticker.loop, 10);
    assert_int_equal(ticker.ticks, 3);
    loop_free(&ticker.loop);
}

/* What is posted while the loop is busy runs before close returns. */
static void sleep_task(void *arg)
{
    (void)arg;
    usleep(20000);
}

static void close_runs_what_was_posted(void **state)
{
    (void)state;
    struct ub_loop *loop = NULL;
    int ran = 0;
    assert_int_equal(loop_open("busy", &loop, NULL), UB_OK);
    loop_post(loop, sleep_task, NULL);
    for (int i = 0; i < 10; i++) {
        loop_post(loop, count_int, &ran);
    }
    loop_close(&loop);
    assert_int_equal(ran, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posts_of_four_threads_keep_their_order),
        cmocka_unit_test(burst_is_one_wakeup),
        cmocka_unit_test(tasks_may_post_tasks),
        cmocka_unit_test(timer_repeats_until_stopped),
        cmocka_unit_test(close_runs_what_was_posted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
