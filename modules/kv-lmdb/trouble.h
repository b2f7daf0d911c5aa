/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with the store, for health, for the log and for refusing writes. */
#ifndef KVLM_TROUBLE_H
#define KVLM_TROUBLE_H

#include <pthread.h>

#include <unibus/abi.h>
#include <unibus/posture.h>

struct kvlm;
struct ub_kv_bucket;

enum kvlm_trouble_kind {
    KVLM_DAMAGE, /* bytes on disk are not what was written; stays until the restart */
    KVLM_IO,     /* the system failed an operation: the store is read-only until the restart */
    KVLM_FULL,   /* no room; ends with the next commit that works */
    KVLM_TROUBLE_COUNT
};

struct kvlm_trouble {
    pthread_mutex_t lock;
    struct {
        bool is_on;
        int64_t count;
        char what[UB_ERR_MESSAGE_MAX]; /* the first */
    } slots[KVLM_TROUBLE_COUNT];
    uint32_t seen[64]; /* sums of what was noted once, as a ring */
    size_t seen_count;
};

void kvlm_trouble_init(struct kvlm_trouble *trouble);
void kvlm_trouble_fini(struct kvlm_trouble *trouble);

/* Threads: any. */
void kvlm_trouble_note(struct kvlm *store, enum kvlm_trouble_kind kind, const char *what);
/* The same words are noted once for every 64 others: a damaged page is met again and again. */
void kvlm_trouble_note_once(struct kvlm *store, enum kvlm_trouble_kind kind, const char *what);
void kvlm_trouble_clear(struct kvlm *store, enum kvlm_trouble_kind kind);
bool kvlm_trouble_is_on(struct kvlm *store, enum kvlm_trouble_kind kind);
void kvlm_trouble_health(struct kvlm *store, const struct ub_health_sink *sink);

/* Notes that a record fails its checksum; returns UB_EDAMAGED with bucket, key and revision. */
enum ub_status kvlm_trouble_record(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                   int64_t revision, struct ub_err *err);
/* UB_EDAMAGED for a key that seems absent while the names of some keys are damaged. */
enum ub_status kvlm_trouble_doubt(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                  struct ub_err *err);

#endif
