/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log_state.h"

static enum ubr_error check_header(const struct ubr_log *log, struct step *step)
{
    enum ubr_error error = ubr_entry_parse_header(step->body, &step->entry);
    if (error != UBR_OK) {
        return error;
    }
    const struct ubr_log_state *state = &log->state;
    const struct ubr_entry *entry = &step->entry;
    if (state->entries > 0 && memcmp(entry->room_id, state->room_id, UBR_ROOM_ID_LEN) != 0) {
        return UBR_E_ROOM_ID;
    }
    if (entry->seq != state->entries) {
        return UBR_E_SEQ;
    }
    if (entry->seq >= UBR_LOG_SEQ_END) {
        return UBR_E_LIMIT;
    }
    if ((entry->type == UBR_ENTRY_CREATE) != (entry->seq == 0)) {
        return UBR_E_SEQ;
    }
    if (memcmp(entry->prev, state->head, UBR_HASH_LEN) != 0) {
        return UBR_E_PREV;
    }
    return entry->time_ms < UBR_U53_END ? UBR_OK : UBR_E_RANGE;
}

static enum ubr_error check_payload(const struct ubr_log *log, struct step *step)
{
    (void)log;
    return ubr_entry_parse_payload(step->body, &step->entry);
}

static enum ubr_error check_open(const struct ubr_log *log, struct step *step)
{
    (void)step;
    return log->state.is_closed ? UBR_E_CLOSED : UBR_OK;
}

/* Entries whose author must be live at the head that they name, not at the pinned one: so a room
 * can begin, and an owner who lost every device comes back by the account key. */
static bool names_own_chain(const struct ubr_entry *entry)
{
    return entry->type == UBR_ENTRY_CREATE ||
           (entry->type == UBR_ENTRY_DEVICE &&
            memcmp(entry->account_pk, entry->author_pk, UBR_KEY_LEN) == 0);
}

static enum ubr_error check_author_device(struct step *step)
{
    const struct ubr_chain *chain = step->has_chain ? &step->chain : &step->author->chain;
    const struct ubr_device *device = ubr_chain_device(chain, step->entry.author_kid);
    if (!device) {
        return UBR_E_KID_UNKNOWN;
    }
    memcpy(step->author_sign_pk, device->sign_pk, UBR_KEY_LEN);
    return device->is_revoked ? UBR_E_DEVICE_REVOKED : UBR_OK;
}

static enum ubr_error check_flood(const struct step *step)
{
    const struct ubr_entry *entry = &step->entry;
    bool leaves = entry->type == UBR_ENTRY_REMOVE &&
                  memcmp(entry->account_pk, entry->author_pk, UBR_KEY_LEN) == 0;
    bool is_allowed =
        entry->seq < UBR_LOG_SEQ_FLOOD || step->author_role >= UBR_ROLE_ADMIN || leaves;
    return is_allowed ? UBR_OK : UBR_E_LIMIT;
}

static enum ubr_error check_author(const struct ubr_log *log, struct step *step)
{
    bool founds = step->entry.type == UBR_ENTRY_CREATE;
    step->author = log_account(log, step->entry.author_pk);
    step->author_role = founds ? UBR_ROLE_OWNER : account_role(step->author);
    if (step->author_role == UBR_ROLE_NONE) {
        return UBR_E_NOT_MEMBER;
    }
    enum ubr_error error = UBR_OK;
    if (names_own_chain(&step->entry)) {
        error = log_check_chain(log, step, step->entry.author_pk);
    }
    if (error == UBR_OK) {
        error = check_author_device(step);
    }
    return error == UBR_OK ? check_flood(step) : error;
}

static enum ubr_error check_rule(const struct ubr_log *log, struct step *step)
{
    step->target = log_account(log, step->entry.account_pk);
    return log_rule(step->entry.type)->check(log, step);
}

static enum ubr_error check_signature(const struct ubr_log *log, struct step *step)
{
    (void)log;
    return ubr_signature_is_good(step->author_sign_pk, UBR_DS_ROOM_ENTRY, step->body, step->sig)
               ? UBR_OK
               : UBR_E_SIG;
}

/* 5.5: form and header, payload, closed, author, rules of the type, signature. */
static enum ubr_error (*const stages[])(const struct ubr_log *log, struct step *step) = {
    check_header, check_payload, check_open, check_author, check_rule, check_signature,
};

enum ubr_error log_check(const struct ubr_log *log, struct step *step)
{
    enum ubr_error error = UBR_OK;
    for (size_t i = 0; error == UBR_OK && i < sizeof stages / sizeof stages[0]; i++) {
        error = stages[i](log, step);
    }
    return error;
}
