/* SPDX-License-Identifier: Apache-2.0
 *
 * test.counter 1.2: how often each life-cycle call came. Main loop only. */
#ifndef TEST_COUNTER_H
#define TEST_COUNTER_H

#include <stdint.h>

struct counter {
    int creates, binds, starts, readies, drains, stops;
};

struct counter_ops {
    uint32_t size;
    const struct counter *(*counts)(void *self);
};

#endif
