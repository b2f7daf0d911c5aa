/* SPDX-License-Identifier: Apache-2.0
 *
 * policy: the site's own rules, a Lua script. The descriptor, the settings and the life cycle. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <unibus/error.h>

#include "site.h"

static const struct ub_field fields[] = {
    UB_FIELD_PATH(struct plcy_settings, script, NULL, UB_REQUIRED | UB_LIVE,
                  "the policy script; read again on every reload"),
    UB_FIELD_DURATION(struct plcy_settings, call_timeout, "50 ms", 5, 1000, UB_LIVE,
                      "a call that takes longer is denied and its thread abandoned"),
    UB_FIELD_INT(struct plcy_settings, budget, "50000", UBP_STEPS_MIN, 1000000000, UB_LIVE,
                 "instructions of one call"),
    UB_FIELD_SIZE(struct plcy_settings, memory, "1 MiB", UBP_MEMORY_MIN, 64 << 20, UB_LIVE,
                  "all that the script may hold"),
    UB_FIELD_INT(struct plcy_settings, log_allows, "1", 0, 1000000000, UB_LIVE,
                 "every so many-th allow is given to the decision log, which keeps one of "
                 "decisions.sample; 0 = none. Every denial is"),
};

static enum ub_status create(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err)
{
    const struct plcy_settings *given = settings;
    struct plcy *site = calloc(1, sizeof(*site));
    if (site == NULL || sodium_init() < 0 || (site->script = strdup(given->script)) == NULL) {
        free(site);
        return ub_fail(err, UB_ENOMEM, "no memory for policy");
    }
    site->host = host;
    site->tuning =
        (struct plcy_tuning){given->call_timeout, {given->budget, (size_t)given->memory}};
    site->log_allows = given->log_allows;
    pthread_rwlock_init(&site->lock, NULL);
    pthread_mutex_init(&site->watch_lock, NULL);
    plcy_seen_init(&site->seen);
    *self_out = site;
    return UB_OK;
}

static void destroy(void *self)
{
    struct plcy *site = self;
    plcy_seen_fini(&site->seen);
    pthread_mutex_destroy(&site->watch_lock);
    pthread_rwlock_destroy(&site->lock);
    free(site->script);
    free(site);
}

static enum ub_status bind(void *self, const struct ub_service *service, struct ub_err *err)
{
    return strcmp(service->iface, UB_HTTPD_IFACE) == 0 ? plcy_routes_register(self, service, err)
                                                       : UB_OK;
}

static struct plcy_engine *engine_open(const char *path, const struct plcy_tuning *tuning,
                                       struct ub_err *err)
{
    struct plcy_source *source = plcy_source_read(path, err);
    return source != NULL ? plcy_engine_open(&source, tuning, NULL, err) : NULL;
}

static void engine_swap(struct plcy *site, struct plcy_engine *engine, struct plcy_engine **old_out)
{
    pthread_rwlock_wrlock(&site->lock);
    *old_out = site->engine;
    site->engine = engine;
    pthread_rwlock_unlock(&site->lock);
    if (engine != NULL) {
        const struct plcy_source *source = plcy_engine_source(engine);
        atomic_fetch_add(&site->activations, 1);
        site->host->node->post_fact(site->host, "policy.digest", source->digest);
        ub_log(site->host, UB_LOG_INFO, "policy-activated", "the policy script is active",
               UB_TEXT("script", source->path), UB_TEXT("digest", source->digest),
               UB_NUMBER("tests", plcy_engine_test_count(engine)));
    }
}

static enum ub_status start(void *self, struct ub_err *err)
{
    struct plcy *site = self;
    struct plcy_engine *none;
    enum ub_status status = site->host->pool->open(site->host, "policy", 1, 16, &site->pool, err);
    if (status != UB_OK) {
        return status;
    }
    struct plcy_engine *engine = engine_open(site->script, &site->tuning, err);
    if (engine == NULL) {
        site->host->pool->close(&site->pool);
        return err->status != UB_OK ? err->status : UB_EINVAL;
    }
    engine_swap(site, engine, &none);
    return UB_OK;
}

static void stop(void *self)
{
    struct plcy *site = self;
    struct plcy_engine *old;
    engine_swap(site, NULL, &old);
    site->host->pool->close(&site->pool);
    plcy_engine_unref(&old);
}

/* ---- reload: the script is read again even if its path is the same -----------------------------
 */

struct change {
    struct plcy *site;
    struct plcy_engine *engine; /* the new one, then the old one */
    struct plcy_tuning tuning;
    int64_t log_allows;
    char *script;
};

static void change_free(struct change **change)
{
    plcy_engine_unref(&(*change)->engine);
    free((*change)->script);
    free(*change);
    *change = NULL;
}

static enum ub_status prepare(void *self, const void *settings, void **token_out,
                              struct ub_err *err)
{
    const struct plcy_settings *given = settings;
    struct change *change = calloc(1, sizeof(*change));
    if (change == NULL || (change->script = strdup(given->script)) == NULL) {
        free(change);
        return ub_fail(err, UB_ENOMEM, "no memory for a reload");
    }
    change->site = self;
    change->tuning =
        (struct plcy_tuning){given->call_timeout, {given->budget, (size_t)given->memory}};
    change->log_allows = given->log_allows;
    change->engine = engine_open(given->script, &change->tuning, err);
    if (change->engine == NULL) {
        change_free(&change);
        return err->status != UB_OK ? err->status : UB_EINVAL;
    }
    *token_out = change;
    return UB_OK;
}

/* On the pool: holders may take a while, and so may the thread of the old script. */
static void change_finish(void *arg)
{
    struct change *change = arg;
    plcy_notify_all(change->site);
    change_free(&change);
}

static void commit(void *self, void *token)
{
    struct plcy *site = self;
    struct change *change = token;
    struct plcy_engine *fresh = change->engine;
    char *script = site->script;
    pthread_rwlock_wrlock(&site->lock);
    site->log_allows = change->log_allows;
    site->tuning = change->tuning;
    pthread_rwlock_unlock(&site->lock);
    site->script = change->script;
    change->script = script;
    engine_swap(site, fresh, &change->engine);
    if (site->host->pool->submit(site->pool, change_finish, change) != UB_OK) {
        change_finish(change); /* the queue is full of reloads: late is better than never */
    }
}

static void abort_change(void *self, void *token)
{
    struct change *change = token;
    (void)self;
    change_free(&change);
}

/* ---- what it says of itself --------------------------------------------------------------------
 */

static unsigned abandoned_now(struct plcy *site)
{
    int64_t log_allows;
    struct plcy_engine *engine = plcy_engine_now(site, &log_allows);
    unsigned abandoned = engine != NULL ? plcy_engine_abandoned(engine) : 0;
    plcy_engine_unref(&engine);
    return abandoned;
}

static void posture(void *self, const struct ub_posture_sink *sink)
{
    bool has_failed = abandoned_now(self) > PLCY_RESTARTS;
    sink->fact(sink->ctx, "policy", has_failed ? "denies everything" : "on", "script");
}

static void health_problem(const struct ub_health_sink *sink, unsigned abandoned)
{
    if (abandoned > PLCY_RESTARTS) {
        sink->problem(sink->ctx, "E-POLICY-DEAD",
                      "the policy script took too long again and again: everything is denied",
                      "mend the script and reload");
    } else if (abandoned > 0) {
        sink->problem(sink->ctx, "E-POLICY-SLOW",
                      "a call of the policy script took too long, was denied, and its thread "
                      "abandoned",
                      "mend the script and reload; see the decision log for the call");
    }
}

static void health(void *self, const struct ub_health_sink *sink)
{
    struct plcy *site = self;
    int64_t log_allows;
    struct plcy_engine *engine = plcy_engine_now(site, &log_allows);
    if (engine == NULL) {
        return;
    }
    unsigned abandoned = plcy_engine_abandoned(engine);
    sink->text(sink->ctx, "script", plcy_engine_source(engine)->path);
    sink->text(sink->ctx, "digest", plcy_engine_source(engine)->digest);
    sink->number(sink->ctx, "calls", (int64_t)atomic_load(&site->calls));
    sink->number(sink->ctx, "denials", (int64_t)atomic_load(&site->denials));
    sink->number(sink->ctx, "failures", (int64_t)atomic_load(&site->failures));
    sink->number(sink->ctx, "activations", (int64_t)atomic_load(&site->activations));
    sink->number(sink->ctx, "tests", (int64_t)plcy_engine_test_count(engine));
    sink->number(sink->ctx, "abandoned_threads", (int64_t)abandoned);
    health_problem(sink, abandoned);
    plcy_engine_unref(&engine);
}

static const struct ub_module_ops ops = {
    .size = sizeof(struct ub_module_ops),
    .create = create,
    .bind = bind,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .prepare = prepare,
    .commit = commit,
    .abort = abort_change,
    .posture = posture,
    .health = health,
};

static const struct ub_provide provides[] = {
    {sizeof(struct ub_provide), UB_AUTHZ_IFACE, UB_AUTHZ_MAJOR, 1, &plcy_authz_ops},
};

static const struct ub_require required[] = {
    {sizeof(struct ub_require), UB_HTTPD_IFACE, UB_HTTPD_MAJOR, 0, UB_OPTIONAL, NULL},
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 1,
    .name = "policy",
    .version = "0.1.0",
    .summary = "the site's own rules: a Lua script that allows, denies and narrows",
    .ops = &ops,
    .settings_size = sizeof(struct plcy_settings),
    UB_TABLE(fields, field, fields),
    UB_TABLE(provides, provide, provides),
    UB_TABLE(requires_, require, required),
};
