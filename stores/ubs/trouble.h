/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with a store, for health, for the log and for refusing writes. */
#ifndef UBS_TROUBLE_H
#define UBS_TROUBLE_H

#include <pthread.h>

#include <unibus/host.h>
#include <unibus/posture.h>

enum ubs_trouble_kind {
    UBS_DAMAGE, /* bytes on disk are not what was written; stays until the restart */
    UBS_IO,     /* the system failed to make something durable: read-only until the restart */
    UBS_FULL,   /* no room; ends with the next commit that works */
    UBS_TROUBLE_COUNT
};

/* The words of a module for each kind: code and fix for health and log, event for the log. */
struct ubs_trouble_row {
    const char *code, *event, *fix;
};

struct ubs_trouble {
    const struct ub_host *host;
    const struct ubs_trouble_row *rows; /* UBS_TROUBLE_COUNT */
    const char *place;                  /* the store's file or folder */
    pthread_mutex_t lock;
    struct {
        bool is_on;
        int64_t count;
        char what[UB_ERR_MESSAGE_MAX]; /* the first */
    } slots[UBS_TROUBLE_COUNT];
    uint32_t seen[64]; /* sums of what was noted once, as a ring */
    size_t seen_count;
};

/* rows and place are kept. */
void ubs_trouble_init(struct ubs_trouble *trouble, const struct ub_host *host,
                      const struct ubs_trouble_row rows[UBS_TROUBLE_COUNT], const char *place);
void ubs_trouble_fini(struct ubs_trouble *trouble);

/* Threads: any, for all below. */
void ubs_trouble_note(struct ubs_trouble *trouble, enum ubs_trouble_kind kind, const char *what);
/* The same words are noted once for every 64 others: a damaged page is met again and again. */
void ubs_trouble_note_once(struct ubs_trouble *trouble, enum ubs_trouble_kind kind,
                           const char *what);
void ubs_trouble_clear(struct ubs_trouble *trouble, enum ubs_trouble_kind kind);
bool ubs_trouble_is_on(struct ubs_trouble *trouble, enum ubs_trouble_kind kind);
void ubs_trouble_health(struct ubs_trouble *trouble, const struct ub_health_sink *sink);

/* UB_EUNAVAILABLE with the code while the store is read-only (UBS_IO is on). */
enum ub_status ubs_trouble_check_writable(struct ubs_trouble *trouble, struct ub_err *err);

/* Answers for a failed system call: doing what, to what; errno says why. No room is UB_EUNAVAILABLE
 * and noted; everything else is UB_EIO, noted when is_durability is set. */
enum ub_status ubs_trouble_errno(struct ubs_trouble *trouble, bool is_durability, const char *doing,
                                 const char *what, struct ub_err *err);

/* Notes that a record fails its checksum; returns UB_EDAMAGED with bucket, key and revision. */
enum ub_status ubs_trouble_record(struct ubs_trouble *trouble, const char *bucket,
                                  struct ub_bytes code, int64_t revision, struct ub_err *err);

#endif
