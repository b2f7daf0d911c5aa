/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include <unibus/error.h>

static enum ub_status fail_absent(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                                  struct ub_err *err)
{
    char text[UBS_KEY_TEXT_MAX];
    if (err == NULL) {
        return UB_ENOTFOUND;
    }
    ubs_key_text(code, text);
    return ub_fail(err, UB_ENOTFOUND, "no key %s in bucket %s", text, bucket->name);
}

/* One allocation: the caller's bytes. */
static enum ub_status copy_value(const struct ubs_record *record, struct ub_kv_value *value_out,
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

enum ub_status ubs_value_give(const struct ub_kv_bucket *bucket, struct ub_bytes code,
                              const struct ubs_record *record, struct ub_kv_value *value_out,
                              struct ub_err *err)
{
    return record == NULL || ubs_is_expired(bucket->kv, record)
               ? fail_absent(bucket, code, err)
               : copy_value(record, value_out, err);
}

enum ub_status ubs_get(struct ub_kv_bucket *bucket, const struct ub_kv_key *key,
                       enum ub_kv_read read, struct ub_kv_value *value_out, struct ub_err *err)
{
    (void)read; /* an engine's view shows every commit before it: always the newest */
    struct ubs_code code;
    if (value_out->size < sizeof(*value_out)) {
        return ub_fail(err, UB_EINVAL,
                       "value_out has %u bytes, but a value needs %zu: set its size",
                       (unsigned)value_out->size, sizeof(*value_out));
    }
    value_out->revision = 0;
    value_out->bytes = (struct ub_bytes){NULL, 0};
    value_out->owner = NULL;
    enum ub_status status = ubs_key_encode(key, false, &code, err);
    return status == UB_OK ? bucket->kv->engine->get(
                                 bucket, (struct ub_bytes){code.bytes, code.len}, value_out, err)
                           : status;
}

void ubs_value_free(void *self, struct ub_kv_value *value)
{
    (void)self;
    free(value->owner);
    value->owner = NULL;
    value->bytes = (struct ub_bytes){NULL, 0};
}

/* ---- listing ----------------------------------------------------------------------------------
 */

/* Behind the prefix itself, or behind `after` when that is further. */
struct ub_bytes ubs_list_start(const struct ubs_list *list)
{
    const struct ubs_code *a = &list->prefix, *b = &list->after;
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->bytes, b->bytes, len);
    const struct ubs_code *start = order < 0 || (order == 0 && a->len < b->len) ? b : a;
    return (struct ub_bytes){start->bytes, start->len};
}

void ubs_list_give(struct ubs_list *list, struct ub_bytes code, const struct ubs_record *record)
{
    uint8_t scratch[UB_KV_KEY_MAX];
    struct ub_kv_entry entry = {.value = record->value, .revision = record->revision};
    if (code.len > sizeof(list->after.bytes) || ubs_is_expired(list->bucket->kv, record) ||
        !ubs_key_decode(code, scratch, &entry.key)) {
        return;
    }
    memcpy(list->after.bytes, code.ptr, code.len);
    list->after.len = code.len;
    list->given++;
    list->is_ended = !list->fn(list->arg, &entry) || list->given == list->limit;
}

enum ub_status ubs_list(struct ub_kv_bucket *bucket, const struct ub_kv_key *prefix,
                        const struct ub_kv_key *after, size_t limit, ub_kv_list_fn fn, void *arg,
                        struct ub_err *err)
{
    static const struct ub_kv_key everything;
    struct ubs_list list = {.bucket = bucket, .limit = limit, .fn = fn, .arg = arg};
    enum ub_status status =
        ubs_key_encode(prefix != NULL ? prefix : &everything, true, &list.prefix, err);
    if (status == UB_OK) {
        status = ubs_key_encode(after != NULL ? after : &everything, true, &list.after, err);
    }
    return status == UB_OK ? bucket->kv->engine->list(bucket, &list, err) : status;
}
