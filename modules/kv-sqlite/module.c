/* SPDX-License-Identifier: Apache-2.0
 *
 * kv-sqlite: ub.kv in one SQLite file. The descriptor, the settings and the life cycle. */
#include "store.h"
#include "schema.h"
#include "wal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

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
    UB_FIELD_SIZE(struct kvsq_settings, wal_size, "16 MiB", 1 << 20, 1 << 30, 0,
                  "the write-ahead log is copied into the file when it has this size"),
};

static const struct ubs_trouble_row trouble_rows[UBS_TROUBLE_COUNT] = {
    [UBS_DAMAGE] = {"E-KV-001", "store-damaged",
                    "check the disk; write a named record anew, for a page restore the file from "
                    "a backup; then restart"},
    [UBS_IO] = {"E-KV-002", "store-failed",
                "the store is read-only: check the disk and the kernel log, then restart"},
    [UBS_FULL] = {"E-KV-003", "store-full",
                  "make room on the file system; writes go on by themselves"},
};

static enum ub_status create(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err)
{
    const struct kvsq_settings *given = settings;
    const struct ubs_kv_options options = {host,        &kvsq_engine,     trouble_rows,
                                           given->file, given->queue_max, given->deletions_max};
    struct kvsq *store = calloc(1, sizeof(*store));
    if (store == NULL || sodium_init() < 0) {
        free(store);
        return ub_fail(err, UB_ENOMEM, "no memory for kv-sqlite");
    }
    store->settings = settings;
    store->home = (struct ubs_home)UBS_HOME_INIT;
    ubs_kv_init(&store->kv, &options);
    kvsq_readers_init(&store->readers);
    *self_out = store;
    return UB_OK;
}

static void stop(void *self)
{
    struct kvsq *store = self;
    kvsq_check_stop(store);
    ubs_kv_stop(&store->kv);
    kvsq_readers_close(store);
    kvsq_db_close(&store->writer); /* last: SQLite empties and removes the WAL */
    ubs_home_close(&store->home, !ubs_trouble_is_on(&store->kv.trouble, UBS_IO) &&
                                     !atomic_load(&store->check.is_owed));
}

/* The folder is the operator's; the file and its lock are ours. */
static enum ub_status open_home(struct kvsq *store, struct ub_err *err)
{
    char dir[PATH_MAX], lock_name[NAME_MAX + 1];
    const char *file = store->settings->file, *slash = strrchr(file, '/');
    if (slash == NULL || (size_t)(slash - file) >= sizeof(dir) || slash[1] == '\0' ||
        strlen(slash) + 5 > sizeof(lock_name)) {
        return ub_fail(err, UB_EINVAL, "file = \"%s\" is no absolute path of a file", file);
    }
    snprintf(dir, sizeof(dir), "%.*s", slash == file ? 1 : (int)(slash - file), file);
    snprintf(lock_name, sizeof(lock_name), "%s.lock", slash + 1);
    enum ub_status status = ubs_home_open(&store->home, dir, lock_name, file, err);
    if (status == UB_OK) {
        status = ubs_home_file(&store->home, dir, slash + 1, 0, err);
    }
    if (status == UB_OK && fsync(store->home.dir_fd) != 0) {
        return ub_fail(err, UB_EIO, "cannot sync the folder %s: %s", dir, strerror(errno));
    }
    return status;
}

static int on_commit(void *arg, sqlite3 *sqlite, const char *name, int pages)
{
    (void)sqlite;
    (void)name;
    ((struct kvsq *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

static enum ub_status open_writer(struct kvsq *store, struct ub_err *err)
{
    struct kvsq_db *db = &store->writer;
    enum ub_status status = kvsq_db_open(store, db, err);
    if (status == UB_OK) {
        sqlite3_wal_hook(db->sqlite, on_commit, store);
        status = kvsq_schema_ready(db, err);
    }
    if (status == UB_OK && store->home.was_unclean) {
        /* Nothing that was under way may be left in the WAL: kvsq_wal_check relies on it. */
        status = kvsq_db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    }
    return status == UB_OK ? kvsq_schema_seal_key(db, err) : status;
}

static enum ub_status open_store(struct kvsq *store, struct ub_err *err)
{
    enum ub_status status = open_home(store, err);
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
        status = open_writer(store, err);
    }
    return status == UB_OK ? kvsq_readers_open(store, err) : status;
}

static enum ub_status start(void *self, struct ub_err *err)
{
    struct kvsq *store = self;
    enum ub_status status = open_store(store, err);
    if (status == UB_OK) {
        status = ubs_kv_start(&store->kv, err);
    }
    if (status == UB_OK && store->home.was_unclean) {
        status = kvsq_check_start(store, err);
    }
    if (status != UB_OK) {
        stop(store);
        return status;
    }
    ub_log(store->kv.host, UB_LOG_INFO, "store-opened", "the store is open",
           UB_TEXT("file", store->settings->file), UB_TEXT("sqlite", sqlite3_libversion()),
           UB_TEXT("last-stop", store->home.was_unclean ? "unclean" : "clean"));
    return UB_OK;
}

static void destroy(void *self)
{
    struct kvsq *store = self;
    kvsq_readers_fini(&store->readers);
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
    struct kvsq *store = self;
    ubs_kv_health(&store->kv, sink);
    sink->number(sink->ctx, "checking", atomic_load(&store->check.is_running));
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
    .name = "kv-sqlite",
    .version = "0.1.0",
    .summary = "the key-value store of one node, in a SQLite file",
    .ops = &ops,
    .settings_size = sizeof(struct kvsq_settings),
    UB_TABLE(fields, field, fields),
    UB_TABLE(provides, provide, provides),
};
