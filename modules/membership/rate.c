/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#define HOUR_MS (3600 * 1000LL)

#define STAGE_MS (10 * 60 * 1000LL)

/* *until_ms says how far somebody is ahead; at most by the whole window. */
static bool take(struct memb *memb, int64_t *until_ms, int64_t cost_ms, int64_t window_ms,
                 int64_t *wait_ms_out)
{
    int64_t now_ms = memb_mono_ms(memb);
    memb_model_write(&memb->model);
    int64_t from_ms = *until_ms > now_ms ? *until_ms : now_ms;
    *wait_ms_out = from_ms + cost_ms - now_ms - window_ms;
    bool fits = *wait_ms_out <= 0;
    if (fits) {
        *until_ms = from_ms + cost_ms;
    }
    memb_model_unlock(&memb->model);
    return fits;
}

bool memb_rate_take(struct memb *memb, struct memb_identity *identity, unsigned entries,
                    int64_t *wait_ms_out)
{
    int64_t cost_ms = HOUR_MS / memb->live.append_rate_per_hour * entries;
    return take(memb, &identity->rate_until_ms, cost_ms, HOUR_MS, wait_ms_out);
}

bool memb_stage_take(struct memb *memb, struct memb_identity *identity, int64_t *wait_ms_out)
{
    return take(memb, &identity->stage_until_ms, STAGE_MS / MEMB_STAGE_RATE, STAGE_MS, wait_ms_out);
}
