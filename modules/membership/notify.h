/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_NOTIFY_H
#define MEMB_NOTIFY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <unibus/authz.h>

/* Those who hold permission sets of ours and want to know when one changes. */

#define MEMB_WATCHERS_MAX 16
#define MEMB_NOTIFY_MS    100 /* for all holders and identities of one change together */

struct memb_watchers {
    pthread_rwlock_t lock; /* read while callbacks run */
    size_t count;
    struct {
        ub_authz_changed_fn fn;
        void *arg;
    } items[MEMB_WATCHERS_MAX];
};

bool memb_watchers_init(struct memb_watchers *watchers);
void memb_watchers_fini(struct memb_watchers *watchers);
enum ub_status memb_watchers_add(struct memb_watchers *watchers, ub_authz_changed_fn fn, void *arg,
                                 struct ub_err *err);
/* Waits for callbacks that run. */
void memb_watchers_remove(struct memb_watchers *watchers, ub_authz_changed_fn fn, void *arg);

/* Tells every holder about every identity, in this order, and waits for them within
 * MEMB_NOTIFY_MS; how many connections changed. No lock of the model may be held. */
struct memb;
uint32_t memb_notify(struct memb *memb, const char *const *ids, size_t count);

#endif
