/* SPDX-License-Identifier: Apache-2.0
 *
 * The thread that has the Lua state. It may be abandoned at any time; then it cleans up after
 * itself whenever the script lets it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine_state.h"

static int64_t cpu_ns(pthread_t thread)
{
    clockid_t clock;
    struct timespec used;
    if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t plcy_runner_cpu_ms(const struct plcy_runner *runner)
{
    return (cpu_ns(runner->thread) - runner->cpu_start_ns) / 1000000;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static void note_test(void *arg, const struct ubp_test_result *result)
{
    json_t *json = json_pack("{s:s,s:i,s:b,s:I}", "name", result->name, "line", (int)result->line,
                             "passed", result->is_good, "steps", (json_int_t)result->steps);
    if (json != NULL && !result->is_good) {
        json_object_set_new(json, "fault", json_string(result->fault.text));
        json_object_set_new(json, "fault_line", json_integer(result->fault.line));
    }
    json_array_append_new(arg, json);
}

/* Only the first load of a source runs the tests: a fresh state of the same text needs no proof. */
static bool runner_load(struct plcy_runner *runner, struct ubp_fault *fault, bool is_first,
                        json_t *tests)
{
    struct plcy_engine *engine = runner->engine;
    struct ubp_script *script = ubp_script_load(engine->source->path, engine->source->text,
                                                engine->source->len, &engine->tuning.limits, fault);
    if (script == NULL) {
        return false;
    }
    pthread_mutex_lock(&engine->lock);
    runner->script = script;
    pthread_mutex_unlock(&engine->lock);
    return !is_first || ubp_script_test(script, note_test, tests, fault);
}

static void runner_begin(struct plcy_runner *runner)
{
    struct plcy_engine *engine = runner->engine;
    struct ubp_fault fault;
    pthread_mutex_lock(&engine->lock);
    bool is_first = !engine->is_loaded;
    pthread_mutex_unlock(&engine->lock);
    json_t *tests = is_first ? json_array() : NULL;
    bool is_good = runner_load(runner, &fault, is_first, tests);
    pthread_mutex_lock(&engine->lock);
    if (is_first) {
        engine->is_loaded = true;
        engine->is_good = is_good;
        engine->fault = fault;
        engine->tests = tests;
        pthread_cond_broadcast(&engine->has_news);
    } else if (!is_good && engine->runner == runner) {
        engine->runner = NULL; /* no memory for a fresh state: all is denied */
    }
}

/* ---- answering --------------------------------------------------------------------------------
 */

static void answer(struct ubp_script *script, struct plcy_job *job)
{
    const struct plcy_question *question = job->question;
    struct ubp_trace *trace = job->wants_trace ? &job->trace : NULL;
    int64_t start = wall_us();
    if (question->is_action) {
        ubp_on_action(script, &question->who, &question->action, &question->conn, trace,
                      &job->decision);
    } else {
        ubp_on_connect(script, &question->who, &question->conn, trace, &job->decision);
    }
    job->took_us = wall_us() - start;
}

/* The next job with a reference, NULL = end. Under the lock. */
static struct plcy_job *runner_next(struct plcy_runner *runner)
{
    struct plcy_engine *engine = runner->engine;
    while (engine->first == NULL && !engine->is_closing && !runner->is_abandoned) {
        pthread_cond_wait(&engine->has_work, &engine->lock);
    }
    struct plcy_job *job = engine->first;
    if (engine->is_closing || runner->is_abandoned || job == NULL) {
        return NULL;
    }
    engine->first = job->next;
    engine->last = engine->first != NULL ? engine->last : NULL;
    job->state = PLCY_JOB_RUNS;
    runner->job = job;
    runner->cpu_start_ns = cpu_ns(runner->thread);
    runner->wall_start_ms = plcy_now_ms();
    return job;
}

static void runner_serve(struct plcy_runner *runner)
{
    struct plcy_engine *engine = runner->engine;
    struct plcy_job *job;
    while ((job = runner_next(runner)) != NULL) {
        pthread_mutex_unlock(&engine->lock);
        answer(runner->script, job);
        pthread_mutex_lock(&engine->lock);
        runner->job = NULL;
        if (job->state == PLCY_JOB_RUNS) {
            job->state = PLCY_JOB_DONE;
            pthread_cond_broadcast(&job->is_over);
        }
        plcy_job_unref(&job);
    }
}

static void *runner_main(void *arg)
{
    struct plcy_runner *runner = arg;
    struct plcy_engine *engine = runner->engine;
    pthread_setname_np(pthread_self(), "policy");
    runner_begin(runner); /* takes the lock */
    if (engine->runner == runner && engine->is_good) {
        runner_serve(runner);
    }
    struct ubp_script *script = runner->script;
    runner->script = NULL;
    if (engine->runner == runner) {
        engine->runner = NULL;
    }
    pthread_mutex_unlock(&engine->lock);
    ubp_script_free(&script);
    free(runner);
    pthread_mutex_lock(&engine->lock);
    bool is_last = --engine->threads == 0 && engine->users == 0;
    pthread_cond_broadcast(&engine->has_news);
    pthread_mutex_unlock(&engine->lock);
    if (is_last) {
        plcy_engine_free(engine);
    }
    return NULL;
}

bool plcy_runner_start(struct plcy_engine *engine)
{
    struct plcy_runner *runner = calloc(1, sizeof(*runner));
    pthread_attr_t attr;
    sigset_t all, before;
    if (runner == NULL) {
        return false;
    }
    runner->engine = engine;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_started = pthread_create(&runner->thread, &attr, runner_main, runner) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (!is_started) {
        free(runner);
        return false;
    }
    engine->threads++;
    engine->runner = runner;
    return true;
}
