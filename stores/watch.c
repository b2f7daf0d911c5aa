/* SPDX-License-Identifier: Apache-2.0 */
#include <ubs/watch.h>

#include <stdlib.h>

#include <unibus/error.h>

/* A change, copied so that no view of the store is open while callbacks run. */
struct ubs_kept_change {
    int64_t revision;
    bool is_deletion, is_damaged;
    struct ubs_code code;
    uint8_t *value;
    size_t len;
};

struct ub_kv_watch {
    struct ubs_watches *watches;
    struct ub_kv_bucket *bucket;
    const _Atomic int64_t *revision;
    struct ubs_code prefix;
    ub_kv_watch_fn fn;
    void *arg;
    struct ub_kv_watch *next;
    struct ub_pool *pool; /* one thread */
    pthread_cond_t is_due;
    bool is_over, is_stuck; /* under the lock; stuck: a look failed, wait for the next commit */
    /* The thread's: */
    int64_t position; /* everything up to here was given */
    int64_t target;   /* READY when position gets here; -1 = not known yet */
    bool is_anew;     /* from nothing: only what is there counts, no deletions */
    bool is_ready;    /* READY was given */
    bool is_lost;     /* the last look failed, and LOST was given */
    int64_t called_ns;
    struct ubs_kept_change kept[UBS_LOOK_CHANGES];
};

void ubs_watches_init(struct ubs_watches *watches, const struct ub_host *host, ubs_look_fn look)
{
    memset(watches, 0, sizeof(*watches));
    watches->host = host;
    watches->look = look;
    pthread_mutex_init(&watches->lock, NULL);
}

void ubs_watches_fini(struct ubs_watches *watches)
{
    pthread_mutex_destroy(&watches->lock);
}

/* ---- one look ---------------------------------------------------------------------------------
 */

static void start_anew(struct ub_kv_watch *watch, int64_t revision)
{
    watch->is_anew = true;
    watch->is_ready = false;
    watch->position = 0;
    watch->target = revision;
}

void ubs_look_begin(struct ubs_look *look, int64_t revision, int64_t purged)
{
    struct ub_kv_watch *watch = look->watch;
    bool is_gap = !watch->is_anew && watch->position < purged;
    if (is_gap || watch->position > revision) {
        look->is_reset = true;
        start_anew(watch, revision);
    } else if (watch->target < 0) {
        watch->target = revision;
    }
    look->after = watch->position;
    look->last = watch->is_anew ? watch->target : revision;
    look->has_deletions = !watch->is_anew;
}

bool ubs_look_wants(const struct ubs_look *look, struct ub_bytes code)
{
    return code.len <= UBS_KEY_CODE_MAX && ubs_key_is_below(code, &look->watch->prefix);
}

static bool keep(struct ubs_look *look, const struct ubs_change *change)
{
    struct ubs_kept_change *kept = &look->kept[look->count];
    *kept = (struct ubs_kept_change){.revision = change->revision,
                                     .is_deletion = change->is_deletion,
                                     .is_damaged = change->is_damaged};
    if (!change->is_damaged) {
        kept->value = malloc(change->value.len + 1);
        if (kept->value == NULL) {
            return false;
        }
        if (change->value.len > 0) {
            memcpy(kept->value, change->value.ptr, change->value.len);
        }
        memcpy(kept->code.bytes, change->code.ptr, change->code.len);
        kept->code.len = change->code.len;
        kept->len = change->value.len;
    }
    look->count++;
    look->bytes += change->value.len;
    return true;
}

/* A damaged row may carry any revision. */
bool ubs_look_pass(struct ubs_look *look, int64_t revision)
{
    struct ub_kv_watch *watch = look->watch;
    bool is_plausible = revision > watch->position && revision <= look->last;
    watch->position = is_plausible ? revision : watch->position + 1;
    return look->count < UBS_LOOK_CHANGES && look->bytes < UBS_LOOK_BYTES;
}

bool ubs_look_give(struct ubs_look *look, const struct ubs_change *change)
{
    bool is_wanted = change->is_damaged || ubs_look_wants(look, change->code);
    if (is_wanted && !keep(look, change)) {
        look->has_failed = true;
        return false;
    }
    return ubs_look_pass(look, change->revision);
}

void ubs_look_end(struct ubs_look *look)
{
    look->watch->position = look->last; /* the rest was overwritten, has expired or was purged */
}

/* ---- what the callback gets -------------------------------------------------------------------
 */

static void call(struct ub_kv_watch *watch, enum ub_kv_event event, const struct ub_kv_entry *entry)
{
    const struct ub_host *host = watch->watches->host;
    int64_t start_ns = host->clock->mono_ns(host);
    watch->fn(watch->arg, event, entry);
    watch->called_ns += host->clock->mono_ns(host) - start_ns;
}

static void give_change(struct ub_kv_watch *watch, struct ubs_kept_change *kept)
{
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_entry entry = {.value = {kept->value, kept->len},
                                .revision = kept->revision,
                                .is_deletion = kept->is_deletion};
    struct ub_bytes code = {kept->code.bytes, kept->code.len};
    if (kept->is_damaged) {
        call(watch, UB_KV_EVENT_LOST, NULL);
    } else if (ubs_key_decode(code, scratch, &entry.key)) {
        call(watch, UB_KV_EVENT_ENTRY, &entry);
    }
    free(kept->value);
    kept->value = NULL;
}

static void give_ready(struct ub_kv_watch *watch)
{
    if (!watch->is_ready && watch->target >= 0 && watch->position >= watch->target) {
        watch->is_ready = true;
        watch->is_anew = false;
        call(watch, UB_KV_EVENT_READY, NULL);
    }
}

/* It was away for long and there is more by now: what it holds may be old. */
static void tell_slow(struct ub_kv_watch *watch)
{
    bool was_slow = watch->called_ns > (int64_t)UBS_WATCH_SLOW_MS * 1000000;
    watch->called_ns = 0;
    if (was_slow && watch->is_ready && watch->position < atomic_load(watch->revision)) {
        call(watch, UB_KV_EVENT_LOST, NULL);
    }
}

static bool run_step(struct ub_kv_watch *watch)
{
    struct ubs_look look = {.watch = watch, .kept = watch->kept};
    tell_slow(watch);
    enum ub_status status = watch->watches->look(watch->bucket, &look);
    status = status == UB_OK && look.has_failed ? UB_ENOMEM : status;
    if (look.is_reset) {
        call(watch, UB_KV_EVENT_RESET, NULL);
    }
    for (size_t i = 0; i < look.count; i++) {
        give_change(watch, &watch->kept[i]);
    }
    if ((status != UB_OK || look.is_doubtful) && !watch->is_lost) {
        call(watch, UB_KV_EVENT_LOST, NULL);
    }
    if (status == UB_OK) {
        give_ready(watch);
    }
    watch->is_lost = status != UB_OK;
    return status == UB_OK;
}

/* ---- the thread of a watch --------------------------------------------------------------------
 */

static bool is_due(const struct ub_kv_watch *watch)
{
    return !watch->is_stuck && (!watch->is_ready || watch->position < atomic_load(watch->revision));
}

static void watch_thread(void *arg)
{
    struct ub_kv_watch *watch = arg;
    pthread_mutex_t *lock = &watch->watches->lock;
    pthread_mutex_lock(lock);
    while (!watch->is_over) {
        if (!is_due(watch)) {
            pthread_cond_wait(&watch->is_due, lock);
            continue;
        }
        watch->is_stuck = true; /* unless the look works, or a commit comes meanwhile */
        pthread_mutex_unlock(lock);
        bool is_ok = run_step(watch);
        pthread_mutex_lock(lock);
        watch->is_stuck = watch->is_stuck && !is_ok;
    }
    pthread_mutex_unlock(lock);
}

void ubs_watches_wake(struct ubs_watches *watches)
{
    pthread_mutex_lock(&watches->lock);
    for (struct ub_kv_watch *watch = watches->first; watch != NULL; watch = watch->next) {
        watch->is_stuck = false;
        pthread_cond_signal(&watch->is_due);
    }
    pthread_mutex_unlock(&watches->lock);
}

static void end(struct ub_kv_watch *watch)
{
    pthread_mutex_lock(&watch->watches->lock);
    watch->is_over = true;
    pthread_cond_signal(&watch->is_due);
    pthread_mutex_unlock(&watch->watches->lock);
    if (watch->pool != NULL) {
        watch->watches->host->pool->close(&watch->pool);
    }
}

void ubs_watches_stop(struct ubs_watches *watches)
{
    pthread_mutex_lock(&watches->lock);
    watches->is_stopping = true;
    struct ub_kv_watch *first = watches->first;
    pthread_mutex_unlock(&watches->lock);
    for (; first != NULL; first = first->next) {
        end(first);
    }
}

/* ---- the callers' side ------------------------------------------------------------------------
 */

/* Into the list and off, in one go, so that neither a commit nor stop comes between. */
static enum ub_status enlist(struct ub_kv_watch *watch, struct ub_err *err)
{
    struct ubs_watches *watches = watch->watches;
    enum ub_status status = UB_OK;
    pthread_mutex_lock(&watches->lock);
    if (watches->is_stopping) {
        status = ub_fail(err, UB_EUNAVAILABLE, "the store is stopped");
    } else if (watches->count == UBS_WATCHES_MAX) {
        status =
            ub_fail(err, UB_ELIMIT, "there are %d watches of this store already", UBS_WATCHES_MAX);
    } else {
        status = watches->host->pool->submit(watch->pool, watch_thread, watch);
    }
    if (status == UB_OK) {
        watches->count++;
        watch->next = watches->first;
        watches->first = watch;
    }
    pthread_mutex_unlock(&watches->lock);
    return status;
}

static void delist(struct ub_kv_watch *watch)
{
    struct ubs_watches *watches = watch->watches;
    pthread_mutex_lock(&watches->lock);
    for (struct ub_kv_watch **at = &watches->first; *at != NULL; at = &(*at)->next) {
        if (*at == watch) {
            *at = watch->next;
            watches->count--;
            break;
        }
    }
    pthread_mutex_unlock(&watches->lock);
}

static enum ub_status run(struct ub_kv_watch *watch, struct ub_err *err)
{
    const struct ub_host *host = watch->watches->host;
    enum ub_status status = host->pool->open(host, "kv-watch", 1, 1, &watch->pool, err);
    return status == UB_OK ? enlist(watch, err) : status;
}

static void free_watch(struct ub_kv_watch **watch)
{
    pthread_cond_destroy(&(*watch)->is_due);
    free(*watch);
    *watch = NULL;
}

enum ub_status ubs_watch_open(struct ubs_watches *watches, struct ub_kv_bucket *bucket,
                              const _Atomic int64_t *revision, const struct ub_kv_key *prefix,
                              int64_t from_revision, ub_kv_watch_fn fn, void *arg,
                              struct ub_kv_watch **watch_out, struct ub_err *err)
{
    static const struct ub_kv_key everything;
    struct ubs_code code;
    *watch_out = NULL;
    if (from_revision < 0) {
        return ub_fail(err, UB_EINVAL, "from_revision = %lld is no revision; 0 is the start",
                       (long long)from_revision);
    }
    enum ub_status status = ubs_key_encode(prefix != NULL ? prefix : &everything, true, &code, err);
    if (status != UB_OK) {
        return status;
    }
    struct ub_kv_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL) {
        return ub_fail(err, UB_ENOMEM, "no memory for a watch");
    }
    watch->watches = watches;
    watch->bucket = bucket;
    watch->revision = revision;
    watch->prefix = code;
    watch->fn = fn;
    watch->arg = arg;
    watch->position = from_revision;
    watch->target = -1;
    watch->is_anew = from_revision == 0;
    pthread_cond_init(&watch->is_due, NULL);
    status = run(watch, err);
    if (status != UB_OK) {
        end(watch);
        free_watch(&watch);
    }
    *watch_out = watch;
    return status;
}

void ubs_watch_close(struct ub_kv_watch **watch)
{
    delist(*watch);
    end(*watch);
    free_watch(watch);
}
