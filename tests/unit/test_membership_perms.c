/* SPDX-License-Identifier: Apache-2.0
 *
 * What the data plane is told: who a NATS key is, and what it may do in its rooms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/kit.h"
#include "test_membership_rig.h"
#include "ubr/history.h"
#include "ubr/nkey.h"

static char room[33];

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct ub_err err = UB_ERR_INIT;
    rig_init(rig, 4);
    kit_clock_set(rig->host, 1800000000000, 1000000000000);
    if (rig_start(rig, &err) != UB_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(rig_enlist(rig, 0, "operator"), 201);
    assert_int_equal(rig_enlist(rig, 1, "member"), 201);
    assert_int_equal(rig_enlist(rig, 2, "member"), 201);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    rig_fini(*state);
    free(*state);
    return 0;
}

static enum ub_verdict connect_as(struct rig *rig, size_t person, bool is_bad,
                                  struct ub_principal *principal, const struct ub_perms **perms)
{
    static const char nonce[] = "abcdefghijk";
    const struct maker_device *device = &rig->maker.people[person].devices[0];
    char nkey[UBR_NKEY_LEN + 1];
    uint8_t sig[64];
    struct ub_reason reason = {.size = sizeof reason};
    ubr_nkey_encode(device->nats.pk, nkey);
    crypto_sign_detached(sig, NULL, (const uint8_t *)nonce, sizeof nonce - 1, device->nats.sk);
    sig[0] ^= is_bad;
    struct ub_cred cred = {.size = sizeof cred,
                           .transport = "nats",
                           .nkey = nkey,
                           .signature = {sig, 64},
                           .nonce = {(const uint8_t *)nonce, sizeof nonce - 1}};
    *perms = NULL;
    return rig_authz(rig)->connect(rig->memb.self, &cred, principal, perms, &reason);
}

static const struct ub_perm_rule *find_rule(const struct ub_perms *perms, const char *prefix)
{
    for (uint32_t i = 0; i < perms->rule_count; i++) {
        if (strncmp(perms->rules[i].subject, prefix, strlen(prefix)) == 0) {
            return &perms->rules[i];
        }
    }
    return NULL;
}

static void connects_live_devices(void **state)
{
    struct rig *rig = *state;
    struct ub_principal principal;
    const struct ub_perms *perms;
    char token[33];
    assert_int_equal(connect_as(rig, 0, false, &principal, &perms), UB_ALLOW);
    assert_string_equal(principal.id, rig_id(rig, 0));
    assert_string_equal(principal.handle, "p0");
    assert_int_equal(principal.role, UB_ROLE_OPERATOR);
    assert_memory_equal(principal.device, rig->maker.people[0].devices[0].kid, 16);
    assert_int_equal(perms->rule_count, 3); /* those of an operator */
    assert_true(perms->flags & UB_PERM_INBOX);
    ubr_inbox_token(rig->maker.people[0].devices[0].nats.pk, token);
    assert_string_equal(perms->inbox_token, token);
    ub_perms_unref(&perms);
    assert_int_equal(connect_as(rig, 0, true, &principal, &perms), UB_DENY);
    assert_int_equal(connect_as(rig, 3, false, &principal, &perms), UB_ABSTAIN);
    struct ub_cred none = {.size = sizeof none, .transport = "nats", .user = "u"};
    struct ub_reason reason = {.size = sizeof reason};
    assert_int_equal(rig_authz(rig)->connect(rig->memb.self, &none, &principal, &perms, &reason),
                     UB_ABSTAIN);
    none.nkey = "UAAA";
    assert_int_equal(rig_authz(rig)->connect(rig->memb.self, &none, &principal, &perms, &reason),
                     UB_ABSTAIN);
}

/* Who runs the node may ask for its state over the bus; others not, and admins do not reload. */
static void grants_by_role(void **state)
{
    static const char *const roles[] = {"member", "service", "auditor", "admin", "operator"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        struct rig *rig = *state;
        struct ub_principal principal;
        const struct ub_perms *perms;
        bool is_admin = strcmp(roles[i], "admin") == 0,
             is_operator = strcmp(roles[i], "operator") == 0;
        assert_int_equal(rig_enlist(rig, 3, roles[i]), 201);
        assert_int_equal(connect_as(rig, 3, false, &principal, &perms), UB_ALLOW);
        const struct ub_perm_rule *ask = find_rule(perms, "$SYS.REQ.SERVER.>");
        const struct ub_perm_rule *reload = find_rule(perms, "$SYS.REQ.SERVER.*.RELOAD");
        assert_int_equal(ask != NULL && !ask->is_deny && ask->actions == UB_PUBLISH,
                         is_admin || is_operator);
        assert_int_equal(find_rule(perms, "$SYS.ACCOUNT.>") != NULL, is_admin || is_operator);
        assert_int_equal(reload != NULL && reload->is_deny, is_admin);
        ub_perms_unref(&perms);
        tear_down(state);
        set_up(state);
    }
}

/* A key that signs for a device is no NATS key, even with a good signature. */
static void tells_keys_apart(void **state)
{
    struct rig *rig = *state;
    struct ub_principal principal;
    const struct ub_perms *perms;
    rig->maker.people[1].devices[0].nats = rig->maker.people[1].devices[0].sign;
    assert_int_equal(connect_as(rig, 1, false, &principal, &perms), UB_DENY);
}

static void follows_the_room(void **state)
{
    struct rig *rig = *state;
    struct ub_principal owner, member;
    const struct ub_perms *perms;
    char subject[64];
    const struct ub_authz_ops *authz = rig_authz(rig);
    assert_int_equal(connect_as(rig, 0, false, &owner, &perms), UB_ALLOW);
    ub_perms_unref(&perms);
    assert_int_equal(connect_as(rig, 1, false, &member, &perms), UB_ALLOW);
    ub_perms_unref(&perms);
    assert_int_equal(rig_found(rig, 1, false, room), 201);
    rig_add(rig, 0, 1, UBR_ROLE_READER);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    perms = authz->permissions(rig->memb.self, &member);
    assert_int_equal(perms->rule_count, 3);
    snprintf(subject, sizeof subject, "ub.r.%s.>", room);
    const struct ub_perm_rule *rule = find_rule(perms, subject);
    assert_non_null(rule);
    assert_int_equal(rule->actions, UB_SUBSCRIBE);
    assert_null(rule->guard);
    assert_non_null(strstr(rule->why, "reader"));
    rule = find_rule(perms, "$KV.UB_R_");
    assert_int_equal(rule->family_token, 2);
    assert_null(strchr(rule->subject + 9, 'a')); /* upper case */
    assert_null(find_rule(perms, "$JS"));
    assert_null(find_rule(perms, "$SYS"));
    ub_perms_unref(&perms);
    /* removed: nothing is left, the connection stays */
    rig_remove(rig, 0, 1);
    rig_epoch(rig, 0, UBR_CAUSE_MEMBER_REMOVED);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    perms = authz->permissions(rig->memb.self, &member);
    assert_int_equal(perms->rule_count, 0);
    ub_perms_unref(&perms);
    /* the owner's guard: magic, epoch 2 and for a minute 1, his kid */
    perms = authz->permissions(rig->memb.self, &owner);
    rule = find_rule(perms, subject);
    assert_int_equal(rule->actions, UB_PUBLISH | UB_SUBSCRIBE);
    assert_int_equal(rule->guard->count, 3);
    const struct ub_guard_condition *conditions = rule->guard->conditions;
    assert_int_equal(conditions[0].offset, 0);
    assert_memory_equal(conditions[0].alternatives[0].bytes.ptr, "UB\x01", 3);
    assert_int_equal(conditions[1].offset, 4);
    assert_int_equal(conditions[1].count, 2);
    assert_memory_equal(conditions[1].alternatives[0].bytes.ptr, "\0\0\0\2", 4);
    assert_int_equal(conditions[1].alternatives[0].until_mono_ms, 0);
    assert_memory_equal(conditions[1].alternatives[1].bytes.ptr, "\0\0\0\1", 4);
    assert_int_equal(conditions[1].alternatives[1].until_mono_ms, 1000000 + 60000);
    assert_int_equal(conditions[2].offset, 8);
    assert_memory_equal(conditions[2].alternatives[0].bytes.ptr, owner.device, 16);
    ub_perms_unref(&perms);
    kit_clock_advance(rig->host, 60001);
    perms = authz->permissions(rig->memb.self, &owner);
    assert_int_equal(find_rule(perms, subject)->guard->conditions[1].count, 1);
    ub_perms_unref(&perms);
    /* closed: nobody publishes any more */
    struct ubr_entry entry = maker_draft(&rig->maker, UBR_ENTRY_CLOSE, 0, 0, 0);
    entry.reason = UBR_CLOSE_ENDED;
    rig_entry(rig, entry, 0);
    assert_int_equal(rig_append(rig, 0, room, NULL), 200);
    perms = authz->permissions(rig->memb.self, &owner);
    assert_int_equal(find_rule(perms, subject)->actions, UB_SUBSCRIBE);
    ub_perms_unref(&perms);
}

static void cuts_the_removed(void **state)
{
    struct rig *rig = *state;
    struct ub_principal principal;
    const struct ub_perms *perms;
    char path[128];
    assert_int_equal(connect_as(rig, 1, false, &principal, &perms), UB_ALLOW);
    ub_perms_unref(&perms);
    snprintf(path, sizeof path, "/v1/identities/%s", rig_id(rig, 1));
    rig->if_match = "\"2\"";
    assert_int_equal(rig_call(rig, 0, "PATCH", path, json_pack("{s:b}", "disabled", 1)), 200);
    assert_null(rig_authz(rig)->permissions(rig->memb.self, &principal));
    assert_int_equal(connect_as(rig, 1, false, &principal, &perms), UB_DENY);
    rig->if_match = "\"4\"";
    assert_int_equal(rig_call(rig, 0, "PATCH", path, json_pack("{s:b}", "disabled", 0)), 200);
    assert_int_equal(connect_as(rig, 1, false, &principal, &perms), UB_ALLOW);
    ub_perms_unref(&perms);
    rig->if_match = "\"5\"";
    assert_int_equal(rig_call(rig, 0, "DELETE", path, NULL), 200);
    assert_null(rig_authz(rig)->permissions(rig->memb.self, &principal));
    assert_int_equal(connect_as(rig, 1, false, &principal, &perms), UB_DENY);
}

static int post_newest(struct rig *rig, size_t person, const char *head)
{
    char path[128], etag[80];
    uint32_t seq = (uint32_t)rig->maker.people[person].chain.records_len - 1;
    snprintf(path, sizeof path, "/v1/identities/%s/devices", rig_id(rig, person));
    snprintf(etag, sizeof etag, "\"%s\"", head);
    rig->if_match = etag;
    return rig_call(rig, 0, "POST", path, rig_record(rig, person, seq));
}

static void cuts_revoked_devices(void **state)
{
    struct rig *rig = *state;
    struct ub_principal principal;
    const struct ub_perms *perms;
    char path[128], head[65];
    snprintf(path, sizeof path, "/v1/identities/%s/devices", rig_id(rig, 1));
    assert_int_equal(rig_call(rig, 0, "GET", path, NULL), 200);
    snprintf(head, sizeof head, "%s", rig_text(rig, "head"));
    maker_add_device(&rig->maker, 1);
    assert_int_equal(post_newest(rig, 1, head), 201);
    snprintf(head, sizeof head, "%s", rig_text(rig, "head"));
    assert_int_equal(connect_as(rig, 1, false, &principal, &perms), UB_ALLOW);
    ub_perms_unref(&perms);
    maker_revoke(&rig->maker, 1, 0);
    assert_int_equal(post_newest(rig, 1, head), 201);
    assert_null(rig_authz(rig)->permissions(rig->memb.self, &principal));
    assert_int_equal(connect_as(rig, 1, false, &principal, &perms), UB_DENY);
    assert_int_equal(rig_call(rig, 1, "GET", "/v1/rooms", NULL), 401);
    rig->signing.device = 1;
    assert_int_equal(rig_call(rig, 1, "GET", "/v1/rooms", NULL), 200);
}

static void decides_actions(void **state)
{
    struct rig *rig = *state;
    struct ub_principal member;
    const struct ub_perms *perms;
    struct ub_reason reason = {.size = sizeof reason};
    struct ub_action action = {.size = sizeof action, .name = "room.create", .resource_kind = ""};
    const struct ub_authz_ops *authz = rig_authz(rig);
    assert_int_equal(connect_as(rig, 1, false, &member, &perms), UB_ALLOW);
    ub_perms_unref(&perms);
    assert_int_equal(authz->action(rig->memb.self, &member, &action, &reason), UB_ALLOW);
    action.name = "identity.create";
    action.context_json = "{\"role\":\"member\"}";
    assert_int_equal(authz->action(rig->memb.self, &member, &action, &reason), UB_DENY);
    assert_non_null(strstr(reason.text, "admin"));
    member.role = UB_ROLE_ADMIN;
    assert_int_equal(authz->action(rig->memb.self, &member, &action, &reason), UB_ALLOW);
    action.context_json = "{\"role\":\"operator\"}";
    assert_int_equal(authz->action(rig->memb.self, &member, &action, &reason), UB_DENY);
    action.name = "config.reload";
    assert_int_equal(authz->action(rig->memb.self, &member, &action, &reason), UB_ABSTAIN);
    member.role = UB_ROLE_AUDITOR;
    action.name = "room.create";
    assert_int_equal(authz->action(rig->memb.self, &member, &action, &reason), UB_DENY);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(connects_live_devices), CASE(grants_by_role),   CASE(tells_keys_apart),
        CASE(follows_the_room),      CASE(cuts_the_removed), CASE(cuts_revoked_devices),
        CASE(decides_actions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
