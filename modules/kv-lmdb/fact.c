/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

static enum ub_status read_copy(struct kvlm_txn *txn, enum kvlm_kind kind, const char *name,
                                void *out, size_t len, struct ub_err *err)
{
    struct kvlm_place place;
    struct ub_bytes payload;
    kvlm_place_fact(kind, name, &place);
    enum ub_status status = kvlm_cell_get(txn, &place, &payload, err);
    if (status == UB_OK && payload.len != len) {
        return UB_EDAMAGED;
    }
    if (status == UB_OK) {
        memcpy(out, payload.ptr, len);
    }
    return status;
}

static enum ub_status fail_damaged(struct kvlm_txn *txn, const char *name, bool is_lost,
                                   struct ub_err *err)
{
    char what[UB_ERR_MESSAGE_MAX];
    snprintf(what, sizeof(what), "%s of the fact %s is damaged in %s",
             is_lost ? "every copy" : "one of two copies", name, txn->store->settings->dir);
    ubs_trouble_note_once(&txn->store->kv.trouble, UBS_DAMAGE, what);
    return is_lost
               ? ub_fail_code(err, UB_EDAMAGED, "E-KV-001", "%s: restore it from a backup", what)
               : UB_OK;
}

static bool is_answer(enum ub_status status)
{
    return status == UB_OK || status == UB_ENOTFOUND || status == UB_EDAMAGED;
}

enum ub_status kvlm_fact_read(struct kvlm_txn *txn, const char *name, void *out, size_t len,
                              bool *is_whole_out, struct ub_err *err)
{
    enum ub_status copy = read_copy(txn, KVLM_FACT_COPY, name, out, len, err);
    enum ub_status first = read_copy(txn, KVLM_FACT, name, out, len, err);
    bool is_whole = first == UB_OK && copy == UB_OK;
    if (!is_answer(first) || !is_answer(copy)) {
        return is_answer(first) ? copy : first;
    }
    if (is_whole_out != NULL) {
        *is_whole_out = is_whole;
    }
    if (first == UB_ENOTFOUND && copy == UB_ENOTFOUND) {
        return ub_fail(err, UB_ENOTFOUND, "no fact %s", name);
    }
    return is_whole ? UB_OK : fail_damaged(txn, name, first != UB_OK && copy != UB_OK, err);
}

enum ub_status kvlm_fact_write(struct kvlm_txn *txn, const char *name, struct ub_bytes value,
                               struct ub_err *err)
{
    struct kvlm_place place;
    struct ub_bytes nothing = {NULL, 0};
    kvlm_place_fact(KVLM_FACT, name, &place);
    enum ub_status status = kvlm_cell_put(txn, &place, value, nothing, err);
    kvlm_place_fact(KVLM_FACT_COPY, name, &place);
    return status == UB_OK ? kvlm_cell_put(txn, &place, value, nothing, err) : status;
}
