/* SPDX-License-Identifier: Apache-2.0
 *
 * The test kit: a working host without a config file, for unit tests of modules.
 *
 *     struct ub_host *host = kit_host_new("kv-sqlite");
 *     ...create(host, &settings, &self, &err), start(self, &err)...
 *     assert_true(kit_run_until(host, is_answered, &answer, 1000));
 *     assert_non_null(strstr(kit_log(host), "store-opened"));
 *     kit_host_free(&host);
 *
 * The main loop belongs to the thread that calls kit_host_new and runs inside kit_run_*. */
#ifndef CORE_KIT_H
#define CORE_KIT_H

#include <unibus/module.h>

/* A host named "test" with a fresh state folder (0700, removed by kit_host_free), the real clock,
 * and a log of all levels that is kept in memory. Aborts when the system refuses. */
struct ub_host *kit_host_new(const char *module);
void kit_host_free(struct ub_host **host);

/* Runs the main loop until is_done(arg), at most timeout_ms; answers is_done(arg). */
bool kit_run_until(const struct ub_host *host, bool (*is_done)(void *arg), void *arg,
                   int64_t timeout_ms);
/* Runs the main loop for so long. */
void kit_run_for(const struct ub_host *host, int64_t ms);
/* Calls every timer of the main loop once, whatever the time is. */
void kit_fire_timers(const struct ub_host *host);

/* From the first call on, both clocks stand still until they are moved. Timers keep real time. */
void kit_clock_set(const struct ub_host *host, int64_t now_ms, int64_t mono_ns);
void kit_clock_advance(const struct ub_host *host, int64_t ms);

/* All log lines since the start or the last clear; valid until the next call. */
const char *kit_log(const struct ub_host *host);
void kit_log_clear(const struct ub_host *host);

/* The settings struct of a module, filled like the core does it: defaults, and over them each
 * "key=value" of the NULL-terminated list. PATH starts in the state folder too. Faults go to the
 * log and the answer is NULL. Lives as long as the host. static const char *const sets[] =
 * {"file=test.db", "workers=2", NULL}; const struct kvsq_settings *settings = kit_settings(host,
 * &unibus_module_kv_sqlite, sets); */
const void *kit_settings(const struct ub_host *host, const struct ub_module *module,
                         const char *const *sets);

/* What host->node->health_json answers from now on, in both details. */
void kit_health_set(const struct ub_host *host, const char *json, bool is_healthy, bool is_ready);

/* What the host waits for from now on; NULL = nothing. */
void kit_waiting_set(const struct ub_host *host, const char *what);

/* The code of the last host->node->fail, or "". */
const char *kit_failed(const struct ub_host *host);

#endif
