/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <unibus/error.h>

#include "memb.h"
#include "rooms.h"

bool memb_watchers_init(struct memb_watchers *watchers)
{
    watchers->count = 0;
    return memb_rwlock_init(&watchers->lock);
}

void memb_watchers_fini(struct memb_watchers *watchers)
{
    pthread_rwlock_destroy(&watchers->lock);
}

enum ub_status memb_watchers_add(struct memb_watchers *watchers, ub_authz_changed_fn fn, void *arg,
                                 struct ub_err *err)
{
    enum ub_status status = UB_OK;
    pthread_rwlock_wrlock(&watchers->lock);
    if (watchers->count == MEMB_WATCHERS_MAX) {
        status = ub_fail(err, UB_ELIMIT, "membership: at most %d modules can watch permissions",
                         MEMB_WATCHERS_MAX);
    } else {
        watchers->items[watchers->count].fn = fn;
        watchers->items[watchers->count++].arg = arg;
    }
    pthread_rwlock_unlock(&watchers->lock);
    return status;
}

void memb_watchers_remove(struct memb_watchers *watchers, ub_authz_changed_fn fn, void *arg)
{
    pthread_rwlock_wrlock(&watchers->lock);
    for (size_t i = 0; i < watchers->count; i++) {
        if (watchers->items[i].fn == fn && watchers->items[i].arg == arg) {
            watchers->items[i] = watchers->items[--watchers->count];
            break;
        }
    }
    pthread_rwlock_unlock(&watchers->lock);
}

uint32_t memb_notify(struct memb *memb, const char *const *ids, size_t count)
{
    struct memb_watchers *watchers = &memb->watchers;
    int64_t deadline = memb_mono_ms(memb) + MEMB_NOTIFY_MS;
    uint32_t changed = 0;
    pthread_rwlock_rdlock(&watchers->lock);
    for (size_t i = 0; i < count; i++) {
        for (size_t w = 0; w < watchers->count; w++) {
            int64_t left = deadline - memb_mono_ms(memb);
            /* Late is better than never: the holder is told, and not waited for. */
            changed += watchers->items[w].fn(watchers->items[w].arg, ids[i], left > 0 ? left : 0);
        }
    }
    pthread_rwlock_unlock(&watchers->lock);
    return changed;
}
