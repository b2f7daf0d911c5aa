/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <inttypes.h>
#include <string.h>

#include <unibus/error.h>

struct batch_job {
    struct ubs_job job; /* first */
    const struct ub_kv_write *writes;
    size_t count, failed;
    int64_t *revisions;
};

/* What stands under a key. */
struct present {
    int64_t revision; /* 0 = absent or expired */
    bool is_damaged;
    struct ubs_record record; /* also an expired one; revision 0 = there is none */
};

/* One write, with its key encoded. */
struct step {
    const struct ub_kv_write *write;
    struct ub_kv_bucket *bucket;
    struct ubs_code code;
    struct ub_bytes key; /* the bytes of code */
    struct ub_err *err;
};

static enum ub_status read_present(struct step *step, struct present *present_out)
{
    struct ubs_kv *kv = step->bucket->kv;
    *present_out = (struct present){0};
    enum ub_status status =
        kv->engine->find(step->bucket, step->key, &present_out->record, step->err);
    if (status == UB_OK) {
        bool is_expired = ubs_is_expired(kv, &present_out->record);
        present_out->revision = is_expired ? 0 : present_out->record.revision;
        return UB_OK;
    }
    present_out->record = (struct ubs_record){0};
    present_out->is_damaged = status == UB_EDAMAGED && kv->engine->state(kv) == UB_OK;
    return status == UB_ENOTFOUND ? UB_OK : status;
}

static enum ub_status fail_conflict(const struct step *step, int64_t revision)
{
    char text[UBS_KEY_TEXT_MAX];
    ubs_key_text(step->key, text);
    return ub_fail(step->err, UB_ECONFLICT,
                   "key %s in bucket %s has revision %" PRId64 ", not %" PRId64
                   ": read it again and retry",
                   text, step->bucket->name, revision, step->write->expected);
}

/* ---- the conditions ---------------------------------------------------------------------------
 */

static enum ub_status require_absent(struct step *step, struct present *present)
{
    char text[UBS_KEY_TEXT_MAX];
    enum ub_status status = read_present(step, present);
    if (status != UB_OK || present->revision == 0) {
        return status;
    }
    ubs_key_text(step->key, text);
    return ub_fail(step->err, UB_EEXISTS, "key %s in bucket %s exists with revision %" PRId64, text,
                   step->bucket->name, present->revision);
}

static enum ub_status require_expected(struct step *step, struct present *present)
{
    enum ub_status status = read_present(step, present);
    if (status == UB_OK && present->revision != step->write->expected) {
        return fail_conflict(step, present->revision);
    }
    return status;
}

/* A put or a deletion without condition also gets rid of a damaged record. */
static enum ub_status look(struct step *step, struct present *present)
{
    enum ub_status status = read_present(step, present);
    return present->is_damaged ? UB_OK : status;
}

static enum ub_status look_if_needed(struct step *step, struct present *present)
{
    return step->bucket->kv->engine->needs_old ? look(step, present) : UB_OK;
}

static enum ub_status look_or_expect(struct step *step, struct present *present)
{
    return step->write->expected != 0 ? require_expected(step, present) : look(step, present);
}

/* ---- the effects ------------------------------------------------------------------------------
 */

static enum ub_status put(struct step *step, const struct present *present, int64_t *revision_out)
{
    struct ub_kv_bucket *bucket = step->bucket;
    struct ubs_record record = {
        .revision = ++bucket->now.revision,
        .expires_ms = bucket->ttl_ms > 0 ? ubs_kv_now_ms(bucket->kv) + bucket->ttl_ms : 0,
        .value = step->write->value,
    };
    *revision_out = record.revision;
    return bucket->kv->engine->put(bucket, step->key, &record, &present->record, step->err);
}

static enum ub_status delete_record(struct step *step, const struct present *present,
                                    int64_t *revision_out)
{
    struct ub_kv_bucket *bucket = step->bucket;
    *revision_out = 0;
    if (present->revision == 0 && !present->is_damaged) {
        return UB_OK; /* absent; an expired record is the sweeper's */
    }
    *revision_out = ++bucket->now.revision;
    bucket->now.deletions++;
    return bucket->kv->engine->remove(bucket, step->key, *revision_out, &present->record,
                                      step->err);
}

static enum ub_status check(struct step *step, const struct present *present, int64_t *revision_out)
{
    (void)step;
    *revision_out = present->revision;
    return UB_OK;
}

static const struct verb {
    enum ub_status (*condition)(struct step *step, struct present *present);
    enum ub_status (*effect)(struct step *step, const struct present *present,
                             int64_t *revision_out);
} verbs[] = {
    [UB_KV_PUT] = {look_if_needed, put},       [UB_KV_CREATE] = {require_absent, put},
    [UB_KV_UPDATE] = {require_expected, put},  [UB_KV_DELETE] = {look_or_expect, delete_record},
    [UB_KV_CHECK] = {require_expected, check},
};

/* A condition that fails has written nothing; an effect that fails ends the group. */
static enum ub_status run_step(struct step *step, int64_t *revision_out)
{
    const struct verb *verb = &verbs[step->write->verb];
    struct present present = {0};
    enum ub_status status = verb->condition(step, &present);
    if (status == UB_OK) {
        status = verb->effect(step, &present, revision_out);
        step->bucket->kv->writer.has_failed |= status != UB_OK;
    }
    return status;
}

static enum ub_status batch_run(struct ubs_kv *kv, struct ubs_job *job)
{
    (void)kv;
    struct batch_job *batch = (struct batch_job *)job;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t revision = 0;
        struct step step = {
            .write = &batch->writes[i], .bucket = batch->writes[i].bucket, .err = job->err};
        enum ub_status status = ubs_key_encode(&step.write->key, false, &step.code, job->err);
        step.key = (struct ub_bytes){step.code.bytes, step.code.len};
        if (status == UB_OK) {
            status = run_step(&step, &revision);
        }
        if (status != UB_OK) {
            batch->failed = i;
            return status;
        }
        if (batch->revisions != NULL) {
            batch->revisions[i] = revision;
        }
    }
    return UB_OK;
}

/* ---- the entry points -------------------------------------------------------------------------
 */

static enum ub_status check_write(const struct ubs_kv *kv, const struct ub_kv_write *write,
                                  struct ub_err *err)
{
    struct ubs_code code;
    if (write->verb < UB_KV_PUT || write->verb > UB_KV_CHECK) {
        return ub_fail(err, UB_EINVAL, "%d is no verb of ub.kv", (int)write->verb);
    }
    if (write->bucket == NULL || write->bucket->kv != kv) {
        return ub_fail(err, UB_EINVAL, "the bucket of the write is not one of this store");
    }
    if (write->value.len > UB_KV_VALUE_MAX) {
        return ub_fail(err, UB_ELIMIT, "the value has %zu bytes; at most %d are legal",
                       write->value.len, UB_KV_VALUE_MAX);
    }
    if (write->expected < 0) {
        return ub_fail(err, UB_EINVAL, "expected = %" PRId64 " is no revision", write->expected);
    }
    return ubs_key_encode(&write->key, false, &code, err);
}

enum ub_status ubs_batch(void *self, const struct ub_kv_write *writes, size_t count,
                         int64_t *revisions_out, size_t *failed_out, struct ub_err *err)
{
    struct batch_job batch = {.job = {.run = batch_run, .has_steps = count > 1, .err = err},
                              .writes = writes,
                              .count = count,
                              .revisions = revisions_out};
    enum ub_status status = UB_OK;
    if (count == 0 || count > UB_KV_BATCH_MAX) {
        status =
            ub_fail(err, UB_EINVAL, "a batch has 1 to %d writes, not %zu", UB_KV_BATCH_MAX, count);
    }
    for (size_t i = 0; i < count && status == UB_OK; i++) {
        status = check_write(self, &writes[i], err);
        batch.failed = i;
        batch.job.bytes += writes[i].value.len;
    }
    if (status == UB_OK) {
        batch.failed = 0;
        status = ubs_writer_do(self, &batch.job);
    }
    if (status != UB_OK && failed_out != NULL) {
        *failed_out = batch.failed;
    }
    return status;
}

enum ub_status ubs_write(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                         int64_t *revision_out, struct ub_err *err)
{
    struct ub_kv_write one = *write;
    one.bucket = bucket;
    return ubs_batch(bucket->kv, &one, 1, revision_out, NULL, err);
}
