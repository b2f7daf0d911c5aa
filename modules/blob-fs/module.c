/* SPDX-License-Identifier: Apache-2.0
 *
 * blob-fs: ub.blob as files in a folder. The descriptor, the settings and the life cycle. */
#include "store.h"
#include "room.h"

#include <stdlib.h>

#include <sodium.h>

static const struct ub_field fields[] = {
    UB_FIELD_STATE_PATH(struct blobfs_settings, dir, "blobs", 0,
                        "the folder of the blobs; it must be ours alone"),
    UB_FIELD_SIZE(struct blobfs_settings, max_item, "64 MiB", 1, INT64_C(1) << 40, UB_LIVE,
                  "the largest blob"),
    UB_FIELD_SIZE(struct blobfs_settings, max_total, "0", 0, INT64_C(1) << 60, 0,
                  "all blobs together; 0 = no limit. With a limit, start counts all files"),
};

static const struct ubs_trouble_row trouble_rows[UBS_TROUBLE_COUNT] = {
    [UBS_DAMAGE] = {"E-BLOB-001", "blob-damaged",
                    "check the disk; upload the blob again, which replaces the file"},
    [UBS_IO] = {"E-BLOB-002", "store-failed",
                "the store is read-only: check the disk and the kernel log, then restart"},
    [UBS_FULL] = {"E-BLOB-003", "store-full",
                  "make room on the file system; uploads go on by themselves"},
};

static enum ub_status create(const struct ub_host *host, const void *settings, void **self_out,
                             struct ub_err *err)
{
    struct blobfs *store = calloc(1, sizeof(*store));
    if (store == NULL || sodium_init() < 0) {
        free(store);
        return ub_fail(err, UB_ENOMEM, "no memory for blob-fs");
    }
    store->host = host;
    store->settings = settings;
    store->max_item = store->settings->max_item;
    store->home = (struct blobfs_home){UBS_HOME_INIT, -1};
    ubs_trouble_init(&store->trouble, host, trouble_rows, store->settings->dir);
    pthread_mutex_init(&store->lock, NULL);
    *self_out = store;
    return UB_OK;
}

static void stop(void *self)
{
    struct blobfs *store = self;
    store->is_open = false;
    blobfs_home_close(&store->home);
}

static enum ub_status start(void *self, struct ub_err *err)
{
    struct blobfs *store = self;
    enum ub_status status = blobfs_home_open(&store->home, store->settings->dir, err);
    if (status == UB_OK) {
        status = blobfs_room_count(store, err);
    }
    if (status != UB_OK) {
        stop(store);
        return status;
    }
    store->is_open = true;
    ub_log(store->host, UB_LOG_INFO, "store-opened", "the store is open",
           UB_TEXT("dir", store->settings->dir));
    return UB_OK;
}

static void destroy(void *self)
{
    struct blobfs *store = self;
    pthread_mutex_destroy(&store->lock);
    ubs_trouble_fini(&store->trouble);
    free(store);
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
    const struct blobfs_settings *settings = token;
    ((struct blobfs *)self)->max_item = settings->max_item;
}

static void abort_reload(void *self, void *token)
{
    (void)self;
    (void)token;
}

static void posture(void *self, const struct ub_posture_sink *sink)
{
    (void)self;
    sink->fact(sink->ctx, "blob-durability", "disk", NULL);
}

static void health(void *self, const struct ub_health_sink *sink)
{
    ubs_trouble_health(&((struct blobfs *)self)->trouble, sink);
}

static const struct ub_module_ops ops = {
    .size = sizeof(struct ub_module_ops),
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .prepare = prepare,
    .commit = commit,
    .abort = abort_reload,
    .posture = posture,
    .health = health,
};

static const struct ub_provide provides[] = {
    {sizeof(struct ub_provide), UB_BLOB_IFACE, 1, 0, &blobfs_ops},
};

UB_MODULE = {
    .size = sizeof(struct ub_module),
    .abi_major = 1,
    .abi_minor = 0,
    .name = "blob-fs",
    .version = "0.1.0",
    .summary = "blobs as files in a folder, named by their content",
    .ops = &ops,
    .settings_size = sizeof(struct blobfs_settings),
    UB_TABLE(fields, field, fields),
    UB_TABLE(provides, provide, provides),
};
