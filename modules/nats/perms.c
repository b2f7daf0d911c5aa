/* SPDX-License-Identifier: Apache-2.0 */
#include "perms.h"

#include <stdlib.h>

#include <unibus/error.h>

#include "inbox.h"
#include "perms_index.h"

static const char *const reserved_spaces[] = {"ub.r.>", "$JS.>",  "$KV.>",
                                              "$O.>",   "$SYS.>", "_INBOX.>"};

bool nats_is_inbox(struct ub_bytes subject)
{
    return nats_starts(subject, "_INBOX.");
}

/* Only the provider that authenticated the identity grants there. */
static bool rule_is_reserved(const struct ub_perm_rule *rule)
{
    struct ub_bytes pattern = nats_text(rule->subject), rest = pattern, token;
    for (size_t i = 0; i < sizeof(reserved_spaces) / sizeof(reserved_spaces[0]); i++) {
        if (nats_subjects_overlap(pattern, rule->family_token, nats_text(reserved_spaces[i]))) {
            return true;
        }
    }
    while (nats_token_next(&rest, &token)) {
        if (nats_starts(token, "UB_R_")) {
            return true;
        }
    }
    return false;
}

struct ub_perm_rule nats_perms_rule(const struct ub_perms *set, uint32_t i)
{
    struct ub_perm_rule rule = {0};
    size_t len = set->rule_stride < sizeof(rule) ? set->rule_stride : sizeof(rule);
    memcpy(&rule, (const uint8_t *)set->rules + (size_t)i * set->rule_stride, len);
    return rule;
}

static bool perms_add_set(struct nats_perms *perms, uint32_t at, struct ub_err *err)
{
    const struct ub_perms *set = perms->sets[at];
    bool is_grant = at == 0;
    for (uint32_t i = 0; i < set->rule_count; i++) {
        struct ub_perm_rule rule = nats_perms_rule(set, i);
        bool is_valid = rule.subject != NULL && nats_subject_is_pattern(nats_text(rule.subject));
        if (!is_valid && rule.is_deny) {
            ub_fail(err, UB_EINVAL, "a deny rule of module \"%s\" has no valid subject: \"%s\"",
                    set->provider, rule.subject == NULL ? "" : rule.subject);
            return false;
        }
        if (is_valid && (rule.is_deny || is_grant || !rule_is_reserved(&rule))) {
            perms->rule_sets[perms->rule_count] = (uint8_t)at;
            perms->rules[perms->rule_count++] = rule;
        }
    }
    return true;
}

static int64_t lower_limit(int64_t a, int64_t b)
{
    if (a == 0 || b == 0) {
        return a == 0 ? b : a;
    }
    return a < b ? a : b;
}

static void perms_take_limits(struct nats_perms *perms)
{
    const struct ub_perms *grant = perms->sets[0];
    perms->has_inbox_rules = (grant->flags & UB_PERM_INBOX) != 0;
    perms->inbox_token = grant->inbox_token;
    perms->max_response_count = grant->max_response_count;
    perms->max_response_ms = grant->max_response_ms;
    for (uint32_t i = 0; i < perms->set_count; i++) {
        perms->max_subscriptions =
            lower_limit(perms->max_subscriptions, perms->sets[i]->max_subscriptions);
        perms->max_payload_bytes =
            lower_limit(perms->max_payload_bytes, perms->sets[i]->max_payload_bytes);
    }
}

static bool perms_list_denials(struct nats_perms *perms)
{
    perms->subscribe_denials = calloc(perms->rule_count + 1u, sizeof(struct ub_perm_rule *));
    if (perms->subscribe_denials == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < perms->rule_count; i++) {
        const struct ub_perm_rule *rule = &perms->rules[i];
        if (rule->is_deny && (rule->actions & UB_SUBSCRIBE) != 0) {
            perms->subscribe_denials[perms->subscribe_denial_count++] = rule;
        }
    }
    return true;
}

static bool perms_compile(struct nats_perms *perms, struct ub_err *err)
{
    size_t total = 0;
    for (uint32_t i = 0; i < perms->set_count; i++) {
        total += perms->sets[i]->rule_count;
    }
    perms->rules = calloc(total + 1, sizeof(*perms->rules));
    perms->rule_sets = calloc(total + 1, sizeof(*perms->rule_sets));
    if (perms->rules == NULL || perms->rule_sets == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < perms->set_count; i++) {
        if (!perms_add_set(perms, i, err)) {
            return false;
        }
    }
    perms_take_limits(perms);
    perms->index = nats_perms_index_new(perms->rules, perms->rule_count);
    return perms->index != NULL && perms_list_denials(perms);
}

struct nats_perms *nats_perms_new(const struct ub_perms *const *sets, uint32_t count,
                                  struct ub_err *err)
{
    static _Atomic uint64_t last_id;
    struct nats_perms *perms = calloc(1, sizeof(*perms));
    ub_fail(err, UB_ENOMEM, "no memory for a permission set");
    if (perms == NULL || count == 0 || count > NATS_SETS_MAX) {
        free(perms);
        return NULL;
    }
    atomic_store_explicit(&perms->refs, 1, memory_order_relaxed);
    perms->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    perms->content = nats_perms_content(sets, count);
    for (uint32_t i = 0; i < count; i++) {
        sets[i]->ref(sets[i]);
        perms->sets[perms->set_count++] = sets[i];
    }
    if (!perms_compile(perms, err)) {
        const struct nats_perms *it = perms;
        nats_perms_unref(&it);
        return NULL;
    }
    return perms;
}

void nats_perms_unref(const struct nats_perms **perms)
{
    struct nats_perms *it = (struct nats_perms *)(uintptr_t)*perms;
    *perms = NULL;
    if (it == NULL || atomic_fetch_sub_explicit(&it->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    nats_perms_index_free(&it->index);
    for (uint32_t i = 0; i < it->set_count; i++) {
        it->sets[i]->unref(it->sets[i]);
    }
    free(it->subscribe_denials);
    free(it->rule_sets);
    free(it->rules);
    free(it);
}

struct publish_sum {
    struct nats_verdict verdict;
    bool is_denied, is_free, has_too_many;
};

static bool publish_visit(void *arg, const struct ub_perm_rule *rule)
{
    struct publish_sum *sum = arg;
    if ((rule->actions & UB_PUBLISH) == 0) {
        return true;
    }
    if (rule->is_deny) {
        sum->is_denied = true;
        return false;
    }
    if (rule->guard == NULL) {
        sum->is_free = true;
        return true;
    }
    for (uint32_t i = 0; i < sum->verdict.guard_count; i++) {
        if (sum->verdict.guards[i] == rule->guard) {
            return true;
        }
    }
    if (sum->verdict.guard_count == NATS_GUARDS_MAX) {
        sum->has_too_many = true;
    } else {
        sum->verdict.guards[sum->verdict.guard_count++] = rule->guard;
    }
    return true;
}

struct nats_verdict nats_perms_publish(const struct nats_perms *perms, struct ub_bytes subject)
{
    struct publish_sum sum = {0};
    nats_perms_index_covering(perms->index, subject, publish_visit, &sum);
    sum.verdict.has_denial = sum.is_denied;
    if (sum.is_denied || (!sum.is_free && sum.has_too_many)) {
        sum.verdict.right = NATS_PUBLISH_DENIED;
    } else if (sum.is_free) {
        sum.verdict.right = NATS_PUBLISH_ALLOWED;
    } else if (sum.verdict.guard_count > 0) {
        sum.verdict.right = NATS_PUBLISH_GUARDED;
    }
    return sum.verdict;
}

struct subscribe_sum {
    struct ub_bytes queue;
    bool is_denied, is_allowed;
    bool has_queue_rule, is_queue_allowed;
};

static bool queue_matches(const struct ub_perm_rule *rule, struct ub_bytes queue)
{
    return queue.len > 0 && (nats_bytes_equal(nats_text(rule->queue), queue) ||
                             nats_subject_matches(nats_text(rule->queue), 0, queue));
}

static bool subscribe_visit(void *arg, const struct ub_perm_rule *rule)
{
    struct subscribe_sum *sum = arg;
    if ((rule->actions & UB_SUBSCRIBE) == 0) {
        return true;
    }
    if (rule->is_deny) {
        sum->is_denied = rule->queue == NULL || queue_matches(rule, sum->queue);
        return !sum->is_denied;
    }
    if (rule->queue == NULL) {
        sum->is_allowed = true;
    } else {
        sum->has_queue_rule = true;
        sum->is_queue_allowed = sum->is_queue_allowed || queue_matches(rule, sum->queue);
    }
    return true;
}

static bool perms_needs_filter(const struct nats_perms *perms, struct ub_bytes pattern,
                               struct ub_bytes queue)
{
    if (perms->has_inbox_rules && !nats_is_inbox(pattern) &&
        nats_subjects_overlap(nats_text("_INBOX.>"), 0, pattern)) {
        return true;
    }
    for (uint32_t i = 0; i < perms->subscribe_denial_count; i++) {
        const struct ub_perm_rule *rule = perms->subscribe_denials[i];
        if ((rule->queue == NULL || queue_matches(rule, queue)) &&
            nats_subjects_overlap(nats_text(rule->subject), rule->family_token, pattern)) {
            return true;
        }
    }
    return false;
}

/* Below `_INBOX.` the first token must be a literal: who listens to all inboxes reads all replies.
 */
static bool inbox_shape_is_fine(struct ub_bytes pattern)
{
    struct ub_bytes token = nats_inbox_token(pattern);
    return !nats_is_star(token) && !nats_is_rest(token);
}

bool nats_perms_subscribe(const struct nats_perms *perms, struct ub_bytes pattern,
                          struct ub_bytes queue, bool *needs_filter_out)
{
    struct subscribe_sum sum = {.queue = queue};
    nats_perms_index_covering(perms->index, pattern, subscribe_visit, &sum);
    *needs_filter_out = perms_needs_filter(perms, pattern, queue);
    if (sum.is_denied) {
        return false;
    }
    if (perms->has_inbox_rules && nats_is_inbox(pattern)) {
        return inbox_shape_is_fine(pattern);
    }
    return queue.len > 0 && sum.has_queue_rule ? sum.is_queue_allowed : sum.is_allowed;
}

bool nats_perms_may_receive(const struct nats_perms *perms, struct ub_bytes pattern,
                            struct ub_bytes queue, struct ub_bytes subject)
{
    if (perms->has_inbox_rules && nats_is_inbox(subject) && !nats_is_inbox(pattern)) {
        return false;
    }
    for (uint32_t i = 0; i < perms->subscribe_denial_count; i++) {
        const struct ub_perm_rule *rule = perms->subscribe_denials[i];
        if ((rule->queue == NULL || queue_matches(rule, queue)) &&
            nats_subject_matches(nats_text(rule->subject), rule->family_token, subject)) {
            return false;
        }
    }
    return true;
}
