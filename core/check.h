/* SPDX-License-Identifier: Apache-2.0
 *
 * An assertion that stays on in release builds: a broken contract stops the node at once. */
#ifndef CORE_CHECK_H
#define CORE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "unibus: defect: %s (%s:%d)\n", #condition, __FILE__, __LINE__);       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
