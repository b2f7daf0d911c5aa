/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

#define HOUR_MS (3600 * 1000LL)

bool memb_rate_take(struct memb *memb, struct memb_identity *identity, unsigned entries,
                    int64_t *wait_ms_out)
{
    int64_t cost_ms = HOUR_MS / memb->settings->append_rate_per_hour * entries;
    int64_t now_ms = memb_mono_ms(memb);
    memb_model_write(&memb->model);
    int64_t from_ms = identity->rate_until_ms > now_ms ? identity->rate_until_ms : now_ms;
    *wait_ms_out = from_ms + cost_ms - now_ms - HOUR_MS;
    bool fits = *wait_ms_out <= 0;
    if (fits) {
        identity->rate_until_ms = from_ms + cost_ms;
    }
    memb_model_unlock(&memb->model);
    return fits;
}
