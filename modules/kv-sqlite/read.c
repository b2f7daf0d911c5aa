/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>

void kvsq_readers_init(struct kvsq_readers *readers)
{
    memset(readers, 0, sizeof(*readers));
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->is_free, NULL);
}

enum ub_status kvsq_readers_open(struct kvsq *store, struct ub_err *err)
{
    struct kvsq_readers *readers = &store->readers;
    enum ub_status status = UB_OK;
    for (int64_t i = 0; i < store->settings->readers && status == UB_OK; i++) {
        struct kvsq_db *db = &readers->all[readers->count];
        status = kvsq_db_open(store, db, err);
        if (status == UB_OK) {
            readers->count++;
            readers->free[readers->free_count++] = db;
        }
    }
    return status;
}

void kvsq_readers_close(struct kvsq *store)
{
    struct kvsq_readers *readers = &store->readers;
    while (readers->count > 0) {
        kvsq_db_close(&readers->all[--readers->count]);
    }
    readers->free_count = 0;
}

void kvsq_readers_fini(struct kvsq_readers *readers)
{
    pthread_cond_destroy(&readers->is_free);
    pthread_mutex_destroy(&readers->lock);
}

static enum ub_status take(struct kvsq *store, struct kvsq_db **db_out, struct ub_err *err)
{
    struct kvsq_readers *readers = &store->readers;
    enum ub_status status = UB_OK;
    pthread_mutex_lock(&readers->lock);
    if (readers->free_count == 0 && readers->waiting >= store->settings->queue_max) {
        status = ub_fail(err, UB_EUNAVAILABLE,
                         "%lld readers wait for the store %s already (queue_max): try again later",
                         (long long)readers->waiting, store->settings->file);
    } else {
        readers->waiting++;
        while (readers->free_count == 0) {
            pthread_cond_wait(&readers->is_free, &readers->lock);
        }
        readers->waiting--;
        *db_out = readers->free[--readers->free_count];
    }
    pthread_mutex_unlock(&readers->lock);
    return status;
}

static void give(struct kvsq *store, struct kvsq_db *db)
{
    struct kvsq_readers *readers = &store->readers;
    pthread_mutex_lock(&readers->lock);
    readers->free[readers->free_count++] = db;
    pthread_cond_signal(&readers->is_free);
    pthread_mutex_unlock(&readers->lock);
}

int64_t kvsq_now_ms(const struct kvsq *store)
{
    int64_t passed_ns = store->host->clock->mono_ns(store->host) - store->mono_base_ns;
    return store->wall_base_ms + passed_ns / 1000000;
}

enum ub_status kvsq_read_row(struct kvsq *store, const char *bucket, sqlite3_stmt *stmt,
                             bool is_deletion, struct kvsq_record *record_out, struct ub_err *err)
{
    *record_out = (struct kvsq_record){
        .bucket = bucket,
        .code = kvsq_db_bytes(stmt, 0),
        .revision = sqlite3_column_int64(stmt, 1),
        .expires_ms = sqlite3_column_int64(stmt, 2),
        .is_deletion = is_deletion,
        .value = kvsq_db_bytes(stmt, 4),
    };
    return kvsq_record_is_intact(store->seal_key, record_out, kvsq_db_bytes(stmt, 3))
               ? UB_OK
               : kvsq_trouble_record(store, record_out, err);
}

bool kvsq_is_expired(const struct kvsq *store, const struct kvsq_record *record)
{
    return record->expires_ms > 0 && record->expires_ms <= kvsq_now_ms(store);
}

static enum ub_status fail_absent(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                  struct ub_err *err)
{
    char text[KVSQ_KEY_TEXT_MAX];
    kvsq_key_text(code, text);
    return ub_fail(err, UB_ENOTFOUND, "no key %s in bucket %s", text, bucket->name);
}

/* One allocation: the caller's bytes. */
static enum ub_status copy_value(const struct kvsq_record *record, struct ub_kv_value *value_out,
                                 struct ub_err *err)
{
    uint8_t *copy = malloc(record->value.len + 1);
    if (copy == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for a value of %zu bytes", record->value.len);
    }
    if (record->value.len > 0) {
        memcpy(copy, record->value.ptr, record->value.len);
    }
    value_out->revision = record->revision;
    value_out->bytes = (struct ub_bytes){copy, record->value.len};
    value_out->owner = copy;
    return UB_OK;
}

static enum ub_status get_from(struct ub_kv_bucket *bucket, struct kvsq_db *db,
                               const struct kvsq_code *code, struct ub_kv_value *value_out,
                               struct ub_err *err)
{
    sqlite3_stmt *stmt;
    struct kvsq_record record;
    bool has_row = false;
    struct ub_bytes key = {code->bytes, code->len};
    enum ub_status status =
        kvsq_db_begin(db, KVSQ_GET, &stmt, err, KVSQ_TEXT(bucket->name), KVSQ_BYTES(key));
    if (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, err);
    }
    if (status == UB_OK && has_row) {
        status = kvsq_read_row(bucket->store, bucket->name, stmt, false, &record, err);
    }
    if (status == UB_OK) {
        bool is_there = has_row && !kvsq_is_expired(bucket->store, &record);
        status = is_there ? copy_value(&record, value_out, err) : fail_absent(bucket, key, err);
    }
    kvsq_db_end(stmt);
    return status;
}

/* The second look, after damage: an intact record is the truth, absence would not be. */
static bool get_leniently(struct ub_kv_bucket *bucket, struct kvsq_db *db,
                          const struct kvsq_code *code, struct ub_kv_value *value_out)
{
    kvsq_pages_set_lenient(db, true);
    bool is_found = get_from(bucket, db, code, value_out, NULL) == UB_OK;
    kvsq_pages_set_lenient(db, false);
    return is_found;
}

enum ub_status kvsq_get(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                        enum ub_kv_read read, struct ub_kv_value *value_out, struct ub_err *err)
{
    (void)read; /* a read transaction sees every commit before it: always the newest */
    struct kvsq_code code;
    struct kvsq_db *db = NULL;
    value_out->revision = 0;
    value_out->bytes = (struct ub_bytes){NULL, 0};
    value_out->owner = NULL;
    enum ub_status status = kvsq_key_encode(key, false, &code, err);
    if (status == UB_OK) {
        status = take(bucket->store, &db, err);
    }
    if (status == UB_OK) {
        status = get_from(bucket, db, &code, value_out, err);
        if (status == UB_EDAMAGED && get_leniently(bucket, db, &code, value_out)) {
            status = UB_OK;
        }
        give(bucket->store, db);
    }
    return status;
}

void kvsq_value_free(void *self, struct ub_kv_value *value)
{
    (void)self;
    free(value->owner);
    value->owner = NULL;
    value->bytes = (struct ub_bytes){NULL, 0};
}

/* ---- listing ----------------------------------------------------------------------------------
 */

struct list_args {
    struct ub_kv_bucket *bucket;
    struct kvsq_code prefix, last, after;
    size_t limit, given;
    bool is_ended; /* by the callback */
    ub_kv_list_fn fn;
    void *arg;
};

/* The first place: behind the prefix itself, or behind `after` when that is further. */
static struct ub_bytes list_start(const struct list_args *args)
{
    const struct kvsq_code *a = &args->prefix, *b = &args->after;
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->bytes, b->bytes, len);
    const struct kvsq_code *start = order < 0 || (order == 0 && a->len < b->len) ? b : a;
    return (struct ub_bytes){start->bytes, start->len};
}

static void list_give(struct list_args *args, const struct kvsq_record *record)
{
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_entry entry = {.value = record->value, .revision = record->revision};
    if (record->code.len > sizeof(args->after.bytes) ||
        !kvsq_key_decode(record->code, scratch, &entry.key)) {
        return;
    }
    memcpy(args->after.bytes, record->code.ptr, record->code.len);
    args->after.len = record->code.len;
    args->given++;
    args->is_ended = !args->fn(args->arg, &entry) || args->given == args->limit;
}

/* A damaged row is passed over and reported at the end, so that it takes no other with it. */
static enum ub_status list_rows(struct list_args *args, struct kvsq_db *db, sqlite3_stmt *stmt,
                                struct ub_err *err)
{
    struct kvsq *store = args->bucket->store;
    enum ub_status worst = UB_OK;
    bool has_row = true;
    while (!args->is_ended) {
        struct kvsq_record record;
        enum ub_status status = kvsq_db_step(db, stmt, &has_row, err);
        if (status != UB_OK || !has_row) {
            return status != UB_OK ? status : worst;
        }
        status = kvsq_read_row(store, args->bucket->name, stmt, false, &record,
                               worst == UB_OK ? err : NULL);
        if (status != UB_OK) {
            worst = status;
        } else if (!kvsq_is_expired(store, &record)) {
            list_give(args, &record);
        }
    }
    return worst;
}

static enum ub_status list_from(struct list_args *args, struct kvsq_db *db, struct ub_err *err)
{
    sqlite3_stmt *stmt;
    struct ub_bytes start = list_start(args), last = {args->last.bytes, args->last.len};
    enum ub_status status =
        last.len > 0 ? kvsq_db_begin(db, KVSQ_LIST_TO, &stmt, err, KVSQ_TEXT(args->bucket->name),
                                     KVSQ_BYTES(start), KVSQ_BYTES(last))
                     : kvsq_db_begin(db, KVSQ_LIST, &stmt, err, KVSQ_TEXT(args->bucket->name),
                                     KVSQ_BYTES(start));
    if (status == UB_OK) {
        status = list_rows(args, db, stmt, err);
    }
    kvsq_db_end(stmt);
    return status;
}

/* Goes on behind the last entry past a damaged page; the caller is told of the damage anyway. */
static void list_leniently(struct list_args *args, struct kvsq_db *db)
{
    kvsq_pages_set_lenient(db, true);
    (void)list_from(args, db, NULL);
    kvsq_pages_set_lenient(db, false);
}

enum ub_status kvsq_list(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                         const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn, void *arg,
                         struct ub_err *err)
{
    static const struct ub_kv_key everything;
    struct list_args args = {.bucket = bucket, .limit = limit, .fn = fn, .arg = arg};
    struct kvsq_db *db = NULL;
    enum ub_status status =
        kvsq_key_encode(prefix != NULL ? prefix : &everything, true, &args.prefix, err);
    if (status == UB_OK) {
        status = kvsq_key_encode(after != NULL ? after : &everything, true, &args.after, err);
    }
    if (status == UB_OK) {
        kvsq_key_range(&args.prefix, &args.last);
        status = take(bucket->store, &db, err);
    }
    if (status == UB_OK) {
        status = list_from(&args, db, err);
        if (status == UB_EDAMAGED && !args.is_ended) {
            list_leniently(&args, db);
        }
        give(bucket->store, db);
    }
    return status;
}
