/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include <unibus/error.h>

#include "check.h"
#include "thread.h"

struct loop_task {
    ub_task_fn fn;
    void *arg;
};

struct loop_queue {
    struct loop_task *items;
    size_t count, room;
};

struct ub_timer {
    struct ub_loop *loop;
    struct ub_timer *next, *prev;
    struct event *event;
    ub_task_fn fn;
    void *arg;
};

struct ub_loop {
    struct event_base *base;
    struct event *wake;
    int wake_fd;
    pthread_t thread;
    pthread_barrier_t is_running; /* passed when a loop of its own thread knows its thread */
    struct ub_timer *timers;

    pthread_mutex_t lock;
    struct loop_queue posted;  /* under lock */
    bool is_woken;             /* under lock: the wake-up for `posted` is on its way */
    struct loop_queue running; /* the loop's thread only; swapped with posted */
};

static bool queue_push(struct loop_queue *queue, struct loop_task task)
{
    if (queue->count == queue->room) {
        size_t room = queue->room == 0 ? 64 : queue->room * 2;
        struct loop_task *items = reallocarray(queue->items, room, sizeof(*items));
        if (items == NULL) {
            return false;
        }
        queue->items = items;
        queue->room = room;
    }
    queue->items[queue->count++] = task;
    return true;
}

static void loop_take_posted(struct ub_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct loop_queue empty = loop->running;
    loop->running = loop->posted;
    loop->posted = empty;
    loop->is_woken = false;
    pthread_mutex_unlock(&loop->lock);
}

/* Runs what was posted before the call, not what these tasks post: sockets get their turn. */
static size_t loop_run_posted(struct ub_loop *loop)
{
    loop_take_posted(loop);
    size_t count = loop->running.count;
    for (size_t i = 0; i < count; i++) {
        loop->running.items[i].fn(loop->running.items[i].arg);
    }
    loop->running.count = 0;
    return count;
}

static void loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    uint64_t ignored;
    /* Before the queue is taken: a post after that writes again. */
    ssize_t got = read(fd, &ignored, sizeof(ignored));
    (void)got;
    loop_run_posted(arg);
}

static struct event_base *loop_base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    /* A base is touched by its own thread only, so it needs no locks. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static void loop_release(struct ub_loop *loop)
{
    CHECK(loop->timers == NULL);
    if (loop->wake != NULL) {
        event_free(loop->wake);
    }
    if (loop->base != NULL) {
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    pthread_mutex_destroy(&loop->lock);
    pthread_barrier_destroy(&loop->is_running);
    free(loop->posted.items);
    free(loop->running.items);
    free(loop);
}

static bool loop_add_wake(struct ub_loop *loop)
{
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->base = loop_base_new();
    if (loop->wake_fd < 0 || loop->base == NULL) {
        return false;
    }
    loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, loop_on_wake, loop);
    return loop->wake != NULL && event_add(loop->wake, NULL) == 0;
}

static struct ub_loop *loop_make(const char *name, struct ub_err *err)
{
    struct ub_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        ub_fail(err, UB_EUNAVAILABLE, "no memory for loop \"%s\"", name);
        return NULL;
    }
    loop->wake_fd = -1;
    /* The one who is woken meets the lock while the waker still holds it: better spin than sleep.
     */
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&loop->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_barrier_init(&loop->is_running, NULL, 2);
    loop->thread = pthread_self();
    if (!loop_add_wake(loop)) {
        ub_fail(err, UB_EUNAVAILABLE, "cannot make loop \"%s\": %s", name, strerror(errno));
        loop_release(loop);
        return NULL;
    }
    return loop;
}

enum ub_status loop_new(const char *name, struct ub_loop **loop_out, struct ub_err *err)
{
    struct ub_loop *loop = loop_make(name, err);
    if (loop == NULL) {
        return UB_EUNAVAILABLE;
    }
    *loop_out = loop;
    return UB_OK;
}

void loop_free(struct ub_loop **loop)
{
    if (*loop == NULL) {
        return;
    }
    CHECK(loop_is_current(*loop));
    loop_flush(*loop);
    loop_release(*loop);
    *loop = NULL;
}

void loop_flush(struct ub_loop *loop)
{
    while (loop_run_posted(loop) > 0) {
    }
}

void loop_run(struct ub_loop *loop)
{
    event_base_dispatch(loop->base);
}

void loop_quit(struct ub_loop *loop)
{
    event_base_loopbreak(loop->base);
}

static void loop_on_step_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void loop_step(struct ub_loop *loop, int64_t wait_ms)
{
    struct timeval wait = {wait_ms / 1000, (wait_ms % 1000) * 1000};
    struct event *timeout = evtimer_new(loop->base, loop_on_step_timeout, NULL);
    CHECK(timeout != NULL);
    evtimer_add(timeout, &wait);
    event_base_loop(loop->base, EVLOOP_ONCE);
    event_free(timeout);
}

static void *loop_main(void *arg)
{
    struct ub_loop *loop = arg;
    loop->thread = pthread_self();
    pthread_barrier_wait(&loop->is_running);
    loop_run(loop);
    loop_flush(loop);
    return NULL;
}

enum ub_status loop_open(const char *name, struct ub_loop **loop_out, struct ub_err *err)
{
    struct ub_loop *loop = loop_make(name, err);
    if (loop == NULL) {
        return UB_EUNAVAILABLE;
    }
    pthread_t thread;
    enum ub_status status = thread_start(name, loop_main, loop, &thread, err);
    if (status != UB_OK) {
        loop_release(loop);
        return status;
    }
    pthread_barrier_wait(&loop->is_running);
    *loop_out = loop;
    return UB_OK;
}

static void loop_quit_task(void *arg)
{
    loop_quit(arg);
}

void loop_close(struct ub_loop **loop)
{
    if (*loop == NULL) {
        return;
    }
    CHECK(!loop_is_current(*loop));
    loop_post(*loop, loop_quit_task, *loop);
    pthread_join((*loop)->thread, NULL);
    loop_release(*loop);
    *loop = NULL;
}

static void loop_wake(struct ub_loop *loop)
{
    uint64_t one = 1;
    /* Only a full counter could refuse, and then the loop is awake anyway. */
    ssize_t put = write(loop->wake_fd, &one, sizeof(one));
    (void)put;
}

void loop_post(struct ub_loop *loop, ub_task_fn fn, void *arg)
{
    pthread_mutex_lock(&loop->lock);
    /* A lost task would be a lost answer or a leak somewhere else: stop instead. */
    CHECK(queue_push(&loop->posted, (struct loop_task){fn, arg}));
    bool is_first = !loop->is_woken;
    loop->is_woken = true;
    /* Under the lock: once it is free the loop may run the task, end and be freed. */
    if (is_first) {
        loop_wake(loop);
    }
    pthread_mutex_unlock(&loop->lock);
}

bool loop_is_current(const struct ub_loop *loop)
{
    return pthread_equal(loop->thread, pthread_self()) != 0;
}

void *loop_native(struct ub_loop *loop)
{
    return loop->base;
}

static void loop_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct ub_timer *timer = arg;
    timer->fn(timer->arg); /* may have stopped the timer: do not touch it any more */
}

static void timer_link(struct ub_loop *loop, struct ub_timer *timer)
{
    timer->loop = loop;
    timer->next = loop->timers;
    if (timer->next != NULL) {
        timer->next->prev = timer;
    }
    loop->timers = timer;
}

static void timer_unlink(struct ub_timer *timer)
{
    if (timer->next != NULL) {
        timer->next->prev = timer->prev;
    }
    if (timer->prev != NULL) {
        timer->prev->next = timer->next;
    } else {
        timer->loop->timers = timer->next;
    }
}

struct ub_timer *loop_timer_start(struct ub_loop *loop, int64_t every_ms, ub_task_fn fn, void *arg)
{
    CHECK(loop_is_current(loop));
    struct ub_timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL) {
        return NULL;
    }
    timer->fn = fn;
    timer->arg = arg;
    timer->event = event_new(loop->base, -1, EV_PERSIST, loop_on_timer, timer);
    struct timeval every = {every_ms / 1000, (every_ms % 1000) * 1000};
    if (timer->event == NULL || event_add(timer->event, &every) != 0) {
        if (timer->event != NULL) {
            event_free(timer->event);
        }
        free(timer);
        return NULL;
    }
    timer_link(loop, timer);
    return timer;
}

void loop_timer_stop(struct ub_timer **timer)
{
    if (*timer == NULL) {
        return;
    }
    CHECK(loop_is_current((*timer)->loop));
    timer_unlink(*timer);
    event_free((*timer)->event);
    free(*timer);
    *timer = NULL;
}

void loop_timers_fire(struct ub_loop *loop)
{
    CHECK(loop_is_current(loop));
    for (struct ub_timer *timer = loop->timers, *next; timer != NULL; timer = next) {
        next = timer->next; /* the callback may stop its own timer, and only that */
        timer->fn(timer->arg);
    }
}
