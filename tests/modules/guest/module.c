/* SPDX-License-Identifier: Apache-2.0
 *
 * A provider of ub.authz that lets everybody in, with the rights of a member of one room who may
 * also talk to acker: what checking rights costs is measured with it (bench/bench_bus.c). Never for
 * anything but a test. */
#include <stdlib.h>

#include <unibus/authz.h>
#include <unibus/module.h>

struct guest {
    _Atomic uint64_t last;
};

static const struct ub_perm_rule guest_rules[] = {
    {.actions = UB_PUBLISH | UB_SUBSCRIBE, .subject = "ub.r.abcdefgh.>", .why = "a room"},
    {.actions = UB_PUBLISH, .subject = "acker.>", .why = "the module under test"},
    {.actions = UB_SUBSCRIBE, .subject = "_INBOX.>", .why = "inboxes, by the inbox rules"},
};

static void perms_keep(const struct ub_perms *perms)
{
    (void)perms; /* constant: lives as long as the program */
}

static const struct ub_perms guest_perms = {
    .size = sizeof(struct ub_perms),
    .flags = UB_PERM_INBOX,
    .provider = "guest",
    .rule_count = sizeof(guest_rules) / sizeof(guest_rules[0]),
    .rule_stride = sizeof(struct ub_perm_rule),
    .rules = guest_rules,
    .ref = perms_keep,
    .unref = perms_keep,
};

/* Each connection is somebody else. */
static enum ub_verdict guest_connect(void *self, const struct ub_cred *cred,
                                     struct ub_principal *principal_out,
                                     const struct ub_perms **perms_out,
                                     struct ub_reason *reason_out)
{
    struct guest *guest = self;
    (void)cred;
    (void)reason_out;
    principal_out->role = UB_ROLE_MEMBER;
    snprintf(principal_out->id, sizeof(principal_out->id), "guest-%llu",
             (unsigned long long)++guest->last);
    *perms_out = &guest_perms;
    return UB_ALLOW;
}

static const struct ub_perms *guest_permissions(void *self, const struct ub_principal *principal)
{
    (void)self;
    (void)principal;
    return &guest_perms;
}

static enum ub_verdict guest_action(void *self, const struct ub_principal *principal,
                                    const struct ub_action *action, struct ub_reason *reason_out)
{
    (void)self;
    (void)principal;
    (void)action;
    (void)reason_out;
    return UB_ABSTAIN;
}

static enum ub_status guest_watch(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err)
{
    (void)self;
    (void)fn;
    (void)arg;
    (void)err;
    return UB_OK; /* rights never change here */
}

static void guest_unwatch(void *self, ub_authz_changed_fn fn, void *arg)
{
    (void)self;
    (void)fn;
    (void)arg;
}

static const struct ub_authz_ops guest_authz = {
    .size = sizeof(struct ub_authz_ops),
    .connect = guest_connect,
    .permissions = guest_permissions,
    .action = guest_action,
    .watch = guest_watch,
    .unwatch = guest_unwatch,
};

static enum ub_status guest_create(const struct ub_host *host, const void *settings,
                                   void **self_out, struct ub_err *err)
{
    (void)host;
    (void)settings;
    *self_out = calloc(1, sizeof(struct guest));
    return *self_out != NULL ? UB_OK : ub_fail(err, UB_ENOMEM, "no memory for guest");
}

static const struct ub_module_ops guest_ops = {
    .size = sizeof(struct ub_module_ops), .create = guest_create, .destroy = free};

static const struct ub_provide guest_provides[] = {
    {sizeof(struct ub_provide), UB_AUTHZ_IFACE, 1, 0, &guest_authz}};

UB_MODULE = {.size = sizeof(struct ub_module),
             .abi_major = 1,
             .abi_minor = 0,
             .name = "guest",
             .version = "1.0",
             .summary = "lets everybody in, for measurements",
             .ops = &guest_ops,
             UB_TABLE(provides, provide, guest_provides)};
