/* SPDX-License-Identifier: Apache-2.0
 *
 * A module for the tests of the core: one setting of each kind, and it does what its settings say:
 * states a posture, is waiting, has a problem, fails or stays long in a life-cycle call, takes long
 * to drain. Every life-cycle call is a log event. What can change by a reload is used on the main
 * loop only, so that swapping the settings is enough. */
#include <stdlib.h>
#include <time.h>

#include <unibus/module.h>

#include "counter.h"

struct good_settings {
    bool flag;
    int64_t workers, max_item, timeout;
    const char *text;
    int mode;
    const char *file, *dir;
    struct ub_secret *key;
    struct ub_listens listen;
    struct ub_strings names;
    int auth, acl;
    struct {
        bool on;
    } tls;
    const char *waiting, *problem, *fails, *slow;
    int64_t slow_for;
    int64_t drain_polls;
};

static const struct ub_field good_fields[] = {
    UB_FIELD_BOOL(struct good_settings, flag, "true", 0, "a flag"),
    UB_FIELD_INT(struct good_settings, workers, "8", 1, 512, UB_LIVE, "threads"),
    UB_FIELD_SIZE(struct good_settings, max_item, "64 MiB", 1024, 1 << 30, 0, "largest item"),
    UB_FIELD_DURATION(struct good_settings, timeout, "5 s", 100, 3600000, 0, "patience"),
    UB_FIELD_STRING(struct good_settings, text, NULL, UB_LIVE, "any text"),
    UB_FIELD_CHOICE(struct good_settings, mode, "safe", "safe|fast|reckless", 0, "how"),
    UB_FIELD_PATH(struct good_settings, file, NULL, 0, "a file beside the config"),
    UB_FIELD_STATE_PATH(struct good_settings, dir, "good", 0, "a folder below node.state"),
    UB_FIELD_SECRET(struct good_settings, key, UB_LIVE, "a secret"),
    UB_FIELD_LISTEN(struct good_settings, listen, NULL, 0, "addresses"),
    UB_FIELD_STRINGS(struct good_settings, names, "a, b", 0, "names"),
    UB_FIELD_CHOICE(struct good_settings, auth, "enforce", "off|observe|enforce", UB_LIVE,
                    "who comes in"),
    UB_FIELD_CHOICE(struct good_settings, acl, "on", "off|external|on", UB_LIVE, "who may do what"),
    UB_FIELD_BOOL(struct good_settings, tls.on, "false", 0, "TLS on all listeners"),
    UB_FIELD_STRING(struct good_settings, waiting, NULL, UB_LIVE, "for whom it waits"),
    UB_FIELD_STRING(struct good_settings, problem, NULL, UB_LIVE, "what is wrong"),
    UB_FIELD_STRING(struct good_settings, fails, "", UB_LIVE,
                    "the call that fails: create, start or prepare"),
    UB_FIELD_STRING(struct good_settings, slow, "", UB_LIVE, "the life-cycle call that takes long"),
    UB_FIELD_DURATION(struct good_settings, slow_for, "0 ms", 0, 0, UB_LIVE, "how long"),
    UB_FIELD_INT(struct good_settings, drain_polls, "0", 0, 0, 0, "is_drained says no so often"),
};

struct good {
    const struct ub_host *host;
    const struct good_settings *settings;
    struct counter counter;
    int64_t drain_polls;
};

static void good_sleep(const struct good_settings *settings, const char *call)
{
    const struct timespec time = {settings->slow_for / 1000, settings->slow_for % 1000 * 1000000};
    if (strcmp(settings->slow, call) == 0) {
        nanosleep(&time, NULL);
    }
}

static void good_log(const struct good *good, const char *call)
{
    good_sleep(good->settings, call);
    ub_log(good->host, UB_LOG_INFO, "life", "life-cycle call", UB_TEXT("call", call));
}

static enum ub_status good_create(const struct ub_host *host, const void *settings, void **self_out,
                                  struct ub_err *err)
{
    const struct good_settings *mine = settings;
    if (strcmp(mine->fails, "create") == 0) {
        return ub_fail(err, UB_EINVAL, "fails = \"create\", so create fails");
    }
    struct good *good = calloc(1, sizeof(*good));
    if (good == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory");
    }
    good->host = host;
    good->settings = mine;
    good->counter.creates++;
    good_log(good, "create");
    *self_out = good;
    return UB_OK;
}

static enum ub_status good_bind(void *self, const struct ub_service *service, struct ub_err *err)
{
    struct good *good = self;
    (void)service;
    (void)err;
    good->counter.binds++;
    good_log(good, "bind");
    return UB_OK;
}

static enum ub_status good_start(void *self, struct ub_err *err)
{
    struct good *good = self;
    if (strcmp(good->settings->fails, "start") == 0) {
        return ub_fail_code(err, UB_EIO, "E-GOOD-001", "fails = \"start\", so start fails");
    }
    good->counter.starts++;
    good_log(good, "start");
    return UB_OK;
}

static void good_ready(void *self)
{
    struct good *good = self;
    good->counter.readies++;
    good_log(good, "ready");
}

static void good_drain(void *self, int64_t deadline_mono_ms)
{
    struct good *good = self;
    (void)deadline_mono_ms;
    good->counter.drains++;
    good->drain_polls = good->settings->drain_polls;
    good_log(good, "drain");
}

static bool good_is_drained(void *self)
{
    struct good *good = self;
    return good->drain_polls-- <= 0;
}

static void good_stop(void *self)
{
    struct good *good = self;
    good->counter.stops++;
    good_log(good, "stop");
}

static void good_destroy(void *self)
{
    good_log(self, "destroy");
    free(self);
}

static void good_posture(void *self, const struct ub_posture_sink *sink)
{
    static const char *const auths[] = {"off", "observe", "enforce"};
    static const char *const acls[] = {"off", "external", "on"};
    const struct good *good = self;
    sink->fact(sink->ctx, "auth", auths[good->settings->auth], "auth");
    sink->fact(sink->ctx, "acl", acls[good->settings->acl], "acl");
    sink->fact(sink->ctx, "durability", "always", NULL);
    for (size_t i = 0; i < good->settings->listen.count; i++) {
        const struct ub_listen *listen = &good->settings->listen.items[i];
        sink->listener(sink->ctx, listen->text, listen->is_loopback, good->settings->tls.on,
                       "listen");
    }
}

static void good_health(void *self, const struct ub_health_sink *sink)
{
    const struct good *good = self;
    sink->number(sink->ctx, "generation", 7);
    sink->text(sink->ctx, "cluster.id", "c1");
    sink->text(sink->ctx, "status", "forged");
    if (good->settings->waiting != NULL) {
        sink->waiting(sink->ctx, good->settings->waiting);
    }
    if (good->settings->problem != NULL) {
        sink->problem(sink->ctx, "E-GOOD-002", good->settings->problem, "do something");
    }
}

static enum ub_status good_prepare(void *self, const void *settings, void **token_out,
                                   struct ub_err *err)
{
    struct good *good = self;
    const struct good_settings *next = settings;
    good_sleep(next, "prepare");
    good_log(good, "prepare");
    if (strcmp(next->fails, "prepare") == 0) {
        err->where = good->host->node->where(good->host, "fails");
        return ub_fail_code(err, UB_EINVAL, "E-GOOD-003", "fails = \"prepare\", so prepare fails");
    }
    *token_out = (void *)(uintptr_t)next;
    return UB_OK;
}

static void good_commit(void *self, void *token)
{
    struct good *good = self;
    good->settings = token;
    good_log(good, "commit");
}

static void good_abort(void *self, void *token)
{
    good_sleep(token, "abort");
    good_log(self, "abort");
}

static const struct counter *good_counts(void *self)
{
    return &((struct good *)self)->counter;
}

static const struct counter_ops good_counter_ops = {.size = sizeof(good_counter_ops),
                                                    .counts = good_counts};

static const struct ub_provide good_provides[] = {
    {sizeof(struct ub_provide), "test.counter", 1, 2, &good_counter_ops}};

static const struct ub_module_ops good_ops = {.size = sizeof(good_ops),
                                              .create = good_create,
                                              .bind = good_bind,
                                              .start = good_start,
                                              .ready = good_ready,
                                              .drain = good_drain,
                                              .is_drained = good_is_drained,
                                              .stop = good_stop,
                                              .destroy = good_destroy,
                                              .prepare = good_prepare,
                                              .commit = good_commit,
                                              .abort = good_abort,
                                              .posture = good_posture,
                                              .health = good_health};

UB_MODULE = {.size = sizeof(struct ub_module),
             .abi_major = 1,
             .abi_minor = 0,
             .name = "good",
             .version = "1.0",
             .summary = "counts life-cycle calls",
             .ops = &good_ops,
             .settings_size = sizeof(struct good_settings),
             UB_TABLE(fields, field, good_fields),
             UB_TABLE(provides, provide, good_provides)};
