/* SPDX-License-Identifier: Apache-2.0 */
#include "refusal.h"

#include <stdio.h>

#include "ops.h"

void http_refuse(struct ub_http_server *server, const struct ub_http_request *request,
                 const struct http_refusal *refusal)
{
    char id[UB_DECISION_ID_MAX], members[UB_DECISION_ID_MAX + 16];
    const struct ub_decision decision = {
        .size = sizeof(decision),
        .action = refusal->action,
        .resource_kind = refusal->resource_kind,
        .resource_id = refusal->resource_id,
        .id = request->principal.id,
        .handle = request->principal.handle,
        .role = ub_role_name(request->principal.role),
        .address = request->address,
        .provider = "http",
        .code = "role",
        .text = refusal->text,
        .took_us = -1,
    };
    server->host->decision->record(server->host, &decision, id);
    snprintf(members, sizeof(members), "\"decision\":\"%s\"", id);
    http_ops.problem(request, UB_P_FORBIDDEN, members, refusal->text);
}
