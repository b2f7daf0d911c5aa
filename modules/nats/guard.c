/* SPDX-License-Identifier: Apache-2.0 */
#include "perms.h"

static bool guard_condition_holds(const struct ub_guard_condition *condition,
                                  struct ub_bytes payload, int64_t now_ms)
{
    if (condition->offset > payload.len || condition->length > payload.len - condition->offset) {
        return false;
    }
    const uint8_t *at = payload.ptr + condition->offset;
    for (uint32_t i = 0; i < condition->count; i++) {
        const struct ub_guard_alternative *one = &condition->alternatives[i];
        bool is_valid = one->until_mono_ms == 0 || now_ms <= one->until_mono_ms;
        if (is_valid && one->bytes.len == condition->length &&
            memcmp(one->bytes.ptr, at, one->bytes.len) == 0) {
            return true;
        }
    }
    return false;
}

bool nats_guard_accepts(const struct ub_guard *guard, struct ub_bytes payload, int64_t now_ms)
{
    for (uint32_t i = 0; i < guard->count; i++) {
        if (!guard_condition_holds(&guard->conditions[i], payload, now_ms)) {
            return false;
        }
    }
    return true;
}
