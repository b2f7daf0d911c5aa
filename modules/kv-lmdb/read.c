/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>

int64_t kvlm_now_ms(const struct kvlm *store)
{
    int64_t passed_ns = store->host->clock->mono_ns(store->host) - store->mono_base_ns;
    return store->wall_base_ms + passed_ns / 1000000;
}

static void parse_record(struct ub_bytes payload, struct kvlm_record *record_out)
{
    *record_out = (struct kvlm_record){0};
    if (payload.len >= KVLM_RECORD_HEAD) {
        record_out->revision = kvlm_get_number(payload.ptr, 8);
        record_out->expires_ms = kvlm_get_number(payload.ptr + 8, 8);
        record_out->value =
            (struct ub_bytes){payload.ptr + KVLM_RECORD_HEAD, payload.len - KVLM_RECORD_HEAD};
    }
}

enum ub_status kvlm_record_read(struct kvlm_txn *txn, const struct ub_kv_bucket *bucket,
                                struct ub_bytes code, struct kvlm_record *record_out,
                                struct ub_err *err)
{
    struct kvlm_place place;
    struct ub_bytes payload;
    kvlm_place_record(bucket->number, code, &place);
    enum ub_status status = kvlm_cell_get(txn, &place, &payload, err);
    parse_record(payload, record_out);
    if (status == UB_EDAMAGED && txn->rc == 0) {
        return kvlm_trouble_record(bucket, code, record_out->revision, err);
    }
    if (status == UB_ENOTFOUND && atomic_load(&txn->store->env.is_doubtful)) {
        return kvlm_trouble_doubt(bucket, code, err);
    }
    return status;
}

bool kvlm_is_expired(const struct kvlm *store, const struct kvlm_record *record)
{
    return record->expires_ms > 0 && record->expires_ms <= kvlm_now_ms(store);
}

static enum ub_status fail_absent(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                  struct ub_err *err)
{
    char text[KVLM_KEY_TEXT_MAX];
    kvlm_key_text(code, text);
    return ub_fail(err, UB_ENOTFOUND, "no key %s in bucket %s", text, bucket->name);
}

/* One allocation: the caller's bytes. */
static enum ub_status copy_value(const struct kvlm_record *record, struct ub_kv_value *value_out,
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

static enum ub_status get_from(struct ub_kv_bucket *bucket, MDB_txn *mdb,
                               const struct kvlm_code *code, struct ub_kv_value *value_out,
                               struct ub_err *err)
{
    struct kvlm_txn txn = {.store = bucket->store, .mdb = mdb};
    struct kvlm_record record;
    struct ub_bytes key = {code->bytes, code->len};
    enum ub_status status = kvlm_record_read(&txn, bucket, key, &record, err);
    if (status == UB_ENOTFOUND || (status == UB_OK && kvlm_is_expired(bucket->store, &record))) {
        return fail_absent(bucket, key, err);
    }
    return status == UB_OK ? copy_value(&record, value_out, err) : status;
}

enum ub_status kvlm_get(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                        enum ub_kv_read read, struct ub_kv_value *value_out, struct ub_err *err)
{
    (void)read; /* a read transaction sees every commit before it: always the newest */
    struct kvlm_code code;
    MDB_txn *mdb = NULL;
    value_out->revision = 0;
    value_out->bytes = (struct ub_bytes){NULL, 0};
    value_out->owner = NULL;
    enum ub_status status = kvlm_key_encode(key, false, &code, err);
    if (status == UB_OK) {
        status = kvlm_readers_take(bucket->store, &mdb, err);
    }
    if (status == UB_OK) {
        status = get_from(bucket, mdb, &code, value_out, err);
        kvlm_readers_give(bucket->store, mdb);
    }
    return status;
}

void kvlm_value_free(void *self, struct ub_kv_value *value)
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
    struct kvlm_code prefix, after;
    size_t limit, given;
    bool is_ended; /* by the callback or the limit */
    ub_kv_list_fn fn;
    void *arg;
};

/* The first place: behind the prefix itself, or behind `after` when that is further. */
static struct ub_bytes list_start(const struct list_args *args)
{
    const struct kvlm_code *a = &args->prefix, *b = &args->after;
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->bytes, b->bytes, len);
    const struct kvlm_code *start = order < 0 || (order == 0 && a->len < b->len) ? b : a;
    return (struct ub_bytes){start->bytes, start->len};
}

static void list_give(struct list_args *args, struct ub_bytes code,
                      const struct kvlm_record *record)
{
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_entry entry = {.value = record->value, .revision = record->revision};
    if (kvlm_key_decode(code, scratch, &entry.key)) {
        args->given++;
        args->is_ended = !args->fn(args->arg, &entry) || args->given == args->limit;
    }
}

static enum ub_status list_cell(struct list_args *args, struct ub_bytes place, struct ub_bytes cell,
                                struct ub_err *err)
{
    struct kvlm *store = args->bucket->store;
    struct ub_bytes payload, code = {place.ptr + 5, place.len - 5};
    struct kvlm_record record;
    bool is_intact = kvlm_cell_open(store->seal_key, place, cell, &payload);
    parse_record(payload, &record);
    if (!is_intact) {
        return kvlm_trouble_record(args->bucket, code, record.revision, err);
    }
    if (!kvlm_is_expired(store, &record)) {
        list_give(args, code, &record);
    }
    return UB_OK;
}

/* Is this the place of a record below the prefix? */
static bool is_wanted(const struct list_args *args, const struct kvlm_place *start, MDB_val key)
{
    const uint8_t *bytes = key.mv_data;
    return key.mv_size > 5 && memcmp(bytes, start->bytes, 5) == 0 &&
           kvlm_key_is_below((struct ub_bytes){bytes + 5, key.mv_size - 5}, &args->prefix);
}

/* A damaged record is passed over and reported at the end, so that it takes no other with it. */
static enum ub_status list_cells(struct list_args *args, MDB_cursor *cursor, struct ub_err *err)
{
    struct kvlm *store = args->bucket->store;
    enum ub_status worst = UB_OK;
    struct kvlm_place start;
    MDB_val value;
    kvlm_place_record(args->bucket->number, list_start(args), &start);
    MDB_val key = {start.len, start.bytes};
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc == MDB_SUCCESS && key.mv_size == start.len &&
        memcmp(key.mv_data, start.bytes, start.len) == 0) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    while (rc == MDB_SUCCESS && !args->is_ended && is_wanted(args, &start, key)) {
        enum ub_status status =
            list_cell(args, (struct ub_bytes){key.mv_data, key.mv_size},
                      (struct ub_bytes){value.mv_data, value.mv_size}, worst == UB_OK ? err : NULL);
        worst = status != UB_OK ? status : worst;
        rc = args->is_ended ? rc : mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? worst : kvlm_env_fail(store, rc, err);
}

static enum ub_status list_from(struct list_args *args, MDB_txn *mdb, struct ub_err *err)
{
    struct kvlm *store = args->bucket->store;
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(mdb, KVLM_DBI, &cursor);
    if (rc != MDB_SUCCESS) {
        return kvlm_env_fail(store, rc, err);
    }
    enum ub_status status = list_cells(args, cursor, err);
    mdb_cursor_close(cursor);
    if (status == UB_OK && atomic_load(&store->env.is_doubtful)) {
        struct ub_bytes prefix = {args->prefix.bytes, args->prefix.len};
        return kvlm_trouble_doubt(args->bucket, prefix, err);
    }
    return status;
}

enum ub_status kvlm_list(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                         const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn, void *arg,
                         struct ub_err *err)
{
    static const struct ub_kv_key everything;
    struct list_args args = {.bucket = bucket, .limit = limit, .fn = fn, .arg = arg};
    MDB_txn *mdb = NULL;
    enum ub_status status =
        kvlm_key_encode(prefix != NULL ? prefix : &everything, true, &args.prefix, err);
    if (status == UB_OK) {
        status = kvlm_key_encode(after != NULL ? after : &everything, true, &args.after, err);
    }
    if (status == UB_OK) {
        status = kvlm_readers_take(bucket->store, &mdb, err);
    }
    if (status == UB_OK) {
        status = list_from(&args, mdb, err);
        kvlm_readers_give(bucket->store, mdb);
    }
    return status;
}
