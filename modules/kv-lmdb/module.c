/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-lmdb: ub.kv in one LMDB folder. The descriptor, the settings and the life cycle. */
#include "store.h"

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

static const struct ubs_trouble_row trouble_rows[UBS_TROUBLE_COUNT] = {
    [UBS_DAMAGE] = {"E-KV-001", "store-damaged",
                    "check the disk; write the named records anew or restore the store from a "
                    "backup, then restart"},
    [UBS_IO] = {"E-KV-002", "store-failed",
                "the store is read-only: check the disk and the kernel log, then restart"},
    [UBS_FULL] = {"E-KV-003", "store-full",
                  "make room on the file system or raise map_max; writes go on by themselves"},
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
    const struct ubs_kv_options options = {host,       &kvlm_engine,     trouble_rows,
                                           given->dir, given->queue_max, given->deletions_max};
    struct kvlm *store = calloc(1, sizeof(*store));
    if (store == NULL || sodium_init() < 0) {
        free(store);
        return ub_fail(err, UB_ENOMEM, "no memory for kv-lmdb");
    }
    store->settings = settings;
    store->home.base = (struct ubs_home)UBS_HOME_INIT;
    ubs_kv_init(&store->kv, &options);
    kvlm_readers_init(&store->readers);
    *self_out = store;
    return UB_OK;
}

static void stop(void *self)
{
    struct kvlm *store = self;
    ubs_kv_stop(&store->kv);
    kvlm_readers_close(store);
    kvlm_env_close(store);
    ubs_home_close(&store->home.base, !ubs_trouble_is_on(&store->kv.trouble, UBS_IO));
}

static enum ub_status start(void *self, struct ub_err *err)
{
    struct kvlm *store = self;
    enum ub_status status = kvlm_home_open(&store->home, store->settings->dir, err);
    if (status == UB_OK) {
        status = kvlm_env_open(store, err);
    }
    if (status == UB_OK) {
        status = ubs_kv_start(&store->kv, err);
    }
    if (status != UB_OK) {
        stop(store);
        return status;
    }
    ub_log(store->kv.host, UB_LOG_INFO, "store-opened", "the store is open",
           UB_TEXT("dir", store->settings->dir), UB_TEXT("lmdb", mdb_version(NULL, NULL, NULL)),
           UB_TEXT("last-stop", store->home.base.was_unclean ? "unclean" : "clean"));
    return UB_OK;
}

static void destroy(void *self)
{
    struct kvlm *store = self;
    kvlm_readers_fini(&store->readers);
    ubs_kv_fini(&store->kv);
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
    ubs_kv_health(&store->kv, sink);
    sink->number(sink->ctx, "map_bytes", atomic_load(&store->env.map_size));
    sink->number(sink->ctx, "stale_readers", atomic_load(&store->env.stale_readers));
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

static const struct ub_provide provides[] = {
    {sizeof(struct ub_provide), UB_KV_IFACE, 1, 0, &ubs_kv_ops},
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
