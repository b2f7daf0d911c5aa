/* SPDX-License-Identifier: Apache-2.0
 *
 * ub.authz 1.1: who is this, and what may he do. Provided by membership (and users, policy).
 * 1.1 appended: ub_cred.principal, ub_cred.cert_subject, ub_authz_ops.flags; the rule of
 * combination as functions.
 *
 * Verdicts combine over all providers in the order of the config, those that only judge
 * (UB_AUTHZ_JUDGES) last: default deny; any deny or error is a deny; one allow is needed, and not
 * of a judge. Whoever holds several providers uses ub_authz_tally for it. Permission sets: the
 * provider that authenticated the identity grants; in the reserved name spaces (ub.r.>, UB_R_…,
 * $JS, $KV, $O, $SYS, _INBOX) only he does; every other provider may narrow anything and grant only
 * outside them.
 *
 * Threads: every function is thread-safe and may block for up to 100 ms (a policy script); never
 * call one on a loop.
 */
#ifndef UNIBUS_AUTHZ_H
#define UNIBUS_AUTHZ_H

#include <unibus/abi.h>

#define UB_AUTHZ_IFACE "ub.authz"
#define UB_AUTHZ_MAJOR 1
#define UB_AUTHZ_MINOR 1

/* Zero means no opinion, so that a forgotten answer never allows. */
enum ub_verdict { UB_ABSTAIN = 0, UB_ALLOW, UB_DENY };

/* Roles of an identity on the node; roles in a room are another thing. */
enum ub_role {
    UB_ROLE_NONE = 0,
    UB_ROLE_MEMBER,
    UB_ROLE_SERVICE,
    UB_ROLE_AUDITOR,
    UB_ROLE_ADMIN,
    UB_ROLE_OPERATOR
};

/* "operator" …, as the API and policies write it; "" for none. */
static inline const char *ub_role_name(enum ub_role role)
{
    static const char *const names[] = {"", "member", "service", "auditor", "admin", "operator"};
    return (unsigned)role <= UB_ROLE_OPERATOR ? names[role] : "";
}

#define UB_ID_MAX     64
#define UB_HANDLE_MAX 63

/* An authenticated identity. Copied by value. */
struct ub_principal {
    uint32_t size;
    enum ub_role role;
    char id[UB_ID_MAX];             /* "" = nobody; membership: base32 fingerprint, 32 characters */
    char handle[UB_HANDLE_MAX + 1]; /* a label, never an authority */
    uint8_t device[16];             /* kid of the device that authenticated; zeros = none */
    uint64_t serial;                /* grows when the identity's rights change; for logs */
};

/* What a client offered on connect. Borrowed. */
struct ub_cred {
    uint32_t size;
    const char *transport; /* "nats" */
    const char *address;   /* peer, without port */
    bool is_loopback, has_tls;
    const char *nkey;                    /* "U…" as sent, or NULL */
    struct ub_bytes signature;           /* over nonce, decoded; empty = none */
    struct ub_bytes nonce;               /* what the server asked to be signed */
    const char *user, *password, *token; /* NULL = not sent */
    const char *client_name;
    /* since 1.1 */
    const struct ub_principal *principal; /* whom an earlier provider found; NULL = nobody yet */
    const char *cert_subject;             /* of a verified client certificate, RFC 2253; or NULL */
};

/* ---- permission sets --------------------------------------------------------------------------
 */

/* Accepts a payload when each condition finds one of its alternatives at its offset. */
struct ub_guard_alternative {
    struct ub_bytes bytes;
    int64_t until_mono_ms; /* valid until then; 0 = always */
};
struct ub_guard_condition {
    uint32_t offset, length; /* every alternative has this length */
    uint32_t count;
    const struct ub_guard_alternative *alternatives;
};
struct ub_guard {
    uint32_t count;
    const struct ub_guard_condition *conditions;
    const char *what; /* for the refusal: "a sealed envelope of epoch 3" */
};

#define UB_PUBLISH   0x1u
#define UB_SUBSCRIBE 0x2u

/* One line of a set. `subject` is a NATS pattern (`*`, `>`). `family_token`, counted from 1, makes
 * the token of that place match itself or itself followed by `_` and more; 0 = none. A deny wins.
 */
struct ub_perm_rule {
    uint32_t actions; /* UB_PUBLISH | UB_SUBSCRIBE */
    bool is_deny;
    uint32_t family_token;
    const char *subject;
    const char *queue;            /* subscribe only in this queue group; NULL = any */
    const struct ub_guard *guard; /* publish only: what the payload must be; NULL = anything */
    const char *why;              /* "room ap7f… as writer", for `unibus explain` and refusals */
};

#define UB_PERM_INBOX                                                                              \
    0x1u /* the inbox rules: first token owned by the identity that subscribed it,                 \
            no wildcard over it, publishing there only as a reply */

/* Immutable and shared; ref and unref from any thread. Rules are borrowed from the set. */
struct ub_perms {
    uint32_t size;
    uint32_t flags;
    const char *provider; /* module that made it */
    uint32_t rule_count, rule_stride;
    const struct ub_perm_rule *rules;
    const char *inbox_token;   /* reserved for this identity without a claim; NULL = none */
    int64_t max_subscriptions; /* 0 = no limit of its own */
    int64_t max_payload_bytes;
    int64_t
        max_response_count; /* allow_responses: to one message; 0 = off, INT64_MAX = any number */
    int64_t max_response_ms;
    void (*ref)(const struct ub_perms *perms);
    void (*unref)(const struct ub_perms *perms);
};

/* ---- actions of the control plane --------------------------------------------------------------
 */

struct ub_action {
    uint32_t size;
    const char *name;          /* "room.create", "identity.create", "blob.put" … */
    const char *resource_kind; /* "room", "identity", "blob", "" */
    const char *resource_id;
    const char *context_json; /* an object with what the action is about; NULL = {} */
    const char *address;
    bool is_loopback, has_tls;
};

/* Filled by the provider; `decision` is "" or an id for `unibus why`. */
struct ub_reason {
    uint32_t size;
    char code[32];
    char decision[32];
    char text[256];
};

/* Rights of an identity changed (id "" = possibly everybody). Runs on a thread of the provider.
 * The holder asks permissions() again, applies the change to all open connections of the identity
 * on this node before it returns (or gives up after wait_ms), and returns how many connections
 * changed. */
typedef uint32_t (*ub_authz_changed_fn)(void *arg, const char *id, int64_t wait_ms);

/* Authenticates nobody, judges whom others have authenticated: asked after all others, with
 * ub_cred.principal set. Its allow alone lets nobody in. UB_ALLOW without a set restricts nothing;
 * a judge whose mind may change answers with a set, an empty one if need be, and is then asked
 * permissions() after each change. */
#define UB_AUTHZ_JUDGES 0x1u

struct ub_authz_ops {
    uint32_t size;

    /* Who is it? UB_ALLOW fills principal_out and perms_out (one reference, the caller's).
     * UB_ABSTAIN: not one of mine. UB_DENY: mine, and refused. */
    enum ub_verdict (*connect)(void *self, const struct ub_cred *cred,
                               struct ub_principal *principal_out,
                               const struct ub_perms **perms_out, struct ub_reason *reason_out);
    /* The present set of an identity that connect allowed (one reference, the caller's); NULL = it
     * may no longer be connected. For an explanation there may be an id and nothing else: the set
     * that one of its devices would get, or NULL. */
    const struct ub_perms *(*permissions)(void *self, const struct ub_principal *principal);
    enum ub_verdict (*action)(void *self, const struct ub_principal *principal,
                              const struct ub_action *action, struct ub_reason *reason_out);
    /* Registers for changes; at most 16 holders. unwatch: no callback after it returned. */
    enum ub_status (*watch)(void *self, ub_authz_changed_fn fn, void *arg, struct ub_err *err);
    void (*unwatch)(void *self, ub_authz_changed_fn fn, void *arg);
    /* since 1.1 */
    uint32_t flags; /* UB_AUTHZ_… */
};

/* ---- how answers combine -----------------------------------------------------------------------
 */

/* Does this provider only judge? Ops of ub.authz 1.0 are shorter. */
static inline bool ub_authz_is_judge(const struct ub_authz_ops *ops)
{
    return ops->size >= offsetof(struct ub_authz_ops, flags) + sizeof(ops->flags) &&
           (ops->flags & UB_AUTHZ_JUDGES) != 0;
}

/* The answers so far; starts zeroed. */
struct ub_authz_tally {
    bool is_allowed; /* by somebody who does not only judge */
    bool is_denied;
};

/* Counts one answer; false: it is decided, a deny. What is none of the three verdicts is an error,
 * and an error denies. */
static inline bool ub_authz_count(struct ub_authz_tally *tally, bool is_judge,
                                  enum ub_verdict verdict)
{
    if (verdict == UB_ALLOW) {
        tally->is_allowed = tally->is_allowed || !is_judge;
    } else if (verdict != UB_ABSTAIN) {
        tally->is_denied = true;
    }
    return !tally->is_denied;
}

/* When all have been asked: UB_ALLOW or UB_DENY. */
static inline enum ub_verdict ub_authz_outcome(const struct ub_authz_tally *tally)
{
    return tally->is_allowed && !tally->is_denied ? UB_ALLOW : UB_DENY;
}

/* Where to put one more provider into the holder's list of `count`, so that judges come last and
 * everybody else keeps the order of the config: ops_at(list, i) are the ops of the i-th. */
static inline size_t ub_authz_place(const struct ub_authz_ops *ops, const void *list, size_t count,
                                    const struct ub_authz_ops *(*ops_at)(const void *list,
                                                                         size_t i))
{
    size_t place = count;
    while (!ub_authz_is_judge(ops) && place > 0 && ub_authz_is_judge(ops_at(list, place - 1))) {
        place--;
    }
    return place;
}

static inline void ub_perms_unref(const struct ub_perms **perms)
{
    if (*perms != NULL) {
        (*perms)->unref(*perms);
        *perms = NULL;
    }
}

#endif
