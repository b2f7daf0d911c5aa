/* SPDX-License-Identifier: Apache-2.0 */
#include "seen.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS 5

struct plcy_seen_conn {
    struct plcy_seen_conn *next;
    uint8_t device[16];
    char id[UB_ID_MAX];
    bool is_overflow; /* stands for those that did not fit */
    struct ubp_conn conn;
    char text[]; /* the texts of conn */
};

static void conn_texts(const struct ubp_conn *conn, const char *out[TEXTS])
{
    const char *texts[TEXTS] = {conn->transport, conn->ip, conn->user, conn->client, conn->cert};
    for (size_t i = 0; i < TEXTS; i++) {
        out[i] = texts[i] != NULL ? texts[i] : "";
    }
}

static size_t texts_size(const struct ubp_conn *conn)
{
    const char *texts[TEXTS];
    size_t size = 0;
    conn_texts(conn, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        size += strlen(texts[i]) + 1;
    }
    return size;
}

/* Copies conn with its texts into `room`, which has texts_size; answers the byte behind. */
static char *conn_copy(struct ubp_conn *out, const struct ubp_conn *conn, char *room)
{
    const char *texts[TEXTS];
    const char **slots[TEXTS] = {&out->transport, &out->ip, &out->user, &out->client, &out->cert};
    conn_texts(conn, texts);
    *out = *conn;
    for (size_t i = 0; i < TEXTS; i++) {
        size_t len = strlen(texts[i]) + 1;
        memcpy(room, texts[i], len);
        *slots[i] = room;
        room += len;
    }
    return room;
}

static bool conn_is_same(const struct ubp_conn *a, const struct ubp_conn *b)
{
    const char *x[TEXTS], *y[TEXTS];
    conn_texts(a, x);
    conn_texts(b, y);
    for (size_t i = 0; i < TEXTS; i++) {
        if (strcmp(x[i], y[i]) != 0) {
            return false;
        }
    }
    return a->has_tls == b->has_tls && a->is_loopback == b->is_loopback;
}

static bool is_of(const struct plcy_seen_conn *it, const struct ub_principal *principal)
{
    return strcmp(it->id, principal->id) == 0 &&
           memcmp(it->device, principal->device, sizeof(it->device)) == 0;
}

static struct plcy_seen_conn **bucket_of(struct plcy_seen *seen, const char *id)
{
    uint32_t hash = 2166136261u;
    for (; *id != '\0'; id++) {
        hash = (hash ^ (uint8_t)*id) * 16777619u;
    }
    return &seen->buckets[hash % PLCY_SEEN_BUCKETS];
}

void plcy_seen_init(struct plcy_seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    pthread_mutex_init(&seen->lock, NULL);
}

void plcy_seen_fini(struct plcy_seen *seen)
{
    for (size_t i = 0; i < PLCY_SEEN_BUCKETS; i++) {
        struct plcy_seen_conn *it;
        while ((it = seen->buckets[i]) != NULL) {
            seen->buckets[i] = it->next;
            free(it);
        }
    }
    pthread_mutex_destroy(&seen->lock);
}

static struct plcy_seen_conn *conn_new(const struct ub_principal *principal,
                                       const struct ubp_conn *conn)
{
    struct plcy_seen_conn *it = calloc(1, sizeof(*it) + texts_size(conn));
    if (it != NULL) {
        memcpy(it->id, principal->id, sizeof(it->id));
        memcpy(it->device, principal->device, sizeof(it->device));
        conn_copy(&it->conn, conn, it->text);
    }
    return it;
}

bool plcy_seen_add(struct plcy_seen *seen, const struct ub_principal *principal,
                   const struct ubp_conn *conn)
{
    size_t count = 0;
    bool is_known = false;
    struct plcy_seen_conn *fresh = conn_new(principal, conn);
    if (fresh == NULL) {
        return false;
    }
    pthread_mutex_lock(&seen->lock);
    struct plcy_seen_conn **bucket = bucket_of(seen, principal->id);
    for (struct plcy_seen_conn *it = *bucket; it != NULL && !is_known; it = it->next) {
        if (is_of(it, principal)) {
            count++;
            is_known = it->is_overflow || conn_is_same(&it->conn, conn);
        }
    }
    if (!is_known) {
        fresh->is_overflow = count == PLCY_SEEN_MAX;
        fresh->next = *bucket;
        *bucket = fresh;
        fresh = NULL;
    }
    pthread_mutex_unlock(&seen->lock);
    free(fresh);
    return true;
}

/* Takes those out for which conn is NULL or the same. Under the lock. */
static void remove_those(struct plcy_seen *seen, const struct ub_principal *principal,
                         const struct ubp_conn *conn)
{
    struct plcy_seen_conn **link = bucket_of(seen, principal->id);
    while (*link != NULL) {
        struct plcy_seen_conn *it = *link;
        if (is_of(it, principal) && (conn == NULL || conn_is_same(&it->conn, conn))) {
            *link = it->next;
            free(it);
        } else {
            link = &it->next;
        }
    }
}

void plcy_seen_remove(struct plcy_seen *seen, const struct ub_principal *principal,
                      const struct ubp_conn *conn)
{
    pthread_mutex_lock(&seen->lock);
    remove_those(seen, principal, conn);
    pthread_mutex_unlock(&seen->lock);
}

struct ubp_conn *plcy_seen_list(struct plcy_seen *seen, const struct ub_principal *principal,
                                size_t *count_out)
{
    struct ubp_conn *list = NULL;
    size_t count = 0, size = 0;
    bool is_overflow = false;
    *count_out = 0;
    pthread_mutex_lock(&seen->lock);
    struct plcy_seen_conn *first = *bucket_of(seen, principal->id);
    for (struct plcy_seen_conn *it = first; it != NULL; it = it->next) {
        if (is_of(it, principal)) {
            count++;
            size += texts_size(&it->conn);
            is_overflow = is_overflow || it->is_overflow;
        }
    }
    if (is_overflow) {
        remove_those(seen, principal, NULL);
    } else {
        list = malloc(count * sizeof(*list) + size + 1);
    }
    char *room = (char *)(list + count);
    for (struct plcy_seen_conn *it = first; list != NULL && it != NULL; it = it->next) {
        if (is_of(it, principal)) {
            room = conn_copy(&list[(*count_out)++], &it->conn, room);
        }
    }
    pthread_mutex_unlock(&seen->lock);
    return list;
}

void plcy_seen_list_free(struct ubp_conn **list)
{
    free(*list);
    *list = NULL;
}
