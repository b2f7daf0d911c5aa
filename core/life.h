/* SPDX-License-Identifier: Apache-2.0
 *
 * The life-cycle calls into one module. All run on the main loop (checked). */
#ifndef CORE_LIFE_H
#define CORE_LIFE_H

#include "resolver.h"

bool life_create(struct instance *instance, struct report *report);
/* Hands over each service that the resolver found. */
bool life_bind(struct instance *instance, struct instance *all, struct report *report);
bool life_start(struct instance *instance, struct report *report);
void life_ready(struct instance *instance);
void life_drain(struct instance *instance, int64_t deadline_mono_ms);
bool life_is_drained(struct instance *instance);
/* Only what has started; then what it still posted to the main loop is run. */
void life_stop(struct instance *instance);
/* Only what was created. */
void life_destroy(struct instance *instance);

#endif
