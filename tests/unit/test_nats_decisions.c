/* SPDX-License-Identifier: Apache-2.0
 *
 * What `unibus why` will say of refusals on the bus; what clients read is in test_nats_rights.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "test_nats_rig.h"

#define BOTH (UB_PUBLISH | UB_SUBSCRIBE)

static json_t *decisions(struct rig *rig)
{
    char *text = rig->host->decision->list_json(rig->host, NULL, NULL, 500);
    json_t *page = json_loads(text, 0, NULL);
    json_t *items = json_incref(json_object_get(page, "items"));
    rig->host->node->free_text(rig->host, text);
    json_decref(page);
    return items;
}

/* "action resource code provider principal: text", one a line. */
static void assert_decisions(struct rig *rig, const char *expected)
{
    char got[4096] = "";
    size_t at, len = 0;
    json_t *items = decisions(rig), *item;
    json_array_foreach(items, at, item)
    {
        const char *action, *kind, *id, *code, *provider, *principal, *text;
        assert_int_equal(json_unpack(item, "{s:s, s:{s:s, s:s}, s:s, s:s, s:{s:s}, s:s}", "action",
                                     &action, "resource", "kind", &kind, "id", &id, "code", &code,
                                     "provider", &provider, "principal", "id", &principal, "text",
                                     &text),
                         0);
        len += (size_t)snprintf(got + len, sizeof(got) - len, "%s %s=%s %s by %s, %s: %s\n", action,
                                kind, id, code, provider, principal, text);
    }
    json_decref(items);
    assert_string_equal(got, expected);
}

static void the_rule_is_named(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_guard_alternative alternative = {{(const uint8_t *)"UB1", 3}, 0};
    const struct ub_guard_condition condition = {0, 3, 1, &alternative};
    const struct ub_guard guard = {1, &condition, "a sealed envelope"};
    const struct ub_perm_rule rules[] = {
        {.actions = UB_SUBSCRIBE, .subject = "ub.r.a.>", .why = "room a as reader"},
        {.actions = BOTH, .subject = "ub.r.b.>", .why = "room b as writer", .guard = &guard},
        {.actions = BOTH, .subject = "open.>"},
        {.actions = BOTH, .subject = "open.shut", .is_deny = true, .why = "site policy"},
        {.actions = UB_SUBSCRIBE, .subject = "work", .queue = "w"},
    };
    rig_user_set(&rig->authz, "u", rig_perms(UB_PERM_INBOX, rules, 5, NULL));
    rig_login(rig, &client, "u");
    rig_send(&client, "PUB ub.r.a.x 0\r\n\r\nPUB ub.r.b.x 1\r\nx\r\nPUB other 0\r\n\r\n"
                      "SUB open.shut 1\r\nSUB work 2\r\nSUB > 3\r\nSUB _INBOX.> 4\r\n"
                      "PUB open.x _INBOX.z 0\r\n\r\n");
    rig_sync(&client, NULL);
    assert_decisions(
        rig,
        "publish subject=ub.r.a.x publish-refused by rig, u: room a as reader: \"ub.r.a.>\" may "
        "subscribe only\n"
        "publish subject=ub.r.b.x publish-refused by rig, u: room b as writer: \"ub.r.b.>\" may "
        "publish; wanted: a sealed envelope\n"
        "publish subject=other publish-refused by rig, u: no rule covers it\n"
        "subscribe subject=open.shut subscription-refused by rig, u: site policy: \"open.shut\" is "
        "denied\n"
        "subscribe subject=work subscription-refused by rig, u: \"work\" may subscribe in queue "
        "\"w\" only\n"
        "subscribe subject=> subscription-refused by rig, u: no rule covers it\n"
        "subscribe subject=_INBOX.> subscription-refused by rig, u: no rule covers it\n"
        "publish subject=_INBOX.z reply-refused by rig, u: no rule covers it; wanted: an inbox of "
        "its own as reply\n");
    rig_close(&client);
}

static void a_dropped_subscription_is_one_too(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_perm_rule before = {.actions = BOTH, .subject = "a.>"};
    const struct ub_perm_rule after = {
        .actions = UB_PUBLISH, .subject = "a.>", .why = "room a as mailbox"};
    rig_user_set(&rig->authz, "u", rig_perms(0, &before, 1, NULL));
    rig_login(rig, &client, "u");
    rig_send(&client, "SUB a.b 1\r\n");
    rig_sync(&client, "");
    rig_user_set(&rig->authz, "u", rig_perms(0, &after, 1, NULL));
    rig_user_changed(&rig->authz, "u");
    rig_sync(&client, "-ERR 'Permissions Violation for Subscription to \"a.b\" (sid \"1\")'\r\n");
    assert_decisions(rig,
                     "subscribe subject=a.b subscription-refused by rig, u: room a as mailbox: "
                     "\"a.>\" may publish only\n");
    rig_close(&client);
}

/* Nobody is a principal before he has proven it; neither password nor token is written anywhere. */
static void logins_name_the_claim_and_no_secret(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    static const char *const connects[] = {
        "CONNECT {\"user\":\"root\",\"pass\":\"hunter2\"}\r\n",
        "CONNECT {\"auth_token\":\"hunter2\"}\r\n",
        "CONNECT {\"name\":\"x\\u001b[31m\"}\r\n",
    };
    for (size_t i = 0; i < sizeof(connects) / sizeof(connects[0]); i++) {
        rig_open(rig, &client);
        rig_send(&client, connects[i]);
        rig_expect(&client, "-ERR 'Authorization Violation'\r\n");
        rig_expect_closed(&client);
        rig_close(&client);
    }
    json_t *items = decisions(rig);
    char *text = json_dumps(items, 0);
    assert_int_equal(json_array_size(items), 3);
    assert_null(strstr(text, "hunter2"));
    assert_false(rig_log_has(rig, "hunter2"));
    for (size_t i = 0; i < 3; i++) {
        const json_t *item = json_array_get(items, i);
        const json_t *principal = json_object_get(item, "principal");
        static const char *const kinds[] = {"user", "token", "no-credentials"};
        const json_t *resource = json_object_get(item, "resource");
        assert_string_equal(json_string_value(json_object_get(principal, "id")), "");
        assert_string_equal(json_string_value(json_object_get(resource, "kind")), kinds[i]);
        const char *id = json_string_value(json_object_get(item, "id"));
        assert_true(rig_log_has(rig, id)); /* the line in the log carries it */
    }
    json_t *input = json_object_get(json_array_get(items, 0), "input");
    const json_t *conn = json_object_get(input, "conn");
    assert_string_equal(json_string_value(json_object_get(conn, "user")), "root");
    free(text);
    json_decref(items);
}

/* One connection that does nothing else does not keep the node busy telling. */
static void a_flood_is_told_in_part(void **state)
{
    struct rig *rig = *state;
    struct rig_client client;
    const struct ub_perm_rule rule = {.actions = BOTH, .subject = "a"};
    rig_user_set(&rig->authz, "u", rig_perms(0, &rule, 1, NULL));
    rig_login(rig, &client, "u");
    for (int i = 0; i < 500; i++) {
        rig_send(&client, "PUB b 0\r\n\r\n");
    }
    rig_sync(&client, NULL);
    json_t *items = decisions(rig);
    assert_in_range(json_array_size(items), 10, 100);
    json_decref(items);
    rig_close(&client);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(the_rule_is_named),
        WITH_SERVER(a_dropped_subscription_is_one_too),
        WITH_SERVER(logins_name_the_claim_and_no_secret),
        WITH_SERVER(a_flood_is_told_in_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
