/* SPDX-License-Identifier: Apache-2.0 */
#include "inbox.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <unibus/authz.h>

#include "hash.h"
#include "subject.h"

#define INBOX_FIRST_BUCKETS 256

struct inbox_owner {
    struct inbox_owner *next;
    size_t token_count;
    struct inbox_entry *oldest, *newest; /* lingering ones, by time of release */
    size_t lingering;
    char identity[UB_ID_MAX + 24];
};

struct inbox_entry {
    struct inbox_entry *next;
    struct inbox_owner *owner;
    struct inbox_entry *older, *newer; /* while it lingers */
    uint32_t holds, reserves;
    int64_t until_ms; /* while it lingers */
    uint64_t hash;
    uint16_t len;
    uint8_t token[];
};

struct nats_inbox_table {
    pthread_mutex_t lock;
    _Atomic uint64_t version; /* changed under the lock */
    uint64_t seed;
    struct inbox_entry **buckets;
    size_t bucket_count, count;
    struct inbox_owner *owners[INBOX_FIRST_BUCKETS];
};

struct nats_inbox_table *nats_inbox_table_new(uint64_t seed)
{
    struct nats_inbox_table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return NULL;
    }
    table->buckets = calloc(INBOX_FIRST_BUCKETS, sizeof(struct inbox_entry *));
    if (table->buckets == NULL) {
        free(table);
        return NULL;
    }
    table->bucket_count = INBOX_FIRST_BUCKETS;
    table->seed = seed;
    pthread_mutex_init(&table->lock, NULL);
    return table;
}

struct ub_bytes nats_inbox_token(struct ub_bytes subject)
{
    struct ub_bytes token = {NULL, 0};
    if (nats_starts(subject, "_INBOX.")) {
        nats_token_next(&subject, &token);
        nats_token_next(&subject, &token);
    }
    return token;
}

static struct inbox_entry **entry_find(struct nats_inbox_table *table, struct ub_bytes token)
{
    uint64_t hash = nats_hash(token, table->seed);
    struct inbox_entry **link = &table->buckets[hash & (table->bucket_count - 1)];
    while (*link != NULL && ((*link)->hash != hash || (*link)->len != token.len ||
                             memcmp((*link)->token, token.ptr, token.len) != 0)) {
        link = &(*link)->next;
    }
    return link;
}

static struct inbox_owner **owner_find(struct nats_inbox_table *table, const char *identity)
{
    uint64_t hash = nats_hash(nats_text(identity), table->seed);
    struct inbox_owner **link = &table->owners[hash % INBOX_FIRST_BUCKETS];
    while (*link != NULL && strcmp((*link)->identity, identity) != 0) {
        link = &(*link)->next;
    }
    return link;
}

static struct inbox_owner *owner_make(struct nats_inbox_table *table, const char *identity)
{
    struct inbox_owner **link = owner_find(table, identity);
    if (*link == NULL && (*link = calloc(1, sizeof(**link))) != NULL) {
        snprintf((*link)->identity, sizeof((*link)->identity), "%s", identity);
    }
    return *link;
}

static void owner_forget_if_unused(struct nats_inbox_table *table, struct inbox_owner *owner)
{
    if (owner->token_count == 0) {
        struct inbox_owner **link = owner_find(table, owner->identity);
        *link = owner->next;
        free(owner);
    }
}

static void linger_start(struct inbox_entry *entry, int64_t now_ms)
{
    struct inbox_owner *owner = entry->owner;
    entry->until_ms = now_ms + NATS_INBOX_LINGER_MS;
    entry->older = owner->newest;
    entry->newer = NULL;
    *(owner->newest != NULL ? &owner->newest->newer : &owner->oldest) = entry;
    owner->newest = entry;
    owner->lingering++;
}

static void linger_stop(struct inbox_entry *entry)
{
    struct inbox_owner *owner = entry->owner;
    if (entry->until_ms == 0) {
        return;
    }
    *(entry->older != NULL ? &entry->older->newer : &owner->oldest) = entry->newer;
    *(entry->newer != NULL ? &entry->newer->older : &owner->newest) = entry->older;
    entry->until_ms = 0;
    owner->lingering--;
}

/* Takes it out of the table; its owner may then own nothing any more. */
static struct inbox_owner *entry_free(struct nats_inbox_table *table, struct inbox_entry *entry)
{
    struct inbox_owner *owner = entry->owner;
    struct inbox_entry **link = &table->buckets[entry->hash & (table->bucket_count - 1)];
    linger_stop(entry);
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    table->count--;
    atomic_fetch_add(&table->version, 1);
    owner->token_count--;
    free(entry);
    return owner;
}

/* Lingering entries of one owner lie by time: forget those that are over, and those too many. */
static void owner_sweep(struct nats_inbox_table *table, struct inbox_owner *owner, int64_t now_ms)
{
    while (owner->oldest != NULL &&
           (owner->oldest->until_ms <= now_ms || owner->lingering > NATS_INBOX_LINGER_MAX)) {
        entry_free(table, owner->oldest);
    }
}

static void table_grow(struct nats_inbox_table *table)
{
    size_t count = table->bucket_count * 2;
    struct inbox_entry **fresh = calloc(count, sizeof(struct inbox_entry *));
    if (fresh == NULL) {
        return;
    }
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct inbox_entry *entry = table->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = fresh[entry->hash & (count - 1)];
            fresh[entry->hash & (count - 1)] = entry;
        }
    }
    free(table->buckets);
    table->buckets = fresh;
    table->bucket_count = count;
}

static struct inbox_entry *entry_make(struct nats_inbox_table *table, struct ub_bytes token,
                                      const char *identity, int64_t now_ms)
{
    if (table->count >= table->bucket_count) {
        table_grow(table);
    }
    struct inbox_owner *owner = owner_make(table, identity);
    if (owner == NULL) {
        return NULL;
    }
    owner_sweep(table, owner, now_ms);
    struct inbox_entry *entry = calloc(1, sizeof(*entry) + token.len);
    if (entry == NULL) {
        owner_forget_if_unused(table, owner);
        return NULL;
    }
    owner->token_count++;
    entry->owner = owner;
    entry->hash = nats_hash(token, table->seed);
    entry->len = (uint16_t)token.len;
    memcpy(entry->token, token.ptr, token.len);
    struct inbox_entry **bucket = &table->buckets[entry->hash & (table->bucket_count - 1)];
    entry->next = *bucket;
    *bucket = entry;
    table->count++;
    return entry;
}

/* The entry of a token that somebody owns now, or NULL. */
static struct inbox_entry *entry_live(struct nats_inbox_table *table, struct ub_bytes token,
                                      int64_t now_ms)
{
    struct inbox_entry *entry = *entry_find(table, token);
    if (entry != NULL && entry->until_ms != 0 && entry->until_ms <= now_ms) {
        owner_forget_if_unused(table, entry_free(table, entry));
        return NULL;
    }
    return entry;
}

/* The identity's entry of the token, made when it is free; NULL when it is another's. */
static struct inbox_entry *entry_own(struct nats_inbox_table *table, struct ub_bytes token,
                                     const char *identity, int64_t now_ms)
{
    struct inbox_entry *entry = entry_live(table, token, now_ms);
    if (entry == NULL) {
        return entry_make(table, token, identity, now_ms);
    }
    if (strcmp(entry->owner->identity, identity) != 0) {
        return NULL;
    }
    linger_stop(entry);
    return entry;
}

static void entry_settle(struct inbox_entry *entry, int64_t now_ms)
{
    if (entry->holds == 0 && entry->reserves == 0) {
        linger_start(entry, now_ms);
    }
}

bool nats_inbox_hold(struct nats_inbox_table *table, struct ub_bytes token, const char *identity,
                     int64_t now_ms)
{
    pthread_mutex_lock(&table->lock);
    struct inbox_entry *entry = entry_own(table, token, identity, now_ms);
    if (entry != NULL) {
        entry->holds++;
    }
    pthread_mutex_unlock(&table->lock);
    return entry != NULL;
}

void nats_inbox_release(struct nats_inbox_table *table, struct ub_bytes token, const char *identity,
                        int64_t now_ms)
{
    pthread_mutex_lock(&table->lock);
    struct inbox_entry *entry = *entry_find(table, token);
    if (entry != NULL && entry->holds > 0 && strcmp(entry->owner->identity, identity) == 0) {
        entry->holds--;
        entry_settle(entry, now_ms);
    }
    pthread_mutex_unlock(&table->lock);
}

bool nats_inbox_is_owner(struct nats_inbox_table *table, struct ub_bytes token,
                         const char *identity, int64_t now_ms)
{
    pthread_mutex_lock(&table->lock);
    struct inbox_entry *entry = entry_live(table, token, now_ms);
    bool is_owner = entry != NULL && strcmp(entry->owner->identity, identity) == 0;
    pthread_mutex_unlock(&table->lock);
    return is_owner;
}

uint64_t nats_inbox_version(const struct nats_inbox_table *table)
{
    return atomic_load(&table->version);
}

bool nats_inbox_reserve(struct nats_inbox_table *table, struct ub_bytes token, const char *identity,
                        int64_t now_ms, bool *is_taken_over_out)
{
    *is_taken_over_out = false;
    pthread_mutex_lock(&table->lock);
    struct inbox_entry *entry = entry_live(table, token, now_ms);
    if (entry != NULL && strcmp(entry->owner->identity, identity) != 0) {
        *is_taken_over_out = entry->holds > 0;
        owner_forget_if_unused(table, entry_free(table, entry));
    }
    entry = entry_own(table, token, identity, now_ms);
    if (entry != NULL) {
        entry->reserves++;
    }
    pthread_mutex_unlock(&table->lock);
    return entry != NULL;
}

void nats_inbox_unreserve(struct nats_inbox_table *table, struct ub_bytes token,
                          const char *identity, int64_t now_ms)
{
    pthread_mutex_lock(&table->lock);
    struct inbox_entry *entry = *entry_find(table, token);
    if (entry != NULL && entry->reserves > 0 && strcmp(entry->owner->identity, identity) == 0) {
        entry->reserves--;
        entry_settle(entry, now_ms);
    }
    pthread_mutex_unlock(&table->lock);
}

size_t nats_inbox_count(struct nats_inbox_table *table)
{
    pthread_mutex_lock(&table->lock);
    size_t count = table->count;
    pthread_mutex_unlock(&table->lock);
    return count;
}

void nats_inbox_table_free(struct nats_inbox_table **table)
{
    if (*table == NULL) {
        return;
    }
    for (size_t i = 0; i < (*table)->bucket_count; i++) {
        for (struct inbox_entry *entry = (*table)->buckets[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            owner_forget_if_unused(*table, entry_free(*table, entry));
        }
    }
    pthread_mutex_destroy(&(*table)->lock);
    free((*table)->buckets);
    free(*table);
    *table = NULL;
}
