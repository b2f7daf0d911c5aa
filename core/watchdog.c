/* SPDX-License-Identifier: Apache-2.0 */
#include "watchdog.h"

#include <string.h>
#include <time.h>

#include "thread.h"

#define WATCHDOG_POLL_MAX_MS 1000

/* Real time, also when a test has set the node's clock. */
static int64_t watchdog_now_ns(void)
{
    static const struct clock real;
    return clock_mono_ns(&real);
}

void watchdog_init(struct watchdog *watchdog, struct log *log)
{
    pthread_condattr_t monotonic;
    memset(watchdog, 0, sizeof(*watchdog));
    watchdog->log = log;
    watchdog->after_ms = WATCHDOG_AFTER_MS;
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->is_closing_now, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void watchdog_fini(struct watchdog *watchdog)
{
    watchdog_stop(watchdog);
    pthread_cond_destroy(&watchdog->is_closing_now);
    pthread_mutex_destroy(&watchdog->lock);
}

/* Under lock. */
static void watchdog_look(struct watchdog *watchdog)
{
    int64_t for_ms = (watchdog_now_ns() - watchdog->since_ns) / 1000000;
    char text[256];
    if (watchdog->module == NULL || for_ms < watchdog->next_ms) {
        return;
    }
    snprintf(text, sizeof(text), "module \"%.60s\" has been in %s for %lld.%lld s: the node waits",
             watchdog->module, watchdog->step, (long long)(for_ms / 1000),
             (long long)(for_ms % 1000 / 100));
    log_core(watchdog->log, UB_LOG_WARN, "module-slow", text, UB_TEXT("module", watchdog->module),
             UB_TEXT("step", watchdog->step), UB_NUMBER("for_ms", for_ms));
    watchdog->next_ms = for_ms * 2;
}

static void *watchdog_main(void *arg)
{
    struct watchdog *watchdog = arg;
    int64_t poll_ms = watchdog->after_ms / 5;
    poll_ms = poll_ms > WATCHDOG_POLL_MAX_MS ? WATCHDOG_POLL_MAX_MS : poll_ms < 1 ? 1 : poll_ms;
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->is_closing) {
        int64_t until_ns = watchdog_now_ns() + poll_ms * 1000000;
        const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
        pthread_cond_timedwait(&watchdog->is_closing_now, &watchdog->lock, &until);
        watchdog_look(watchdog);
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

enum ub_status watchdog_start(struct watchdog *watchdog, struct ub_err *err)
{
    enum ub_status status =
        thread_start("watchdog", watchdog_main, watchdog, &watchdog->thread, err);
    watchdog->has_thread = status == UB_OK;
    return status;
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (!watchdog->has_thread) {
        return;
    }
    pthread_mutex_lock(&watchdog->lock);
    watchdog->is_closing = true;
    pthread_cond_signal(&watchdog->is_closing_now);
    pthread_mutex_unlock(&watchdog->lock);
    pthread_join(watchdog->thread, NULL);
    watchdog->has_thread = watchdog->is_closing = false;
}

void watchdog_enter(struct watchdog *watchdog, const char *module, const char *step)
{
    pthread_mutex_lock(&watchdog->lock);
    watchdog->module = module;
    watchdog->step = step;
    watchdog->since_ns = watchdog_now_ns();
    watchdog->next_ms = watchdog->after_ms;
    pthread_mutex_unlock(&watchdog->lock);
}

void watchdog_leave(struct watchdog *watchdog)
{
    pthread_mutex_lock(&watchdog->lock);
    bool was_slow = watchdog->next_ms != watchdog->after_ms;
    const char *module = watchdog->module, *step = watchdog->step;
    int64_t for_ms = (watchdog_now_ns() - watchdog->since_ns) / 1000000;
    watchdog->module = watchdog->step = NULL;
    watchdog->next_ms = watchdog->after_ms;
    pthread_mutex_unlock(&watchdog->lock);
    if (was_slow) {
        log_core(watchdog->log, UB_LOG_WARN, "module-back", "the slow module is back",
                 UB_TEXT("module", module), UB_TEXT("step", step), UB_NUMBER("after_ms", for_ms));
    }
}
