/* SPDX-License-Identifier: Apache-2.0 */
#include "perms.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "subject.h"

#define RESPONSES_MAX 1      /* of nats-server, when allow_responses does not say it */
#define RESPONSES_MS  120000 /* likewise */
#define OWN_RULES     12     /* at most, beside those of the config */

struct perms {
    struct ub_perms public;
    atomic_uint refs;
    char *texts; /* of all subjects and queues */
    size_t texts_len;
    struct ub_perm_rule rules[];
};

static void perms_ref(const struct ub_perms *perms)
{
    atomic_fetch_add(&((struct perms *)(uintptr_t)perms)->refs, 1);
}

static void perms_unref(const struct ub_perms *perms)
{
    struct perms *own = (struct perms *)(uintptr_t)perms;
    if (atomic_fetch_sub(&own->refs, 1) == 1) {
        free(own->texts);
        free(own);
    }
}

static bool subjects_are_said(const struct users_subjects *subjects)
{
    return subjects->allow.items != NULL || subjects->deny.items != NULL ||
           subjects->all.items != NULL;
}

static bool responses_are_on(const struct users_responses *responses)
{
    return responses->is_on || responses->max != 0 || responses->ttl_ms != 0;
}

bool users_permissions_are_said(const struct users_permissions *permissions)
{
    return subjects_are_said(&permissions->publish) || subjects_are_said(&permissions->subscribe) ||
           responses_are_on(&permissions->responses);
}

/* ---- making one -------------------------------------------------------------------------------
 */

struct make {
    struct perms *perms;
    const struct users_permissions *permissions;
    const struct users_policy *policy;
    struct ub_err *err;
};

/* One kind of action on its way. */
struct side {
    uint32_t action;
    const char *name;
    const struct users_subjects *subjects;
    bool has_list; /* what is not allowed is denied */
    bool reaches_inbox, names_system;
};

static struct ub_perm_rule *add_rule(struct make *make, uint32_t action, bool is_deny,
                                     const char *subject, const char *why)
{
    struct perms *perms = make->perms;
    struct ub_perm_rule *rule = &perms->rules[perms->public.rule_count++];
    *rule = (struct ub_perm_rule){
        .actions = action, .is_deny = is_deny, .subject = subject, .why = why};
    return rule;
}

static const char *keep(struct perms *perms, const char *text)
{
    size_t size = strlen(text) + 1;
    char *at = perms->texts + perms->texts_len;
    memcpy(at, text, size);
    perms->texts_len += size;
    return at;
}

static enum ub_status subject_fault(const struct make *make, const struct side *side,
                                    const char *list, const char *text, const char *code,
                                    const char *why)
{
    return ub_fail_code(make->err, UB_EINVAL, code, "permissions.%s.%s: \"%.200s\" %s", side->name,
                        list, text, why);
}

static enum ub_status add_text(struct make *make, struct side *side, bool is_deny, const char *text)
{
    char subject[USERS_SUBJECT_MAX], queue[USERS_SUBJECT_MAX];
    const char *list = is_deny ? "deny" : "allow";
    const char *why = users_subject_parse(text, side->action == UB_SUBSCRIBE, subject, queue);
    if (why != NULL) {
        return subject_fault(make, side, list, text, "E-USERS-SUBJECT", why);
    }
    if (!is_deny && make->policy->rooms == USERS_ROOMS_DENY && users_subject_names_room(subject)) {
        return subject_fault(make, side, list, text, "E-USERS-ROOM",
                             "belongs to a room: who may use it is in the room's signed log. Add "
                             "the user's key to the room as a member, or, on a node to develop on, "
                             "set room_subjects = \"allow\"");
    }
    struct ub_perm_rule *rule =
        add_rule(make, side->action, is_deny, keep(make->perms, subject),
                 is_deny ? "deny list of the user" : "allow list of the user");
    rule->queue = queue[0] != '\0' ? keep(make->perms, queue) : NULL;
    if (!is_deny) {
        side->reaches_inbox |= users_subject_reaches(subject, "_INBOX");
        side->names_system |= users_subject_begins(subject, "$SYS");
    }
    return UB_OK;
}

static enum ub_status add_texts(struct make *make, struct side *side, bool is_deny,
                                const struct ub_strings *texts)
{
    enum ub_status status = UB_OK;
    for (size_t i = 0; texts->items != NULL && i < texts->count && status == UB_OK; i++) {
        status = add_text(make, side, is_deny, texts->items[i]);
    }
    return status;
}

/* What no wildcard of a static user reaches: rooms are their members', the system space is for
 * those whose config names it, and inboxes follow the lists although the inbox rules would let more
 * in. */
static void add_own_denials(struct make *make, const struct side *side)
{
    if (make->policy->rooms == USERS_ROOMS_DENY) {
        static const char why[] = "subjects of rooms are for their members";
        add_rule(make, side->action, true, "ub.r.>", why);
        add_rule(make, side->action, true, "$KV.UB_R.>", why)->family_token = 2;
        add_rule(make, side->action, true, "$O.UB_R.>", why)->family_token = 2;
    }
    if (!side->names_system) {
        add_rule(make, side->action, true, "$SYS.>", "the user's lists do not name $SYS");
    }
    bool may_answer = side->action == UB_PUBLISH && make->perms->public.max_response_count > 0;
    if (make->policy->inboxes == USERS_INBOXES_PRIVATE && side->has_list && !side->reaches_inbox &&
        !may_answer) {
        add_rule(make, side->action, true, "_INBOX.>", "the user's allow list has no inbox in it");
    }
}

static enum ub_status add_side(struct make *make, struct side *side)
{
    const struct users_subjects *subjects = side->subjects;
    side->has_list |= subjects->allow.items != NULL || subjects->all.items != NULL;
    enum ub_status status = add_texts(make, side, false, &subjects->allow);
    status = status == UB_OK ? add_texts(make, side, false, &subjects->all) : status;
    status = status == UB_OK ? add_texts(make, side, true, &subjects->deny) : status;
    if (status == UB_OK && !side->has_list) {
        add_rule(make, side->action, false, ">", "no allow list: everything");
        side->reaches_inbox = true;
    }
    if (status == UB_OK) {
        add_own_denials(make, side);
    }
    return status;
}

static void take_responses(struct ub_perms *perms, const struct users_responses *responses)
{
    if (responses_are_on(responses)) {
        perms->max_response_count = responses->max == 0  ? RESPONSES_MAX
                                    : responses->max < 0 ? INT64_MAX
                                                         : responses->max;
        perms->max_response_ms = responses->ttl_ms == 0 ? RESPONSES_MS : responses->ttl_ms;
    }
}

static size_t count_texts(const struct users_permissions *permissions, size_t *bytes_out)
{
    const struct ub_strings *const all[] = {
        &permissions->publish.allow,   &permissions->publish.deny,   &permissions->publish.all,
        &permissions->subscribe.allow, &permissions->subscribe.deny, &permissions->subscribe.all};
    size_t count = 0;
    *bytes_out = 0;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        for (size_t j = 0; all[i]->items != NULL && j < all[i]->count; j++, count++) {
            *bytes_out += strlen(all[i]->items[j]) + 2; /* two NULs when there is a queue */
        }
    }
    return count;
}

static struct perms *perms_new(const struct users_permissions *permissions,
                               const struct users_record *limits, const struct users_policy *policy)
{
    size_t bytes, count = count_texts(permissions, &bytes) + OWN_RULES;
    struct perms *perms = calloc(1, sizeof(*perms) + count * sizeof(struct ub_perm_rule));
    char *texts = calloc(1, bytes + 1);
    if (perms == NULL || texts == NULL) {
        free(perms);
        free(texts);
        return NULL;
    }
    perms->texts = texts;
    atomic_init(&perms->refs, 1);
    perms->public = (struct ub_perms){
        .size = sizeof(struct ub_perms),
        .flags = policy->inboxes == USERS_INBOXES_PRIVATE ? UB_PERM_INBOX : 0,
        .provider = "users",
        .rule_stride = sizeof(struct ub_perm_rule),
        .rules = perms->rules,
        .max_subscriptions = limits->max_subscriptions,
        .max_payload_bytes = limits->max_payload,
        .ref = perms_ref,
        .unref = perms_unref,
    };
    take_responses(&perms->public, &permissions->responses);
    return perms;
}

enum ub_status users_perms_make(const struct users_permissions *permissions,
                                const struct users_record *limits,
                                const struct users_policy *policy,
                                const struct ub_perms **perms_out, struct ub_err *err)
{
    struct perms *perms = perms_new(permissions, limits, policy);
    *perms_out = NULL;
    if (perms == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for permissions");
    }
    struct make make = {perms, permissions, policy, err};
    /* As in nats-server: whoever may answer has an allow list, if only an empty one. */
    struct side publish = {.action = UB_PUBLISH,
                           .name = "publish",
                           .subjects = &permissions->publish,
                           .has_list = perms->public.max_response_count > 0};
    struct side subscribe = {
        .action = UB_SUBSCRIBE, .name = "subscribe", .subjects = &permissions->subscribe};
    enum ub_status status = add_side(&make, &publish);
    status = status == UB_OK ? add_side(&make, &subscribe) : status;
    if (status != UB_OK) {
        perms_unref(&perms->public);
        return status;
    }
    *perms_out = &perms->public;
    return UB_OK;
}

static bool texts_are_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool users_perms_are_same(const struct ub_perms *a, const struct ub_perms *b)
{
    bool is_same = a->flags == b->flags && a->rule_count == b->rule_count &&
                   a->max_subscriptions == b->max_subscriptions &&
                   a->max_payload_bytes == b->max_payload_bytes &&
                   a->max_response_count == b->max_response_count &&
                   a->max_response_ms == b->max_response_ms;
    for (uint32_t i = 0; i < a->rule_count && is_same; i++) {
        const struct ub_perm_rule *x = &a->rules[i], *y = &b->rules[i];
        is_same = x->actions == y->actions && x->is_deny == y->is_deny &&
                  x->family_token == y->family_token && texts_are_same(x->subject, y->subject) &&
                  texts_are_same(x->queue, y->queue);
    }
    return is_same;
}
