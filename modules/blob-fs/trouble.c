/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <errno.h>

struct trouble_row {
    const char *code, *event, *fix;
};

static const struct trouble_row rows[BLOBFS_TROUBLE_COUNT] = {
    [BLOBFS_DAMAGE] = {"E-BLOB-001", "blob-damaged",
                       "check the disk; upload the blob again, which replaces the file"},
    [BLOBFS_IO] = {"E-BLOB-002", "store-failed",
                   "the store is read-only: check the disk and the kernel log, then restart"},
    [BLOBFS_FULL] = {"E-BLOB-003", "store-full",
                     "make room on the file system; uploads go on by themselves"},
};

void blobfs_trouble_init(struct blobfs_trouble *trouble)
{
    memset(trouble, 0, sizeof(*trouble));
    pthread_mutex_init(&trouble->lock, NULL);
}

void blobfs_trouble_fini(struct blobfs_trouble *trouble)
{
    pthread_mutex_destroy(&trouble->lock);
}

void blobfs_trouble_note(struct blobfs *store, enum blobfs_trouble_kind kind, const char *what)
{
    struct blobfs_trouble *trouble = &store->trouble;
    pthread_mutex_lock(&trouble->lock);
    bool is_first = !trouble->slots[kind].is_on;
    trouble->slots[kind].is_on = true;
    trouble->slots[kind].count++;
    if (is_first) {
        snprintf(trouble->slots[kind].what, sizeof(trouble->slots[kind].what), "%s", what);
    }
    pthread_mutex_unlock(&trouble->lock);
    if (is_first || kind == BLOBFS_DAMAGE) {
        ub_log(store->host, UB_LOG_ERROR, rows[kind].event, what, UB_TEXT("code", rows[kind].code),
               UB_TEXT("dir", store->settings->dir), UB_TEXT("fix", rows[kind].fix));
    }
}

void blobfs_trouble_clear(struct blobfs *store, enum blobfs_trouble_kind kind)
{
    pthread_mutex_lock(&store->trouble.lock);
    store->trouble.slots[kind].is_on = false;
    pthread_mutex_unlock(&store->trouble.lock);
}

bool blobfs_trouble_is_on(struct blobfs *store, enum blobfs_trouble_kind kind)
{
    pthread_mutex_lock(&store->trouble.lock);
    bool is_on = store->trouble.slots[kind].is_on;
    pthread_mutex_unlock(&store->trouble.lock);
    return is_on;
}

void blobfs_trouble_health(struct blobfs *store, const struct ub_health_sink *sink)
{
    struct blobfs_trouble *trouble = &store->trouble;
    pthread_mutex_lock(&trouble->lock);
    sink->number(sink->ctx, "damaged", trouble->slots[BLOBFS_DAMAGE].count);
    for (int i = 0; i < BLOBFS_TROUBLE_COUNT; i++) {
        if (trouble->slots[i].is_on) {
            sink->problem(sink->ctx, rows[i].code, trouble->slots[i].what, rows[i].fix);
        }
    }
    pthread_mutex_unlock(&trouble->lock);
}

enum ub_status blobfs_fail_errno(struct blobfs *store, bool is_durability, const char *doing,
                                 const char *what, struct ub_err *err)
{
    char text[UB_ERR_MESSAGE_MAX];
    int why = errno;
    bool is_full = why == ENOSPC || why == EDQUOT;
    /* These say nothing about the disk, and whoever opens connections can bring them about. */
    is_durability = is_durability && why != EMFILE && why != ENFILE && why != ENOMEM;
    snprintf(text, sizeof(text), "cannot %s %s in %s: %s", doing, what, store->settings->dir,
             strerror(why));
    if (is_full || is_durability) {
        blobfs_trouble_note(store, is_full ? BLOBFS_FULL : BLOBFS_IO, text);
    }
    return ub_fail(err, is_full ? UB_EUNAVAILABLE : UB_EIO, "%s", text);
}
