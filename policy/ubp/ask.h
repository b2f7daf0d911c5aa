/* SPDX-License-Identifier: Apache-2.0
 *
 * What a script is asked, and what it answers. Everything passed in is borrowed until the call
 * returns; a NULL text is "". */
#ifndef UBP_ASK_H
#define UBP_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ubp_script;

/* ---- the question -----------------------------------------------------------------------------
 */

/* The `who` of a script: an authenticated identity. */
struct ubp_who {
    const char *id, *handle, *role, *device;
};

/* The `conn` of a script: how he is, or wants to be, connected. */
struct ubp_conn {
    const char *transport; /* "nats", "http" */
    const char *ip;        /* without port */
    bool has_tls, is_loopback;
    const char *user;   /* login name that was sent */
    const char *client; /* what the client calls itself: a claim, no fact */
    const char *cert;   /* subject of a verified client certificate */
};

enum ubp_field_kind { UBP_FIELD_TEXT = 0, UBP_FIELD_NUMBER, UBP_FIELD_BOOL };

/* One member of the context of an action. */
struct ubp_field {
    const char *name;
    enum ubp_field_kind kind;
    const char *text;
    double number;
    bool truth;
};

struct ubp_action {
    const char *name;   /* "room.create"; one that is not in ubp/actions.h is asked too */
    const char *kind;   /* target.kind */
    const char *id;     /* target.id */
    size_t field_count; /* target.<name> */
    const struct ubp_field *fields;
};

/* ---- the answer -------------------------------------------------------------------------------
 */

enum ubp_verdict { UBP_ABSTAIN = 0, UBP_ALLOW, UBP_DENY };

/* "abstain", "allow", "deny". */
const char *ubp_verdict_name(enum ubp_verdict verdict);

/* What may go wrong with a script: X(NAME, stable code, what it means). */
#define UBP_ERRORS(X)                                                                              \
    X(SYNTAX, "policy-syntax", "the script is not valid Lua text")                                 \
    X(SCRIPT, "policy-script", "the script cannot be loaded: its top level fails")                 \
    X(RUNTIME, "policy-error", "the script failed while it was asked")                             \
    X(ANSWER, "policy-answer", "the script gave no valid answer")                                  \
    X(STATE, "policy-state", "the script tried to remember something from one call to the next")   \
    X(STEPS, "policy-steps", "the script used up its instructions")                                \
    X(MEMORY, "policy-memory", "the script used up its memory")                                    \
    X(STOPPED, "policy-timeout", "the script took too long and was stopped")

enum ubp_error {
    UBP_OK = 0,
#define UBP_ERROR_ENUM(name, code, what) UBP_E_##name,
    UBP_ERRORS(UBP_ERROR_ENUM)
#undef UBP_ERROR_ENUM
};

/* The code of an error, "" for UBP_OK. */
const char *ubp_error_code(enum ubp_error error);

#define UBP_PUBLISH   0x1u
#define UBP_SUBSCRIBE 0x2u

/* One line of a permission table. An allow line grants outside the reserved name spaces, a deny
 * line takes away everywhere. */
struct ubp_line {
    uint32_t actions; /* UBP_PUBLISH | UBP_SUBSCRIBE */
    bool is_deny;
    const char *subject; /* a valid NATS pattern */
    const char *queue;   /* NULL = any queue group and none */
};

/* The most lines in one answer. */
#define UBP_LINES_MAX 256

struct ubp_permissions {
    uint32_t count;
    struct ubp_line *lines;              /* and their texts, one block */
    int64_t max_subs, max_payload_bytes; /* 0 = no limit of its own */
};

struct ubp_decision {
    enum ubp_verdict verdict;
    enum ubp_error error; /* not UBP_OK: the script failed, and the verdict is UBP_DENY */
    char code[32];        /* kebab-case: the script's own, "policy", or that of the error */
    char text[256];       /* the reason, UTF-8 as the script gave it, cut */
    uint32_t line;        /* where in the script it was decided, 0 = nowhere */
    int64_t steps;        /* instructions used */
    struct ubp_permissions permissions; /* of on_connect */
};

/* Frees the permissions and zeroes the decision. */
void ubp_decision_fini(struct ubp_decision *decision);

/* The lines of the script that were executed, in order, without repetitions in a row. */
#define UBP_TRACE_MAX 256
struct ubp_trace {
    uint32_t count;
    bool is_cut; /* there were more */
    uint32_t lines[UBP_TRACE_MAX];
};

/* Ask a script. The decision is always filled: whatever goes wrong is UBP_DENY with an error.
 * A script without the function abstains. trace may be NULL. Threads: one at a time for a
 * script. Release the decision with ubp_decision_fini. */
void ubp_on_connect(struct ubp_script *script, const struct ubp_who *who,
                    const struct ubp_conn *conn, struct ubp_trace *trace,
                    struct ubp_decision *decision_out);
void ubp_on_action(struct ubp_script *script, const struct ubp_who *who,
                   const struct ubp_action *action, const struct ubp_conn *conn,
                   struct ubp_trace *trace, struct ubp_decision *decision_out);

#endif
