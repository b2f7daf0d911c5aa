/* SPDX-License-Identifier: Apache-2.0 */
#include "identities.h"

#include <stdlib.h>
#include <string.h>

#include "claims.h"

static const struct memb_refusal accepted = {UB_P_NONE, UBR_OK, NULL};

static struct memb_refusal refuse(enum ub_problem problem, const char *detail)
{
    return (struct memb_refusal){problem, UBR_OK, detail};
}

static struct memb_refusal refuse_record(enum ubr_error rule)
{
    if (rule == UBR_E_MEMORY) {
        return refuse(UB_P_INTERNAL, "no memory");
    }
    return (struct memb_refusal){UB_P_RECORD_INVALID, rule, ubr_error_meaning(rule)};
}

struct ubr_device_record memb_device_record(const struct memb_device *device)
{
    size_t pops_len = device->has_pops ? UBR_SIG_LEN : 0;
    return (struct ubr_device_record){
        ubr_bytes_of(device->body, UBR_DEVICE_BODY_LEN), ubr_bytes_of(device->sig, UBR_SIG_LEN),
        ubr_bytes_of(device->pop, pops_len), ubr_bytes_of(device->nats_pop, pops_len)};
}

void memb_identity_free(struct memb_identity **identity)
{
    struct memb_identity *old = *identity;
    if (old == NULL) {
        return;
    }
    for (size_t i = 0; old->records != NULL && i < old->chain.records_len; i++) {
        free(old->records[i]);
    }
    free(old->records);
    free(old->rooms);
    free(old->note);
    ubr_chain_fini(&old->chain);
    free(old);
    *identity = NULL;
}

void memb_step_fini(struct memb_step *step)
{
    if (step->has_chain) {
        ubr_chain_fini(&step->chain);
    }
    free(step->device);
    if (step->is_new) {
        memb_identity_free(&step->identity);
    }
    *step = (struct memb_step){0};
}

/* ---- judging ----------------------------------------------------------------------------------
 */

static bool is_admin(const struct memb_identity *identity)
{
    return memb_identity_is_enabled(identity) && identity->role >= UB_ROLE_ADMIN;
}

static bool is_last_admin(const struct memb_model *model, const struct memb_identity *identity)
{
    for (size_t i = 0; i < model->identities_len; i++) {
        if (model->identities[i] != identity && is_admin(model->identities[i])) {
            return false;
        }
    }
    return is_admin(identity);
}

static struct memb_device *copy_device(const struct ubr_device_record *record)
{
    struct memb_device *device = calloc(1, sizeof *device);
    if (device == NULL) {
        return NULL;
    }
    ubr_device_hash(record->body, device->hash);
    memcpy(device->body, record->body.ptr, UBR_DEVICE_BODY_LEN);
    memcpy(device->sig, record->sig.ptr, UBR_SIG_LEN);
    device->has_pops = record->pop.len == UBR_SIG_LEN;
    if (device->has_pops) {
        memcpy(device->pop, record->pop.ptr, UBR_SIG_LEN);
        memcpy(device->nats_pop, record->nats_pop.ptr, UBR_SIG_LEN);
    }
    return device;
}

/* The next record of step->chain, with all checks of 4.6 and 4.7. */
static struct memb_refusal take_record(const struct memb_model *model,
                                       const struct memb_allow *allow, enum ub_role role,
                                       struct memb_step *step)
{
    struct ubr_device_body body;
    enum ubr_error rule = ubr_chain_append(&step->chain, &allow->device);
    if (rule == UBR_OK) {
        rule = ubr_device_parse(allow->device.body, &body);
    }
    if (rule == UBR_OK) {
        rule = memb_claims_check(model, step->is_new ? NULL : step->identity, role, &body);
    }
    if (rule != UBR_OK) {
        return refuse_record(rule);
    }
    step->device = copy_device(&allow->device);
    return step->device != NULL ? accepted : refuse(UB_P_INTERNAL, "no memory");
}

static struct memb_identity *new_identity(const struct memb_allow *allow)
{
    struct memb_identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL) {
        return NULL;
    }
    memcpy(identity->account_pk, allow->account_pk, UBR_KEY_LEN);
    ubr_fingerprint_text(allow->account_pk, identity->id);
    memcpy(identity->handle, allow->handle.ptr, allow->handle.len);
    identity->created_ms = allow->time_ms;
    identity->role = allow->role;
    return identity;
}

static struct memb_refusal judge_create(const struct memb_model *model,
                                        const struct memb_allow *allow, struct memb_step *step)
{
    char handle[UBR_HANDLE_MAX + 1] = {0};
    if (!ubr_handle_is_valid(allow->handle)) {
        return refuse(UB_P_BAD_REQUEST, "not a handle");
    }
    memcpy(handle, allow->handle.ptr, allow->handle.len);
    if (memb_model_account(model, allow->account_pk) != NULL) {
        return refuse(UB_P_EXISTS, "this account is on the allowlist already");
    }
    if (memb_model_by_handle(model, handle) != NULL) {
        return refuse(UB_P_HANDLE_TAKEN, "the handle belongs to another identity");
    }
    step->identity = new_identity(allow);
    step->is_new = true;
    if (step->identity == NULL) {
        return refuse(UB_P_INTERNAL, "no memory");
    }
    ubr_chain_init(&step->chain, allow->account_pk);
    step->has_chain = true;
    return take_record(model, allow, allow->role, step);
}

/* A record that stands where the chain has another one. */
static bool is_fork(const struct memb_identity *identity, const struct ubr_device_record *record)
{
    struct ubr_device_body body;
    return ubr_device_parse(record->body, &body) == UBR_OK &&
           body.seq < identity->chain.records_len &&
           memcmp(body.account_pk, identity->account_pk, UBR_KEY_LEN) == 0 &&
           ubr_device_check_signatures(record, &body) == UBR_OK;
}

static struct memb_refusal judge_device(const struct memb_model *model,
                                        const struct memb_allow *allow, struct memb_step *step)
{
    struct memb_identity *identity = step->identity;
    if (is_fork(identity, &allow->device)) {
        return refuse_record(UBR_E_DEVICE_FORK);
    }
    if (ubr_chain_copy(&identity->chain, &step->chain) != UBR_OK) {
        return refuse(UB_P_INTERNAL, "no memory");
    }
    step->has_chain = true;
    return take_record(model, allow, identity->role, step);
}

static bool has_one_key(const struct memb_identity *identity)
{
    uint8_t kid[UBR_KID_LEN];
    ubr_kid(identity->account_pk, kid);
    return ubr_chain_device(&identity->chain, kid) != NULL;
}

static struct memb_refusal judge_patch(const struct memb_model *model,
                                       const struct memb_allow *allow,
                                       const struct memb_identity *identity)
{
    bool has_role = (allow->mask & MEMB_PATCH_ROLE) != 0;
    bool is_lowered = (has_role && allow->role < UB_ROLE_ADMIN) ||
                      ((allow->mask & MEMB_PATCH_DISABLED) && allow->is_disabled);
    if (is_lowered && is_last_admin(model, identity)) {
        return refuse(UB_P_LAST_ADMIN, "no enabled admin or operator would remain");
    }
    if (has_role && allow->role != UB_ROLE_SERVICE && has_one_key(identity)) {
        return (struct memb_refusal){UB_P_RECORD_INVALID, UBR_E_KEY_REUSE,
                                     "its account key is a device key: only a service may"};
    }
    return accepted;
}

static struct memb_refusal judge_known(const struct memb_model *model,
                                       const struct memb_allow *allow, struct memb_step *step)
{
    step->identity = memb_model_account(model, allow->account_pk);
    if (step->identity == NULL) {
        return refuse(UB_P_NOT_FOUND, "no such identity");
    }
    if (step->identity->is_removed) {
        return refuse(UB_P_FORBIDDEN, "the identity was removed");
    }
    if (allow->kind == MEMB_ALLOW_DEVICE) {
        return judge_device(model, allow, step);
    }
    if (allow->kind == MEMB_ALLOW_PATCH) {
        return judge_patch(model, allow, step->identity);
    }
    return is_last_admin(model, step->identity)
               ? refuse(UB_P_LAST_ADMIN, "no enabled admin or operator would remain")
               : accepted;
}

struct memb_refusal memb_step_judge(struct memb_model *model, const struct memb_allow *allow,
                                    struct memb_step *step_out)
{
    *step_out = (struct memb_step){0};
    memb_model_read(model);
    struct memb_refusal refusal = allow->kind == MEMB_ALLOW_CREATE
                                      ? judge_create(model, allow, step_out)
                                      : judge_known(model, allow, step_out);
    memb_model_unlock(model);
    if (refusal.problem != UB_P_NONE) {
        memb_step_fini(step_out);
    }
    return refusal;
}

/* ---- publishing -------------------------------------------------------------------------------
 */

static bool set_note(struct memb_identity *identity, struct ubr_bytes note)
{
    char *copy = malloc(note.len + 1);
    if (copy == NULL) {
        return false;
    }
    if (note.len > 0) {
        memcpy(copy, note.ptr, note.len);
    }
    copy[note.len] = '\0';
    free(identity->note);
    identity->note = copy;
    return true;
}

static bool put_handle(struct memb_model *model, struct memb_identity *identity)
{
    return memb_map_put(model->by_handle, identity->handle, identity);
}

static bool publish_new(struct memb_model *model, const struct memb_allow *allow,
                        struct memb_step *step)
{
    struct memb_identity *identity = step->identity;
    uint8_t fingerprint[UBR_FINGERPRINT_LEN];
    ubr_fingerprint(identity->account_pk, fingerprint);
    identity->number = (uint32_t)model->identities_len;
    if (!memb_push(&model->identities, &model->identities_len, &model->identities_cap, identity)) {
        return false;
    }
    step->is_new = false; /* the model's from here on */
    return set_note(identity, allow->note) && put_handle(model, identity) &&
           memb_map_put(model->by_id, fingerprint, identity);
}

static bool publish_device(struct memb_model *model, struct memb_step *step)
{
    struct memb_identity *identity = step->identity;
    struct memb_device *device = step->device;
    struct ubr_device_body body;
    size_t len = identity->chain.records_len;
    struct memb_device **grown =
        realloc(identity->records, (len + 1) * sizeof(struct memb_device *));
    if (grown == NULL || ubr_device_parse(ubr_bytes_of(device->body, sizeof device->body), &body)) {
        identity->records = grown != NULL ? grown : identity->records;
        return false;
    }
    identity->records = grown;
    device->version = identity->version;
    identity->records[len] = device;
    step->device = NULL;
    ubr_chain_fini(&identity->chain);
    identity->chain = step->chain;
    step->has_chain = false;
    return memb_map_put(model->records, device->hash, device) &&
           memb_claims_add(model, identity, &body);
}

static bool publish_patch(const struct memb_allow *allow, struct memb_identity *identity)
{
    if (allow->mask & MEMB_PATCH_ROLE) {
        identity->role = allow->role;
    }
    if (allow->mask & MEMB_PATCH_DISABLED) {
        identity->is_disabled = allow->is_disabled;
    }
    return !(allow->mask & MEMB_PATCH_NOTE) || set_note(identity, allow->note);
}

/* The handle is free again (a lost account comes back under it, UBR1 11.4); the keys never. */
static bool publish_remove(struct memb_model *model, struct memb_identity *identity)
{
    identity->is_removed = true;
    memb_map_remove(model->by_handle, identity->handle);
    return true;
}

bool memb_step_publish(struct memb_model *model, const struct memb_allow *allow,
                       struct memb_step *step)
{
    memb_model_write(model);
    struct memb_identity *identity = step->identity;
    identity->version = ++model->allow_next;
    bool is_done = (!step->is_new || publish_new(model, allow, step)) &&
                   (step->device == NULL || publish_device(model, step));
    if (allow->kind == MEMB_ALLOW_PATCH) {
        is_done = publish_patch(allow, identity);
    } else if (allow->kind == MEMB_ALLOW_REMOVE) {
        is_done = publish_remove(model, identity);
    }
    memb_model_unlock(model);
    memb_step_fini(step);
    return is_done;
}
