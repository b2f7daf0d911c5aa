/* SPDX-License-Identifier: Apache-2.0
 *
 * The module around the sandbox: activation, reload, the watchdog, permission sets, decisions. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include <core/kit.h>
#include <unibus/authz.h>
#include <unibus/error.h>

extern const struct ub_module unibus_module_policy;

#define FOREVER "while true do end"

static const char default_script[] =
    "policy \"1\"\n"
    "function on_connect(who, conn)\n"
    "  if who.handle == \"loop\" then while true do end end\n"
    "  if who.handle == \"broken\" then return nil end\n"
    "  if who.role == \"auditor\" then return deny(\"no auditors here\", \"auditors\") end\n"
    "  if conn.ip == \"192.0.2.66\" then return deny \"not from there\" end\n"
    "  if conn.ip == \"10.0.0.1\" then\n"
    "    return allow{ publish = {\"orders.>\", \"site.>\"}, subscribe = {deny = {\"ub.r.x.>\"}} "
    "}\n"
    "  end\n"
    "  if conn.ip == \"10.0.0.2\" then\n"
    "    return allow{ publish = {allow = {\"site.>\"}, deny = {\"site.secret\"}}, max_subs = 7 }\n"
    "  end\n"
    "  return default()\n"
    "end\n"
    "function on_action(who, action, target, conn)\n"
    "  if who.handle == \"loop\" then while true do end end\n"
    "  if action == \"room.create\" and target.mode == \"plain\" then return deny \"sealed only\" "
    "end\n"
    "  if action == \"room.list\" then return allow() end\n"
    "  return default()\n"
    "end\n"
    "test(\"plain rooms\", function(t) t.denied(on_action({}, \"room.create\", {mode = "
    "\"plain\"})) "
    "end)\n";

struct site {
    struct ub_host *host;
    const char *path;
    void *self;
    const struct ub_module_ops *ops;
    const struct ub_authz_ops *authz;
    char budget[32], file[256], script[300], log_allows[32];
    struct ub_host_decision decision_ops;
    _Atomic unsigned told;
};

static void write_script(struct site *site, const char *text)
{
    FILE *file = fopen(site->file, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(site->file, 0600);
}

static const void *settings_now(struct site *site)
{
    const char *sets[] = {site->script, site->budget, site->log_allows, NULL};
    const void *settings = kit_settings(site->host, &unibus_module_policy, sets);
    assert_non_null(settings);
    return settings;
}

static void site_init(struct site *site, const char *budget)
{
    memset(site, 0, sizeof(*site));
    site->host = kit_host_new("policy");
    site->ops = unibus_module_policy.ops;
    site->authz = unibus_module_policy.provides[0].ops;
    snprintf(site->file, sizeof(site->file), "%s/site.lua",
             site->host->node->state_dir(site->host));
    snprintf(site->script, sizeof(site->script), "script=%s", site->file);
    snprintf(site->budget, sizeof(site->budget), "budget=%s", budget);
    snprintf(site->log_allows, sizeof(site->log_allows), "log_allows=0");
    write_script(site, default_script);
}

static enum ub_status site_start(struct site *site, struct ub_err *err)
{
    assert_int_equal(site->ops->create(site->host, settings_now(site), &site->self, err), UB_OK);
    enum ub_status status = site->ops->start(site->self, err);
    if (status != UB_OK) {
        site->ops->destroy(site->self);
        site->self = NULL;
    }
    return status;
}

static void site_up(struct site *site)
{
    struct ub_err err = UB_ERR_INIT;
    if (site_start(site, &err) != UB_OK) {
        fail_msg("%s %s", err.code, err.message);
    }
}

static void site_fini(struct site *site)
{
    if (site->self != NULL) {
        site->ops->stop(site->self);
        site->ops->destroy(site->self);
    }
    kit_host_free(&site->host);
}

static struct ub_principal person(const char *handle, enum ub_role role)
{
    struct ub_principal who = {.size = sizeof(who), .role = role};
    snprintf(who.handle, sizeof(who.handle), "%s", handle);
    snprintf(who.id, sizeof(who.id), "id-of-%s", handle);
    return who;
}

static enum ub_verdict log_in(struct site *site, const struct ub_principal *who, const char *ip,
                              const struct ub_perms **perms_out, struct ub_reason *reason)
{
    struct ub_cred cred = {.size = sizeof(cred),
                           .transport = "nats",
                           .address = ip,
                           .has_tls = true,
                           .principal = who};
    struct ub_principal found = {.size = sizeof(found)};
    *perms_out = NULL;
    *reason = (struct ub_reason){.size = sizeof(*reason)};
    return site->authz->connect(site->self, &cred, &found, perms_out, reason);
}

static enum ub_verdict act(struct site *site, const char *handle, const char *action,
                           const char *context, struct ub_reason *reason)
{
    struct ub_principal who = person(handle, UB_ROLE_MEMBER);
    const struct ub_action asked = {.size = sizeof(asked),
                                    .name = action,
                                    .resource_kind = "",
                                    .resource_id = "",
                                    .context_json = context,
                                    .address = "10.0.0.9",
                                    .has_tls = true};
    *reason = (struct ub_reason){.size = sizeof(*reason)};
    return site->authz->action(site->self, &who, &asked, reason);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- health -----------------------------------------------------------------------------------
 */

struct seen {
    int64_t abandoned, calls, failures, activations;
    char code[64], digest[80], fact[32];
};

static void see_number(void *ctx, const char *name, int64_t value)
{
    struct seen *seen = ctx;
    int64_t *slot = strcmp(name, "abandoned_threads") == 0 ? &seen->abandoned
                    : strcmp(name, "calls") == 0           ? &seen->calls
                    : strcmp(name, "failures") == 0        ? &seen->failures
                    : strcmp(name, "activations") == 0     ? &seen->activations
                                                           : NULL;
    if (slot != NULL) {
        *slot = value;
    }
}

static void see_text(void *ctx, const char *name, const char *value)
{
    struct seen *seen = ctx;
    if (strcmp(name, "digest") == 0) {
        snprintf(seen->digest, sizeof(seen->digest), "%s", value);
    }
}

static void see_problem(void *ctx, const char *code, const char *what, const char *fix)
{
    struct seen *seen = ctx;
    assert_true(what[0] != '\0' && fix[0] != '\0');
    snprintf(seen->code, sizeof(seen->code), "%s", code);
}

static void see_fact(void *ctx, const char *name, const char *value, const char *setting)
{
    struct seen *seen = ctx;
    assert_string_equal(name, "policy");
    assert_string_equal(setting, "script");
    snprintf(seen->fact, sizeof(seen->fact), "%s", value);
}

static struct seen look(struct site *site)
{
    struct seen seen = {.abandoned = -1};
    const struct ub_health_sink health = {sizeof(health), &seen,       see_number,
                                          see_text,       see_problem, NULL};
    const struct ub_posture_sink posture = {sizeof(posture), &seen, see_fact, NULL};
    site->ops->health(site->self, &health);
    site->ops->posture(site->self, &posture);
    return seen;
}

/* ---- verdicts ---------------------------------------------------------------------------------
 */

static void connections(void **state)
{
    struct site site;
    struct ub_reason reason;
    const struct ub_perms *perms;
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    struct ub_principal alice = person("alice", UB_ROLE_MEMBER);
    assert_int_equal(log_in(&site, NULL, "10.0.0.9", &perms, &reason), UB_ABSTAIN);
    assert_int_equal(log_in(&site, &alice, "10.0.0.9", &perms, &reason), UB_ALLOW);
    assert_int_equal(perms->rule_count, 0);
    ub_perms_unref(&perms);
    assert_int_equal(log_in(&site, &alice, "192.0.2.66", &perms, &reason), UB_DENY);
    assert_null(perms);
    assert_string_equal(reason.code, "policy");
    assert_string_equal(reason.text, "not from there");
    struct ub_principal auditor = person("eve", UB_ROLE_AUDITOR);
    assert_int_equal(log_in(&site, &auditor, "10.0.0.9", &perms, &reason), UB_DENY);
    assert_string_equal(reason.code, "auditors");
    struct ub_principal broken = person("broken", UB_ROLE_MEMBER);
    assert_int_equal(log_in(&site, &broken, "10.0.0.9", &perms, &reason), UB_DENY);
    assert_string_equal(reason.code, "policy-error");
    struct ub_cred old = {.size = offsetof(struct ub_cred, principal)};
    struct ub_principal found = {.size = sizeof(found)};
    assert_int_equal(site.authz->connect(site.self, &old, &found, &perms, &reason), UB_DENY);
    assert_int_equal(unibus_module_policy.provides[0].minor, 1);
    assert_int_equal(site.authz->flags, UB_AUTHZ_JUDGES);
    site_fini(&site);
}

static void actions(void **state)
{
    struct site site;
    struct ub_reason reason;
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    assert_int_equal(act(&site, "a", "room.create", "{\"mode\":\"plain\"}", &reason), UB_DENY);
    assert_string_equal(reason.text, "sealed only");
    assert_int_equal(act(&site, "a", "room.create", "{\"mode\":\"sealed\"}", &reason), UB_ABSTAIN);
    assert_int_equal(act(&site, "a", "room.create", NULL, &reason), UB_ABSTAIN);
    assert_int_equal(act(&site, "a", "room.list", "{}", &reason), UB_ALLOW);
    /* What cannot be shown to the script is denied, not left out. */
    assert_int_equal(act(&site, "a", "room.create", "{\"mode\":[]}", &reason), UB_DENY);
    assert_int_equal(act(&site, "a", "room.create", "[]", &reason), UB_DENY);
    assert_int_equal(act(&site, "a", "room.create", "{", &reason), UB_DENY);
    assert_int_equal(act(&site, "a", "room.create", "{\"a\":1,\"a\":2}", &reason), UB_DENY);
    char *text = calloc(1, 10000);
    assert_non_null(text);
    memset(text, 'x', 9999);
    memcpy(text, "{\"mode\":\"", 9);
    memcpy(text + 9990, "\"}", 3);
    assert_int_equal(act(&site, "a", "room.create", text, &reason), UB_DENY);
    free(text);
    site_fini(&site);
}

/* The same identity from two places: what both may, and what either may not. */
static void the_strictest_counts_when_asked_again(void **state)
{
    struct site site;
    struct ub_reason reason;
    const struct ub_perms *perms;
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    struct ub_principal alice = person("alice", UB_ROLE_MEMBER);
    assert_null(site.authz->permissions(site.self, &alice)); /* never let in */
    assert_int_equal(log_in(&site, &alice, "10.0.0.1", &perms, &reason), UB_ALLOW);
    assert_int_equal(perms->rule_count, 3);
    ub_perms_unref(&perms);
    assert_int_equal(log_in(&site, &alice, "10.0.0.2", &perms, &reason), UB_ALLOW);
    assert_int_equal(perms->rule_count, 2);
    assert_int_equal(perms->max_subscriptions, 7);
    ub_perms_unref(&perms);
    perms = site.authz->permissions(site.self, &alice);
    assert_non_null(perms);
    assert_int_equal(perms->rule_count, 3); /* site.> of both, two denials */
    unsigned grants = 0;
    for (uint32_t i = 0; i < perms->rule_count; i++) {
        grants += !perms->rules[i].is_deny;
        if (!perms->rules[i].is_deny) {
            assert_string_equal(perms->rules[i].subject, "site.>");
        }
    }
    assert_int_equal(grants, 1);
    assert_int_equal(perms->max_subscriptions, 7);
    ub_perms_unref(&perms);
    /* He becomes an auditor: may no longer be connected, and is forgotten. */
    alice.role = UB_ROLE_AUDITOR;
    assert_null(site.authz->permissions(site.self, &alice));
    alice.role = UB_ROLE_MEMBER;
    assert_null(site.authz->permissions(site.self, &alice));
    site_fini(&site);
}

static void too_many_places_start_anew(void **state)
{
    struct site site;
    struct ub_reason reason;
    const struct ub_perms *perms;
    char ip[32];
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    struct ub_principal alice = person("alice", UB_ROLE_MEMBER);
    for (int i = 0; i < 64; i++) {
        snprintf(ip, sizeof(ip), "10.1.0.%d", i);
        assert_int_equal(log_in(&site, &alice, ip, &perms, &reason), UB_ALLOW);
        ub_perms_unref(&perms);
    }
    perms = site.authz->permissions(site.self, &alice);
    assert_non_null(perms);
    ub_perms_unref(&perms);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_in(&site, &alice, "10.2.0.1", &perms, &reason), UB_ALLOW);
        ub_perms_unref(&perms);
    }
    assert_null(site.authz->permissions(site.self, &alice)); /* the 65th place */
    assert_int_equal(log_in(&site, &alice, "10.2.0.1", &perms, &reason), UB_ALLOW);
    ub_perms_unref(&perms);
    perms = site.authz->permissions(site.self, &alice);
    assert_non_null(perms);
    ub_perms_unref(&perms);
    site_fini(&site);
}

/* ---- activation -------------------------------------------------------------------------------
 */

static void start_refuses(const char *script, const char *code, const char *part)
{
    struct site site;
    struct ub_err err = UB_ERR_INIT;
    site_init(&site, "50000");
    write_script(&site, script);
    assert_int_equal(site_start(&site, &err), UB_EINVAL);
    if (strcmp(err.code, code) != 0 || strstr(err.message, part) == NULL) {
        fail_msg("%s: %s %s", script, err.code, err.message);
    }
    assert_non_null(strstr(err.message, "/site.lua:"));
    site_fini(&site);
}

static void start_refuses_bad_scripts(void **state)
{
    struct site site;
    struct ub_err err = UB_ERR_INIT;
    (void)state;
    start_refuses("policy \"1\"\nfunction on_connect() return default() end\n"
                  "test(\"never\", function(t)\n t.denied(on_connect({}, {}))\nend)",
                  "E-POLICY-TESTS", "site.lua:4: test \"never\": wanted deny");
    start_refuses("policy \"1\"\nx = ", "E-POLICY-SCRIPT", "site.lua:2: ");
    start_refuses("policy \"1\" " FOREVER, "E-POLICY-SCRIPT", "steps");
    start_refuses("", "E-POLICY-SCRIPT", "begins with policy");
    site_init(&site, "50000");
    remove(site.file);
    assert_int_not_equal(site_start(&site, &err), UB_OK);
    assert_string_equal(err.code, "E-POLICY-READ");
    write_script(&site, default_script);
    chmod(site.file, 0606);
    assert_int_not_equal(site_start(&site, &err), UB_OK);
    assert_non_null(strstr(err.message, "chmod o-w"));
    remove(site.file);
    assert_int_equal(mkdir(site.file, 0700), 0);
    assert_int_not_equal(site_start(&site, &err), UB_OK);
    assert_non_null(strstr(err.message, "not a file"));
    remove(site.file);
    site_fini(&site);
}

/* A folder that anybody may write, the script's own or that of a link's target: as good as a script
 * that anybody may write. A sticky one protects the files of others. */
static void start_refuses_open_folders(void **state)
{
    struct site site;
    struct ub_err err = UB_ERR_INIT;
    char folder[256], real[300];
    (void)state;
    site_init(&site, "50000");
    snprintf(folder, sizeof(folder), "%s.d", site.file);
    snprintf(real, sizeof(real), "%s/site.lua", folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chmod(folder, 0707), 0);
    write_script(&site, default_script);
    assert_int_equal(rename(site.file, real), 0);
    assert_int_equal(symlink(real, site.file), 0);
    assert_int_not_equal(site_start(&site, &err), UB_OK);
    assert_string_equal(err.code, "E-POLICY-READ");
    assert_non_null(strstr(err.message, "folder that anybody may write: chmod o-w "));
    assert_int_equal(chmod(folder, 01707), 0);
    err = (struct ub_err)UB_ERR_INIT;
    assert_int_equal(site_start(&site, &err), UB_OK);
    remove(site.file);
    remove(real);
    remove(folder);
    site_fini(&site);
}

static uint32_t on_changed(void *arg, const char *id, int64_t wait_ms)
{
    struct site *site = arg;
    assert_string_equal(id, "");
    assert_true(wait_ms > 0);
    site->told++;
    return 1;
}

static bool is_told(void *arg)
{
    return ((struct site *)arg)->told > 0;
}

static enum ub_status reload(struct site *site, bool is_commit, struct ub_err *err)
{
    void *token = NULL;
    enum ub_status status = site->ops->prepare(site->self, settings_now(site), &token, err);
    if (status == UB_OK) {
        (is_commit ? site->ops->commit : site->ops->abort)(site->self, token);
    }
    return status;
}

static void reload_reads_the_script_again(void **state)
{
    struct site site;
    struct ub_err err = UB_ERR_INIT;
    struct ub_reason reason;
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    assert_int_equal(site.authz->watch(site.self, on_changed, &site, &err), UB_OK);
    char digest[80];
    snprintf(digest, sizeof(digest), "%s", look(&site).digest);
    write_script(&site, "policy \"1\" function on_action() return deny \"new\" end");
    assert_int_equal(reload(&site, false, &err), UB_OK); /* prepared, then aborted */
    assert_int_equal(act(&site, "a", "room.list", NULL, &reason), UB_ALLOW);
    assert_string_equal(look(&site).digest, digest);
    assert_int_equal(reload(&site, true, &err), UB_OK);
    assert_int_equal(act(&site, "a", "room.list", NULL, &reason), UB_DENY);
    assert_string_equal(reason.text, "new");
    assert_string_not_equal(look(&site).digest, digest);
    assert_true(kit_run_until(site.host, is_told, &site, 2000));
    char fact[80];
    site.host->node->read_fact(site.host, "policy.digest", fact, sizeof(fact));
    assert_string_equal(fact, look(&site).digest);
    site.authz->unwatch(site.self, on_changed, &site);
    site_fini(&site);
}

static void failing_reloads_change_nothing(void **state)
{
    struct site site;
    struct ub_reason reason;
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    struct seen before = look(&site);
    for (int i = 0; i < 100; i++) {
        struct ub_err err = UB_ERR_INIT;
        write_script(&site, i % 2 == 0 ? "policy \"1\" x"
                                       : "policy \"1\" function on_action() return default() end "
                                         "test(\"bad\", function(t) t.ok(false) end)");
        assert_int_equal(reload(&site, true, &err), UB_EINVAL);
        assert_string_equal(err.code, i % 2 == 0 ? "E-POLICY-SCRIPT" : "E-POLICY-TESTS");
        assert_int_equal(act(&site, "a", "room.list", NULL, &reason), UB_ALLOW);
    }
    assert_string_equal(look(&site).digest, before.digest);
    assert_int_equal(look(&site).activations, 1);
    site_fini(&site);
}

/* ---- the watchdog -----------------------------------------------------------------------------
 */

/* With a budget that never ends, only the watchdog is left. */
static void a_slow_call_is_denied_and_its_thread_abandoned(void **state)
{
    struct site site;
    struct ub_reason reason;
    struct ub_err err = UB_ERR_INIT;
    (void)state;
    site_init(&site, "1000000000");
    site_up(&site);
    assert_string_equal(look(&site).fact, "on");
    for (int i = 1; i <= 4; i++) {
        int64_t start = now_ms();
        assert_int_equal(act(&site, "loop", "room.list", NULL, &reason), UB_DENY);
        assert_true(now_ms() - start < 2000);
        assert_string_equal(reason.code, "policy-error");
        /* Time on the wall may be over before the processor's is: then nobody is struck yet. */
        for (int tries = 0; look(&site).abandoned < i && tries < 100; tries++) {
            act(&site, "a", "room.list", NULL, &reason);
        }
        assert_int_equal(look(&site).abandoned, i);
        bool is_dead = i == 4;
        assert_string_equal(look(&site).code, is_dead ? "E-POLICY-DEAD" : "E-POLICY-SLOW");
        enum ub_verdict verdict = UB_DENY;
        for (int tries = 0; verdict == UB_DENY && tries < 20 && !is_dead; tries++) {
            verdict = act(&site, "a", "room.list", NULL, &reason); /* on the fresh thread */
        }
        assert_int_equal(verdict, is_dead ? UB_DENY : UB_ALLOW);
    }
    assert_int_equal(act(&site, "a", "room.list", NULL, &reason), UB_DENY);
    assert_string_equal(look(&site).fact, "denies everything");
    assert_int_equal(reload(&site, true, &err), UB_OK); /* the way back */
    assert_int_equal(act(&site, "a", "room.list", NULL, &reason), UB_ALLOW);
    assert_string_equal(look(&site).code, "");
    assert_string_equal(look(&site).fact, "on");
    site_fini(&site);
}

/* The control: the budget alone ends the same loop, and nobody is abandoned. */
static void the_budget_ends_the_same_loop_alone(void **state)
{
    struct site site;
    struct ub_reason reason;
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(act(&site, "loop", "room.list", NULL, &reason), UB_DENY);
    }
    assert_int_equal(look(&site).abandoned, 0);
    assert_int_equal(look(&site).failures, 20);
    assert_string_equal(look(&site).code, "");
    site_fini(&site);
}

/* ---- decisions --------------------------------------------------------------------------------
 */

static struct recorded {
    unsigned count;
    bool is_allowed;
    char code[64], text[300], place[512], digest[80], input[4096];
} recorded;

static void record(const struct ub_host *host, const struct ub_decision *decision, char *id_out)
{
    (void)host;
    recorded.count++;
    recorded.is_allowed = decision->is_allowed;
    snprintf(recorded.code, sizeof(recorded.code), "%s", decision->code);
    snprintf(recorded.text, sizeof(recorded.text), "%s", decision->text);
    snprintf(recorded.place, sizeof(recorded.place), "%s", decision->place);
    snprintf(recorded.digest, sizeof(recorded.digest), "%s", decision->digest);
    snprintf(recorded.input, sizeof(recorded.input), "%s", decision->input_json);
    assert_string_equal(decision->provider, "policy");
    snprintf(id_out, UB_DECISION_ID_MAX, "d-%u", recorded.count);
}

static void decisions_are_recorded(void **state)
{
    struct site site;
    struct ub_reason reason;
    (void)state;
    site_init(&site, "50000");
    snprintf(site.log_allows, sizeof(site.log_allows), "log_allows=5");
    const struct ub_host_decision *own = site.host->decision;
    site.decision_ops =
        (struct ub_host_decision){.size = sizeof(site.decision_ops), .record = record};
    site.host->decision = &site.decision_ops;
    site_up(&site);
    memset(&recorded, 0, sizeof(recorded));
    assert_int_equal(act(&site, "a", "room.create", "{\"mode\":\"plain\"}", &reason), UB_DENY);
    assert_int_equal(recorded.count, 1);
    assert_string_equal(reason.decision, "d-1");
    assert_false(recorded.is_allowed);
    assert_string_equal(recorded.text, "sealed only");
    assert_non_null(strstr(recorded.place, "/site.lua:17"));
    assert_int_equal(strlen(recorded.digest), 64);
    json_t *input = json_loads(recorded.input, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(input, "action")), "room.create");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(input, "context"), "mode")), "plain");
    json_decref(input);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(act(&site, "a", "room.list", NULL, &reason), UB_ALLOW);
    }
    assert_int_equal(recorded.count, 3); /* each fifth of ten */
    assert_true(recorded.is_allowed);
    assert_int_equal(act(&site, "loop", "room.list", NULL, &reason), UB_DENY);
    assert_string_equal(recorded.code, "policy-steps");
    assert_non_null(strstr(recorded.place, "/site.lua:16"));
    site.host->decision = own;
    site_fini(&site);
}

/* Without a function there is no line that decided: the place is the file. */
static void decision_without_a_line_names_the_file(void **state)
{
    struct site site;
    struct ub_reason reason;
    (void)state;
    site_init(&site, "50000");
    snprintf(site.log_allows, sizeof(site.log_allows), "log_allows=1");
    struct ub_err err = UB_ERR_INIT;
    char expected[400];
    write_script(&site, "policy \"1\"\n");
    assert_int_not_equal(site_start(&site, &err), UB_OK);
    snprintf(expected, sizeof(expected), "%s: the script defines neither", site.file);
    assert_int_equal(strncmp(err.message, expected, strlen(expected)), 0);
    write_script(&site, "policy \"1\"\nfunction on_connect() return default() end\n");
    const struct ub_host_decision *own = site.host->decision;
    site.decision_ops =
        (struct ub_host_decision){.size = sizeof(site.decision_ops), .record = record};
    site.host->decision = &site.decision_ops;
    site_up(&site);
    memset(&recorded, 0, sizeof(recorded));
    assert_int_equal(act(&site, "a", "room.list", NULL, &reason), UB_ABSTAIN);
    assert_int_equal(recorded.count, 1);
    assert_string_equal(recorded.place, site.file);
    site.host->decision = own;
    site_fini(&site);
}

/* ---- many at once -----------------------------------------------------------------------------
 */

#define ASKERS 8

struct asker {
    struct site *site;
    unsigned answers, wrong;
};

static void *ask_often(void *arg)
{
    struct asker *asker = arg;
    for (int i = 0; i < 300; i++) {
        struct ub_reason reason;
        const struct ub_perms *perms;
        struct ub_principal who = person("alice", UB_ROLE_MEMBER);
        enum ub_verdict verdict = act(asker->site, "a", "room.list", NULL, &reason);
        bool is_one = verdict == UB_ALLOW || (verdict == UB_DENY && reason.text[0] != '\0');
        asker->wrong += !is_one;
        log_in(asker->site, &who, "10.0.0.1", &perms, &reason);
        ub_perms_unref(&perms);
        perms = asker->site->authz->permissions(asker->site->self, &who);
        ub_perms_unref(&perms);
        asker->answers++;
    }
    return NULL;
}

static void many_ask_while_scripts_change(void **state)
{
    struct site site;
    pthread_t threads[ASKERS];
    struct asker askers[ASKERS];
    (void)state;
    site_init(&site, "50000");
    site_up(&site);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.site = &site};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        struct ub_err err = UB_ERR_INIT;
        write_script(&site, i % 2 == 0 ? "policy \"1\" function on_action() return deny \"other\" "
                                         "end"
                                       : default_script);
        assert_int_equal(reload(&site, i % 3 != 0, &err), UB_OK);
        look(&site);
    }
    for (size_t i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].answers, 300);
        assert_int_equal(askers[i].wrong, 0);
    }
    site_fini(&site);
}

/* Stopping while a call runs does not wait for the script. */
static void stop_while_a_call_runs(void **state)
{
    struct site site;
    struct ub_reason reason;
    (void)state;
    site_init(&site, "1000000000");
    site_up(&site);
    assert_int_equal(act(&site, "loop", "room.list", NULL, &reason), UB_DENY);
    int64_t start = now_ms();
    site_fini(&site);
    assert_true(now_ms() - start < 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections),
        cmocka_unit_test(actions),
        cmocka_unit_test(the_strictest_counts_when_asked_again),
        cmocka_unit_test(too_many_places_start_anew),
        cmocka_unit_test(start_refuses_bad_scripts),
        cmocka_unit_test(start_refuses_open_folders),
        cmocka_unit_test(reload_reads_the_script_again),
        cmocka_unit_test(failing_reloads_change_nothing),
        cmocka_unit_test(a_slow_call_is_denied_and_its_thread_abandoned),
        cmocka_unit_test(the_budget_ends_the_same_loop_alone),
        cmocka_unit_test(decisions_are_recorded),
        cmocka_unit_test(decision_without_a_line_names_the_file),
        cmocka_unit_test(many_ask_while_scripts_change),
        cmocka_unit_test(stop_while_a_call_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
