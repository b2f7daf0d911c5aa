/* SPDX-License-Identifier: Apache-2.0 */
#include "decision.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include <ubr/text.h>

#include "actions.h"

/* host.h says what input_json is made of; free() it. */
static char *input_json(const struct ub_principal *principal, const struct ub_action *action)
{
    char device[2 * UBR_KID_LEN + 1] = "";
    const char *kind = action->resource_kind, *id = action->resource_id;
    json_t *context =
        action->context_json != NULL ? json_loads(action->context_json, 0, NULL) : NULL;
    ubr_hex_encode(ubr_bytes_of(principal->device, UBR_KID_LEN), device);
    json_t *input =
        json_pack("{s:s, s:{s:s, s:s, s:s*, s:s}, s:{s:s, s:s}, s:o*, s:{s:s, s:s, s:b, s:b}}",
                  "action", action->name, "principal", "id", principal->id, "handle",
                  principal->handle, "role", memb_role_name(principal->role), "device", device,
                  "resource", "kind", kind != NULL ? kind : "", "id", id != NULL ? id : "",
                  "context", context, "conn", "transport", "http", "ip", action->address, "tls",
                  action->has_tls, "loopback", action->is_loopback);
    char *text = input != NULL ? json_dumps(input, JSON_COMPACT) : NULL;
    json_decref(input);
    return text;
}

static void fill_reason(struct ub_reason *reason, const char *provider)
{
    reason->code[sizeof reason->code - 1] = '\0';
    reason->text[sizeof reason->text - 1] = '\0';
    reason->decision[sizeof reason->decision - 1] = '\0';
    if (reason->text[0] == '\0' && provider[0] == '\0') {
        snprintf(reason->code, sizeof reason->code, "nobody-allows");
        snprintf(reason->text, sizeof reason->text, "no module allows it");
    } else if (reason->text[0] == '\0') {
        snprintf(reason->text, sizeof reason->text, "module \"%s\" denies it", provider);
    }
}

void memb_decision_record(const struct memb *memb, const struct ub_principal *principal,
                          const struct ub_action *action, const char *provider, bool is_allowed,
                          int64_t took_us, struct ub_reason *reason)
{
    if (!is_allowed) {
        fill_reason(reason, provider);
    }
    if (reason->decision[0] != '\0') {
        return;
    }
    const char *role = memb_role_name(principal->role);
    char *input = input_json(principal, action);
    const struct ub_decision decision = {
        .size = sizeof decision,
        .is_allowed = is_allowed,
        .action = action->name,
        .resource_kind = action->resource_kind,
        .resource_id = action->resource_id,
        .id = principal->id,
        .handle = principal->handle,
        .role = role,
        .address = action->address,
        .provider = provider,
        .code = is_allowed ? "" : reason->code,
        .text = is_allowed ? "" : reason->text,
        .input_json = input,
        .took_us = took_us,
    };
    memb->host->decision->record(memb->host, &decision, reason->decision);
    free(input);
}
