/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP problem codes: one table (http-and-cli: family 1). `code` is the stable contract that
 * stands in application/problem+json (RFC 9457); the enum is how C names it.
 *
 *     X(NAME, code, HTTP status, retry, who fixes it, title)
 */
#ifndef UNIBUS_PROBLEM_H
#define UNIBUS_PROBLEM_H

#define UB_PROBLEMS(X)                                                                             \
    X(BAD_REQUEST, "bad-request", 400, "no", "caller", "the request is malformed")                 \
    X(UNKNOWN_FIELD, "unknown-field", 400, "no", "caller", "a field is unknown or doubled")        \
    X(SIG_PROFILE, "sig-profile", 400, "no", "caller", "the signature does not fit the profile")   \
    X(DIGEST_MISMATCH, "digest-mismatch", 400, "no", "caller", "the body has another digest")      \
    X(UNAUTHENTICATED, "unauthenticated", 401, "no", "caller", "no such key or a bad signature")   \
    X(WRONG_CLUSTER, "wrong-cluster", 401, "no", "caller", "signed for another cluster")           \
    X(NONCE_EPOCH, "nonce-epoch", 401, "yes", "caller", "signed for another nonce epoch")          \
    X(NONCE_REPLAYED, "nonce-replayed", 401, "no", "caller", "this signed request was used")       \
    X(CLOCK_SKEW, "clock-skew", 401, "yes", "caller", "the clocks differ too much")                \
    X(FORBIDDEN, "forbidden", 403, "no", "admin", "not allowed")                                   \
    X(TLS_REQUIRED, "tls-required", 403, "no", "caller", "only over TLS or loopback")              \
    X(NOT_FOUND, "not-found", 404, "no", "caller", "no such resource")                             \
    X(BOX_MISSING, "box-missing", 404, "after", "admin", "no box for this device and epoch")       \
    X(METHOD_NOT_ALLOWED, "method-not-allowed", 405, "no", "caller", "no such method here")        \
    X(IN_PROGRESS, "in-progress", 409, "after", "caller", "the same request is under way")         \
    X(NEEDS_EPOCH, "needs-epoch", 409, "no", "caller", "an epoch entry must follow")               \
    X(EXISTS, "exists", 409, "no", "caller", "it exists already")                                  \
    X(HANDLE_TAKEN, "handle-taken", 409, "no", "caller", "the handle belongs to another")          \
    X(LAST_ADMIN, "last-admin", 409, "no", "admin", "the last admin must stay")                    \
    X(RESTART_NEEDED, "restart-needed", 409, "no", "operator", "needs a restart")                  \
    X(WOULD_LOSE_QUORUM, "would-lose-quorum", 409, "no", "operator", "the quorum would be lost")   \
    X(ENROLMENT_USED, "enrolment-used", 410, "no", "admin", "the token was used or has expired")   \
    X(HEAD_CONFLICT, "head-conflict", 412, "yes", "caller", "it moved on")                         \
    X(TOO_LARGE, "too-large", 413, "no", "caller", "larger than the limit")                        \
    X(URI_TOO_LONG, "uri-too-long", 414, "no", "caller", "the request line is too long")           \
    X(RANGE, "range", 416, "no", "caller", "the range is outside")                                 \
    X(ENTRY_INVALID, "entry-invalid", 422, "no", "caller", "an entry of the log is invalid")       \
    X(RECORD_INVALID, "record-invalid", 422, "no", "caller", "a device record is invalid")         \
    X(BOX_INVALID, "box-invalid", 422, "no", "caller", "a box is invalid")                         \
    X(HASH_MISMATCH, "hash-mismatch", 422, "no", "caller", "the content has another hash")         \
    X(IDEMPOTENCY_MISMATCH, "idempotency-mismatch", 422, "no", "caller",                           \
      "the key was used for another request")                                                      \
    X(TESTS_FAILED, "tests-failed", 422, "no", "admin", "the script's own tests fail")             \
    X(PRECONDITION_REQUIRED, "precondition-required", 428, "yes", "caller",                        \
      "If-Match or If-None-Match is required")                                                     \
    X(RATE_LIMITED, "rate-limited", 429, "after", "caller", "too many requests")                   \
    X(NONCE_QUOTA, "nonce-quota", 429, "after", "caller", "too many signed requests are open")     \
    X(HEADERS_TOO_LARGE, "headers-too-large", 431, "no", "caller", "the headers are too large")    \
    X(INTERNAL, "internal", 500, "after", "operator", "a defect on the server")                    \
    X(BEHIND, "behind", 503, "after", "operator", "this node has not reached that generation")     \
    X(STALE_NODE, "stale-node", 503, "after", "operator", "this node is out of contact")           \
    X(NO_QUORUM, "no-quorum", 503, "after", "operator", "the store has no quorum")                 \
    X(STORE_AWAY, "store-away", 503, "after", "operator", "the store does not answer")             \
    X(UNSAFE_POSTURE, "unsafe-posture", 503, "after", "operator", "the posture is too weak")       \
    X(POLICY_ERROR, "policy-error", 503, "after", "admin", "the site policy failed")               \
    X(MODULE_UNAVAILABLE, "module-unavailable", 503, "after", "operator", "not ready yet")         \
    X(SHUTTING_DOWN, "shutting-down", 503, "after", "operator", "the node is stopping")            \
    X(QUOTA, "quota", 507, "no", "admin", "the quota is used up")

enum ub_problem {
    UB_P_NONE = 0,
#define UB_PROBLEM_ENUM(name, code, status, retry, who, title) UB_P_##name,
    UB_PROBLEMS(UB_PROBLEM_ENUM)
#undef UB_PROBLEM_ENUM
        UB_P_COUNT
};

#endif
