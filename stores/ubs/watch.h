/* SPDX-License-Identifier: Apache-2.0
 *
 * Watches of ub.kv over a store that keeps the latest value of every key and the newest deletions
 * by revision. A watch has a position in its bucket and asks the store for what came after it, so
 * nothing is held in memory for a slow one: it skips the states in between, and gets RESET when
 * deletions that it has not seen are forgotten. Every watch has a thread of its own: a callback
 * that takes long delays nobody else, and its own watch is told LOST. */
#ifndef UBS_WATCH_H
#define UBS_WATCH_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/host.h>
#include <unibus/kv.h>

#include <ubs/key.h>

#define UBS_WATCHES_MAX   256
#define UBS_WATCH_SLOW_MS 5000 /* after a callback that took longer, a watch with a gap is LOST */
#define UBS_LOOK_CHANGES  64
#define UBS_LOOK_BYTES    (1024 * 1024)

/* One change; what code and value point to is borrowed. */
struct ubs_change {
    int64_t revision;
    bool is_deletion;
    bool is_damaged; /* then only the revision counts */
    struct ub_bytes code, value;
};

/* One look of a watch at its bucket. The store answers it from one consistent view:
 *
 *     ubs_look_begin(look, revision, purged);
 *     for every change with look->after < revision <= look->last in order of revision,
 *     deletions only if look->has_deletions:
 *         if (!ubs_look_give(look, &change)) stop;      (or ubs_look_pass)
 *     ubs_look_end(look) when there is no more, not when it stopped. */
struct ubs_look {
    int64_t after, last;
    bool has_deletions;
    bool is_doubtful; /* for the store to set: something was passed over, so the watch is LOST */
    /* The frame's: */
    struct ub_kv_watch *watch;
    struct ubs_kept_change *kept;
    size_t count, bytes;
    bool is_reset, has_failed;
};

/* revision: of the bucket's last write; purged: deletions up to it are forgotten. Once more on the
 * same look begins where the first try ended. */
void ubs_look_begin(struct ubs_look *look, int64_t revision, int64_t purged);
/* Copies what the watch wants. False: stop, the look is full or memory is short. */
bool ubs_look_give(struct ubs_look *look, const struct ubs_change *change);
/* Passes over a change that is none any more: expired, overwritten. */
bool ubs_look_pass(struct ubs_look *look, int64_t revision);
/* Does the look want changes of this key? For stores that read the value only then. */
bool ubs_look_wants(const struct ubs_look *look, struct ub_bytes code);
void ubs_look_end(struct ubs_look *look);

/* Answers a look. Threads: the watches', several at the same time. */
typedef enum ub_status (*ubs_look_fn)(struct ub_kv_bucket *bucket, struct ubs_look *look);

struct ubs_watches {
    const struct ub_host *host;
    ubs_look_fn look;
    pthread_mutex_t lock;
    struct ub_kv_watch *first;
    size_t count;
    bool is_stopping;
};

void ubs_watches_init(struct ubs_watches *watches, const struct ub_host *host, ubs_look_fn look);
void ubs_watches_fini(struct ubs_watches *watches);
/* No callback runs after this returned; the watches stay their owners'. */
void ubs_watches_stop(struct ubs_watches *watches);
/* Revisions have moved. Threads: any. */
void ubs_watches_wake(struct ubs_watches *watches);

/* As watch and unwatch of ub_kv_ops. revision: of the bucket's last write that may be shown; lives
 * as long as the watch. UB_ELIMIT beyond UBS_WATCHES_MAX. */
enum ub_status ubs_watch_open(struct ubs_watches *watches, struct ub_kv_bucket *bucket,
                              const _Atomic int64_t *revision, const struct ub_kv_key *prefix,
                              int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                              struct ub_kv_watch **watch_out, struct ub_err *err);
void ubs_watch_close(struct ub_kv_watch **watch);

#endif
