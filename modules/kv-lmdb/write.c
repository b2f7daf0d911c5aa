/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "write.h"

#include <inttypes.h>

struct batch_job {
    struct kvlm_job job; /* first */
    const struct ub_kv_write *writes;
    size_t count, failed;
    int64_t *revisions;
};

/* What stands under a key. */
struct present {
    int64_t revision; /* 0 = absent or expired */
    bool is_damaged;
    struct kvlm_record record; /* also an expired one; revision 0 = there is none */
};

/* One write, with its key encoded. */
struct step {
    const struct ub_kv_write *write;
    struct ub_kv_bucket *bucket;
    struct kvlm_code code;
    struct ub_bytes key; /* the bytes of code */
    struct kvlm_txn *txn;
    struct ub_err *err;
};

static enum ub_status read_present(struct step *step, struct present *present_out)
{
    *present_out = (struct present){0};
    enum ub_status status =
        kvlm_record_read(step->txn, step->bucket, step->key, &present_out->record, step->err);
    if (status == UB_OK && !kvlm_is_expired(step->bucket->store, &present_out->record)) {
        present_out->revision = present_out->record.revision;
    }
    if (status == UB_EDAMAGED && step->txn->rc == 0) {
        present_out->is_damaged = true;
        present_out->record = (struct kvlm_record){0};
    }
    return status == UB_ENOTFOUND ? UB_OK : status;
}

static enum ub_status fail_conflict(const struct step *step, int64_t revision)
{
    char text[KVLM_KEY_TEXT_MAX];
    kvlm_key_text(step->key, text);
    return ub_fail(step->err, UB_ECONFLICT,
                   "key %s in bucket %s has revision %" PRId64 ", not %" PRId64
                   ": read it again and retry",
                   text, step->bucket->name, revision, step->write->expected);
}

/* ---- the conditions ---------------------------------------------------------------------------
 */

static enum ub_status require_absent(struct step *step, struct present *present)
{
    char text[KVLM_KEY_TEXT_MAX];
    enum ub_status status = read_present(step, present);
    if (status != UB_OK || present->revision == 0) {
        return status;
    }
    kvlm_key_text(step->key, text);
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
static enum ub_status look_or_expect(struct step *step, struct present *present)
{
    if (step->write->expected != 0 && step->write->verb == UB_KV_DELETE) {
        return require_expected(step, present);
    }
    enum ub_status status = read_present(step, present);
    return present->is_damaged ? UB_OK : status;
}

/* ---- the effects ------------------------------------------------------------------------------
 */

/* The index entries of the record that goes. */
static enum ub_status forget_old(struct step *step, const struct kvlm_record *old)
{
    struct kvlm_place place;
    if (old->revision == 0) {
        return UB_OK;
    }
    kvlm_place_revision(KVLM_CHANGE, step->bucket->number, old->revision, &place);
    enum ub_status status = kvlm_cell_delete(step->txn, &place, step->err);
    if (status == UB_OK && old->expires_ms > 0) {
        kvlm_place_expiry(old->expires_ms, step->bucket->number, old->revision, &place);
        status = kvlm_cell_delete(step->txn, &place, step->err);
    }
    return status;
}

static enum ub_status note_change(struct step *step, enum kvlm_kind kind, int64_t revision)
{
    struct kvlm_place place;
    kvlm_place_revision(kind, step->bucket->number, revision, &place);
    return kvlm_cell_put(step->txn, &place, step->key, (struct ub_bytes){NULL, 0}, step->err);
}

static enum ub_status note_expiry(struct step *step, int64_t expires_ms, int64_t revision)
{
    struct kvlm_place place;
    struct ub_bytes nothing = {NULL, 0};
    if (expires_ms == 0) {
        return UB_OK;
    }
    kvlm_place_expiry(expires_ms, step->bucket->number, revision, &place);
    return kvlm_cell_put(step->txn, &place, nothing, nothing, step->err);
}

static enum ub_status put(struct step *step, const struct present *present, int64_t *revision_out)
{
    struct ub_kv_bucket *bucket = step->bucket;
    struct kvlm_place place;
    uint8_t head[KVLM_RECORD_HEAD];
    int64_t revision = ++bucket->now.revision;
    int64_t expires_ms = bucket->ttl_ms > 0 ? kvlm_now_ms(bucket->store) + bucket->ttl_ms : 0;
    *revision_out = revision;
    kvlm_put_number(head, 8, revision);
    kvlm_put_number(head + 8, 8, expires_ms);
    kvlm_place_record(bucket->number, step->key, &place);
    enum ub_status status = forget_old(step, &present->record);
    if (status == UB_OK) {
        status = kvlm_cell_put(step->txn, &place, (struct ub_bytes){head, sizeof(head)},
                               step->write->value, step->err);
    }
    if (status == UB_OK) {
        status = note_change(step, KVLM_CHANGE, revision);
    }
    return status == UB_OK ? note_expiry(step, expires_ms, revision) : status;
}

static enum ub_status delete_record(struct step *step, const struct present *present,
                                    int64_t *revision_out)
{
    struct kvlm_place place;
    *revision_out = 0;
    if (present->revision == 0 && !present->is_damaged) {
        return UB_OK; /* absent; an expired record is the sweeper's */
    }
    *revision_out = ++step->bucket->now.revision;
    kvlm_place_record(step->bucket->number, step->key, &place);
    enum ub_status status = forget_old(step, &present->record);
    if (status == UB_OK) {
        status = kvlm_cell_delete(step->txn, &place, step->err);
    }
    step->bucket->now.deletions++;
    return status == UB_OK ? note_change(step, KVLM_DELETION, *revision_out) : status;
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
    [UB_KV_PUT] = {look_or_expect, put},       [UB_KV_CREATE] = {require_absent, put},
    [UB_KV_UPDATE] = {require_expected, put},  [UB_KV_DELETE] = {look_or_expect, delete_record},
    [UB_KV_CHECK] = {require_expected, check},
};

static enum ub_status run_step(struct step *step, int64_t *revision_out)
{
    const struct verb *verb = &verbs[step->write->verb];
    struct present present = {0};
    enum ub_status status = verb->condition(step, &present);
    return status == UB_OK ? verb->effect(step, &present, revision_out) : status;
}

static enum ub_status batch_run(struct kvlm_txn *txn, struct kvlm_job *job)
{
    struct batch_job *batch = (struct batch_job *)job;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t revision = 0;
        struct step step = {.write = &batch->writes[i],
                            .bucket = batch->writes[i].bucket,
                            .txn = txn,
                            .err = job->err};
        enum ub_status status = kvlm_key_encode(&step.write->key, false, &step.code, job->err);
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

static enum ub_status check_write(const struct kvlm *store, const struct ub_kv_write *write,
                                  struct ub_err *err)
{
    struct kvlm_code code;
    if (write->verb < UB_KV_PUT || write->verb > UB_KV_CHECK) {
        return ub_fail(err, UB_EINVAL, "%d is no verb of ub.kv", (int)write->verb);
    }
    if (write->bucket == NULL || write->bucket->store != store) {
        return ub_fail(err, UB_EINVAL, "the bucket of the write is not one of this store");
    }
    if (write->value.len > UB_KV_VALUE_MAX) {
        return ub_fail(err, UB_ELIMIT, "the value has %zu bytes; at most %d are legal",
                       write->value.len, UB_KV_VALUE_MAX);
    }
    if (write->expected < 0) {
        return ub_fail(err, UB_EINVAL, "expected = %" PRId64 " is no revision", write->expected);
    }
    return kvlm_key_encode(&write->key, false, &code, err);
}

enum ub_status kvlm_batch(void *self, const struct ub_kv_write *writes, size_t count,
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
        status = kvlm_writer_do(self, &batch.job);
    }
    if (status != UB_OK && failed_out != NULL) {
        *failed_out = batch.failed;
    }
    return status;
}

enum ub_status kvlm_write(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                          int64_t *revision_out, struct ub_err *err)
{
    struct ub_kv_write one = *write;
    one.bucket = bucket;
    return kvlm_batch(bucket->store, &one, 1, revision_out, NULL, err);
}
