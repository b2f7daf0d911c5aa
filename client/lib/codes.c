/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/codes.h>

#include <string.h>

#include <ubp/ask.h>
#include <ubr/error.h>
#include <unibus/problem.h>

/* What a node answers. */
static const struct unibus_code problems[] = {
#define PROBLEM_ROW(name, code, status, again, who, title, fix) {code, title, who, fix},
    UB_PROBLEMS(PROBLEM_ROW)
#undef PROBLEM_ROW
};

/* What may be wrong with a policy script; policy-error is an answer of a node too. */
static const struct unibus_code scripts[] = {
#define SCRIPT_ROW(name, code, what)                                                               \
    {code, what, "admin", "mend the script: unibus policy check, unibus policy test"},
    UBP_ERRORS(SCRIPT_ROW)
#undef SCRIPT_ROW
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
#define SCRIPTS  (sizeof(scripts) / sizeof(scripts[0]))

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
    return (struct unibus_code){ubr_error_name(code), ubr_error_meaning(code), "caller",
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
    at -= PROBLEMS + UBR_ERROR_COUNT - 1;
    if (at < SCRIPTS && strcmp(scripts[at].code, "policy-error") == 0) {
        at = (*cursor)++ - (PROBLEMS + UBR_ERROR_COUNT - 1);
    }
    if (at < SCRIPTS) {
        *code_out = scripts[at];
    }
    return at < SCRIPTS;
}

bool unibus_code_find(const char *name, struct unibus_code *code_out)
{
    struct unibus_code code;
    for (size_t cursor = 0; unibus_code_next(&cursor, &code);) {
        if (strcmp(code.code, name) == 0) {
            *code_out = code;
            return true;
        }
    }
    return false;
}
