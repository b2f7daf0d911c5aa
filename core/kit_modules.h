/* SPDX-License-Identifier: Apache-2.0
 *
 * Modules on a host of the test kit, by the same loader, settings, resolver and life-cycle calls as
 * in a node; `unibus module check` and the suites of conformance/ stand on it.
 *
 *     struct ub_host *host = kit_host_new("check");
 *     const struct kit_module_spec spec = {.file = "/usr/lib/x/kv-y.so", .sets = sets};
 *     struct kit_modules *modules = kit_modules_new(host, &spec, 1);
 *     if (kit_modules_fault_count(modules) == 0 && kit_module_create(modules, 0)) …
 *     kit_modules_free(&modules);
 *
 * Threads: the one that made the host. */
#ifndef CORE_KIT_MODULES_H
#define CORE_KIT_MODULES_H

#include "kit.h"

/* A file, or a module that is linked in. sets: "key=value", ended by NULL; NULL = none. */
struct kit_module_spec {
    const char *file; /* absolute or not; its name without .so is the module's name */
    const struct ub_module *linked;
    const char *const *sets;
};

struct kit_modules;

/* Loads every module, fills its settings and finds out who serves whom. Never NULL; what the node
 * would have reported is in the faults. specs are copied. */
struct kit_modules *kit_modules_new(const struct ub_host *host, const struct kit_module_spec *specs,
                                    size_t count);
/* Stops and destroys what still runs, in the opposite order. */
void kit_modules_free(struct kit_modules **modules);

size_t kit_modules_fault_count(const struct kit_modules *modules);
/* Words of all faults so far, a line each: "E-MODULE-009 module "x" was built …". Valid until the
 * next call. */
const char *kit_modules_faults(struct kit_modules *modules);
/* A JSON array of {code, message, fix} (jansson), to be decref'ed. */
struct json_t *kit_modules_faults_json(struct kit_modules *modules);

/* The descriptor as the loader accepted it; NULL = it did not. Its tables are read with the
 * functions below: a module of another minor has entries of another size. */
const struct ub_module *kit_module_of(const struct kit_modules *modules, size_t i);
const struct ub_module_ops *kit_module_ops(const struct kit_modules *modules, size_t i);
struct ub_field kit_field_at(const struct ub_module *module, uint32_t i);
struct ub_provide kit_provide_at(const struct ub_module *module, uint32_t i);
struct ub_require kit_require_at(const struct ub_module *module, uint32_t i);
/* The settings struct; NULL = it could not be filled. */
const void *kit_module_settings(const struct kit_modules *modules, size_t i);

bool kit_module_create(struct kit_modules *modules, size_t i);
/* Hands over every service; its providers must be created. */
bool kit_module_bind(struct kit_modules *modules, size_t i);
bool kit_module_start(struct kit_modules *modules, size_t i);
void kit_module_ready(struct kit_modules *modules, size_t i);
/* drain and the loop until it is drained; false after timeout_ms. */
bool kit_module_drain(struct kit_modules *modules, size_t i, int64_t timeout_ms);
void kit_module_stop(struct kit_modules *modules, size_t i);
void kit_module_destroy(struct kit_modules *modules, size_t i);
/* All of them, providers first; stops at the first that cannot. */
bool kit_modules_start(struct kit_modules *modules);
/* stop and destroy of all, in the opposite order. */
void kit_modules_stop(struct kit_modules *modules);

/* NULL before create. */
void *kit_module_self(const struct kit_modules *modules, size_t i);

#endif
