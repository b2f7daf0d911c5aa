/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-lmdb: ub.kv in one LMDB folder. The descriptor, the settings and the life cycle. */
#include "store.h"
#include "write.h"

#include <inttypes.h>
#include <stdlib.h>

#include <sodium.h>

static const struct ub_field fields[] = {
    UB_FIELD_STATE_PATH(struct kvlm_settings, dir, "unibus.lmdb", 0,
                        "the LMDB folder; it must be ours alone"),
    UB_FIELD_SIZE(struct kvlm_settings, map_start, "64 MiB", 1 << 20, 0, 0,
                  "address space that the store begins with; it doubles when it has to"),
    UB_FIELD_SIZE(struct kvlm_settings, map_max, "64 GiB", 1 << 20, (int64_t)1 << 45, 0,
                  "the most that the store may grow to"),
    UB_FIELD_INT(struct kvlm_settings, queue_max, "1024", 1, 65536, 0,
                 "calls that may wait for the store; one more is answered \"unavailable\""),
    UB_FIELD_INT(struct kvlm_settings, deletions_max, "10000", 4, 10000000, 0,
                 "deletions that a bucket remembers for watches that come back"),
};

static enum ub_status create(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err)
{
    const struct kvlm_settings *given = settings;
    if (given->map_start > given->map_max) {
        return ub_fail(err, UB_EINVAL,
                       "map_start = %" PRId64 " is more than map_max = %" PRId64
                       ": make it smaller",
                       given->map_start, given->map_max);
    }
    struct kvlm *store = calloc(1, sizeof(*store));
    if (store == NULL || sodium_init() < 0) {
        free(store);
        return ub_fail(err, UB_ENOMEM, "no memory for kv-lmdb");
    }
    store->host = host;
    store->settings = settings;
    store->home.dir_fd = store->home.lock_fd = -1;
    kvlm_trouble_init(&store->trouble);
    kvlm_writer_init(&store->writer);
    kvlm_readers_init(&store->readers);
    kvlm_watches_init(&store->watches);
    *self_out = store;
    return UB_OK;
}

static void stop(void *self)
{
    struct kvlm *store = self;
    kvlm_sweep_stop(store);
    kvlm_writer_stop(store);
    kvlm_watches_stop(store);
    kvlm_readers_close(store);
    kvlm_env_close(store);
    kvlm_buckets_free(store);
    kvlm_home_close(&store->home, !kvlm_trouble_is_on(store, KVLM_IO));
}

static enum ub_status open_store(struct kvlm *store, struct ub_err *err)
{
    enum ub_status status = kvlm_home_open(&store->home, store->settings->dir, err);
    return status == UB_OK ? kvlm_env_open(store, err) : status;
}

static enum ub_status start_threads(struct kvlm *store, struct ub_err *err)
{
    enum ub_status status = kvlm_watches_start(store, err);
    return status == UB_OK ? kvlm_writer_start(store, err) : status;
}

static enum ub_status start(void *self, struct ub_err *err)
{
    struct kvlm *store = self;
    store->wall_base_ms = store->host->clock->now_ms(store->host);
    store->mono_base_ns = store->host->clock->mono_ns(store->host);
    enum ub_status status = open_store(store, err);
    if (status == UB_OK) {
        status = start_threads(store, err);
    }
    if (status != UB_OK) {
        stop(store);
        return status;
    }
    kvlm_sweep_start(store);
    ub_log(store->host, UB_LOG_INFO, "store-opened", "the store is open",
           UB_TEXT("dir", store->settings->dir), UB_TEXT("lmdb", mdb_version(NULL, NULL, NULL)),
           UB_TEXT("last-stop", store->home.was_unclean ? "unclean" : "clean"));
    return UB_OK;
}

static void destroy(void *self)
{
    struct kvlm *store = self;
    kvlm_watches_fini(&store->watches);
    kvlm_readers_fini(&store->readers);
    kvlm_writer_fini(&store->writer);
    kvlm_trouble_fini(&store->trouble);
    sodium_memzero(store->seal_key, sizeof(store->seal_key));
    free(store);
}

static void posture(void *self, const struct ub_posture_sink *sink)
{
    (void)self;
    sink->fact(sink->ctx, "durability", "disk", NULL);
}

static void health(void *self, const struct ub_health_sink *sink)
{
    struct kvlm *store = self;
    sink->number(sink->ctx, "writes", atomic_load(&store->writer.job_count));
    sink->number(sink->ctx, "commits", atomic_load(&store->writer.commit_count));
    sink->number(sink->ctx, "swept", atomic_load(&store->sweep.count));
    sink->number(sink->ctx, "map_bytes", atomic_load(&store->env.map_size));
    sink->number(sink->ctx, "stale_readers", atomic_load(&store->env.stale_readers));
    kvlm_trouble_health(store, sink);
}

static const struct ub_module_ops ops = {
    .size = sizeof(struct ub_module_ops),
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .posture = posture,
    .health = health,
};

static void caps(void *self, struct ub_kv_caps *caps_out)
{
    (void)self;
    caps_out->flags = UB_KV_BATCH_BUCKET | UB_KV_BATCH_STORE;
    caps_out->replicas = 1;
    caps_out->durability = "disk";
}

static const struct ub_kv_ops kvlm_ops = {
    .size = sizeof(struct ub_kv_ops),
    .caps = caps,
    .bucket_open = kvlm_bucket_open,
    .bucket_close = kvlm_bucket_close,
    .revision = kvlm_bucket_revision,
    .get = kvlm_get,
    .value_free = kvlm_value_free,
    .write = kvlm_write,
    .batch = kvlm_batch,
    .list = kvlm_list,
    .watch = kvlm_watch,
    .unwatch = kvlm_unwatch,
};

static const struct ub_provide provides[] = {
    {sizeof(struct ub_provide), UB_KV_IFACE, 1, 0, &kvlm_ops},
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 0,
    .name = "kv-lmdb",
    .version = "0.1.0",
    .summary = "the key-value store of one node, in an LMDB folder",
    .ops = &ops,
    .settings_size = sizeof(struct kvlm_settings),
    UB_TABLE(fields, field, fields),
    UB_TABLE(provides, provide, provides),
};
