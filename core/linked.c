/* SPDX-License-Identifier: Apache-2.0 */
#include "linked.h"

/* UNIBUS_LINKED comes from the build: X(blob_fs) X(http) … */
#ifdef UNIBUS_LINKED

#define X(name) extern const struct ub_module unibus_module_##name;
UNIBUS_LINKED
#undef X

const struct ub_module *const linked_modules[] = {
#define X(name) &unibus_module_##name,
    UNIBUS_LINKED
#undef X
};

const size_t linked_count = sizeof(linked_modules) / sizeof(linked_modules[0]);

#else

const struct ub_module *const linked_modules[] = {NULL};
const size_t linked_count = 0;

#endif
