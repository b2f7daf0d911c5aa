/* SPDX-License-Identifier: Apache-2.0
 *
 * Time: the system's, or for tests one that stands still until it is moved. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct clock {
    atomic_bool is_set; /* by a test */
    _Atomic int64_t now_ms, mono_ns;
};

/* Wall clock, Unix milliseconds. Threads: any. */
int64_t clock_now_ms(const struct clock *clock);

/* Monotonic, nanoseconds. Threads: any. */
int64_t clock_mono_ns(const struct clock *clock);

/* For tests: from now on both clocks stand still at these values. */
void clock_set(struct clock *clock, int64_t now_ms, int64_t mono_ns);

#endif
