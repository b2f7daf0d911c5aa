/* SPDX-License-Identifier: Apache-2.0 */
#include <ubs/trouble.h>

#include <errno.h>
#include <inttypes.h>

#include <unibus/error.h>

#include <ubs/key.h>

void ubs_trouble_init(struct ubs_trouble *trouble, const struct ub_host *host,
                      const struct ubs_trouble_row rows[UBS_TROUBLE_COUNT], const char *place)
{
    memset(trouble, 0, sizeof(*trouble));
    trouble->host = host;
    trouble->rows = rows;
    trouble->place = place;
    pthread_mutex_init(&trouble->lock, NULL);
}

void ubs_trouble_fini(struct ubs_trouble *trouble)
{
    pthread_mutex_destroy(&trouble->lock);
}

void ubs_trouble_note(struct ubs_trouble *trouble, enum ubs_trouble_kind kind, const char *what)
{
    const struct ubs_trouble_row *row = &trouble->rows[kind];
    pthread_mutex_lock(&trouble->lock);
    bool is_first = !trouble->slots[kind].is_on;
    trouble->slots[kind].is_on = true;
    trouble->slots[kind].count++;
    if (is_first) {
        snprintf(trouble->slots[kind].what, sizeof(trouble->slots[kind].what), "%s", what);
    }
    pthread_mutex_unlock(&trouble->lock);
    if (is_first || kind == UBS_DAMAGE) {
        ub_log(trouble->host, UB_LOG_ERROR, row->event, what, UB_TEXT("code", row->code),
               UB_TEXT("store", trouble->place), UB_TEXT("fix", row->fix));
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

void ubs_trouble_note_once(struct ubs_trouble *trouble, enum ubs_trouble_kind kind,
                           const char *what)
{
    enum { SEEN_MAX = sizeof(trouble->seen) / sizeof(trouble->seen[0]) };
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
        ubs_trouble_note(trouble, kind, what);
    }
}

void ubs_trouble_clear(struct ubs_trouble *trouble, enum ubs_trouble_kind kind)
{
    pthread_mutex_lock(&trouble->lock);
    trouble->slots[kind].is_on = false;
    pthread_mutex_unlock(&trouble->lock);
}

bool ubs_trouble_is_on(struct ubs_trouble *trouble, enum ubs_trouble_kind kind)
{
    pthread_mutex_lock(&trouble->lock);
    bool is_on = trouble->slots[kind].is_on;
    pthread_mutex_unlock(&trouble->lock);
    return is_on;
}

void ubs_trouble_health(struct ubs_trouble *trouble, const struct ub_health_sink *sink)
{
    pthread_mutex_lock(&trouble->lock);
    sink->number(sink->ctx, "damaged", trouble->slots[UBS_DAMAGE].count);
    for (int i = 0; i < UBS_TROUBLE_COUNT; i++) {
        const struct ubs_trouble_row *row = &trouble->rows[i];
        if (trouble->slots[i].is_on) {
            sink->problem(sink->ctx, row->code, trouble->slots[i].what, row->fix);
        }
    }
    pthread_mutex_unlock(&trouble->lock);
}

enum ub_status ubs_trouble_check_writable(struct ubs_trouble *trouble, struct ub_err *err)
{
    if (!ubs_trouble_is_on(trouble, UBS_IO)) {
        return UB_OK;
    }
    return ub_fail_code(err, UB_EUNAVAILABLE, trouble->rows[UBS_IO].code,
                        "the store %s is read-only after an I/O error (see the health report): "
                        "check the disk, then restart",
                        trouble->place);
}

enum ub_status ubs_trouble_errno(struct ubs_trouble *trouble, bool is_durability, const char *doing,
                                 const char *what, struct ub_err *err)
{
    char text[UB_ERR_MESSAGE_MAX];
    int why = errno;
    bool is_full = why == ENOSPC || why == EDQUOT;
    /* These say nothing about the disk, and whoever opens connections can bring them about. */
    is_durability = is_durability && why != EMFILE && why != ENFILE && why != ENOMEM;
    snprintf(text, sizeof(text), "cannot %s %s in %s: %s", doing, what, trouble->place,
             strerror(why));
    if (is_full || is_durability) {
        ubs_trouble_note(trouble, is_full ? UBS_FULL : UBS_IO, text);
    }
    return ub_fail(err, is_full ? UB_EUNAVAILABLE : UB_EIO, "%s", text);
}

enum ub_status ubs_trouble_record(struct ubs_trouble *trouble, const char *bucket,
                                  struct ub_bytes code, int64_t revision, struct ub_err *err)
{
    char key[UBS_KEY_TEXT_MAX], what[UB_ERR_MESSAGE_MAX];
    ubs_key_text(code, key);
    snprintf(what, sizeof(what),
             "record damaged: bucket %s, key %s, revision %" PRId64
             ": its checksum does not match; write it anew or restore a backup",
             bucket, key, revision);
    ubs_trouble_note_once(trouble, UBS_DAMAGE, what);
    return ub_fail_code(err, UB_EDAMAGED, trouble->rows[UBS_DAMAGE].code, "%s", what);
}
