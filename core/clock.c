/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <time.h>

static int64_t clock_system_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_now_ms(const struct clock *clock)
{
    return clock->is_set ? clock->now_ms : clock_system_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_mono_ns(const struct clock *clock)
{
    return clock->is_set ? clock->mono_ns : clock_system_ns(CLOCK_MONOTONIC);
}

void clock_set(struct clock *clock, int64_t now_ms, int64_t mono_ns)
{
    clock->now_ms = now_ms;
    clock->mono_ns = mono_ns;
    clock->is_set = true;
}
