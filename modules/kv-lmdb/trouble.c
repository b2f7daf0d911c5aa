/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <inttypes.h>

struct trouble_row {
    const char *code, *event, *fix;
};

static const struct trouble_row rows[KVLM_TROUBLE_COUNT] = {
    [KVLM_DAMAGE] = {"E-KV-001", "store-damaged",
                     "check the disk; write the named records anew or restore the store from "
                     "a backup, then restart"},
    [KVLM_IO] = {"E-KV-002", "store-failed",
                 "the store is read-only: check the disk and the kernel log, then restart"},
    [KVLM_FULL] = {"E-KV-003", "store-full",
                   "make room on the file system or raise map_max; writes go on by themselves"},
};

void kvlm_trouble_init(struct kvlm_trouble *trouble)
{
    memset(trouble, 0, sizeof(*trouble));
    pthread_mutex_init(&trouble->lock, NULL);
}

void kvlm_trouble_fini(struct kvlm_trouble *trouble)
{
    pthread_mutex_destroy(&trouble->lock);
}

void kvlm_trouble_note(struct kvlm *store, enum kvlm_trouble_kind kind, const char *what)
{
    struct kvlm_trouble *trouble = &store->trouble;
    pthread_mutex_lock(&trouble->lock);
    bool is_first = !trouble->slots[kind].is_on;
    trouble->slots[kind].is_on = true;
    trouble->slots[kind].count++;
    if (is_first) {
        snprintf(trouble->slots[kind].what, sizeof(trouble->slots[kind].what), "%s", what);
    }
    pthread_mutex_unlock(&trouble->lock);
    if (is_first || kind == KVLM_DAMAGE) {
        ub_log(store->host, UB_LOG_ERROR, rows[kind].event, what, UB_TEXT("code", rows[kind].code),
               UB_TEXT("dir", store->settings->dir), UB_TEXT("fix", rows[kind].fix));
    }
}

static uint32_t short_sum(const char *text)
{
    uint32_t sum = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) {
        sum = (sum ^ (uint8_t)*text) * 16777619u;
    }
    return sum;
}

void kvlm_trouble_note_once(struct kvlm *store, enum kvlm_trouble_kind kind, const char *what)
{
    enum { SEEN_MAX = sizeof(store->trouble.seen) / sizeof(store->trouble.seen[0]) };
    struct kvlm_trouble *trouble = &store->trouble;
    uint32_t sum = short_sum(what);
    bool is_seen = false;
    pthread_mutex_lock(&trouble->lock);
    for (size_t i = 0; i < trouble->seen_count && i < SEEN_MAX; i++) {
        is_seen |= trouble->seen[i] == sum;
    }
    if (!is_seen) {
        trouble->seen[trouble->seen_count++ % SEEN_MAX] = sum;
    }
    pthread_mutex_unlock(&trouble->lock);
    if (!is_seen) {
        kvlm_trouble_note(store, kind, what);
    }
}

void kvlm_trouble_clear(struct kvlm *store, enum kvlm_trouble_kind kind)
{
    pthread_mutex_lock(&store->trouble.lock);
    store->trouble.slots[kind].is_on = false;
    pthread_mutex_unlock(&store->trouble.lock);
}

bool kvlm_trouble_is_on(struct kvlm *store, enum kvlm_trouble_kind kind)
{
    pthread_mutex_lock(&store->trouble.lock);
    bool is_on = store->trouble.slots[kind].is_on;
    pthread_mutex_unlock(&store->trouble.lock);
    return is_on;
}

void kvlm_trouble_health(struct kvlm *store, const struct ub_health_sink *sink)
{
    struct kvlm_trouble *trouble = &store->trouble;
    pthread_mutex_lock(&trouble->lock);
    sink->number(sink->ctx, "damaged", trouble->slots[KVLM_DAMAGE].count);
    for (int i = 0; i < KVLM_TROUBLE_COUNT; i++) {
        if (trouble->slots[i].is_on) {
            sink->problem(sink->ctx, rows[i].code, trouble->slots[i].what, rows[i].fix);
        }
    }
    pthread_mutex_unlock(&trouble->lock);
}

enum ub_status kvlm_trouble_record(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                   int64_t revision, struct ub_err *err)
{
    char key[KVLM_KEY_TEXT_MAX], what[UB_ERR_MESSAGE_MAX];
    kvlm_key_text(code, key);
    snprintf(what, sizeof(what),
             "record damaged: bucket %s, key %s, revision %" PRId64
             ": its checksum does not match; write it anew or restore a backup",
             bucket->name, key, revision);
    kvlm_trouble_note_once(bucket->store, KVLM_DAMAGE, what);
    return ub_fail_code(err, UB_EDAMAGED, rows[KVLM_DAMAGE].code, "%s", what);
}

enum ub_status kvlm_trouble_doubt(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                  struct ub_err *err)
{
    char key[KVLM_KEY_TEXT_MAX];
    kvlm_key_text(code, key);
    return ub_fail_code(err, UB_EDAMAGED, rows[KVLM_DAMAGE].code,
                        "key %s in bucket %s may be one whose name was damaged in %s: restore "
                        "the store from a backup",
                        key, bucket->name, bucket->store->settings->dir);
}
