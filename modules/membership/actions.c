/* SPDX-License-Identifier: Apache-2.0 */
#include "actions.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "rooms.h"

const char *memb_role_name(enum ub_role role)
{
    const char *name = ub_role_name(role);
    return name[0] != '\0' ? name : NULL;
}

enum ub_role memb_role_from_name(const char *name)
{
    for (unsigned role = UB_ROLE_MEMBER; role <= UB_ROLE_OPERATOR; role++) {
        if (strcmp(name, ub_role_name((enum ub_role)role)) == 0) {
            return (enum ub_role)role;
        }
    }
    return UB_ROLE_NONE;
}

/* Who is asking for what; filled before a rule is asked. */
struct question {
    enum ub_role role;
    const char *id, *resource_id;
    enum ub_role target_role; /* context {"role": …}: what the target is or becomes, the higher */
    enum ubr_role room_role;
};

static bool is_anybody(const struct question *q)
{
    return q->role != UB_ROLE_NONE;
}

static bool is_no_auditor(const struct question *q)
{
    return q->role != UB_ROLE_NONE && q->role != UB_ROLE_AUDITOR;
}

/* Admins and operators are made, changed and removed by operators only. */
static bool is_above_target(const struct question *q)
{
    return q->role == UB_ROLE_OPERATOR ||
           (q->role == UB_ROLE_ADMIN && q->target_role < UB_ROLE_ADMIN);
}

static bool is_self_or_admin(const struct question *q)
{
    return q->role >= UB_ROLE_ADMIN ||
           (q->role != UB_ROLE_NONE && q->id[0] != '\0' && strcmp(q->id, q->resource_id) == 0);
}

static bool is_member_or_operator(const struct question *q)
{
    return q->role == UB_ROLE_OPERATOR || q->room_role != UBR_ROLE_NONE;
}

static bool is_member(const struct question *q)
{
    return q->room_role != UBR_ROLE_NONE;
}

static bool is_writer(const struct question *q)
{
    return q->room_role >= UBR_ROLE_WRITER;
}

static const struct rule {
    const char *action;
    bool (*allows)(const struct question *q);
    const char *who;
} rules[] = {
    {"identity.create", is_above_target, "an admin (for admins and operators: an operator)"},
    {"identity.update", is_above_target, "an admin (for admins and operators: an operator)"},
    {"identity.remove", is_above_target, "an admin (for admins and operators: an operator)"},
    {"identity.list", is_anybody, "any identity"},
    {"identity.read", is_anybody, "any identity"},
    {"device.read", is_anybody, "any identity"},
    {"device.append", is_self_or_admin, "the identity itself or an admin"},
    {"room.create", is_no_auditor, "any identity but an auditor"},
    {"room.list", is_anybody, "any identity"},
    {"room.read", is_member_or_operator, "a member of the room or an operator"},
    {"room.append", is_member_or_operator, "a member of the room"},
    {"box.read", is_member, "a member of the room"},
    {"box.put", is_member, "a member of the room"},
    {"box.stage", is_writer, "a writer of the room"},
    {"blob.put", is_writer, "a writer of the room"},
    {"blob.drop", is_member, "the uploader or an admin of the room"},
    {"blob.get", is_anybody, "a member of a room with the blob"},
};

static const struct rule *find_rule(const char *action)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(rules[i].action, action) == 0) {
            return &rules[i];
        }
    }
    return NULL;
}

static enum ub_role role_in_context(const char *context_json)
{
    json_t *context = context_json != NULL ? json_loads(context_json, 0, NULL) : NULL;
    const char *name = json_string_value(json_object_get(context, "role"));
    enum ub_role role = name != NULL ? memb_role_from_name(name) : UB_ROLE_NONE;
    json_decref(context);
    return role;
}

static enum ubr_role role_in_room(struct memb *memb, const char *id, const char *room32)
{
    memb_model_read(&memb->model);
    const struct memb_identity *identity = memb_model_identity(&memb->model, id);
    struct memb_room *room = memb_model_room32(&memb->model, room32);
    memb_model_unlock(&memb->model);
    bool is_known = identity != NULL && room != NULL;
    return is_known ? memb_room_role(room, identity->account_pk) : UBR_ROLE_NONE;
}

static void explain(struct ub_reason *reason, const char *who)
{
    if (reason != NULL) {
        snprintf(reason->code, sizeof reason->code, "role");
        snprintf(reason->text, sizeof reason->text, "only for %s", who);
    }
}

enum ub_verdict memb_action(void *self, const struct ub_principal *principal,
                            const struct ub_action *action, struct ub_reason *reason_out)
{
    const struct rule *rule = find_rule(action->name);
    if (rule == NULL) {
        return UB_ABSTAIN;
    }
    struct question q = {
        .role = principal->role,
        .id = principal->id,
        .resource_id = action->resource_id != NULL ? action->resource_id : "",
        .target_role = role_in_context(action->context_json),
    };
    if (action->resource_kind != NULL && strcmp(action->resource_kind, "room") == 0) {
        q.room_role = role_in_room(self, q.id, q.resource_id);
    }
    if (rule->allows(&q)) {
        return UB_ALLOW;
    }
    explain(reason_out, rule->who);
    return UB_DENY;
}

enum ub_verdict memb_decide(struct memb *memb, const struct ub_principal *principal,
                            const struct ub_action *action, struct ub_reason *reason_out,
                            const char **provider_out)
{
    struct ub_authz_tally tally = {false, false};
    enum ub_verdict own = memb_action(memb, principal, action, reason_out);
    *provider_out = own == UB_ABSTAIN ? "" : "membership";
    bool goes_on = ub_authz_count(&tally, false, own);
    for (size_t i = 0; i < memb->policies_len && goes_on; i++) {
        const struct memb_policy *policy = &memb->policies[i];
        struct ub_reason reason = {.size = sizeof reason};
        enum ub_verdict verdict = policy->ops->action(policy->self, principal, action, &reason);
        goes_on = ub_authz_count(&tally, ub_authz_is_judge(policy->ops), verdict);
        if (verdict != UB_ABSTAIN) {
            *reason_out = reason;
            *provider_out = policy->module;
        }
    }
    if (!tally.is_denied && !tally.is_allowed) { /* a judge's allow is nobody's */
        *reason_out = (struct ub_reason){.size = sizeof *reason_out};
        *provider_out = "";
    }
    return ub_authz_outcome(&tally);
}
