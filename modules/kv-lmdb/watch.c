/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>

#define STEP_CHANGES 64
#define STEP_ROWS    4096
#define STEP_BYTES   (1024 * 1024)

/* A change, copied out of the file so that no read transaction is open while callbacks run. */
struct kvlm_change {
    int64_t revision;
    bool is_deletion, is_damaged;
    struct kvlm_code code;
    uint8_t *value;
    size_t len;
};

struct ub_kv_watch {
    struct kvlm *store;
    struct ub_kv_bucket *bucket;
    struct kvlm_code prefix;
    ub_kv_watch_fn fn;
    void *arg;
    struct ub_kv_watch *next;
    int64_t position; /* everything up to here was given */
    int64_t target;   /* READY when position gets here; -1 = not known yet */
    bool is_anew;     /* from nothing: only what is there counts, no deletions */
    bool is_ready;    /* READY was given */
    bool is_lost;     /* the last step failed */
};

void kvlm_watches_init(struct kvlm_watches *watches)
{
    memset(watches, 0, sizeof(*watches));
    pthread_mutex_init(&watches->lock, NULL);
    pthread_cond_init(&watches->is_due, NULL);
    pthread_cond_init(&watches->is_idle, NULL);
}

void kvlm_watches_fini(struct kvlm_watches *watches)
{
    pthread_cond_destroy(&watches->is_idle);
    pthread_cond_destroy(&watches->is_due);
    pthread_mutex_destroy(&watches->lock);
}

/* ---- one step: read up to STEP_CHANGES changes, then give them --------------------------------
 */

static bool copy_change(struct kvlm_change *change, struct ub_bytes code, struct ub_bytes value)
{
    change->value = malloc(value.len + 1);
    if (change->value == NULL) {
        return false;
    }
    if (value.len > 0) {
        memcpy(change->value, value.ptr, value.len);
    }
    memcpy(change->code.bytes, code.ptr, code.len);
    change->code.len = code.len;
    change->len = value.len;
    return true;
}

/* Reads what the index names at `place` as the next change, when the watch wants it. */
static enum ub_status take_change(struct ub_kv_watch *watch, struct kvlm_txn *txn,
                                  const struct kvlm_place *place, size_t *count)
{
    struct kvlm_record record = {0};
    struct ub_bytes code;
    struct kvlm_change *change = &watch->store->watches.changes[*count];
    int64_t revision = kvlm_get_number(place->bytes + 5, 8);
    *change =
        (struct kvlm_change){.revision = revision, .is_deletion = place->bytes[0] == KVLM_DELETION};
    enum ub_status status = kvlm_cell_get(txn, place, &code, NULL);
    bool is_mine =
        status == UB_OK && code.len <= KVLM_KEY_CODE_MAX && kvlm_key_is_below(code, &watch->prefix);
    if (is_mine && !change->is_deletion) {
        status = kvlm_record_read(txn, watch->bucket, code, &record, NULL);
        is_mine = status == UB_OK && record.revision == revision &&
                  !kvlm_is_expired(watch->store, &record);
    }
    if (status == UB_EDAMAGED && txn->rc == 0) {
        change->is_damaged = true;
        ++*count;
        return UB_OK;
    }
    if (is_mine && !copy_change(change, code, record.value)) {
        return UB_ENOMEM;
    }
    *count += is_mine;
    return status == UB_ENOTFOUND ? UB_OK : status;
}

/* One of the two revision indexes, in order. */
struct index {
    MDB_cursor *cursor;
    struct kvlm_place place; /* the next entry */
    bool has_next;
};

static int index_move(struct index *index, MDB_cursor_op op)
{
    MDB_val key = {index->place.len, index->place.bytes};
    int rc = mdb_cursor_get(index->cursor, &key, NULL, op);
    index->has_next = rc == MDB_SUCCESS && key.mv_size == index->place.len &&
                      memcmp(key.mv_data, index->place.bytes, 5) == 0;
    if (index->has_next) {
        memcpy(index->place.bytes, key.mv_data, key.mv_size);
    }
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

static int index_open(struct index *index, struct kvlm_txn *txn, enum kvlm_kind kind,
                      const struct ub_kv_watch *watch)
{
    kvlm_place_revision(kind, watch->bucket->number, watch->position + 1, &index->place);
    int rc = mdb_cursor_open(txn->mdb, KVLM_DBI, &index->cursor);
    return rc == MDB_SUCCESS ? index_move(index, MDB_SET_RANGE) : rc;
}

static int64_t index_revision(const struct index *index)
{
    return index->has_next ? kvlm_get_number(index->place.bytes + 5, 8) : INT64_MAX;
}

/* Gives both indexes merged, from the position on. */
static enum ub_status read_merged(struct ub_kv_watch *watch, struct kvlm_txn *txn,
                                  struct index indexes[2], int64_t last, size_t *count)
{
    size_t bytes = 0;
    for (int rows = 0; rows < STEP_ROWS && bytes < STEP_BYTES && *count < STEP_CHANGES; rows++) {
        struct index *next = &indexes[index_revision(&indexes[1]) < index_revision(&indexes[0])];
        int64_t revision = index_revision(next);
        if (revision > last) {
            watch->position = last; /* the rest was overwritten, expired or purged */
            return UB_OK;
        }
        size_t before = *count;
        enum ub_status status = take_change(watch, txn, &next->place, count);
        if (status != UB_OK) {
            return status;
        }
        watch->position = revision;
        bytes += *count > before ? watch->store->watches.changes[before].len : 0;
        int rc = index_move(next, MDB_NEXT);
        if (rc != MDB_SUCCESS) {
            return kvlm_env_fail(watch->store, rc, NULL);
        }
    }
    return UB_OK;
}

/* Moves the position behind what was read. */
static enum ub_status read_changes(struct ub_kv_watch *watch, struct kvlm_txn *txn, int64_t last,
                                   size_t *count)
{
    struct index indexes[2] = {{0}, {0}};
    int rc = index_open(&indexes[0], txn, KVLM_CHANGE, watch);
    if (rc == MDB_SUCCESS && !watch->is_anew) {
        rc = index_open(&indexes[1], txn, KVLM_DELETION, watch);
    }
    enum ub_status status = rc == MDB_SUCCESS ? read_merged(watch, txn, indexes, last, count)
                                              : kvlm_env_fail(watch->store, rc, NULL);
    for (int i = 0; i < 2; i++) {
        if (indexes[i].cursor != NULL) {
            mdb_cursor_close(indexes[i].cursor);
        }
    }
    return status;
}

static void start_anew(struct ub_kv_watch *watch, int64_t revision)
{
    watch->is_anew = true;
    watch->is_ready = false;
    watch->position = 0;
    watch->target = revision;
}

/* In one read transaction, so that state and changes belong together. */
static enum ub_status read_step(struct ub_kv_watch *watch, struct kvlm_txn *txn, bool *is_reset_out,
                                size_t *count)
{
    struct kvlm_bucket_state state;
    enum ub_status status = kvlm_bucket_state_read(txn, watch->bucket->name, &state, NULL);
    if (status != UB_OK) {
        return status;
    }
    bool is_gap = !watch->is_anew && watch->position < state.purged;
    *is_reset_out = is_gap || watch->position > state.revision;
    if (*is_reset_out) {
        start_anew(watch, state.revision);
    } else if (watch->target < 0) {
        watch->target = state.revision;
    }
    return read_changes(watch, txn, watch->is_anew ? watch->target : state.revision, count);
}

static void give_change(struct ub_kv_watch *watch, struct kvlm_change *change)
{
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_entry entry = {.value = {change->value, change->len},
                                .revision = change->revision,
                                .is_deletion = change->is_deletion};
    struct ub_bytes code = {change->code.bytes, change->code.len};
    if (change->is_damaged) {
        watch->fn(watch->arg, UB_KV_EVENT_LOST, NULL);
    } else if (kvlm_key_decode(code, scratch, &entry.key)) {
        watch->fn(watch->arg, UB_KV_EVENT_ENTRY, &entry);
    }
    free(change->value);
    change->value = NULL;
}

static void give_ready(struct ub_kv_watch *watch)
{
    if (!watch->is_ready && watch->target >= 0 && watch->position >= watch->target) {
        watch->is_ready = true;
        watch->is_anew = false;
        watch->fn(watch->arg, UB_KV_EVENT_READY, NULL);
    }
}

static enum ub_status read_once(struct ub_kv_watch *watch, bool *is_reset_out, size_t *count)
{
    struct kvlm_txn txn = {.store = watch->store};
    enum ub_status status = kvlm_readers_take(watch->store, &txn.mdb, NULL);
    if (status == UB_OK) {
        status = read_step(watch, &txn, is_reset_out, count);
        kvlm_readers_give(watch->store, txn.mdb);
    }
    return status;
}

static void run_step(struct ub_kv_watch *watch)
{
    size_t count = 0;
    bool is_reset = false;
    enum ub_status status = read_once(watch, &is_reset, &count);
    if (is_reset) {
        watch->fn(watch->arg, UB_KV_EVENT_RESET, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        give_change(watch, &watch->store->watches.changes[i]);
    }
    if (status == UB_OK) {
        give_ready(watch);
    } else if (!watch->is_lost) {
        watch->fn(watch->arg, UB_KV_EVENT_LOST, NULL);
    }
    watch->is_lost = status != UB_OK;
}

/* ---- the thread -------------------------------------------------------------------------------
 */

/* A watch whose step failed waits for the next commit. */
static bool is_due(const struct ub_kv_watch *watch)
{
    return !watch->is_lost &&
           (!watch->is_ready || watch->position < atomic_load(&watch->bucket->revision));
}

/* The next due watch, and moves it to the end of the list: everybody gets a turn. */
static struct ub_kv_watch *next_due(struct kvlm_watches *watches)
{
    struct ub_kv_watch **at = &watches->first;
    while (*at != NULL && !is_due(*at)) {
        at = &(*at)->next;
    }
    struct ub_kv_watch *watch = *at;
    if (watch != NULL) {
        *at = watch->next;
        watch->next = NULL;
        while (*at != NULL) {
            at = &(*at)->next;
        }
        *at = watch;
    }
    return watch;
}

static void watch_thread(void *arg)
{
    struct kvlm_watches *watches = &((struct kvlm *)arg)->watches;
    pthread_mutex_lock(&watches->lock);
    while (!watches->is_stopping) {
        struct ub_kv_watch *watch = next_due(watches);
        if (watch == NULL) {
            pthread_cond_wait(&watches->is_due, &watches->lock);
            continue;
        }
        watches->running = watch;
        pthread_mutex_unlock(&watches->lock);
        run_step(watch);
        pthread_mutex_lock(&watches->lock);
        watches->running = NULL;
        pthread_cond_broadcast(&watches->is_idle);
    }
    pthread_mutex_unlock(&watches->lock);
}

enum ub_status kvlm_watches_start(struct kvlm *store, struct ub_err *err)
{
    const struct ub_host_pool *pool = store->host->pool;
    store->watches.changes = calloc(STEP_CHANGES, sizeof(struct kvlm_change));
    if (store->watches.changes == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for watches");
    }
    enum ub_status status = pool->open(store->host, "kv-watch", 1, 1, &store->watches.pool, err);
    return status == UB_OK ? pool->submit(store->watches.pool, watch_thread, store) : status;
}

void kvlm_watches_stop(struct kvlm *store)
{
    struct kvlm_watches *watches = &store->watches;
    pthread_mutex_lock(&watches->lock);
    watches->is_stopping = true;
    pthread_cond_signal(&watches->is_due);
    pthread_mutex_unlock(&watches->lock);
    if (watches->pool != NULL) {
        store->host->pool->close(&watches->pool);
    }
    free(watches->changes);
    watches->changes = NULL;
}

void kvlm_watches_wake(struct kvlm *store)
{
    struct kvlm_watches *watches = &store->watches;
    pthread_mutex_lock(&watches->lock);
    for (struct ub_kv_watch *watch = watches->first; watch != NULL; watch = watch->next) {
        if (watch != watches->running) {
            watch->is_lost = false;
        }
    }
    pthread_cond_signal(&watches->is_due);
    pthread_mutex_unlock(&watches->lock);
}

/* ---- the callers' side ------------------------------------------------------------------------
 */

enum ub_status kvlm_watch(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                          int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                          struct ub_kv_watch **watch_out, struct ub_err *err)
{
    static const struct ub_kv_key everything;
    struct kvlm_watches *watches = &bucket->store->watches;
    *watch_out = NULL;
    if (from_revision < 0) {
        return ub_fail(err, UB_EINVAL, "from_revision = %lld is no revision; 0 is the start",
                       (long long)from_revision);
    }
    struct ub_kv_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for a watch of bucket %s", bucket->name);
    }
    enum ub_status status =
        kvlm_key_encode(prefix != NULL ? prefix : &everything, true, &watch->prefix, err);
    if (status != UB_OK) {
        free(watch);
        return status;
    }
    watch->store = bucket->store;
    watch->bucket = bucket;
    watch->fn = fn;
    watch->arg = arg;
    watch->position = from_revision;
    watch->target = -1;
    watch->is_anew = from_revision == 0;
    pthread_mutex_lock(&watches->lock);
    watch->next = watches->first;
    watches->first = *watch_out = watch;
    pthread_cond_signal(&watches->is_due);
    pthread_mutex_unlock(&watches->lock);
    return UB_OK;
}

void kvlm_unwatch(struct ub_kv_watch **watch)
{
    struct kvlm_watches *watches = &(*watch)->store->watches;
    pthread_mutex_lock(&watches->lock);
    struct ub_kv_watch **at = &watches->first;
    while (*at != NULL && *at != *watch) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = (*watch)->next;
    }
    while (watches->running == *watch) {
        pthread_cond_wait(&watches->is_idle, &watches->lock);
    }
    pthread_mutex_unlock(&watches->lock);
    free(*watch);
    *watch = NULL;
}
