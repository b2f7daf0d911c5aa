/* SPDX-License-Identifier: Apache-2.0
 *
 * The module as a whole: the table in force, who watches it, and how often somebody was wrong. */
#ifndef USERS_USERS_H
#define USERS_USERS_H

#include <pthread.h>

#include "attempts.h"
#include "table.h"

#define USERS_WATCHERS_MAX 16
#define USERS_NOTIFY_MS    1000

struct users_watcher {
    ub_authz_changed_fn fn;
    void *arg;
};

struct users_change {
    struct users_change *next;
    char id[UB_ID_MAX];
};

struct users {
    const struct ub_host *host;
    uint8_t key[USERS_KEY_LEN];
    uint8_t anonymous_mark[USERS_MARK_LEN];
    pthread_mutex_t lock;
    struct users_table *table;    /* under lock; a reference */
    struct users_change *changes; /* under lock: whose holders are still to be told */
    struct ub_pool *pool;         /* one thread, between start and stop */
    pthread_rwlock_t watch_lock;
    struct users_watcher watchers[USERS_WATCHERS_MAX]; /* under watch_lock */
    size_t watcher_count;
    struct users_attempts attempts;
    _Atomic int64_t logins, wrong, throttled;
};

/* The table in force, with a reference. Any thread. */
struct users_table *users_table_now(struct users *users);

extern const struct ub_authz_ops users_authz_ops; /* connect.c */

/* notify.c. replace: the main loop; takes the table, and has the holders told on the pool of those
 * whose rights or credentials changed. */
enum ub_status users_watch(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err);
void users_unwatch(void *self, ub_authz_changed_fn fn, void *arg);
void users_replace(struct users *users, struct users_table *take_table);
void users_changes_drop(struct users *users); /* those that nobody was told of */

#endif
