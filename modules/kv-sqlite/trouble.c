/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <inttypes.h>

struct trouble_row {
    const char *code, *event, *fix;
};

static const struct trouble_row rows[KVSQ_TROUBLE_COUNT] = {
    [KVSQ_DAMAGE] = {"E-KV-001", "store-damaged",
                     "check the disk; write a named record anew, for a page restore the file from "
                     "a backup; then restart"},
    [KVSQ_IO] = {"E-KV-002", "store-failed",
                 "the store is read-only: check the disk and the kernel log, then restart"},
    [KVSQ_FULL] = {"E-KV-003", "store-full",
                   "make room on the file system; writes go on by themselves"},
};

void kvsq_trouble_init(struct kvsq_trouble *trouble)
{
    memset(trouble, 0, sizeof(*trouble));
    pthread_mutex_init(&trouble->lock, NULL);
}

void kvsq_trouble_fini(struct kvsq_trouble *trouble)
{
    pthread_mutex_destroy(&trouble->lock);
}

void kvsq_trouble_note(struct kvsq *store, enum kvsq_trouble_kind kind, const char *what)
{
    struct kvsq_trouble *trouble = &store->trouble;
    pthread_mutex_lock(&trouble->lock);
    bool is_first = !trouble->slots[kind].is_on;
    trouble->slots[kind].is_on = true;
    trouble->slots[kind].count++;
    if (is_first) {
        snprintf(trouble->slots[kind].what, sizeof(trouble->slots[kind].what), "%s", what);
    }
    pthread_mutex_unlock(&trouble->lock);
    if (is_first || kind == KVSQ_DAMAGE) {
        ub_log(store->host, UB_LOG_ERROR, rows[kind].event, what, UB_TEXT("code", rows[kind].code),
               UB_TEXT("file", store->settings->file), UB_TEXT("fix", rows[kind].fix));
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

void kvsq_trouble_note_once(struct kvsq *store, enum kvsq_trouble_kind kind, const char *what)
{
    enum { SEEN_MAX = sizeof(store->trouble.seen) / sizeof(store->trouble.seen[0]) };
    struct kvsq_trouble *trouble = &store->trouble;
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
        kvsq_trouble_note(store, kind, what);
    }
}

void kvsq_trouble_clear(struct kvsq *store, enum kvsq_trouble_kind kind)
{
    pthread_mutex_lock(&store->trouble.lock);
    store->trouble.slots[kind].is_on = false;
    pthread_mutex_unlock(&store->trouble.lock);
}

bool kvsq_trouble_is_on(struct kvsq *store, enum kvsq_trouble_kind kind)
{
    pthread_mutex_lock(&store->trouble.lock);
    bool is_on = store->trouble.slots[kind].is_on;
    pthread_mutex_unlock(&store->trouble.lock);
    return is_on;
}

void kvsq_trouble_health(struct kvsq *store, const struct ub_health_sink *sink)
{
    struct kvsq_trouble *trouble = &store->trouble;
    pthread_mutex_lock(&trouble->lock);
    sink->number(sink->ctx, "damaged", trouble->slots[KVSQ_DAMAGE].count);
    for (int i = 0; i < KVSQ_TROUBLE_COUNT; i++) {
        if (trouble->slots[i].is_on) {
            sink->problem(sink->ctx, rows[i].code, trouble->slots[i].what, rows[i].fix);
        }
    }
    pthread_mutex_unlock(&trouble->lock);
}

enum ub_status kvsq_trouble_record(struct kvsq *store, const struct kvsq_record *record,
                                   struct ub_err *err)
{
    char key[KVSQ_KEY_TEXT_MAX], what[UB_ERR_MESSAGE_MAX];
    kvsq_key_text(record->code, key);
    snprintf(what, sizeof(what),
             "record damaged: bucket %s, key %s, revision %" PRId64
             ": its checksum does not match; write it anew or restore a backup",
             record->bucket, key, record->revision);
    kvsq_trouble_note_once(store, KVSQ_DAMAGE, what);
    return ub_fail_code(err, UB_EDAMAGED, rows[KVSQ_DAMAGE].code, "%s", what);
}
