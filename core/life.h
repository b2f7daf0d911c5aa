/* SPDX-License-Identifier: Apache-2.0
 *
 * The life-cycle calls into one module. All run on the main loop (checked). */
#ifndef CORE_LIFE_H
#define CORE_LIFE_H

#include <unibus/posture.h>

#include "resolver.h"

bool life_create(struct instance *instance, struct report *report);
/* Hands over each service that the resolver found. */
bool life_bind(struct instance *instance, struct instance *all, struct report *report);
bool life_start(struct instance *instance, struct report *report);
void life_ready(struct instance *instance);
void life_drain(struct instance *instance, int64_t deadline_mono_ms);
bool life_is_drained(struct instance *instance);
/* Lame duck; a module that knows nothing of it is retired at once. */
void life_retire(struct instance *instance);
bool life_is_retired(struct instance *instance);
/* Only what has started; then what it still posted to the main loop is run. */
void life_stop(struct instance *instance);
/* Reload of one module: `block` and `settings` are the new ones. False with a fault in the report;
 * after true, exactly one of commit and abort follows. */
bool life_prepare(struct instance *instance, const struct config_block *block, const void *settings,
                  void **token_out, struct report *report);
void life_commit(struct instance *instance, void *token);
void life_abort(struct instance *instance, void *token);
/* Only what has started. */
void life_health(struct instance *instance, const struct ub_health_sink *sink);
/* Only what was created. */
void life_destroy(struct instance *instance);

#endif
