/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-sqlite: ub.kv in one SQLite file. The descriptor, the settings and the life cycle. */
#include "store.h"
#include "schema.h"
#include "wal.h"

#include <stdlib.h>

#include <sodium.h>

static const struct ub_field fields[] = {
    UB_FIELD_STATE_PATH(struct kvsq_settings, file, "unibus.db", 0,
                        "the SQLite file; its folder must be ours alone"),
    UB_FIELD_INT(struct kvsq_settings, queue_max, "1024", 1, 65536, 0,
                 "calls that may wait for the store; one more is answered \"unavailable\""),
    UB_FIELD_INT(struct kvsq_settings, readers, "4", 1, KVSQ_READERS_MAX, 0,
                 "connections for reading, so many reads run at the same time"),
    UB_FIELD_INT(struct kvsq_settings, deletions_max, "10000", 4, 10000000, 0,
                 "deletions that a bucket remembers for watches that come back"),
};

static enum ub_status create(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err)
{
    struct kvsq *store = calloc(1, sizeof(*store));
    if (store == NULL || sodium_init() < 0) {
        free(store);
        return ub_fail(err, UB_ENOMEM, "no memory for kv-sqlite");
    }
    store->host = host;
    store->settings = settings;
    store->home.dir_fd = store->home.lock_fd = -1;
    kvsq_trouble_init(&store->trouble);
    kvsq_writer_init(&store->writer);
    kvsq_readers_init(&store->readers);
    kvsq_watches_init(&store->watches);
    *self_out = store;
    return UB_OK;
}

static void stop(void *self)
{
    struct kvsq *store = self;
    kvsq_sweep_stop(store);
    kvsq_check_stop(store);
    kvsq_writer_stop(store);
    kvsq_watches_stop(store);
    kvsq_readers_close(store);
    kvsq_db_close(&store->writer.db); /* last: SQLite empties and removes the WAL */
    kvsq_buckets_free(store);
    kvsq_home_close(&store->home,
                    !kvsq_trouble_is_on(store, KVSQ_IO) && !atomic_load(&store->check.is_owed));
}

static enum ub_status open_file(struct kvsq *store, struct ub_err *err)
{
    struct kvsq_db *db = &store->writer.db;
    enum ub_status status = kvsq_home_open(&store->home, store->settings->file, err);
    atomic_store(&store->check.is_owed, store->home.was_unclean);
    if (status == UB_OK) {
        status = kvsq_schema_peek(store->settings->file, err);
    }
    if (status == UB_OK) {
        status = kvsq_wal_check(store->settings->file, err);
    }
    if (status == UB_OK) {
        status = kvsq_pages_register(err);
    }
    if (status == UB_OK) {
        status = kvsq_db_open(store, db, err);
    }
    if (status == UB_OK) {
        status = kvsq_schema_ready(db, err);
    }
    if (status == UB_OK && store->home.was_unclean) {
        /* Nothing that was under way may be left in the WAL: kvsq_wal_check relies on it. */
        status = kvsq_db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    }
    if (status == UB_OK) {
        status = kvsq_schema_seal_key(db, err);
    }
    return status == UB_OK ? kvsq_readers_open(store, err) : status;
}

static enum ub_status start_threads(struct kvsq *store, struct ub_err *err)
{
    enum ub_status status = kvsq_watches_start(store, err);
    if (status == UB_OK) {
        status = kvsq_writer_start(store, err);
    }
    if (status == UB_OK && store->home.was_unclean) {
        status = kvsq_check_start(store, err);
    }
    return status;
}

static enum ub_status start(void *self, struct ub_err *err)
{
    struct kvsq *store = self;
    store->wall_base_ms = store->host->clock->now_ms(store->host);
    store->mono_base_ns = store->host->clock->mono_ns(store->host);
    enum ub_status status = open_file(store, err);
    if (status == UB_OK) {
        status = start_threads(store, err);
    }
    if (status != UB_OK) {
        stop(store);
        return status;
    }
    kvsq_sweep_start(store);
    ub_log(store->host, UB_LOG_INFO, "store-opened", "the store is open",
           UB_TEXT("file", store->settings->file), UB_TEXT("sqlite", sqlite3_libversion()),
           UB_TEXT("last-stop", store->home.was_unclean ? "unclean" : "clean"));
    return UB_OK;
}

static void destroy(void *self)
{
    struct kvsq *store = self;
    kvsq_watches_fini(&store->watches);
    kvsq_readers_fini(&store->readers);
    kvsq_writer_fini(&store->writer);
    kvsq_trouble_fini(&store->trouble);
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
    struct kvsq *store = self;
    sink->number(sink->ctx, "writes", atomic_load(&store->writer.job_count));
    sink->number(sink->ctx, "commits", atomic_load(&store->writer.commit_count));
    sink->number(sink->ctx, "swept", atomic_load(&store->sweep.count));
    sink->number(sink->ctx, "checking", atomic_load(&store->check.is_running));
    kvsq_trouble_health(store, sink);
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
    {sizeof(struct ub_provide), UB_KV_IFACE, 1, 0, &kvsq_ops},
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 0,
    .name = "kv-sqlite",
    .version = "0.1.0",
    .summary = "the key-value store of one node, in a SQLite file",
    .ops = &ops,
    .settings_size = sizeof(struct kvsq_settings),
    UB_TABLE(fields, field, fields),
    UB_TABLE(provides, provide, provides),
};
