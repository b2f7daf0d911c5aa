/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unibus/error.h>

#include "engine_state.h"

#define LOAD_WAIT_MS  2000 /* for loading and tests, then they are stopped … */
#define CLOSE_WAIT_MS 2000 /* … and this is how long we wait for a thread to notice */
#define WATCH_PARTS   5    /* the watchdog looks so many times within a time-out */
#define WALL_TIMES    20   /* so many time-outs on the wall are one, whatever the processor did */

int64_t plcy_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void plcy_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

void plcy_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(cond, lock, &at);
}

/* ---- jobs -------------------------------------------------------------------------------------
 */

static struct plcy_job *job_new(struct plcy_question *question, bool wants_trace)
{
    struct plcy_job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        atomic_fetch_add(&question->refs, 1);
        job->question = question;
        job->refs = 1;
        job->wants_trace = wants_trace;
        job->took_us = -1;
        plcy_cond_init(&job->is_over);
    }
    return job;
}

void plcy_job_unref(struct plcy_job **job)
{
    struct plcy_job *it = *job;
    *job = NULL;
    if (--it->refs == 0) {
        ubp_decision_fini(&it->decision);
        plcy_question_unref(&it->question);
        pthread_cond_destroy(&it->is_over);
        free(it);
    }
}

static void queue_add(struct plcy_engine *engine, struct plcy_job *job)
{
    job->refs++;
    if (engine->last != NULL) {
        engine->last->next = job;
    } else {
        engine->first = job;
    }
    engine->last = job;
    pthread_cond_signal(&engine->has_work);
}

/* Nobody waits for it any more. */
static void queue_remove(struct plcy_engine *engine, struct plcy_job *job)
{
    struct plcy_job **link = &engine->first, *before = NULL;
    while (*link != NULL && *link != job) {
        before = *link;
        link = &before->next;
    }
    if (*link == job) {
        *link = job->next;
        engine->last = engine->last == job ? before : engine->last;
        job->refs--; /* the asker's is left */
    }
}

/* ---- the watchdog -----------------------------------------------------------------------------
 */

/* The thread goes on alone; what it was at is denied. */
static void engine_abandon(struct plcy_engine *engine, struct plcy_runner *runner)
{
    runner->is_abandoned = true;
    runner->job->state = PLCY_JOB_STRUCK;
    pthread_cond_broadcast(&runner->job->is_over);
    ubp_script_stop(runner->script);
    engine->runner = NULL;
    if (++engine->abandoned <= PLCY_RESTARTS) {
        plcy_runner_start(engine);
    }
    for (struct plcy_job *job = engine->first; job != NULL && engine->runner == NULL;
         job = job->next) {
        pthread_cond_broadcast(&job->is_over);
    }
}

static void engine_watch(struct plcy_engine *engine)
{
    struct plcy_runner *runner = engine->runner;
    if (runner == NULL || runner->job == NULL) {
        return;
    }
    int64_t timeout_ms = engine->tuning.call_timeout_ms;
    if (plcy_runner_cpu_ms(runner) >= timeout_ms ||
        plcy_now_ms() - runner->wall_start_ms >= timeout_ms * WALL_TIMES) {
        engine_abandon(engine, runner);
    }
}

static void job_wait(struct plcy_engine *engine, struct plcy_job *job, unsigned patience)
{
    int64_t timeout_ms = engine->tuning.call_timeout_ms;
    int64_t limit = plcy_now_ms() + timeout_ms * patience;
    int64_t slice = timeout_ms / WATCH_PARTS > 0 ? timeout_ms / WATCH_PARTS : 1;
    while (job->state < PLCY_JOB_DONE && engine->runner != NULL && plcy_now_ms() < limit) {
        plcy_cond_wait_ms(&job->is_over, &engine->lock, slice);
        engine_watch(engine);
    }
}

static void deny(struct ubp_decision *decision, enum ubp_error error, const char *text)
{
    memset(decision, 0, sizeof(*decision));
    decision->verdict = UBP_DENY;
    decision->error = error;
    snprintf(decision->code, sizeof(decision->code), "%s", ubp_error_code(error));
    snprintf(decision->text, sizeof(decision->text), "%s", text);
}

/* Under the lock. */
static void job_take(struct plcy_engine *engine, struct plcy_job *job, struct ubp_trace *trace,
                     struct ubp_decision *decision_out, int64_t *took_us_out)
{
    if (job->state == PLCY_JOB_DONE) {
        *took_us_out = job->took_us;
        *decision_out = job->decision;
        memset(&job->decision, 0, sizeof(job->decision));
        if (trace != NULL) {
            *trace = job->trace;
        }
        return;
    }
    if (job->state == PLCY_JOB_STRUCK) {
        deny(decision_out, UBP_E_STOPPED, "the script took too long; its thread was abandoned");
    } else if (engine->runner == NULL) {
        deny(decision_out, UBP_E_STOPPED, "the script has failed too often: everything is denied");
    } else {
        deny(decision_out, UBP_E_STOPPED, "the script is busy: no answer in time");
    }
    if (job->state == PLCY_JOB_RUNS) {
        job->state = PLCY_JOB_STRUCK; /* the answer goes nowhere */
    } else {
        queue_remove(engine, job);
    }
}

void plcy_engine_ask(struct plcy_engine *engine, struct plcy_question *question, unsigned patience,
                     struct ubp_trace *trace, struct ubp_decision *decision_out,
                     int64_t *took_us_out)
{
    struct plcy_job *job = job_new(question, trace != NULL);
    *took_us_out = -1;
    if (trace != NULL) {
        memset(trace, 0, sizeof(*trace));
    }
    if (job == NULL) {
        deny(decision_out, UBP_E_MEMORY, "no memory for a question");
        return;
    }
    pthread_mutex_lock(&engine->lock);
    if (engine->runner != NULL) {
        queue_add(engine, job);
        job_wait(engine, job, patience);
    }
    job_take(engine, job, trace, decision_out, took_us_out);
    plcy_job_unref(&job);
    pthread_mutex_unlock(&engine->lock);
}

/* ---- open and close ---------------------------------------------------------------------------
 */

static void loaded_wait(struct plcy_engine *engine, int64_t ms)
{
    int64_t limit = plcy_now_ms() + ms;
    while (!engine->is_loaded && plcy_now_ms() < limit) {
        plcy_cond_wait_ms(&engine->has_news, &engine->lock, limit - plcy_now_ms());
    }
}

static void fault_to_err(const struct plcy_engine *engine, struct ub_err *err)
{
    const struct ubp_fault *fault = &engine->fault;
    char place[4200];
    plcy_source_place(engine->source, fault->line, place, sizeof(place));
    if (fault->test[0] != '\0') {
        ub_fail_code(err, UB_EINVAL, "E-POLICY-TESTS", "%s: test \"%s\": %s", place, fault->test,
                     fault->text);
    } else {
        ub_fail_code(err, UB_EINVAL, "E-POLICY-SCRIPT", "%s: %s", place, fault->text);
    }
}

/* Waits until the script is loaded and its tests have run. */
static bool engine_settle(struct plcy_engine *engine, struct ub_err *err)
{
    pthread_mutex_lock(&engine->lock);
    loaded_wait(engine, LOAD_WAIT_MS);
    if (!engine->is_loaded && engine->runner != NULL && engine->runner->script != NULL) {
        ubp_script_stop(engine->runner->script);
        loaded_wait(engine, CLOSE_WAIT_MS);
    }
    bool is_good = engine->is_loaded && engine->is_good;
    if (!engine->is_loaded) {
        ub_fail_code(err, UB_EINVAL, "E-POLICY-SCRIPT", "%s: loading takes too long",
                     engine->source->path);
    } else if (!is_good) {
        fault_to_err(engine, err);
    }
    pthread_mutex_unlock(&engine->lock);
    return is_good;
}

struct plcy_engine *plcy_engine_open(struct plcy_source **take_source,
                                     const struct plcy_tuning *tuning, json_t **tests_out,
                                     struct ub_err *err)
{
    struct plcy_engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL) {
        plcy_source_free(take_source);
        ub_fail(err, UB_ENOMEM, "no memory for a script");
        return NULL;
    }
    pthread_mutex_init(&engine->lock, NULL);
    plcy_cond_init(&engine->has_work);
    plcy_cond_init(&engine->has_news);
    engine->users = 1;
    engine->tuning = *tuning;
    engine->source = *take_source;
    *take_source = NULL;
    pthread_mutex_lock(&engine->lock);
    bool is_started = plcy_runner_start(engine);
    pthread_mutex_unlock(&engine->lock);
    if (!is_started) {
        ub_fail(err, UB_ENOMEM, "no thread for the script");
    }
    bool is_good = is_started && engine_settle(engine, err);
    if (tests_out != NULL) {
        pthread_mutex_lock(&engine->lock);
        *tests_out = json_incref(engine->tests);
        pthread_mutex_unlock(&engine->lock);
    }
    if (!is_good) {
        plcy_engine_unref(&engine);
    }
    return engine;
}

struct plcy_engine *plcy_engine_ref(struct plcy_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->users++;
    pthread_mutex_unlock(&engine->lock);
    return engine;
}

void plcy_engine_free(struct plcy_engine *engine)
{
    json_decref(engine->tests);
    plcy_source_free(&engine->source);
    pthread_cond_destroy(&engine->has_work);
    pthread_cond_destroy(&engine->has_news);
    pthread_mutex_destroy(&engine->lock);
    free(engine);
}

void plcy_engine_unref(struct plcy_engine **engine)
{
    struct plcy_engine *it = *engine;
    *engine = NULL;
    if (it == NULL) {
        return;
    }
    pthread_mutex_lock(&it->lock);
    if (it->users == 1) {
        int64_t limit = plcy_now_ms() + CLOSE_WAIT_MS;
        it->is_closing = true;
        if (it->runner != NULL && it->runner->script != NULL) {
            ubp_script_stop(it->runner->script);
        }
        pthread_cond_broadcast(&it->has_work);
        while (it->threads > 0 && plcy_now_ms() < limit) {
            plcy_cond_wait_ms(&it->has_news, &it->lock, limit - plcy_now_ms());
        }
    }
    bool is_last = --it->users == 0 && it->threads == 0; /* else the last thread frees it */
    pthread_mutex_unlock(&it->lock);
    if (is_last) {
        plcy_engine_free(it);
    }
}

const struct plcy_source *plcy_engine_source(const struct plcy_engine *engine)
{
    return engine->source;
}

size_t plcy_engine_test_count(const struct plcy_engine *engine)
{
    return json_array_size(engine->tests);
}

json_t *plcy_engine_tests(struct plcy_engine *engine)
{
    return json_incref(engine->tests);
}

unsigned plcy_engine_abandoned(struct plcy_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    unsigned abandoned = engine->abandoned;
    pthread_mutex_unlock(&engine->lock);
    return abandoned;
}
