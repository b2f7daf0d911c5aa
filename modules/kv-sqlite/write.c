/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "write.h"

#include <inttypes.h>

struct batch_job {
    struct kvsq_job job; /* first */
    const struct ub_kv_write *writes;
    size_t count, failed;
    int64_t *revisions;
};

/* What stands under a key. */
struct present {
    int64_t revision; /* 0 = absent or expired */
    bool is_damaged, has_row;
};

/* One write, with its key encoded. */
struct step {
    const struct ub_kv_write *write;
    struct ub_kv_bucket *bucket;
    struct kvsq_code code;
    struct ub_bytes key; /* the bytes of code */
    struct kvsq_db *db;
    struct ub_err *err;
};

static enum ub_status read_present(struct step *step, struct present *present_out)
{
    sqlite3_stmt *stmt;
    struct kvsq_record record;
    struct kvsq *store = step->bucket->store;
    *present_out = (struct present){0};
    enum ub_status status = kvsq_db_begin(step->db, KVSQ_GET, &stmt, step->err,
                                          KVSQ_TEXT(step->bucket->name), KVSQ_BYTES(step->key));
    if (status == UB_OK) {
        status = kvsq_db_step(step->db, stmt, &present_out->has_row, step->err);
    }
    if (status == UB_OK && present_out->has_row) {
        status = kvsq_read_row(store, step->bucket->name, stmt, false, &record, step->err);
        present_out->is_damaged = status == UB_EDAMAGED;
        if (status == UB_OK && !kvsq_is_expired(store, &record)) {
            present_out->revision = record.revision;
        }
    }
    kvsq_db_end(stmt);
    return status;
}

static enum ub_status fail_conflict(const struct step *step, int64_t revision)
{
    char text[KVSQ_KEY_TEXT_MAX];
    kvsq_key_text(step->key, text);
    return ub_fail(step->err, UB_ECONFLICT,
                   "key %s in bucket %s has revision %" PRId64 ", not %" PRId64
                   ": read it again and retry",
                   text, step->bucket->name, revision, step->write->expected);
}

/* ---- the conditions ---------------------------------------------------------------------------
 */

static enum ub_status require_absent(struct step *step, struct present *present)
{
    char text[KVSQ_KEY_TEXT_MAX];
    enum ub_status status = read_present(step, present);
    if (status != UB_OK || present->revision == 0) {
        return status;
    }
    kvsq_key_text(step->key, text);
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

/* A deletion without condition also gets rid of a damaged record. */
static enum ub_status require_deletable(struct step *step, struct present *present)
{
    if (step->write->expected != 0) {
        return require_expected(step, present);
    }
    enum ub_status status = read_present(step, present);
    return present->is_damaged ? UB_OK : status;
}

/* ---- the effects ------------------------------------------------------------------------------
 */

static enum ub_status put(struct step *step, const struct present *present, int64_t *revision_out)
{
    (void)present;
    struct ub_kv_bucket *bucket = step->bucket;
    uint8_t sum[KVSQ_SUM_BYTES];
    struct ub_bytes sum_bytes = {sum, sizeof(sum)};
    struct kvsq_record record = {
        .bucket = bucket->name,
        .code = step->key,
        .revision = ++bucket->pending,
        .expires_ms = bucket->ttl_ms > 0 ? kvsq_now_ms(bucket->store) + bucket->ttl_ms : 0,
        .value = step->write->value,
    };
    kvsq_record_sum(bucket->store->seal_key, &record, sum);
    *revision_out = record.revision;
    return kvsq_db_run(step->db, KVSQ_PUT, step->err, KVSQ_TEXT(bucket->name),
                       KVSQ_BYTES(record.code), KVSQ_INT(record.revision),
                       KVSQ_INT(record.expires_ms), KVSQ_BYTES(sum_bytes),
                       KVSQ_BYTES(record.value));
}

static enum ub_status note_deletion(struct step *step, int64_t revision)
{
    uint8_t sum[KVSQ_SUM_BYTES];
    struct ub_bytes sum_bytes = {sum, sizeof(sum)};
    struct kvsq_record record = {
        .bucket = step->bucket->name, .code = step->key, .revision = revision, .is_deletion = true};
    kvsq_record_sum(step->bucket->store->seal_key, &record, sum);
    step->bucket->deletions++;
    return kvsq_db_run(step->db, KVSQ_DELETION_PUT, step->err, KVSQ_TEXT(record.bucket),
                       KVSQ_INT(revision), KVSQ_BYTES(record.code), KVSQ_BYTES(sum_bytes));
}

static enum ub_status delete (struct step *step, const struct present *present,
                              int64_t *revision_out) {
        *revision_out = 0; if (present->revision == 0 && !present->is_damaged){
            return UB_OK; /* absent; an expired row is the sweeper's */
        }
*revision_out = ++step->bucket->pending;
enum ub_status status = kvsq_db_run(step->db, KVSQ_DELETE, step->err, KVSQ_TEXT(step->bucket->name),
                                    KVSQ_BYTES(step->key));
return status == UB_OK ? note_deletion(step, *revision_out) : status;
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
    [UB_KV_PUT] = {NULL, put},
    [UB_KV_CREATE] = {require_absent, put},
    [UB_KV_UPDATE] = {require_expected, put},
    [UB_KV_DELETE] = {require_deletable, delete},
    [UB_KV_CHECK] = {require_expected, check},
};

static enum ub_status run_step(struct step *step, int64_t *revision_out)
{
    const struct verb *verb = &verbs[step->write->verb];
    struct present present = {0};
    enum ub_status status = verb->condition != NULL ? verb->condition(step, &present) : UB_OK;
    return status == UB_OK ? verb->effect(step, &present, revision_out) : status;
}

static enum ub_status batch_run(struct kvsq *store, struct kvsq_db *db, struct kvsq_job *job)
{
    (void)store;
    struct batch_job *batch = (struct batch_job *)job;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t revision = 0;
        struct step step = {.write = &batch->writes[i],
                            .bucket = batch->writes[i].bucket,
                            .db = db,
                            .err = job->err};
        enum ub_status status = kvsq_key_encode(&step.write->key, false, &step.code, job->err);
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

static enum ub_status check_write(const struct kvsq *store, const struct ub_kv_write *write,
                                  struct ub_err *err)
{
    struct kvsq_code code;
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
    return kvsq_key_encode(&write->key, false, &code, err);
}

enum ub_status kvsq_batch(void *self, const struct ub_kv_write *writes, size_t count,
                          int64_t *revisions_out, size_t *failed_out, struct ub_err *err)
{
    struct batch_job batch = {.job = {.run = batch_run, .err = err},
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
    }
    if (status == UB_OK) {
        batch.failed = 0;
        status = kvsq_writer_do(self, &batch.job);
    }
    if (status != UB_OK && failed_out != NULL) {
        *failed_out = batch.failed;
    }
    return status;
}

enum ub_status kvsq_write(struct ub_kv_bucket *bucket, const struct ub_kv_write *write,
                          int64_t *revision_out, struct ub_err *err)
{
    struct ub_kv_write one = *write;
    one.bucket = bucket;
    return kvsq_batch(bucket->store, &one, 1, revision_out, NULL, err);
}
