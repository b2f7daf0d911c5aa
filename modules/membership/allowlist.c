/* SPDX-License-Identifier: Apache-2.0 */
#include "allowlist.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ubr/text.h>

#include "view.h"

static void answer_refusal(struct memb_call *call, const struct memb_refusal *refusal)
{
    if (refusal->problem == UB_P_RECORD_INVALID) {
        memb_problem_rule(call, refusal->problem, refusal->rule);
    } else {
        memb_problem(call, refusal->problem, refusal->detail);
    }
}

/* The ETag that the change must have seen: a device record continues a chain, everything else
 * changes the identity. */
static bool is_current(struct memb_call *call, const struct memb_change *change)
{
    char etag[UBR_HEX_LEN(UBR_HASH_LEN) + 1];
    struct memb_model *model = &call->memb->model;
    if (change->if_match == NULL) {
        return true;
    }
    memb_model_read(model);
    const struct memb_identity *identity = memb_model_account(model, change->allow.account_pk);
    if (change->allow.kind == MEMB_ALLOW_DEVICE) {
        ubr_hex_encode(ubr_bytes_of(ubr_chain_head(&identity->chain), UBR_HASH_LEN), etag);
    } else {
        snprintf(etag, sizeof etag, "%" PRIu64, identity->version);
    }
    memb_model_unlock(model);
    if (strcmp(etag, change->if_match) == 0) {
        return true;
    }
    char members[128];
    snprintf(members, sizeof members, "\"etag\":\"\\\"%s\\\"\"", etag);
    memb_problem_with(call, UB_P_HEAD_CONFLICT, members, "it was changed since you read it");
    return false;
}

static json_t *view_of_create(const struct memb_change *change, const struct memb_step *step)
{
    char note[MEMB_NOTE_MAX + 1] = {0};
    if (change->allow.note.len > 0) {
        memcpy(note, change->allow.note.ptr, change->allow.note.len);
    }
    return memb_view_identity(step->identity, &step->chain, note);
}

static json_t *view_of_step(const struct memb_change *change, const struct memb_step *step)
{
    if (change->allow.kind == MEMB_ALLOW_CREATE) {
        return view_of_create(change, step);
    }
    return memb_view_object("head", memb_view_hex(ubr_chain_head(&step->chain), UBR_HASH_LEN),
                            "seq", json_integer((json_int_t)step->chain.records_len - 1), NULL);
}

static bool is_full(const struct memb *memb, const struct memb_change *change)
{
    return change->allow.kind == MEMB_ALLOW_CREATE &&
           (int64_t)memb->model.identities_len >= memb->live.max_identities;
}

/* Stores the step and, once it is durable, publishes it. */
static bool commit_step(struct memb_call *call, struct memb_change *change, struct memb_step *step)
{
    struct memb *memb = call->memb;
    uint8_t buf[MEMB_ALLOW_MAX];
    char location[64];
    struct ubr_bytes value = memb_allow_write(&change->allow, buf, sizeof buf);
    struct memb_txn *txn = memb_txn_new(memb, call->ticket);
    if (txn == NULL || value.ptr == NULL) {
        memb_txn_free(&txn);
        memb_problem(call, UB_P_INTERNAL, "the record cannot be written");
        return false;
    }
    snprintf(location, sizeof location, "/v1/identities/%s", step->identity->id);
    struct memb_key *key =
        memb_txn_write(txn, UB_KV_CREATE, (struct ub_bytes){value.ptr, value.len}, 0);
    memb_key_set(key, "allow");
    memb_key_u64(key, memb->model.allow_next);
    bool is_done =
        memb_call_commit(call, txn, UB_P_HEAD_CONFLICT, change->status, location, change->body);
    if (is_done && !memb_step_publish(&memb->model, &change->allow, step)) {
        memb_fail(memb, "no memory to hold what was stored");
    }
    memb_txn_free(&txn);
    return is_done;
}

static bool apply_alone(struct memb_call *call, struct memb_change *change)
{
    struct memb_step step;
    if (is_full(call->memb, change)) {
        memb_problem(call, UB_P_QUOTA, "max_identities is reached");
        return false;
    }
    if (!is_current(call, change)) {
        return false;
    }
    struct memb_refusal refusal = memb_step_judge(&call->memb->model, &change->allow, &step);
    if (refusal.problem != UB_P_NONE) {
        answer_refusal(call, &refusal);
        return false;
    }
    change->identity = step.identity;
    if (step.device != NULL) {
        change->body = view_of_step(change, &step);
    }
    bool is_done = commit_step(call, change, &step);
    memb_step_fini(&step);
    return is_done;
}

bool memb_allow_apply(struct memb_call *call, struct memb_change *change)
{
    struct memb *memb = call->memb;
    change->allow.time_ms = memb_now_ms(memb);
    pthread_mutex_lock(&memb->model.allowing);
    bool is_done = apply_alone(call, change);
    pthread_mutex_unlock(&memb->model.allowing);
    if (!is_done) {
        json_decref(change->body);
        change->body = NULL;
        return false;
    }
    const char *id = change->identity->id;
    change->connections = memb_notify(memb, &id, 1);
    return true;
}
