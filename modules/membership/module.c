/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "authn.h"
#include "chores.h"
#include "load.h"
#include "memb.h"
#include "perms.h"
#include "routes.h"

/* A signed request can be sent again for as long as `created` may be off to both sides. The
 * bucket's TTL is part of the bucket: with a larger tolerance it is another bucket, whose nonce
 * epoch is another too. */
#define NONCE_TTL_MS      300000
#define NONCE_TTL_LONG_MS 720000
#define SKEW_OF_SHORT_TTL 90000
#define REQUEST_LIFE_MS   120000

#define STOP_WAIT_MS 2000

static const struct ub_field fields[] = {
    UB_FIELD_SERVICE(struct memb_settings, kv, "ub.kv", 0, "the store of identities and rooms"),
    UB_FIELD_SERVICE(struct memb_settings, blob, "ub.blob", 0, "the store of blobs"),
    UB_FIELD_STRING(struct memb_settings, nats_url, NULL, 0,
                    "what /v1/info tells clients to connect to; default: where nats listens"),
    UB_FIELD_DURATION(struct memb_settings, clock_skew, "60 s", 1000, 300000, 0,
                      "how far the clock of a signed request may differ"),
    UB_FIELD_INT(struct memb_settings, append_rate_per_hour, "60", 1, 1000000, UB_LIVE,
                 "log entries an hour and account below room admin"),
    UB_FIELD_INT(struct memb_settings, max_identities, "100000", 1, 10000000, UB_LIVE,
                 "identities on the allowlist, removed ones too"),
    UB_FIELD_INT(struct memb_settings, max_rooms, "100000", 1, 10000000, UB_LIVE,
                 "rooms on this node"),
    UB_FIELD_INT(struct memb_settings, max_rooms_per_identity, "1000", 1, 1000000, UB_LIVE,
                 "rooms that one identity may have founded, left ones too"),
    UB_FIELD_SIZE(struct memb_settings, max_blob, "64 MiB", 1024, 1LL << 40, 0, "one blob"),
    UB_FIELD_SIZE(struct memb_settings, max_room_blobs, "1 GiB", 1024, 1LL << 50, UB_LIVE,
                  "all blobs of one room together"),
    UB_FIELD_INT(struct memb_settings, max_nonces, "32000", 100, 10000000, 0,
                 "signed requests of the last minutes; the last tenth is for admins"),
    UB_FIELD_INT(struct memb_settings, max_nonces_per_identity, "2000", 10, 10000000, 0,
                 "signed requests of one identity in the last minutes"),
};

void memb_fail(struct memb *memb, const char *why)
{
    memb->host->node->fail(memb->host, "E-MEMB-DIVERGED", why);
}

bool memb_enter(struct memb *memb)
{
    atomic_fetch_add(&memb->visitors, 1);
    if (atomic_load(&memb->is_open)) {
        return true;
    }
    memb_leave(memb);
    return false;
}

void memb_leave(struct memb *memb)
{
    atomic_fetch_sub(&memb->visitors, 1);
}

static void destroy(void *self)
{
    struct memb *memb = self;
    memb_nonces_fini(&memb->nonces); /* counts at identities */
    memb_model_fini(&memb->model);
    memb_watchers_fini(&memb->watchers);
    memb_generation_fini(&memb->generation);
    pthread_mutex_destroy(&memb->blob_gate);
    pthread_mutex_destroy(&memb->idem_lock);
    memb_map_free(&memb->idem_running);
    free(memb->bound_routes);
    free(memb);
}

static int64_t nonce_ttl_ms(const struct memb_settings *settings)
{
    return settings->clock_skew <= SKEW_OF_SHORT_TTL ? NONCE_TTL_MS : NONCE_TTL_LONG_MS;
}

static bool init(struct memb *memb)
{
    const struct memb_settings *settings = memb->settings;
    pthread_mutex_init(&memb->blob_gate, NULL);
    pthread_mutex_init(&memb->idem_lock, NULL);
    memb->idem_running = memb_map_new(UBR_HASH_LEN);
    bool is_done = memb_model_init(&memb->model);
    is_done = memb_nonces_init(&memb->nonces, REQUEST_LIFE_MS + 2 * settings->clock_skew,
                               settings->max_nonces, settings->max_nonces_per_identity) &&
              is_done;
    is_done = memb_watchers_init(&memb->watchers) && is_done;
    is_done = memb_generation_init(&memb->generation, 0) && is_done;
    return is_done && memb->idem_running != NULL;
}

static void live_take(struct memb_live *live, const struct memb_settings *settings)
{
    live->append_rate_per_hour = settings->append_rate_per_hour;
    live->max_identities = settings->max_identities;
    live->max_rooms = settings->max_rooms;
    live->max_rooms_per_identity = settings->max_rooms_per_identity;
    live->max_room_blobs = settings->max_room_blobs;
}

static enum ub_status create(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err)
{
    if (sodium_init() < 0) {
        return ub_fail(err, UB_EINTERNAL, "libsodium cannot be initialised");
    }
    struct memb *memb = calloc(1, sizeof *memb);
    if (memb == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory");
    }
    memb->host = host;
    memb->settings = settings;
    live_take(&memb->live, settings);
    if (!init(memb)) {
        destroy(memb);
        return ub_fail(err, UB_ENOMEM, "no memory");
    }
    *self_out = memb;
    return UB_OK;
}

static const struct ub_authz_ops *policy_ops_at(const void *policies, size_t i)
{
    return ((const struct memb_policy *)policies)[i].ops;
}

static enum ub_status bind_policy(struct memb *memb, const struct ub_service *service,
                                  struct ub_err *err)
{
    if (memb->policies_len == MEMB_POLICIES_MAX) {
        return ub_fail(err, UB_ELIMIT, "at most %d other modules may provide ub.authz",
                       MEMB_POLICIES_MAX);
    }
    struct memb_policy *policies = memb->policies;
    size_t place = ub_authz_place(service->ops, policies, memb->policies_len, policy_ops_at);
    memmove(&policies[place + 1], &policies[place],
            (memb->policies_len++ - place) * sizeof policies[0]);
    policies[place] = (struct memb_policy){service->ops, service->self, service->module};
    return UB_OK;
}

static enum ub_status bind_httpd(struct memb *memb, const struct ub_service *service,
                                 struct ub_err *err)
{
    memb->httpd = service->ops;
    memb->httpd_self = service->self;
    enum ub_status status = memb_routes_register(memb, err);
    return status == UB_OK
               ? memb->httpd->authenticator(memb->httpd_self, &memb_authn_ops, memb, err)
               : status;
}

static enum ub_status bind(void *self, const struct ub_service *service, struct ub_err *err)
{
    struct memb *memb = self;
    if (strcmp(service->iface, UB_KV_IFACE) == 0) {
        memb->kv = service->ops;
        memb->kv_self = service->self;
    } else if (strcmp(service->iface, UB_BLOB_IFACE) == 0) {
        memb->blob = service->ops;
        memb->blob_self = service->self;
    } else if (strcmp(service->iface, UB_HTTPD_IFACE) == 0) {
        return bind_httpd(memb, service, err);
    } else if (strcmp(service->iface, UB_AUTHZ_IFACE) == 0) {
        return bind_policy(memb, service, err);
    }
    return UB_OK;
}

/* Nobody else may write what we hold in memory: a shared store needs a watch, which 1.0 lacks. */
static enum ub_status check_store(struct memb *memb, struct ub_err *err)
{
    struct ub_kv_caps caps = {.size = sizeof caps};
    memb->kv->caps(memb->kv_self, &caps);
    memb->has_store_batch = (caps.flags & UB_KV_BATCH_STORE) != 0;
    if (caps.flags & UB_KV_SHARED) {
        return ub_fail_code(err, UB_EUNSUPPORTED, "E-MEMB-SHARED",
                            "this version keeps a store of its own: use a kv module that other "
                            "nodes do not share");
    }
    if (!(caps.flags & UB_KV_BATCH_BUCKET)) {
        return ub_fail_code(err, UB_EUNSUPPORTED, "E-MEMB-BATCH",
                            "the kv module cannot write several records at once");
    }
    return UB_OK;
}

static enum ub_status open_buckets(struct memb *memb, struct ub_err *err)
{
    const struct ub_kv_bucket_options durable = {.size = sizeof durable};
    const struct ub_kv_bucket_options fleeting = {.size = sizeof fleeting,
                                                  .ttl_ms = nonce_ttl_ms(memb->settings)};
    const char *name = fleeting.ttl_ms == NONCE_TTL_MS ? "nonces" : "nonces-720";
    enum ub_status status =
        memb->kv->bucket_open(memb->kv_self, "control", &durable, &memb->control, err);
    return status == UB_OK
               ? memb->kv->bucket_open(memb->kv_self, name, &fleeting, &memb->nonce_bucket, err)
               : status;
}

static enum ub_status load(struct memb *memb, struct ub_err *err)
{
    int64_t revision = 0;
    enum ub_status status = memb_load_cluster_id(memb, err);
    if (status == UB_OK) {
        status = memb_nonce_epoch_read(memb, err);
    }
    if (status == UB_OK) {
        status = memb_load(memb, err);
    }
    if (status == UB_OK) {
        status = memb->kv->revision(memb->control, &revision, err);
    }
    memb->generation.newest = revision;
    return status;
}

static void close_buckets(struct memb *memb)
{
    if (memb->nonce_bucket != NULL) {
        memb->kv->bucket_close(memb->kv_self, &memb->nonce_bucket);
    }
    if (memb->control != NULL) {
        memb->kv->bucket_close(memb->kv_self, &memb->control);
    }
}

static enum ub_status start(void *self, struct ub_err *err)
{
    struct memb *memb = self;
    enum ub_status status = check_store(memb, err);
    if (status == UB_OK) {
        status = open_buckets(memb, err);
    }
    if (status == UB_OK) {
        status = load(memb, err);
    }
    if (status == UB_OK) {
        status = memb_chores_start(memb, err);
    }
    if (status != UB_OK) {
        close_buckets(memb);
        return status;
    }
    atomic_store(&memb->is_open, true);
    ub_log(memb->host, UB_LOG_INFO, "loaded", "identities and rooms are loaded",
           UB_NUMBER("identities", memb->model.identities_len),
           UB_NUMBER("rooms", memb->model.rooms_len), UB_TEXT("cluster", memb->cluster_id));
    return UB_OK;
}

static bool is_drained(void *self)
{
    return atomic_load(&((struct memb *)self)->visitors) == 0;
}

/* http stops after us, so a request may still be inside. One that does not leave keeps the buckets:
 * the store closes them when it stops. */
static void stop(void *self)
{
    struct memb *memb = self;
    const struct timespec pause = {0, 1000000};
    memb_chores_stop(memb);
    atomic_store(&memb->is_open, false);
    for (int i = 0; i < STOP_WAIT_MS && !is_drained(memb); i++) {
        nanosleep(&pause, NULL);
    }
    if (is_drained(memb)) {
        close_buckets(memb);
    }
}

/* The token is the struct itself: it lives until the commit after this one. */
static enum ub_status prepare(void *self, const void *settings, void **token_out,
                              struct ub_err *err)
{
    (void)self;
    (void)err;
    *token_out = (void *)(uintptr_t)settings;
    return UB_OK;
}

static void commit(void *self, void *token)
{
    live_take(&((struct memb *)self)->live, token);
}

static void abort_reload(void *self, void *token)
{
    (void)self;
    (void)token;
}

static void health(void *self, const struct ub_health_sink *sink)
{
    struct memb *memb = self;
    if (!atomic_load(&memb->is_open)) {
        return;
    }
    memb_model_read(&memb->model);
    int64_t identities = (int64_t)memb->model.identities_len;
    int64_t rooms = (int64_t)memb->model.rooms_len;
    memb_model_unlock(&memb->model);
    pthread_mutex_lock(&memb->nonces.lock);
    bool is_away = memb->nonces.is_away;
    pthread_mutex_unlock(&memb->nonces.lock);
    sink->number(sink->ctx, "generation", memb_generation_now(&memb->generation));
    sink->number(sink->ctx, "identities", identities);
    sink->number(sink->ctx, "rooms", rooms);
    sink->text(sink->ctx, "cluster.id", memb->cluster_id);
    if (is_away) {
        sink->problem(sink->ctx, "E-MEMB-NONCES", "the nonce store does not answer",
                      "look at the kv module: signed requests with an effect are refused");
    }
}

static const struct ub_module_ops ops = {
    .size = sizeof(struct ub_module_ops),
    .create = create,
    .bind = bind,
    .start = start,
    .is_drained = is_drained,
    .stop = stop,
    .destroy = destroy,
    .prepare = prepare,
    .commit = commit,
    .abort = abort_reload,
    .health = health,
};

static const struct ub_provide provides[] = {
    {sizeof(struct ub_provide), UB_AUTHZ_IFACE, UB_AUTHZ_MAJOR, UB_AUTHZ_MINOR, &memb_authz_ops},
};

/* The oldest minor versions that have all we call: naming our own headers' would refuse modules
 * that were built before them. */
static const struct ub_require required[] = {
    {sizeof(struct ub_require), UB_KV_IFACE, UB_KV_MAJOR, 0, 0, "kv"},
    {sizeof(struct ub_require), UB_BLOB_IFACE, UB_BLOB_MAJOR, 0, 0, "blob"},
    {sizeof(struct ub_require), UB_HTTPD_IFACE, UB_HTTPD_MAJOR, 0, 0, NULL},
    {sizeof(struct ub_require), UB_AUTHZ_IFACE, UB_AUTHZ_MAJOR, 0,
     UB_EVERY | UB_NOT_SELF | UB_OPTIONAL, NULL},
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 1,
    .name = "membership",
    .version = "0.1.0",
    .summary = "identities, rooms by signed log, sealed keys, blob references, authorisation",
    .ops = &ops,
    .settings_size = sizeof(struct memb_settings),
    UB_TABLE(fields, field, fields),
    UB_TABLE(provides, provide, provides),
    UB_TABLE(requires_, require, required),
};
