/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with the store, for health, for the log and for refusing writes. */
#ifndef KVSQ_TROUBLE_H
#define KVSQ_TROUBLE_H

#include <pthread.h>

#include <unibus/abi.h>
#include <unibus/posture.h>

struct kvsq;
struct kvsq_record;

enum kvsq_trouble_kind {
    KVSQ_DAMAGE, /* bytes on disk are not what was written; stays until the restart */
    KVSQ_IO,     /* the system failed an operation: the store is read-only until the restart */
    KVSQ_FULL,   /* no room; ends with the next commit that works */
    KVSQ_TROUBLE_COUNT
};

struct kvsq_trouble {
    pthread_mutex_t lock;
    struct {
        bool is_on;
        int64_t count;
        char what[UB_ERR_MESSAGE_MAX]; /* the first */
    } slots[KVSQ_TROUBLE_COUNT];
    uint32_t seen[64]; /* sums of what was noted once, as a ring */
    size_t seen_count;
};

void kvsq_trouble_init(struct kvsq_trouble *trouble);
void kvsq_trouble_fini(struct kvsq_trouble *trouble);

/* Threads: any. */
void kvsq_trouble_note(struct kvsq *store, enum kvsq_trouble_kind kind, const char *what);
/* The same words are noted once for every 64 others: a damaged page is met again and again. */
void kvsq_trouble_note_once(struct kvsq *store, enum kvsq_trouble_kind kind, const char *what);
void kvsq_trouble_clear(struct kvsq *store, enum kvsq_trouble_kind kind);
bool kvsq_trouble_is_on(struct kvsq *store, enum kvsq_trouble_kind kind);
void kvsq_trouble_health(struct kvsq *store, const struct ub_health_sink *sink);

/* Notes that a record fails its checksum; returns UB_EDAMAGED with bucket, key and revision. */
enum ub_status kvsq_trouble_record(struct kvsq *store, const struct kvsq_record *record,
                                   struct ub_err *err);

#endif
