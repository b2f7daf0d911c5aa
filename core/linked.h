/* SPDX-License-Identifier: Apache-2.0
 *
 * The modules that are linked into this program: none, unless it was built with
 * UNIBUS_STATIC_MODULES (CMakeLists.txt). */
#ifndef CORE_LINKED_H
#define CORE_LINKED_H

#include <unibus/module.h>

/* linked_count of them. */
extern const struct ub_module *const linked_modules[];
extern const size_t linked_count;

#endif
