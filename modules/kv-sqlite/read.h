/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: a pool of connections; whoever reads holds one, and waits when all are held. */
#ifndef KVSQ_READ_H
#define KVSQ_READ_H

#include <pthread.h>

#include <unibus/kv.h>

#include "db.h"
#include "key.h"
#include "record.h"

#define KVSQ_READERS_MAX 64

struct kvsq_readers {
    pthread_mutex_t lock;
    pthread_cond_t is_free;
    struct kvsq_db all[KVSQ_READERS_MAX];
    struct kvsq_db *free[KVSQ_READERS_MAX];
    size_t free_count, count;
    int64_t waiting;
};

void kvsq_readers_init(struct kvsq_readers *readers);
enum ub_status kvsq_readers_open(struct kvsq *store, struct ub_err *err);
void kvsq_readers_close(struct kvsq *store);
void kvsq_readers_fini(struct kvsq_readers *readers);

/* The store's clock: the wall clock of the start, moved on by the monotonic one, so that a jump of
 * the wall clock neither expires nor revives anything. Unix milliseconds. */
int64_t kvsq_now_ms(const struct kvsq *store);

/* A row of columns key, revision, expires_ms, sum, value; checks it. UB_EDAMAGED is noted. */
enum ub_status kvsq_read_row(struct kvsq *store, const char *bucket, sqlite3_stmt *stmt,
                             bool is_deletion, struct kvsq_record *record_out, struct ub_err *err);
bool kvsq_is_expired(const struct kvsq *store, const struct kvsq_record *record);

/* Of ub_kv_ops. */
enum ub_status kvsq_get(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                        enum ub_kv_read read, struct ub_kv_value *value_out, struct ub_err *err);
void kvsq_value_free(void *self, struct ub_kv_value *value);
enum ub_status kvsq_list(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                         const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn, void *arg,
                         struct ub_err *err);

#endif
