/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether two permission sets say the same. */
#include "hash.h"
#include "perms.h"

static uint64_t add_text(uint64_t hash, const char *text)
{
    return nats_hash(nats_text(text), hash);
}

static uint64_t add_number(uint64_t hash, uint64_t number)
{
    return nats_hash_mix(hash ^ number, 0x9e3779b97f4a7c15u);
}

uint64_t nats_perms_content(const struct ub_perms *const *sets, uint32_t count)
{
    uint64_t hash = count;
    for (uint32_t s = 0; s < count; s++) {
        hash = add_number(add_text(hash, sets[s]->inbox_token), sets[s]->flags);
        for (uint32_t i = 0; i < sets[s]->rule_count; i++) {
            struct ub_perm_rule rule = nats_perms_rule(sets[s], i);
            hash = add_number(add_text(hash, rule.subject), rule.actions << 1 | rule.is_deny);
        }
    }
    return hash;
}

static bool texts_are_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool conditions_are_same(const struct ub_guard_condition *a,
                                const struct ub_guard_condition *b)
{
    bool is_same = a->offset == b->offset && a->length == b->length && a->count == b->count;
    for (uint32_t i = 0; i < a->count && is_same; i++) {
        is_same = a->alternatives[i].until_mono_ms == b->alternatives[i].until_mono_ms &&
                  nats_bytes_equal(a->alternatives[i].bytes, b->alternatives[i].bytes);
    }
    return is_same;
}

static bool guards_are_same(const struct ub_guard *a, const struct ub_guard *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    bool is_same = a->count == b->count && texts_are_same(a->what, b->what);
    for (uint32_t i = 0; i < a->count && is_same; i++) {
        is_same = conditions_are_same(&a->conditions[i], &b->conditions[i]);
    }
    return is_same;
}

static bool rules_are_same(const struct ub_perm_rule *a, const struct ub_perm_rule *b)
{
    return a->actions == b->actions && a->is_deny == b->is_deny &&
           a->family_token == b->family_token && texts_are_same(a->subject, b->subject) &&
           texts_are_same(a->queue, b->queue) && guards_are_same(a->guard, b->guard);
}

static bool sets_are_same(const struct ub_perms *a, const struct ub_perms *b)
{
    bool is_same = a->flags == b->flags && a->rule_count == b->rule_count &&
                   texts_are_same(a->inbox_token, b->inbox_token) &&
                   a->max_subscriptions == b->max_subscriptions &&
                   a->max_payload_bytes == b->max_payload_bytes &&
                   a->max_response_count == b->max_response_count &&
                   a->max_response_ms == b->max_response_ms;
    for (uint32_t i = 0; i < a->rule_count && is_same; i++) {
        struct ub_perm_rule x = nats_perms_rule(a, i), y = nats_perms_rule(b, i);
        is_same = rules_are_same(&x, &y);
    }
    return is_same;
}

bool nats_perms_says(const struct nats_perms *perms, const struct ub_perms *const *sets,
                     uint32_t count)
{
    bool is_same = perms->set_count == count;
    for (uint32_t i = 0; i < count && is_same; i++) {
        is_same = perms->sets[i] == sets[i] || sets_are_same(perms->sets[i], sets[i]);
    }
    return is_same;
}
