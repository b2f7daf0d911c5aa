/* SPDX-License-Identifier: Apache-2.0
 *
 * The sets of a policy where nats combines them with those of the provider that authenticated: in
 * the reserved name spaces a policy takes away and never gives, whatever it is made to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../modules/nats/perms.h"
#include "../../modules/policy/perms.h"

static void never(const struct ub_perms *perms)
{
    (void)perms;
}

/* What membership grants: one room and inboxes. */
static const struct ub_perm_rule member_rules[] = {
    {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "ub.r.ours.>"},
};
static const struct ub_perms member = {.size = sizeof(member),
                                       .flags = UB_PERM_INBOX,
                                       .provider = "membership",
                                       .rule_count = 1,
                                       .rule_stride = sizeof(struct ub_perm_rule),
                                       .rules = member_rules,
                                       .ref = never,
                                       .unref = never};

static struct nats_perms *combined(struct ubp_line *lines, uint32_t count, int64_t max_subs)
{
    struct ub_err err = UB_ERR_INIT;
    const struct ubp_permissions said = {count, lines, max_subs, 0};
    const struct ub_perms *site = plcy_perms_new(&said);
    assert_non_null(site);
    const struct ub_perms *const sets[] = {&member, site};
    struct nats_perms *perms = nats_perms_new(sets, 2, &err);
    ub_perms_unref(&site);
    assert_non_null(perms);
    return perms;
}

static bool may_publish(const struct nats_perms *perms, const char *subject)
{
    return nats_perms_publish(perms, nats_text(subject)).right == NATS_PUBLISH_ALLOWED;
}

static bool may_subscribe(const struct nats_perms *perms, const char *pattern)
{
    bool needs_filter;
    return nats_perms_subscribe(perms, nats_text(pattern), nats_text(""), &needs_filter);
}

static void release(struct nats_perms *perms)
{
    const struct nats_perms *it = perms;
    nats_perms_unref(&it);
}

static void grants_count_outside_only(void **state)
{
    const uint32_t both = UBP_PUBLISH | UBP_SUBSCRIBE;
    struct ubp_line lines[] = {
        {both, false, "site.>", NULL},
        {both, false, "ub.r.other.>", NULL},
        {both, false, "$JS.API.>", NULL},
        {both, false, "$KV.x.>", NULL},
        {both, false, "$O.x.>", NULL},
        {both, false, "$SYS.>", NULL},
        {both, false, "_INBOX.else.>", NULL},
        {both, false, "x.UB_R_A.>", NULL},
        {both, false, ">", NULL},
        {both, false, "*.r.>", NULL},
    };
    static const char *const closed[] = {"ub.r.other.chat", "$JS.API.INFO", "$KV.x.y", "$O.x.y",
                                         "$SYS.x",          "x.UB_R_A.y",   "anything"};
    (void)state;
    struct nats_perms *perms = combined(lines, sizeof(lines) / sizeof(lines[0]), 7);
    assert_true(may_publish(perms, "site.news") && may_subscribe(perms, "site.>"));
    assert_true(may_publish(perms, "ub.r.ours.chat") && may_subscribe(perms, "ub.r.ours.>"));
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        assert_false(may_publish(perms, closed[i]) || may_subscribe(perms, closed[i]));
    }
    assert_false(may_publish(perms, "_INBOX.else.x"));
    assert_int_equal(perms->max_subscriptions, 7);
    release(perms);
}

static void denials_count_everywhere(void **state)
{
    struct ubp_line lines[] = {{UBP_PUBLISH, true, ">", NULL},
                               {UBP_SUBSCRIBE, true, "ub.r.ours.secret", NULL}};
    (void)state;
    struct nats_perms *perms = combined(lines, 2, 0);
    assert_false(may_publish(perms, "ub.r.ours.chat"));
    assert_true(may_subscribe(perms, "ub.r.ours.chat"));
    assert_false(may_subscribe(perms, "ub.r.ours.secret"));
    assert_false(nats_perms_may_receive(perms, nats_text("ub.r.ours.>"), nats_text(""),
                                        nats_text("ub.r.ours.secret")));
    release(perms);
}

/* The control: without the policy the same set allows what the test above sees denied. */
static void an_empty_set_changes_nothing(void **state)
{
    (void)state;
    struct nats_perms *perms = combined(NULL, 0, 0);
    assert_true(may_publish(perms, "ub.r.ours.chat") && may_subscribe(perms, "ub.r.ours.secret"));
    assert_false(may_publish(perms, "site.news"));
    release(perms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_count_outside_only),
        cmocka_unit_test(denials_count_everywhere),
        cmocka_unit_test(an_empty_set_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
