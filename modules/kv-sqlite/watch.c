/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <stdlib.h>

#define STEP_CHANGES 64
#define STEP_BYTES   (1024 * 1024)

/* A change, copied out of the file so that no read transaction is open while callbacks run. */
struct kvsq_change {
    int64_t revision;
    bool is_deletion, is_damaged;
    struct kvsq_code code;
    uint8_t *value;
    size_t len;
};

struct ub_kv_watch {
    struct kvsq *store;
    struct ub_kv_bucket *bucket;
    struct kvsq_code prefix;
    ub_kv_watch_fn fn;
    void *arg;
    struct ub_kv_watch *next;
    int64_t position; /* everything up to here was given */
    int64_t target;   /* READY when position gets here; -1 = not known yet */
    bool is_anew;     /* from nothing: only what is there counts, no deletions */
    bool is_ready;    /* READY was given */
    bool is_lost;     /* the last step failed */
};

void kvsq_watches_init(struct kvsq_watches *watches)
{
    memset(watches, 0, sizeof(*watches));
    pthread_mutex_init(&watches->lock, NULL);
    pthread_cond_init(&watches->is_due, NULL);
    pthread_cond_init(&watches->is_idle, NULL);
}

void kvsq_watches_fini(struct kvsq_watches *watches)
{
    pthread_cond_destroy(&watches->is_idle);
    pthread_cond_destroy(&watches->is_due);
    pthread_mutex_destroy(&watches->lock);
}

/* ---- one step: read up to STEP_CHANGES changes, then give them --------------------------------
 */

static bool copy_change(struct kvsq_change *change, const struct kvsq_record *record)
{
    change->value = malloc(record->value.len + 1);
    if (change->value == NULL) {
        return false;
    }
    if (record->value.len > 0) {
        memcpy(change->value, record->value.ptr, record->value.len);
    }
    memcpy(change->code.bytes, record->code.ptr, record->code.len);
    change->code.len = record->code.len;
    change->len = record->value.len;
    change->is_deletion = record->is_deletion;
    return true;
}

/* Takes the row as the next change when the watch wants it. */
static enum ub_status take_row(struct ub_kv_watch *watch, sqlite3_stmt *stmt, size_t *count)
{
    struct kvsq_record record;
    struct kvsq_change *change = &watch->store->watches.changes[*count];
    bool is_deletion = sqlite3_column_int(stmt, 5) != 0;
    *change = (struct kvsq_change){.revision = sqlite3_column_int64(stmt, 1)};
    if (kvsq_read_row(watch->store, watch->bucket->name, stmt, is_deletion, &record, NULL) !=
        UB_OK) {
        change->is_damaged = true;
        ++*count;
        return UB_OK;
    }
    if (!kvsq_key_is_below(record.code, &watch->prefix) || record.code.len > KVSQ_KEY_CODE_MAX ||
        kvsq_is_expired(watch->store, &record)) {
        return UB_OK;
    }
    if (!copy_change(change, &record)) {
        return UB_ENOMEM;
    }
    ++*count;
    return UB_OK;
}

/* A damaged row may carry any revision. */
static void move_on(struct ub_kv_watch *watch, int64_t revision, int64_t last)
{
    bool is_plausible = revision > watch->position && revision <= last;
    watch->position = is_plausible ? revision : watch->position + 1;
}

/* Moves the position behind what was read. */
static enum ub_status read_changes(struct ub_kv_watch *watch, struct kvsq_db *db, int64_t last,
                                   size_t *count)
{
    sqlite3_stmt *stmt;
    bool has_row = true;
    int rows = 0;
    size_t bytes = 0;
    enum ub_status status = kvsq_db_begin(
        db, KVSQ_CHANGES, &stmt, NULL, KVSQ_TEXT(watch->bucket->name), KVSQ_INT(watch->position),
        KVSQ_INT(last), KVSQ_INT(!watch->is_anew), KVSQ_INT(STEP_CHANGES));
    while (status == UB_OK && bytes < STEP_BYTES && *count < STEP_CHANGES) {
        status = kvsq_db_step(db, stmt, &has_row, NULL);
        if (status != UB_OK || !has_row) {
            break;
        }
        rows++;
        status = take_row(watch, stmt, count);
        if (status == UB_OK) {
            move_on(watch, sqlite3_column_int64(stmt, 1), last);
            bytes += (size_t)sqlite3_column_bytes(stmt, 4);
        }
    }
    if (status == UB_OK && !has_row && rows < STEP_CHANGES) {
        watch->position = last; /* the rest was overwritten, expired or purged */
    }
    kvsq_db_end(stmt);
    return status;
}

static void start_anew(struct ub_kv_watch *watch, int64_t revision)
{
    watch->is_anew = true;
    watch->is_ready = false;
    watch->position = 0;
    watch->target = revision;
}

/* In one read transaction, so that state and rows belong together. */
static enum ub_status read_step(struct ub_kv_watch *watch, struct kvsq_db *db, bool *is_reset_out,
                                size_t *count)
{
    struct kvsq_bucket_state state;
    enum ub_status status = kvsq_bucket_state_read(db, watch->bucket->name, &state, NULL);
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
    return read_changes(watch, db, watch->is_anew ? watch->target : state.revision, count);
}

static void give_change(struct ub_kv_watch *watch, struct kvsq_change *change)
{
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_entry entry = {.value = {change->value, change->len},
                                .revision = change->revision,
                                .is_deletion = change->is_deletion};
    struct ub_bytes code = {change->code.bytes, change->code.len};
    if (change->is_damaged) {
        watch->fn(watch->arg, UB_KV_EVENT_LOST, NULL);
    } else if (kvsq_key_decode(code, scratch, &entry.key)) {
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

static enum ub_status read_once(struct ub_kv_watch *watch, struct kvsq_db *db, bool *is_reset_out,
                                size_t *count)
{
    enum ub_status status = kvsq_db_run(db, KVSQ_BEGIN_READ, NULL, KVSQ_NONE);
    if (status == UB_OK) {
        status = read_step(watch, db, is_reset_out, count);
        (void)kvsq_db_run(db, KVSQ_COMMIT, NULL, KVSQ_NONE);
    }
    return status;
}

/* Past a damaged page it goes on with what is intact, and says LOST. */
static void run_step(struct ub_kv_watch *watch, struct kvsq_db *db)
{
    size_t count = 0;
    bool is_reset = false, is_reset_again = false;
    enum ub_status first = read_once(watch, db, &is_reset, &count), status = first;
    if (first == UB_EDAMAGED) {
        kvsq_pages_set_lenient(db, true);
        status = read_once(watch, db, &is_reset_again, &count);
        kvsq_pages_set_lenient(db, false);
    }
    if (is_reset || is_reset_again) {
        watch->fn(watch->arg, UB_KV_EVENT_RESET, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        give_change(watch, &watch->store->watches.changes[i]);
    }
    if (first != UB_OK && !watch->is_lost) {
        watch->fn(watch->arg, UB_KV_EVENT_LOST, NULL);
    }
    if (status == UB_OK) {
        give_ready(watch);
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
static struct ub_kv_watch *next_due(struct kvsq_watches *watches)
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
    struct kvsq_watches *watches = &((struct kvsq *)arg)->watches;
    pthread_mutex_lock(&watches->lock);
    while (!watches->is_stopping) {
        struct ub_kv_watch *watch = next_due(watches);
        if (watch == NULL) {
            pthread_cond_wait(&watches->is_due, &watches->lock);
            continue;
        }
        watches->running = watch;
        pthread_mutex_unlock(&watches->lock);
        run_step(watch, &watches->db);
        pthread_mutex_lock(&watches->lock);
        watches->running = NULL;
        pthread_cond_broadcast(&watches->is_idle);
    }
    pthread_mutex_unlock(&watches->lock);
}

enum ub_status kvsq_watches_start(struct kvsq *store, struct ub_err *err)
{
    const struct ub_host_pool *pool = store->host->pool;
    store->watches.changes = calloc(STEP_CHANGES, sizeof(struct kvsq_change));
    if (store->watches.changes == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for watches");
    }
    enum ub_status status = kvsq_db_open(store, &store->watches.db, err);
    if (status == UB_OK) {
        status = pool->open(store->host, "kv-watch", 1, 1, &store->watches.pool, err);
    }
    return status == UB_OK ? pool->submit(store->watches.pool, watch_thread, store) : status;
}

void kvsq_watches_stop(struct kvsq *store)
{
    struct kvsq_watches *watches = &store->watches;
    pthread_mutex_lock(&watches->lock);
    watches->is_stopping = true;
    pthread_cond_signal(&watches->is_due);
    pthread_mutex_unlock(&watches->lock);
    if (watches->pool != NULL) {
        store->host->pool->close(&watches->pool);
    }
    kvsq_db_close(&watches->db);
    free(watches->changes);
    watches->changes = NULL;
}

void kvsq_watches_wake(struct kvsq *store)
{
    struct kvsq_watches *watches = &store->watches;
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

enum ub_status kvsq_watch(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                          int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                          struct ub_kv_watch **watch_out, struct ub_err *err)
{
    static const struct ub_kv_key everything;
    struct kvsq_watches *watches = &bucket->store->watches;
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
        kvsq_key_encode(prefix != NULL ? prefix : &everything, true, &watch->prefix, err);
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

void kvsq_unwatch(struct ub_kv_watch **watch)
{
    struct kvsq_watches *watches = &(*watch)->store->watches;
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
