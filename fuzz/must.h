/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_MUST_H
#define FUZZ_MUST_H

#include <stdlib.h>

/* assert() for fuzz targets, in every build type. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#endif
