/* SPDX-License-Identifier: Apache-2.0 */
#include "authn.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

/* Any valid key: a request by nobody is verified like every other, so that it takes as long. */
static const uint8_t nobody_pk[UBR_KEY_LEN] = {
    0xa7, 0xa5, 0xe9, 0x1f, 0x0a, 0xb9, 0x83, 0xf1, 0x9b, 0xdd, 0xb7, 0xf4, 0x60, 0x05, 0x51, 0xad,
    0x7c, 0x30, 0x6a, 0xf4, 0xa5, 0x31, 0x20, 0x16, 0xcd, 0xb4, 0x01, 0x9a, 0x74, 0x1b, 0x58, 0x4e};

/* Whom a kid stands for; a copy, so that nothing is verified under a lock. */
struct signer {
    struct memb_identity *identity; /* NULL = nobody */
    uint8_t sign_pk[UBR_KEY_LEN];
    bool is_admin;
    struct ub_principal principal;
};

void memb_principal_fill(const struct memb_identity *identity, const uint8_t *kid,
                         struct ub_principal *principal_out)
{
    *principal_out = (struct ub_principal){
        .size = sizeof *principal_out, .role = identity->role, .serial = identity->version};
    memcpy(principal_out->id, identity->id, sizeof identity->id);
    memcpy(principal_out->handle, identity->handle, sizeof identity->handle);
    memcpy(principal_out->device, kid, UBR_KID_LEN);
}

static void find_signer(struct memb *memb, const uint8_t *kid, struct signer *signer_out)
{
    *signer_out = (struct signer){0};
    memcpy(signer_out->sign_pk, nobody_pk, UBR_KEY_LEN);
    memb_model_read(&memb->model);
    struct memb_identity *identity = memb_model_by_kid(&memb->model, kid);
    const struct ubr_device *device = identity != NULL ? memb_identity_device(identity, kid) : NULL;
    if (device != NULL && memb_identity_is_enabled(identity)) {
        signer_out->identity = identity;
        signer_out->is_admin = identity->role >= UB_ROLE_ADMIN;
        memcpy(signer_out->sign_pk, device->sign_pk, UBR_KEY_LEN);
        memb_principal_fill(identity, kid, &signer_out->principal);
    }
    memb_model_unlock(&memb->model);
}

static enum ub_problem answer(struct ub_http_answer *answer_out, enum ub_problem problem,
                              const char *detail)
{
    answer_out->problem = problem;
    snprintf(answer_out->detail, sizeof answer_out->detail, "%s", detail);
    return problem;
}

static enum ub_problem check_audience(struct memb *memb, const char *audience,
                                      struct ub_http_answer *answer_out)
{
    char epoch[MEMB_NONCE_EPOCH_LEN + 1];
    size_t len = strlen(memb->cluster_id);
    if (audience == NULL || strncmp(audience, memb->cluster_id, len) != 0 || audience[len] != '.') {
        return answer(answer_out, UB_P_WRONG_CLUSTER,
                      "Unibus-Audience names another cluster than /v1/info of this node");
    }
    memb_nonce_epoch(memb, epoch, NULL);
    if (strcmp(audience + len + 1, epoch) == 0) {
        return UB_P_NONE;
    }
    snprintf(answer_out->members, sizeof answer_out->members, "\"nonce_epoch\":\"%s\"", epoch);
    return answer(answer_out, UB_P_NONCE_EPOCH, "sign again for the present nonce epoch");
}

static enum ub_problem check_clock(struct memb *memb, const struct ub_http_signed *request,
                                   struct ub_http_answer *answer_out)
{
    int64_t now_ms = memb_now_ms(memb);
    int64_t now_s = now_ms / 1000;
    int64_t skew_max_s = memb->settings->clock_skew / 1000;
    bool is_far =
        request->created_s < now_s - skew_max_s || request->created_s > now_s + skew_max_s;
    if (!is_far && request->expires_s >= now_s) {
        return UB_P_NONE;
    }
    snprintf(answer_out->members, sizeof answer_out->members,
             "\"server_time_ms\":%" PRId64 ",\"skew_seconds\":%" PRId64, now_ms,
             request->created_s - now_s);
    return answer(answer_out, UB_P_CLOCK_SKEW,
                  is_far ? "`created` is too far from this node's clock"
                         : "the signature has expired");
}

/* Unsafe requests are also looked up in the store: memory forgets at a restart. */
static enum ub_problem take_nonce(struct memb *memb, struct signer *signer, bool is_safe,
                                  struct memb_ticket *ticket)
{
    enum ub_problem problem = memb_nonces_hold(&memb->nonces, signer->identity, signer->is_admin,
                                               ticket->key, memb_mono_ms(memb));
    if (problem != UB_P_NONE || is_safe) {
        return problem;
    }
    problem = memb_nonce_look_up(memb, ticket->key);
    if (problem == UB_P_NONE && !memb->has_store_batch) {
        struct memb_txn *txn = memb_txn_new(memb, ticket);
        struct ub_err err = UB_ERR_INIT;
        problem = txn != NULL ? memb_txn_commit(txn, &err) : UB_P_INTERNAL;
        memb_txn_free(&txn);
    }
    if (problem == UB_P_STORE_AWAY) {
        memb_nonces_release(&memb->nonces, ticket->key);
    }
    return problem;
}

static const char *nonce_detail(enum ub_problem problem)
{
    switch (problem) {
    case UB_P_NONCE_REPLAYED:
        return "this signed request has been seen: sign a new one";
    case UB_P_NONCE_QUOTA:
        return "too many signed requests in the last minutes";
    case UB_P_STORE_AWAY:
        return "the nonces cannot be checked, so nothing signed is accepted";
    default:
        return "";
    }
}

static enum ub_problem issue_ticket(struct memb *memb, const struct ub_http_signed *request,
                                    struct signer *signer, void **ticket_out,
                                    struct ub_http_answer *answer_out)
{
    struct memb_ticket *ticket = calloc(1, sizeof *ticket);
    if (ticket == NULL) {
        return answer(answer_out, UB_P_INTERNAL, "no memory");
    }
    memcpy(ticket->key, request->kid, UBR_KID_LEN);
    memcpy(ticket->key + UBR_KID_LEN, request->nonce, sizeof request->nonce);
    memcpy(ticket->kid, request->kid, UBR_KID_LEN);
    memcpy(ticket->epoch, strchr(request->audience, '.') + 1, MEMB_NONCE_EPOCH_LEN);
    ticket->is_committed = request->is_safe;
    enum ub_problem problem = take_nonce(memb, signer, request->is_safe, ticket);
    if (problem != UB_P_NONE) {
        free(ticket);
        return answer(answer_out, problem, nonce_detail(problem));
    }
    *ticket_out = ticket;
    return UB_P_NONE;
}

static enum ub_problem check_all(struct memb *memb, const struct ub_http_signed *request,
                                 struct ub_principal *principal_out, void **ticket_out,
                                 struct ub_http_answer *answer_out)
{
    struct signer signer;
    enum ub_problem problem = check_audience(memb, request->audience, answer_out);
    if (problem == UB_P_NONE) {
        problem = check_clock(memb, request, answer_out);
    }
    if (problem != UB_P_NONE) {
        return problem;
    }
    find_signer(memb, request->kid, &signer);
    struct ubr_bytes base = ubr_bytes_of(request->base.ptr, request->base.len);
    bool is_good = ubr_plain_signature_is_good(signer.sign_pk, base, request->signature);
    if (!is_good || signer.identity == NULL) {
        return answer(answer_out, UB_P_UNAUTHENTICATED, "unknown key or bad signature");
    }
    *principal_out = signer.principal;
    return issue_ticket(memb, request, &signer, ticket_out, answer_out);
}

static enum ub_problem authenticate(void *arg, const struct ub_http_signed *request,
                                    struct ub_principal *principal_out, void **ticket_out,
                                    struct ub_http_answer *answer_out)
{
    struct memb *memb = arg;
    *ticket_out = NULL;
    if (!memb_enter(memb)) {
        return answer(answer_out, UB_P_MODULE_UNAVAILABLE, "membership is starting or stopping");
    }
    enum ub_problem problem = check_all(memb, request, principal_out, ticket_out, answer_out);
    memb_leave(memb);
    return problem;
}

/* A request that had no effect must not have one later. */
static void spend_nonce(struct memb *memb, struct memb_ticket *ticket)
{
    struct ub_err err = UB_ERR_INIT;
    struct memb_txn *txn = memb_txn_new(memb, ticket);
    enum ub_problem problem = txn != NULL ? memb_txn_commit(txn, &err) : UB_P_INTERNAL;
    memb_txn_free(&txn);
    if (problem != UB_P_NONE && problem != UB_P_NONCE_EPOCH) {
        ub_log(memb->host, UB_LOG_WARN, "nonce-not-stored",
               "the nonce of a refused request is held in memory only",
               UB_TEXT("why", err.message));
    }
}

static void finish(void *arg, void **ticket)
{
    struct memb_ticket *own = *ticket;
    if (own != NULL && !own->is_committed && memb_enter(arg)) {
        spend_nonce(arg, own);
        memb_leave(arg);
    }
    free(own);
    *ticket = NULL;
}

const struct ub_httpd_auth_ops memb_authn_ops = {
    .size = sizeof(struct ub_httpd_auth_ops), .authenticate = authenticate, .finish = finish};
