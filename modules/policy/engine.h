/* SPDX-License-Identifier: Apache-2.0
 *
 * A script that answers, on a thread of its own. Whoever asks waits, and is the watchdog: a call
 * that takes longer than call_timeout_ms is denied, its thread abandoned, and a fresh state starts
 * on a new thread, at most PLCY_RESTARTS times; from then on every answer is deny.
 *
 * What counts is processor time of the call, not time on the wall: a machine that is busy elsewhere
 * must not make a sound script a failed one. A caller who has waited too long is denied all the
 * same. Threads: any, never a loop. */
#ifndef PLCY_ENGINE_H
#define PLCY_ENGINE_H

#include <jansson.h>

#include <ubp/script.h>
#include <unibus/abi.h>

#include "question.h"
#include "source.h"

#define PLCY_RESTARTS 3

struct plcy_tuning {
    int64_t call_timeout_ms;
    struct ubp_limits limits;
};

struct plcy_engine;

/* Takes the source; loads it and runs its tests on the new thread. NULL with err: E-POLICY-SCRIPT
 * or E-POLICY-TESTS with file:line. tests_out (may be NULL) gets the results as a JSON array, also
 * then. */
struct plcy_engine *plcy_engine_open(struct plcy_source **take_source,
                                     const struct plcy_tuning *tuning, json_t **tests_out,
                                     struct ub_err *err);
struct plcy_engine *plcy_engine_ref(struct plcy_engine *engine);
/* The last one stops the thread. */
void plcy_engine_unref(struct plcy_engine **engine);

/* Asks; waits at most patience times the call's time-out. The decision is always filled. trace may
 * be NULL. *took_us_out is the time of the call itself, -1 when it was not finished. */
void plcy_engine_ask(struct plcy_engine *engine, struct plcy_question *question, unsigned patience,
                     struct ubp_trace *trace, struct ubp_decision *decision_out,
                     int64_t *took_us_out);

const struct plcy_source *plcy_engine_source(const struct plcy_engine *engine);
size_t plcy_engine_test_count(const struct plcy_engine *engine);
/* The results of the tests, a new reference to an array. */
json_t *plcy_engine_tests(struct plcy_engine *engine);
/* Threads that were abandoned; above PLCY_RESTARTS every answer is deny. */
unsigned plcy_engine_abandoned(struct plcy_engine *engine);

#endif
