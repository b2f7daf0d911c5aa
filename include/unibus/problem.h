/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP problem codes: one table (http-and-cli: family 1). `code` is the stable contract that
 * stands in application/problem+json (RFC 9457); the enum is how C names it.
 *
 *     X(NAME, code, HTTP status, again?, who can mend it, title, what to do in the client or "")
 *
 * Plain data, so that the client may include it too.
 */
#ifndef UNIBUS_PROBLEM_H
#define UNIBUS_PROBLEM_H

#define UB_PROBLEMS(X)                                                                             \
    X(BAD_REQUEST, "bad-request", 400, "no", "caller", "the request is malformed",                 \
      "update this program")                                                                       \
    X(UNKNOWN_FIELD, "unknown-field", 400, "no", "caller", "a field is unknown or doubled",        \
      "this program is newer than the node")                                                       \
    X(SIG_PROFILE, "sig-profile", 400, "no", "caller", "the signature does not fit the profile",   \
      "update this program")                                                                       \
    X(DIGEST_MISMATCH, "digest-mismatch", 400, "no", "caller", "the body has another digest",      \
      "try again")                                                                                 \
    X(UNAUTHENTICATED, "unauthenticated", 401, "no", "caller", "no such key or a bad signature",   \
      "give the output of `unibus id show --json` to an admin, who runs `unibus identity add`")    \
    X(WRONG_CLUSTER, "wrong-cluster", 401, "no", "caller", "signed for another cluster",           \
      "use another --home for each cluster")                                                       \
    X(NONCE_EPOCH, "nonce-epoch", 401, "yes", "caller", "signed for another nonce epoch",          \
      "try again")                                                                                 \
    X(NONCE_REPLAYED, "nonce-replayed", 401, "no", "caller", "this signed request was used",       \
      "try again")                                                                                 \
    X(CLOCK_SKEW, "clock-skew", 401, "yes", "caller", "the clocks differ too much",                \
      "set the clock")                                                                             \
    X(FORBIDDEN, "forbidden", 403, "no", "admin", "not allowed",                                   \
      "ask somebody with the role for it")                                                         \
    X(TLS_REQUIRED, "tls-required", 403, "no", "caller", "only over TLS or loopback",              \
      "use an https:// address")                                                                   \
    X(NOT_FOUND, "not-found", 404, "no", "caller", "no such resource", "")                         \
    X(BOX_MISSING, "box-missing", 404, "after", "admin", "no box for this device and epoch",       \
      "wait until a member's client has sent it")                                                  \
    X(METHOD_NOT_ALLOWED, "method-not-allowed", 405, "no", "caller", "no such method here",        \
      "update the older side")                                                                     \
    X(IN_PROGRESS, "in-progress", 409, "after", "caller", "the same request is under way", "wait") \
    X(NEEDS_EPOCH, "needs-epoch", 409, "no", "caller", "an epoch entry must follow",               \
      "update this program")                                                                       \
    X(EXISTS, "exists", 409, "no", "caller", "it exists already", "")                              \
    X(HANDLE_TAKEN, "handle-taken", 409, "no", "caller", "the handle belongs to another",          \
      "choose another handle")                                                                     \
    X(LAST_ADMIN, "last-admin", 409, "no", "admin", "the last admin must stay",                    \
      "make another admin first")                                                                  \
    X(RESTART_NEEDED, "restart-needed", 409, "no", "operator", "needs a restart",                  \
      "restart the node")                                                                          \
    X(WOULD_LOSE_QUORUM, "would-lose-quorum", 409, "no", "operator", "the quorum would be lost",   \
      "start another node first")                                                                  \
    X(ENROLMENT_USED, "enrolment-used", 410, "no", "admin", "the token was used or has expired",   \
      "ask for a new one")                                                                         \
    X(HEAD_CONFLICT, "head-conflict", 412, "yes", "caller", "it moved on", "try again")            \
    X(TOO_LARGE, "too-large", 413, "no", "caller", "larger than the limit",                        \
      "`unibus info` shows the limits")                                                            \
    X(URI_TOO_LONG, "uri-too-long", 414, "no", "caller", "the request line is too long",           \
      "update this program")                                                                       \
    X(RANGE, "range", 416, "no", "caller", "the range is outside", "")                             \
    X(ENTRY_INVALID, "entry-invalid", 422, "no", "caller", "an entry of the log is invalid", "")   \
    X(RECORD_INVALID, "record-invalid", 422, "no", "caller", "a device record is invalid", "")     \
    X(BOX_INVALID, "box-invalid", 422, "no", "caller", "a box is invalid", "try again")            \
    X(HASH_MISMATCH, "hash-mismatch", 422, "no", "caller", "the content has another hash",         \
      "try again")                                                                                 \
    X(IDEMPOTENCY_MISMATCH, "idempotency-mismatch", 422, "no", "caller",                           \
      "the key was used for another request", "use a new key")                                     \
    X(CONFIG_INVALID, "config-invalid", 422, "no", "operator", "the config is faulty",             \
      "mend the lines that are named; the node goes on as before")                                 \
    X(TESTS_FAILED, "tests-failed", 422, "no", "admin", "the script's own tests fail",             \
      "mend the script")                                                                           \
    X(PRECONDITION_REQUIRED, "precondition-required", 428, "yes", "caller",                        \
      "If-Match or If-None-Match is required", "update this program")                              \
    X(RATE_LIMITED, "rate-limited", 429, "after", "caller", "too many requests", "wait")           \
    X(NONCE_QUOTA, "nonce-quota", 429, "after", "caller", "too many signed requests are open",     \
      "wait a few minutes")                                                                        \
    X(HEADERS_TOO_LARGE, "headers-too-large", 431, "no", "caller", "the headers are too large",    \
      "update this program")                                                                       \
    X(INTERNAL, "internal", 500, "after", "operator", "a defect on the server",                    \
      "see the log of the node")                                                                   \
    X(BEHIND, "behind", 503, "after", "operator", "this node has not reached that generation",     \
      "try again soon")                                                                            \
    X(STALE_NODE, "stale-node", 503, "after", "operator", "this node is out of contact",           \
      "use another node")                                                                          \
    X(NO_QUORUM, "no-quorum", 503, "after", "operator", "the store has no quorum",                 \
      "start the other nodes")                                                                     \
    X(STORE_AWAY, "store-away", 503, "after", "operator", "the store does not answer",             \
      "see the log of the node")                                                                   \
    X(UNSAFE_POSTURE, "unsafe-posture", 503, "after", "operator", "the posture is too weak",       \
      "see /healthz")                                                                              \
    X(POLICY_ERROR, "policy-error", 503, "after", "admin", "the site policy failed",               \
      "see the log of the node")                                                                   \
    X(MODULE_UNAVAILABLE, "module-unavailable", 503, "after", "operator", "not ready yet",         \
      "try again soon")                                                                            \
    X(SHUTTING_DOWN, "shutting-down", 503, "after", "operator", "the node is stopping",            \
      "try again soon")                                                                            \
    X(QUOTA, "quota", 507, "no", "admin", "the quota is used up", "free space or raise the quota")

enum ub_problem {
    UB_P_NONE = 0,
#define UB_PROBLEM_ENUM(name, code, status, retry, who, title, fix) UB_P_##name,
    UB_PROBLEMS(UB_PROBLEM_ENUM)
#undef UB_PROBLEM_ENUM
        UB_P_COUNT
};

#endif
