/* SPDX-License-Identifier: Apache-2.0
 *
 * The module's own state, shared by its files. */
#ifndef PLCY_SITE_H
#define PLCY_SITE_H

#include <pthread.h>
#include <stdatomic.h>

#include <unibus/authz.h>
#include <unibus/httpd.h>
#include <unibus/module.h>

#include "engine.h"
#include "seen.h"

#define PLCY_WATCHERS_MAX 16

struct plcy_settings {
    const char *script;
    int64_t call_timeout; /* ms */
    int64_t budget;
    int64_t memory;
    int64_t log_allows;
};

struct plcy_watcher {
    ub_authz_changed_fn fn;
    void *arg;
};

struct plcy {
    const struct ub_host *host;
    pthread_rwlock_t lock; /* engine, tuning, log_allows */
    struct plcy_engine *engine;
    struct plcy_tuning tuning; /* of the settings now */
    int64_t log_allows;
    char *script;         /* the path of the settings now; main loop */
    struct ub_pool *pool; /* tells the holders of permission sets; closes old engines */
    const struct ub_httpd_ops *httpd;
    struct plcy_seen seen;

    pthread_mutex_t watch_lock; /* held while a watcher runs */
    struct plcy_watcher watchers[PLCY_WATCHERS_MAX];
    size_t watcher_count;

    _Atomic uint64_t calls, denials, failures, allows, activations;
};

/* The engine that answers now, with a reference; NULL before start and after stop. */
struct plcy_engine *plcy_engine_now(struct plcy *site, int64_t *log_allows_out);

/* authz.c */
extern const struct ub_authz_ops plcy_authz_ops;
/* Tells every holder that all sets may have changed. Blocks; never on a loop. */
void plcy_notify_all(struct plcy *site);

/* routes.c */
enum ub_status plcy_routes_register(struct plcy *site, const struct ub_service *httpd,
                                    struct ub_err *err);

#endif
