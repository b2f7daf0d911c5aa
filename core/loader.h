/* SPDX-License-Identifier: Apache-2.0
 *
 * From a name in the config to a checked descriptor. Every check has its own sentence, which names
 * both sides. Nothing is ever unloaded: new code means a restart. */
#ifndef CORE_LOADER_H
#define CORE_LOADER_H

#include <unibus/module.h>

#include "config.h"

struct loader {
    const char *module_dir; /* absolute: where modules lie that are named without a path */
    /* Modules that are linked in (tests, fuzzing); looked at first. */
    const struct ub_module *const *statics;
    size_t static_count;
};

/* A module's descriptor in this host's form. */
struct loaded {
    struct ub_module module; /* its tables are read with field_at, provide_at, require_at */
    struct ub_module_ops ops;
    const char *file; /* in the config's arena; NULL = linked in */
};

/* Finds, checks and loads what the block names; false when a fault was reported. */
bool loader_load(const struct loader *loader, struct config *config,
                 const struct config_block *block, struct loaded *loaded_out,
                 struct report *report);

/* The checks of a descriptor alone (loader_descriptor.c). symbol_size: of the ELF symbol, 0 =
 * unknown. file: for messages. */
bool loader_adopt(const struct ub_module *module, size_t symbol_size, const char *file,
                  const struct config_block *block, struct loaded *loaded_out,
                  struct report *report);

/* Whether it takes new settings while it runs; if not, its UB_LIVE fields need a restart too. */
bool loader_can_reload(const struct loaded *loaded);

struct ub_provide provide_at(const struct ub_module *module, uint32_t i);
struct ub_require require_at(const struct ub_module *module, uint32_t i);
struct field_table fields_of(const struct ub_module *module);

#endif
