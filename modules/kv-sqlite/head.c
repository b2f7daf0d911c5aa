/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"
#include "head.h"

/* No secret key here: the key of the records is itself such a fact. */
static const uint8_t head_key[KVSQ_SEAL_KEY_BYTES];

static struct kvsq_row head_row(const char *name, struct ub_bytes value)
{
    return (struct kvsq_row){.bucket = name, .value = value};
}

enum copy_state { COPY_ABSENT, COPY_DAMAGED, COPY_INTACT };

static enum ub_status read_copy(struct kvsq_db *db, enum kvsq_statement id, const char *name,
                                void *out, size_t len, enum copy_state *state_out,
                                struct ub_err *err)
{
    sqlite3_stmt *stmt;
    bool has_row = false;
    *state_out = COPY_ABSENT;
    enum ub_status status = kvsq_db_begin(db, id, &stmt, err, KVSQ_TEXT(name));
    if (status == UB_OK) {
        status = kvsq_db_step(db, stmt, &has_row, err);
    }
    if (status == UB_OK && has_row) {
        struct kvsq_row row = head_row(name, kvsq_db_bytes(stmt, 0));
        bool is_intact =
            row.value.len == len && kvsq_row_is_intact(head_key, &row, kvsq_db_bytes(stmt, 1));
        *state_out = is_intact ? COPY_INTACT : COPY_DAMAGED;
        if (is_intact) {
            memcpy(out, row.value.ptr, len);
        }
    }
    kvsq_db_end(stmt);
    if (status == UB_EDAMAGED) { /* its page is unreadable: the other copy may do */
        *state_out = COPY_DAMAGED;
        status = UB_OK;
    }
    return status;
}

static enum ub_status fail_damaged(struct kvsq_db *db, const char *name, bool is_lost,
                                   struct ub_err *err)
{
    char what[UB_ERR_MESSAGE_MAX];
    snprintf(what, sizeof(what), "%s of the fact %s is damaged in %s",
             is_lost ? "every copy" : "one of two copies", name, db->store->settings->file);
    ubs_trouble_note(&db->store->kv.trouble, UBS_DAMAGE, what);
    return is_lost ? ub_fail(err, UB_EDAMAGED, "%s: restore the file from a backup", what) : UB_OK;
}

enum ub_status kvsq_head_read(struct kvsq_db *db, const char *name, void *out, size_t len,
                              bool *is_whole_out, struct ub_err *err)
{
    enum copy_state first, second = COPY_ABSENT;
    enum ub_status status = read_copy(db, KVSQ_HEAD_COPY_GET, name, out, len, &second, err);
    if (status == UB_OK) {
        status = read_copy(db, KVSQ_HEAD_GET, name, out, len, &first, err);
    }
    if (status != UB_OK) {
        return status;
    }
    bool is_whole = first == COPY_INTACT && second == COPY_INTACT;
    if (is_whole_out != NULL) {
        *is_whole_out = is_whole;
    }
    if (first == COPY_ABSENT && second == COPY_ABSENT) {
        return ub_fail(err, UB_ENOTFOUND, "no fact %s", name);
    }
    return is_whole ? UB_OK
                    : fail_damaged(db, name, first != COPY_INTACT && second != COPY_INTACT, err);
}

enum ub_status kvsq_head_write(struct kvsq_db *db, const char *name, struct ub_bytes value,
                               struct ub_err *err)
{
    uint8_t sum[KVSQ_SUM_BYTES];
    struct kvsq_row row = head_row(name, value);
    kvsq_row_sum(head_key, &row, sum);
    struct ub_bytes sum_bytes = {sum, sizeof(sum)};
    enum ub_status status = kvsq_db_run(db, KVSQ_HEAD_PUT, err, KVSQ_TEXT(name), KVSQ_BYTES(value),
                                        KVSQ_BYTES(sum_bytes));
    if (status == UB_OK) {
        status = kvsq_db_run(db, KVSQ_HEAD_COPY_PUT, err, KVSQ_TEXT(name), KVSQ_BYTES(value),
                             KVSQ_BYTES(sum_bytes));
    }
    return status;
}
