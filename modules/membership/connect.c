/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.authz: who is this NATS key, and what may it do now. */
#include <stdio.h>
#include <string.h>

#include <ubr/name.h>
#include <ubr/nkey.h>

#include "actions.h"
#include "authn.h"
#include "perms.h"

static enum ub_verdict refuse(struct ub_reason *reason, const char *text)
{
    if (reason != NULL) {
        snprintf(reason->code, sizeof reason->code, "unauthenticated");
        snprintf(reason->text, sizeof reason->text, "%s", text);
    }
    return UB_DENY;
}

/* Whose NATS key it is; NULL = nobody's now. Under the lock. */
static struct memb_identity *find_nats_key(const struct memb *memb, const uint8_t *nats_pk,
                                           uint8_t kid_out[UBR_KID_LEN])
{
    const struct memb_claim *claim = memb_map_get(memb->model.claims, nats_pk);
    if (claim == NULL || !(claim->kinds & MEMB_CLAIM_NATS) ||
        !memb_identity_is_enabled(claim->identity)) {
        return NULL;
    }
    const struct ubr_device *device = memb_identity_device(claim->identity, claim->kid);
    if (device == NULL || memcmp(device->nats_pk, nats_pk, UBR_KEY_LEN) != 0) {
        return NULL;
    }
    memcpy(kid_out, claim->kid, UBR_KID_LEN);
    return claim->identity;
}

static enum ub_verdict on_connect(void *self, const struct ub_cred *cred,
                                  struct ub_principal *principal_out,
                                  const struct ub_perms **perms_out, struct ub_reason *reason_out)
{
    struct memb *memb = self;
    uint8_t nats_pk[UBR_KEY_LEN], kid[UBR_KID_LEN];
    if (cred->nkey == NULL || !ubr_nkey_decode(ubr_bytes_of_text(cred->nkey), nats_pk)) {
        return UB_ABSTAIN;
    }
    memb_model_read(&memb->model);
    bool is_ours = memb_map_get(memb->model.claims, nats_pk) != NULL;
    struct memb_identity *identity = find_nats_key(memb, nats_pk, kid);
    if (identity != NULL) {
        memb_principal_fill(identity, kid, principal_out);
    }
    memb_model_unlock(&memb->model);
    if (!is_ours) {
        return UB_ABSTAIN;
    }
    struct ubr_bytes nonce = ubr_bytes_of(cred->nonce.ptr, cred->nonce.len);
    if (identity == NULL || cred->signature.len != UBR_SIG_LEN || nonce.len == 0 ||
        !ubr_plain_signature_is_good(nats_pk, nonce, cred->signature.ptr)) {
        return refuse(reason_out, "the NATS key is not of a live device, or the signature is bad");
    }
    *perms_out = memb_perms_make(memb, identity, kid, nats_pk);
    return *perms_out != NULL ? UB_ALLOW : refuse(reason_out, "no memory");
}

/* The NATS key that the device had when the identity was at this version: a connection that was
 * made with another one than now must not go on. Under the lock. */
static bool had_other_key(const struct memb_identity *identity, const struct ubr_device *device,
                          uint64_t version)
{
    struct ubr_device_body body;
    bool has_other = false;
    for (size_t i = 0; i < identity->chain.records_len; i++) {
        const struct memb_device *record = identity->records[i];
        if (record->version <= version &&
            ubr_device_parse(ubr_bytes_of(record->body, sizeof record->body), &body) == UBR_OK &&
            memcmp(body.sign_pk, device->sign_pk, UBR_KEY_LEN) == 0) {
            has_other = memcmp(body.nats_pk, device->nats_pk, UBR_KEY_LEN) != 0;
        }
    }
    return has_other;
}

/* The device of a principal; for one without, the first that is live. Under the lock. */
static const struct ubr_device *device_of(const struct memb_identity *identity,
                                          const struct ub_principal *principal)
{
    static const uint8_t none[UBR_KID_LEN];
    if (memcmp(principal->device, none, sizeof none) != 0) {
        return memb_identity_device(identity, principal->device);
    }
    for (size_t i = 0; i < identity->chain.devices_len; i++) {
        if (!identity->chain.devices[i].is_revoked) {
            return &identity->chain.devices[i];
        }
    }
    return NULL;
}

static const struct ub_perms *on_permissions(void *self, const struct ub_principal *principal)
{
    struct memb *memb = self;
    uint8_t nats_pk[UBR_KEY_LEN], kid[UBR_KID_LEN];
    memb_model_read(&memb->model);
    const struct memb_identity *identity = memb_model_identity(&memb->model, principal->id);
    const struct ubr_device *device = identity != NULL ? device_of(identity, principal) : NULL;
    bool is_good = device != NULL && memb_identity_is_enabled(identity) &&
                   !had_other_key(identity, device, principal->serial);
    if (is_good) {
        memcpy(nats_pk, device->nats_pk, UBR_KEY_LEN);
        memcpy(kid, device->kid, UBR_KID_LEN);
    }
    memb_model_unlock(&memb->model);
    return is_good ? memb_perms_make(memb, identity, kid, nats_pk) : NULL;
}

static enum ub_status on_watch(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err)
{
    return memb_watchers_add(&((struct memb *)self)->watchers, fn, arg, err);
}

static void on_unwatch(void *self, ub_authz_changed_fn fn, void *arg)
{
    memb_watchers_remove(&((struct memb *)self)->watchers, fn, arg);
}

const struct ub_authz_ops memb_authz_ops = {
    .size = sizeof(struct ub_authz_ops),
    .connect = on_connect,
    .permissions = on_permissions,
    .action = memb_action,
    .watch = on_watch,
    .unwatch = on_unwatch,
};
