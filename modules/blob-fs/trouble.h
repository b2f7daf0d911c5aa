/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with the store, for health, for the log and for refusing writes. */
#ifndef BLOBFS_TROUBLE_H
#define BLOBFS_TROUBLE_H

#include <pthread.h>

#include <unibus/abi.h>
#include <unibus/posture.h>

struct blobfs;

enum blobfs_trouble_kind {
    BLOBFS_DAMAGE, /* a file's content is not what its name says */
    BLOBFS_IO,     /* the system failed to make something durable: read-only until the restart */
    BLOBFS_FULL,   /* no room; ends with the next commit that works */
    BLOBFS_TROUBLE_COUNT
};

struct blobfs_trouble {
    pthread_mutex_t lock;
    struct {
        bool is_on;
        int64_t count;
        char what[UB_ERR_MESSAGE_MAX];
    } slots[BLOBFS_TROUBLE_COUNT];
};

void blobfs_trouble_init(struct blobfs_trouble *trouble);
void blobfs_trouble_fini(struct blobfs_trouble *trouble);

/* Threads: any. */
void blobfs_trouble_note(struct blobfs *store, enum blobfs_trouble_kind kind, const char *what);
void blobfs_trouble_clear(struct blobfs *store, enum blobfs_trouble_kind kind);
bool blobfs_trouble_is_on(struct blobfs *store, enum blobfs_trouble_kind kind);
void blobfs_trouble_health(struct blobfs *store, const struct ub_health_sink *sink);

/* Answers for a failed system call: doing what, to what; errno says why. No room is
 * UB_EUNAVAILABLE and noted; everything else is UB_EIO, noted when is_durability is set. */
enum ub_status blobfs_fail_errno(struct blobfs *store, bool is_durability, const char *doing,
                                 const char *what, struct ub_err *err);

#endif
