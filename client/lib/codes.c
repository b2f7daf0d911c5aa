/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/codes.h>

#include <string.h>

#include <ubr/error.h>

#define CALLER   "caller"
#define ADMIN    "admin"
#define OPERATOR "operator"

/* What a node answers (docs/http-api.md), and what to do then. */
static const struct unibus_code problems[] = {
    {"bad-request", "the request is malformed", CALLER, "update this program"},
    {"unknown-field", "the request has an unknown field", CALLER,
     "this program is newer than the node"},
    {"sig-profile", "the signature has not the required form", CALLER, "update this program"},
    {"unauthenticated", "the node does not know this device", ADMIN,
     "give the output of `unibus id show --json` to an admin, who runs `unibus identity add`"},
    {"wrong-cluster", "the request was signed for another cluster", CALLER,
     "use another --home for each cluster"},
    {"nonce-epoch", "the node lost its nonces since the request was signed", CALLER, "try again"},
    {"nonce-replayed", "this request was sent before", CALLER, "try again"},
    {"nonce-quota", "too many requests at once", CALLER, "wait a few minutes"},
    {"clock-skew", "the clocks of client and node differ too much", CALLER, "set the clock"},
    {"digest-mismatch", "the body arrived damaged", CALLER, "try again"},
    {"tls-required", "the node wants TLS for this", CALLER, "use an https:// address"},
    {"forbidden", "this identity has no right to do that", ADMIN,
     "ask somebody with the role for it"},
    {"not-found", "there is no such thing, or not for this identity", CALLER, ""},
    {"method-not-allowed", "the node does not offer that", CALLER, "update the older side"},
    {"precondition-required", "the request lacks If-Match", CALLER, "update this program"},
    {"precondition-failed", "it was changed meanwhile", CALLER, "look again, then repeat"},
    {"head-conflict", "the log moved on meanwhile", CALLER, "try again"},
    {"entry-invalid", "the log refuses this entry", CALLER, ""},
    {"record-invalid", "the device record is not valid", CALLER, ""},
    {"box-invalid", "a sealed box is missing or not allowed", CALLER, "try again"},
    {"needs-epoch", "this change needs a new epoch in the same append", CALLER,
     "update this program"},
    {"box-missing", "no sealed box for this device", CALLER,
     "wait until a member's client has sent it"},
    {"exists", "it is there already", CALLER, ""},
    {"handle-taken", "another identity has this handle", ADMIN, "choose another handle"},
    {"last-admin", "the node would have no admin", ADMIN, "make another admin first"},
    {"idempotency-mismatch", "the key was used for another request", CALLER, "use a new key"},
    {"in-progress", "the first request with this key is under way", CALLER, "wait"},
    {"too-large", "it exceeds a limit of the node", CALLER, "`unibus info` shows the limits"},
    {"uri-too-long", "the request line is too long", CALLER, "update this program"},
    {"headers-too-large", "the headers are too large", CALLER, "update this program"},
    {"enrolment-used", "the token was used or has expired", ADMIN, "ask for a new one"},
    {"restart-needed", "needs a restart", OPERATOR, "restart the node"},
    {"would-lose-quorum", "the quorum would be lost", OPERATOR, "start another node first"},
    {"tests-failed", "the own tests of the script fail", ADMIN, "mend the script"},
    {"range", "outside of what there is", CALLER, ""},
    {"hash-mismatch", "the bytes differ from their address", CALLER, "try again"},
    {"rate-limited", "too many changes in an hour", CALLER, "wait"},
    {"internal", "a defect on the node", OPERATOR, "see the log of the node"},
    {"behind", "this node has not caught up", OPERATOR, "try again soon"},
    {"stale-node", "this node is out of contact", OPERATOR, "use another node"},
    {"no-quorum", "the store has no quorum", OPERATOR, "start the other nodes"},
    {"store-away", "the store does not answer", OPERATOR, "see the log of the node"},
    {"unsafe-posture", "the node is configured too weakly", OPERATOR, "see /healthz"},
    {"policy-error", "the site policy failed", ADMIN, "see the log of the node"},
    {"module-unavailable", "a part of the node is not ready", OPERATOR, "try again soon"},
    {"shutting-down", "the node is stopping", OPERATOR, "try again soon"},
    {"quota", "the quota is used up", ADMIN, "free space or raise the quota"},
};

/* Codes of the protocol for which a person can do something. */
static const struct {
    enum ubr_error code;
    const char *fix;
} fixes[] = {
    {UBR_E_UPGRADE, "update this program"},
    {UBR_E_STALE, "unibus room rotate ROOM"},
    {UBR_E_ROLLBACK, "compare `unibus room invite` with another member: the node may lie"},
    {UBR_E_FORK, "compare `unibus room invite` with another member: the node may lie"},
    {UBR_E_DEVICE_FORK, "talk to that person: somebody signed two device chains"},
    {UBR_E_HEAD_UNPROVEN, "compare heads with a member, then `unibus room trust-head ROOM`"},
    {UBR_E_DEVICE_REVOKED, "unibus room rotate ROOM"},
    {UBR_E_DUP_MEMBER, "`unibus room members ROOM` shows who is in it"},
    {UBR_E_LAST_OWNER, "make another owner first: unibus room role ROOM WHO owner"},
    {UBR_E_ROLE, "ask an admin or owner of the room"},
    {UBR_E_MSG_EPOCH, "wait until a member's client has sent the key"},
    {UBR_E_INVITE, "ask for the invite again, by a way that you trust"},
};

#define PROBLEMS (sizeof(problems) / sizeof(problems[0]))

static const char *fix_of(enum ubr_error code)
{
    for (size_t i = 0; i < sizeof(fixes) / sizeof(fixes[0]); i++) {
        if (fixes[i].code == code) {
            return fixes[i].fix;
        }
    }
    return "";
}

static struct unibus_code protocol_code(enum ubr_error code)
{
    return (struct unibus_code){ubr_error_name(code), ubr_error_meaning(code), CALLER,
                                fix_of(code)};
}

bool unibus_code_next(size_t *cursor, struct unibus_code *code_out)
{
    size_t at = (*cursor)++;
    if (at < PROBLEMS) {
        *code_out = problems[at];
        return true;
    }
    if (at - PROBLEMS + 1 < UBR_ERROR_COUNT) {
        *code_out = protocol_code((enum ubr_error)(at - PROBLEMS + 1));
        return true;
    }
    return false;
}

bool unibus_code_find(const char *name, struct unibus_code *code_out)
{
    for (size_t cursor = 0; unibus_code_next(&cursor, code_out);) {
        if (strcmp(code_out->code, name) == 0) {
            return true;
        }
    }
    return false;
}
