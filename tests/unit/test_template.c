/* SPDX-License-Identifier: Apache-2.0
 *
 * The module to copy, whole: verdicts, the file that is read again, reload, failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <core/kit.h>

#include "gate.h"

extern const struct ub_module unibus_module_template;

static const struct ub_module_ops *ops;
static struct ub_host *host;
static char file[300];

static int set_up(void **state)
{
    (void)state;
    ops = unibus_module_template.ops;
    host = kit_host_new("template");
    snprintf(file, sizeof(file), "%s/refused.txt", host->node->state_dir(host));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_host_free(&host);
    return 0;
}

static void write_file(const char *text)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static const void *settings_of(const char *deny, bool has_file)
{
    char path[400], list[200];
    const char *sets[] = {list, "every=100 ms", has_file ? path : NULL, NULL};
    snprintf(list, sizeof(list), "deny=%s", deny);
    snprintf(path, sizeof(path), "file=refused.txt");
    const void *settings = kit_settings(host, &unibus_module_template, sets);
    assert_non_null(settings);
    return settings;
}

static void *start(const char *deny, bool has_file)
{
    struct ub_err err = UB_ERR_INIT;
    void *self = NULL;
    assert_int_equal(ops->create(host, settings_of(deny, has_file), &self, &err), UB_OK);
    assert_int_equal(ops->start(self, &err), UB_OK);
    ops->ready(self);
    return self;
}

static void stop(void *self)
{
    ops->stop(self);
    kit_run_for(host, 1); /* as the core does: what was posted runs before destroy */
    ops->destroy(self);
}

static enum ub_verdict connect_from(void *self, const char *address)
{
    struct ub_principal principal = {.size = sizeof(principal)};
    struct ub_reason reason = {.size = sizeof(reason)};
    struct ub_cred cred = {.size = sizeof(cred), .transport = "nats", .address = address};
    const struct ub_perms *perms = NULL;
    enum ub_verdict verdict = template_authz_ops.connect(self, &cred, &principal, &perms, &reason);
    assert_null(perms);
    if (verdict == UB_DENY) {
        assert_string_equal(reason.code, "address-denied");
        assert_non_null(strstr(reason.text, address));
    }
    return verdict;
}

static enum ub_verdict act_from(void *self, const char *address)
{
    struct ub_principal principal = {.size = sizeof(principal)};
    struct ub_reason reason = {.size = sizeof(reason)};
    struct ub_action action = {.size = sizeof(action), .name = "room.create", .address = address};
    return template_authz_ops.action(self, &principal, &action, &reason);
}

struct report {
    char problem[64];
    int64_t networks, refused;
};

static void on_number(void *ctx, const char *name, int64_t value)
{
    struct report *report = ctx;
    report->networks = strcmp(name, "networks") == 0 ? value : report->networks;
    report->refused = strcmp(name, "refused") == 0 ? value : report->refused;
}

static void on_problem(void *ctx, const char *code, const char *what, const char *fix)
{
    struct report *report = ctx;
    assert_true(what[0] != '\0' && fix[0] != '\0');
    snprintf(report->problem, sizeof(report->problem), "%s", code);
}

static struct report health(void *self)
{
    struct report report = {"", -1, -1};
    struct ub_health_sink sink = {
        .size = sizeof(sink), .ctx = &report, .number = on_number, .problem = on_problem};
    ops->health(self, &sink);
    return report;
}

/* ---- verdicts ---------------------------------------------------------------------------------
 */

static void listed_addresses_are_refused(void **state)
{
    (void)state;
    void *self = start("10.0.0.0/8, ::1", false);
    assert_int_equal(connect_from(self, "10.1.2.3"), UB_DENY);
    assert_int_equal(connect_from(self, "::1"), UB_DENY);
    assert_int_equal(connect_from(self, "127.0.0.1"), UB_ABSTAIN);
    assert_int_equal(act_from(self, "10.1.2.3"), UB_DENY);
    assert_int_equal(act_from(self, "admin-socket"), UB_ABSTAIN);
    assert_int_equal(health(self).refused, 3);
    assert_int_equal(health(self).networks, 2);
    stop(self);
}

static void a_wrong_address_is_named(void **state)
{
    (void)state;
    struct ub_err err = UB_ERR_INIT;
    void *self = NULL;
    assert_int_equal(ops->create(host, settings_of("10.0.0.1/8", false), &self, &err), UB_EINVAL);
    assert_non_null(strstr(err.message, "deny: \"10.0.0.1/8\" has bits beyond its prefix"));
    assert_null(self);
}

/* ---- the file ---------------------------------------------------------------------------------
 */

static void without_its_file_it_does_not_start(void **state)
{
    (void)state;
    struct ub_err err = UB_ERR_INIT;
    void *self = NULL;
    assert_int_equal(ops->create(host, settings_of("", true), &self, &err), UB_OK);
    assert_int_equal(ops->start(self, &err), UB_EIO);
    assert_string_equal(err.code, "E-TEMPLATE-001");
    write_file("10.0.0.0/8\nnonsense\n");
    assert_int_equal(ops->start(self, &err), UB_EINVAL);
    assert_non_null(strstr(err.message, "refused.txt:2: \"nonsense\""));
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    assert_int_equal(fwrite("::1\n\0\n", 1, 6, out), 6);
    fclose(out);
    assert_int_equal(ops->start(self, &err), UB_EINVAL);
    assert_non_null(strstr(err.message, "it has a NUL in it"));
    assert_int_equal(truncate(file, (off_t)5 << 20), 0);
    assert_int_equal(ops->start(self, &err), UB_ELIMIT);
    ops->destroy(self);
}

struct awaited {
    void *self;
    const char *problem;
    int64_t networks;
};

static bool is_as_awaited(void *arg)
{
    const struct awaited *awaited = arg;
    struct report report = health(awaited->self);
    return strcmp(report.problem, awaited->problem) == 0 && report.networks == awaited->networks;
}

static void the_file_is_read_again(void **state)
{
    (void)state;
    write_file("10.0.0.0/8 # one\n");
    void *self = start("", true);
    struct awaited two = {self, "", 2}, broken = {self, "E-TEMPLATE-001", 2}, none = {self, "", 0};
    assert_int_equal(connect_from(self, "192.0.2.1"), UB_ABSTAIN);
    write_file("10.0.0.0/8\n192.0.2.0/24\n");
    assert_true(kit_run_until(host, is_as_awaited, &two, 10000));
    assert_int_equal(connect_from(self, "192.0.2.1"), UB_DENY);
    /* A broken file is a problem, and what was read last stays in force. */
    write_file("192.0.2.0/33\n");
    assert_true(kit_run_until(host, is_as_awaited, &broken, 10000));
    assert_int_equal(connect_from(self, "192.0.2.1"), UB_DENY);
    write_file("");
    assert_true(kit_run_until(host, is_as_awaited, &none, 10000));
    assert_int_equal(connect_from(self, "192.0.2.1"), UB_ABSTAIN);
    stop(self);
}

static void stopping_while_it_reads(void **state)
{
    (void)state;
    write_file("10.0.0.0/8\n");
    for (int i = 0; i < 20; i++) {
        void *self = start("", true);
        template_gate_refresh(self);
        stop(self);
    }
}

/* ---- reload -----------------------------------------------------------------------------------
 */

static void a_reload_is_all_or_nothing(void **state)
{
    (void)state;
    struct ub_err err = UB_ERR_INIT;
    void *token = NULL, *self = start("10.0.0.0/8", false);
    assert_int_equal(ops->prepare(self, settings_of("::1, 192.0.2.0/24", false), &token, &err),
                     UB_OK);
    assert_int_equal(connect_from(self, "10.0.0.1"), UB_DENY); /* nothing has changed yet */
    ops->abort(self, token);
    assert_int_equal(connect_from(self, "10.0.0.1"), UB_DENY);
    assert_int_equal(ops->prepare(self, settings_of("::1, 192.0.2.0/24", false), &token, &err),
                     UB_OK);
    ops->commit(self, token);
    assert_int_equal(connect_from(self, "10.0.0.1"), UB_ABSTAIN);
    assert_int_equal(connect_from(self, "192.0.2.1"), UB_DENY);
    assert_int_equal(ops->prepare(self, settings_of("nonsense", false), &token, &err), UB_EINVAL);
    assert_int_equal(connect_from(self, "192.0.2.1"), UB_DENY);
    stop(self);
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOST(listed_addresses_are_refused),
        WITH_HOST(a_wrong_address_is_named),
        WITH_HOST(without_its_file_it_does_not_start),
        WITH_HOST(the_file_is_read_again),
        WITH_HOST(stopping_while_it_reads),
        WITH_HOST(a_reload_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
