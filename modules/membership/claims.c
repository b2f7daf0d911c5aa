/* SPDX-License-Identifier: Apache-2.0
 *
 * UBR1, 4.7: a public key stands for one thing over the whole allowlist, for ever. */
#include "claims.h"

#include <stdlib.h>
#include <string.h>

static const struct memb_claim *claim_of(const struct memb_model *model, const uint8_t *pk)
{
    return memb_map_get(model->claims, pk);
}

/* A key that signs for an account or a device must not be known as anything of somebody else. */
static enum ubr_error check_signing_key(const struct memb_model *model, const uint8_t *pk,
                                        const struct memb_identity *identity)
{
    const struct memb_claim *claim = claim_of(model, pk);
    if (claim == NULL) {
        return UBR_OK;
    }
    if (claim->kinds & MEMB_CLAIM_NATS) {
        return UBR_E_KEY_REUSE;
    }
    return claim->identity == identity ? UBR_OK : UBR_E_KID_CLAIMED;
}

static enum ubr_error check_nats_key(const struct memb_model *model,
                                     const struct ubr_device_body *body, const uint8_t *kid)
{
    const struct memb_claim *claim = claim_of(model, body->nats_pk);
    bool is_own = claim == NULL ||
                  (claim->kinds == MEMB_CLAIM_NATS && memcmp(claim->kid, kid, UBR_KID_LEN) == 0);
    return is_own ? UBR_OK : UBR_E_KEY_REUSE;
}

enum ubr_error memb_claims_check(const struct memb_model *model,
                                 const struct memb_identity *identity, enum ub_role role,
                                 const struct ubr_device_body *body)
{
    uint8_t kid[UBR_KID_LEN];
    ubr_kid(body->sign_pk, kid);
    enum ubr_error rule = check_signing_key(model, body->account_pk, identity);
    if (rule == UBR_OK) {
        rule = check_signing_key(model, body->sign_pk, identity);
    }
    if (rule == UBR_OK) {
        rule = check_nats_key(model, body, kid);
    }
    bool is_one_key = memcmp(body->sign_pk, body->account_pk, UBR_KEY_LEN) == 0;
    return rule == UBR_OK && is_one_key && role != UB_ROLE_SERVICE ? UBR_E_KEY_REUSE : rule;
}

static bool add_claim(struct memb_model *model, const uint8_t *pk, unsigned kind,
                      struct memb_identity *identity, const uint8_t *kid)
{
    struct memb_claim *claim = memb_map_get(model->claims, pk);
    if (claim == NULL) {
        claim = calloc(1, sizeof *claim);
        if (claim == NULL || !memb_map_put(model->claims, pk, claim)) {
            free(claim);
            return false;
        }
        claim->identity = identity;
    }
    claim->kinds |= kind;
    if (kid != NULL) {
        memcpy(claim->kid, kid, UBR_KID_LEN);
    }
    return true;
}

bool memb_claims_add(struct memb_model *model, struct memb_identity *identity,
                     const struct ubr_device_body *body)
{
    uint8_t kid[UBR_KID_LEN];
    ubr_kid(body->sign_pk, kid);
    return memb_map_put(model->by_kid, kid, identity) &&
           add_claim(model, body->account_pk, MEMB_CLAIM_ACCOUNT, identity, NULL) &&
           add_claim(model, body->sign_pk, MEMB_CLAIM_SIGN, identity, kid) &&
           add_claim(model, body->nats_pk, MEMB_CLAIM_NATS, identity, kid);
}
