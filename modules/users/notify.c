/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling the holders of permission sets what a reload has changed. They block until it is applied,
 * so this happens on a thread of its own, never on the main loop. */
#include <stdlib.h>
#include <string.h>

#include "users.h"

enum ub_status users_watch(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err)
{
    struct users *users = self;
    enum ub_status status = UB_OK;
    pthread_rwlock_wrlock(&users->watch_lock);
    if (users->watcher_count == USERS_WATCHERS_MAX) {
        status = ub_fail(err, UB_ELIMIT, "users: at most %d modules can watch permissions",
                         USERS_WATCHERS_MAX);
    } else {
        users->watchers[users->watcher_count++] = (struct users_watcher){fn, arg};
    }
    pthread_rwlock_unlock(&users->watch_lock);
    return status;
}

void users_unwatch(void *self, ub_authz_changed_fn fn, void *arg)
{
    struct users *users = self;
    pthread_rwlock_wrlock(&users->watch_lock);
    for (size_t i = 0; i < users->watcher_count; i++) {
        if (users->watchers[i].fn == fn && users->watchers[i].arg == arg) {
            users->watchers[i] = users->watchers[--users->watcher_count];
            break;
        }
    }
    pthread_rwlock_unlock(&users->watch_lock);
}

static struct users_change *changes_take(struct users *users)
{
    pthread_mutex_lock(&users->lock);
    struct users_change *changes = users->changes;
    users->changes = NULL;
    pthread_mutex_unlock(&users->lock);
    return changes;
}

void users_changes_drop(struct users *users)
{
    for (struct users_change *it = changes_take(users), *next; it != NULL; it = next) {
        next = it->next;
        free(it);
    }
}

static void tell(void *arg)
{
    struct users *users = arg;
    uint32_t changed = 0, identities = 0;
    for (struct users_change *it = changes_take(users), *next; it != NULL; it = next) {
        next = it->next;
        pthread_rwlock_rdlock(&users->watch_lock);
        for (size_t i = 0; i < users->watcher_count; i++) {
            changed += users->watchers[i].fn(users->watchers[i].arg, it->id, USERS_NOTIFY_MS);
        }
        pthread_rwlock_unlock(&users->watch_lock);
        identities++;
        free(it);
    }
    ub_log(users->host, UB_LOG_INFO, "users-changed", "changed users are in force",
           UB_NUMBER("users", identities), UB_NUMBER("connections", changed));
}

static bool changes_add(struct users_change **list, const char *id)
{
    struct users_change *change = calloc(1, sizeof(*change));
    if (change != NULL) {
        snprintf(change->id, sizeof(change->id), "%s", id);
        change->next = *list;
        *list = change;
    }
    return change != NULL;
}

/* Who is connected now and may not stay as he is. Those who are new have no connections. */
static bool changes_between(const struct users_table *before, const struct users_table *after,
                            struct users_change **list_out)
{
    bool is_sound = true;
    for (size_t i = 0; i < before->count && is_sound; i++) {
        const struct users_entry *old = &before->entries[i];
        const struct users_entry *entry = users_table_find(after, old->id);
        bool is_same = entry != NULL && entry->serial == old->serial &&
                       memcmp(entry->mark, old->mark, sizeof(old->mark)) == 0 &&
                       (before->anonymous == old) == (after->anonymous == entry);
        is_sound = is_same || changes_add(list_out, old->id);
    }
    return is_sound;
}

void users_replace(struct users *users, struct users_table *take_table)
{
    struct users_change *list = NULL;
    struct users_table *before = users->table; /* only the main loop replaces it */
    bool is_sound = changes_between(before, take_table, &list);
    bool is_any = list != NULL;
    pthread_mutex_lock(&users->lock);
    users->table = take_table;
    while (list != NULL) {
        struct users_change *it = list;
        list = it->next;
        it->next = users->changes;
        users->changes = it;
    }
    pthread_mutex_unlock(&users->lock);
    users_table_unref(&before);
    /* Rights that cannot be taken away: nothing is safe any more. */
    if (!is_sound || (is_any && users->host->pool->submit(users->pool, tell, users) != UB_OK)) {
        users->host->node->fail(users->host, "E-USERS-CHANGE",
                                "changed users could not be applied to open connections");
    }
}
