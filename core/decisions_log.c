/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "decisions.h"

#define MINUTE_NS (60 * INT64_C(1000000000))

void decisions_turn(struct decisions *decisions, struct decisions_silence *ended_out)
{
    uint64_t minute = (uint64_t)(clock_mono_ns(decisions->clock) / MINUTE_NS);
    if (minute != decisions->minute) {
        *ended_out = decisions->silence;
        decisions->silence = (struct decisions_silence){.silent = 0};
        decisions->minute = minute;
        decisions->lines = 0;
    }
}

static void be_silent(struct decisions *decisions, struct asker *asker)
{
    struct decisions_silence *silence = &decisions->silence;
    silence->silent++;
    if (asker != NULL && ++asker->silent > silence->worst) {
        silence->worst = asker->silent;
        memcpy(silence->worst_key, asker->key, sizeof(silence->worst_key));
    }
}

bool decisions_may_log(struct decisions *decisions, struct asker *asker,
                       struct decisions_silence *ended_out)
{
    int64_t own_max = decisions->settings.log_per_minute;
    decisions_turn(decisions, ended_out);
    if (asker != NULL && asker->minute != decisions->minute) {
        asker->minute = decisions->minute;
        asker->lines = asker->silent = 0;
    }
    if (decisions->lines >= own_max * DECISIONS_LOG_ASKERS ||
        (asker != NULL && asker->lines >= own_max)) {
        be_silent(decisions, asker);
        return false;
    }
    decisions->lines++;
    if (asker != NULL) {
        asker->lines++;
    }
    return true;
}

void decisions_log_refusal(struct decisions *decisions, const char *module,
                           const struct decision *decision)
{
    const char *const *text = decision->texts;
    const struct ub_log_field fields[] = {
        UB_TEXT("decision", decision->id),
        UB_TEXT("action", text[DECISION_ACTION]),
        UB_TEXT("kind", text[DECISION_RESOURCE_KIND]),
        UB_TEXT("resource", text[DECISION_RESOURCE_ID]),
        UB_TEXT("principal", text[DECISION_PRINCIPAL]),
        UB_TEXT("handle", text[DECISION_HANDLE]),
        UB_TEXT("role", text[DECISION_ROLE]),
        UB_TEXT("address", text[DECISION_ADDRESS]),
        UB_TEXT("provider", text[DECISION_PROVIDER]),
        UB_TEXT("code", text[DECISION_CODE]),
        UB_TEXT("why", text[DECISION_REASON]),
        UB_TEXT("place", text[DECISION_PLACE]),
    };
    struct ub_log_field said[sizeof(fields) / sizeof(fields[0])];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].text[0] != '\0') { /* what is not known is no field */
            said[count++] = fields[i];
        }
    }
    log_emit(decisions->log, UB_LOG_WARN, module, "refused", "a request was refused", said, count);
}

void decisions_log_silence(struct decisions *decisions, const struct decisions_silence *ended)
{
    if (ended->silent > 0) {
        log_core(decisions->log, UB_LOG_WARN, "refusals-not-logged",
                 "more refusals than lines in the last minute; the latest are kept",
                 UB_NUMBER("not_logged", ended->silent), UB_TEXT("most_by", ended->worst_key),
                 UB_NUMBER("of_these", ended->worst));
    }
}
