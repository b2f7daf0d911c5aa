/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_CALL_H
#define MEMB_CALL_H

#include <jansson.h>

#include "identities.h"
#include "json_in.h"
#include "memb.h"
#include "store.h"

/* One request on its way through a handler: who asks, how to answer, how to take effect. */

struct memb_call;
typedef void (*memb_handler_fn)(struct memb_call *call);

struct memb_call {
    struct memb *memb;
    const struct ub_http_request *request;
    /* The signer: NULL on the admin socket, and on an open route without a signature. */
    struct memb_identity *identity;
    enum ub_role role;  /* of the caller now; the admin socket is an operator */
    const uint8_t *kid; /* of the signing device; NULL without identity */
    struct memb_ticket *ticket;
    /* What memb_may was asked last, for a refusal that follows; name NULL = nothing yet. */
    struct {
        const char *name, *kind;
        char id[UB_ID_MAX + 16];
    } asked;
    /* Idempotency (idem.c) */
    bool has_idem;
    uint8_t idem_key[UBR_HASH_LEN], idem_hash[UBR_HASH_LEN];
};

/* ---- answering: each request exactly once ---- */

/* Takes the document; NULL = no body. etag and location may be NULL. */
void memb_reply(struct memb_call *call, int status, json_t *take_body, const char *etag,
                const char *location);
void memb_problem(struct memb_call *call, enum ub_problem problem, const char *detail);
/* members: further JSON members, "\"rule\":\"E-ROLE\"". */
void memb_problem_with(struct memb_call *call, enum ub_problem problem, const char *members,
                       const char *detail);
void memb_problem_rule(struct memb_call *call, enum ub_problem problem, enum ubr_error rule);
void memb_problem_json(struct memb_call *call, const struct memb_json_error *error);
/* The answer to a failed store; a precondition that failed is `conflict`. */
void memb_problem_store(struct memb_call *call, enum ub_problem problem, enum ub_problem conflict,
                        const struct ub_err *err);

/* ---- reading the request ---- */

/* Fills out from the body by the table; on failure answered, and false. *root_out owns what out
 * borrows. */
bool memb_read_body(struct memb_call *call, const struct memb_json_field *fields, size_t count,
                    void *out, json_t **root_out);
/* A number of the query, or `absent`; on failure answered, and false. */
bool memb_query_number(struct memb_call *call, const char *name, int64_t absent, int64_t min,
                       int64_t max, int64_t *out);
/* A text of the query; false when absent, too long or with % or +. */
bool memb_query_text(const struct memb_call *call, const char *name, char *out, size_t out_size);
/* The content of If-Match between its quotes into out; without it 428 is answered and false. */
bool memb_if_match(struct memb_call *call, char *out, size_t out_size);
const char *memb_header(const struct memb_call *call, const char *name);

/* ---- rights ---- */

/* Asks our own rules and every other provider; on a refusal answered, and false. context: JSON or
 * NULL. Every 403 carries the id of a decision. */
bool memb_may(struct memb_call *call, const char *action, const char *kind, const char *id,
              const char *context_json);

/* Whether the caller may still do what he might when the request began: enabled, of the same role,
 * by a device that is live. True on the admin socket. */
bool memb_call_is_live(const struct memb_call *call);

/* The room of the path, when the caller may know it: a member, or an operator where
 * for_operators. Otherwise 404 is answered. role_out: the caller's in the room. */
struct memb_room *memb_call_room(struct memb_call *call, bool for_operators,
                                 enum ubr_role *role_out);

/* ---- taking effect ---- */

/* Commits with the nonce, when the caller is live still, and with the answer for a repeat when the
 * request has an Idempotency-Key: status, location and body are what will be answered. On failure
 * answered
 * (`conflict` for a precondition), and false. */
bool memb_call_commit(struct memb_call *call, struct memb_txn *txn, enum ub_problem conflict,
                      int status, const char *location, const json_t *body);

#define MEMB_BODY_BLOB (-2) /* body_max_bytes: the setting max_blob */

struct memb_route {
    const char *method, *pattern;
    uint32_t flags; /* UB_HTTP_… */
    int64_t body_max_bytes;
    memb_handler_fn handler;
};

#endif
