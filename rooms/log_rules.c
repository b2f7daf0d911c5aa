/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log_state.h"

static bool is_target_member(const struct step *step)
{
    return account_role(step->target) != UBR_ROLE_NONE;
}

static bool is_self(const struct step *step)
{
    return memcmp(step->entry.account_pk, step->entry.author_pk, UBR_KEY_LEN) == 0;
}

static void add_event(const struct step *step, enum ubr_role role, struct ubr_bytes handle)
{
    struct account *account = step->target;
    struct member_event *event = &account->events[account->events_len++];
    *event = (struct member_event){.seq = (uint32_t)step->entry.seq, .role = role};
    memcpy(event->handle, handle.ptr, handle.len);
}

/* A change of role keeps the handle; so does a removal, for those who ask who it was. */
static void add_event_same_handle(const struct step *step, enum ubr_role role)
{
    char handle[UBR_HANDLE_MAX + 1];
    memcpy(handle, account_handle(step->target), sizeof handle);
    add_event(step, role, ubr_bytes_of_text(handle));
}

static void note_loss(struct ubr_log *log, const struct step *step)
{
    log->losses[log->losses_len++] = (uint32_t)step->entry.seq;
}

static void set_policy(struct ubr_log *log, const struct ubr_entry *entry)
{
    struct ubr_log_state *state = &log->state;
    state->policy = entry->policy;
    state->rotate_secs = entry->rotate_secs;
    state->rotate_msgs = entry->rotate_msgs;
    state->name_len = (uint8_t)entry->name.len;
    memset(state->name, 0, sizeof state->name);
    if (entry->name.len > 0) {
        memcpy(state->name, entry->name.ptr, entry->name.len);
    }
    log->policies[log->policies_len++] =
        (struct policy_event){.seq = (uint32_t)entry->seq, .policy = entry->policy};
}

static unsigned history_of(uint8_t policy)
{
    return policy & UBR_POLICY_HISTORY;
}

static enum ubr_error check_create(const struct ubr_log *log, struct step *step)
{
    (void)log;
    (void)step;
    return UBR_OK;
}

static void apply_create(struct ubr_log *log, struct step *step)
{
    memcpy(log->state.room_id, step->entry.room_id, UBR_ROOM_ID_LEN);
    set_policy(log, &step->entry);
    add_event(step, UBR_ROLE_OWNER, step->entry.handle);
    log->state.members = 1;
    log->state.owners = 1;
}

static bool is_handle_used(const struct ubr_log *log, struct ubr_bytes handle)
{
    for (size_t i = 0; i < log->accounts_len; i++) {
        const struct account *account = log->accounts[i];
        if (account_role(account) != UBR_ROLE_NONE &&
            ubr_bytes_are_equal(handle, ubr_bytes_of_text(account_handle(account)))) {
            return true;
        }
    }
    return false;
}

static enum ubr_error check_add(const struct ubr_log *log, struct step *step)
{
    bool is_allowed = step->author_role == UBR_ROLE_OWNER ||
                      (step->author_role == UBR_ROLE_ADMIN && step->entry.role < UBR_ROLE_ADMIN);
    if (!is_allowed) {
        return UBR_E_ROLE;
    }
    if (is_target_member(step) || is_handle_used(log, step->entry.handle)) {
        return UBR_E_DUP_MEMBER;
    }
    if (log->state.members >= UBR_LOG_MEMBERS_MAX) {
        return UBR_E_LIMIT;
    }
    return log_check_chain(log, step, step->entry.account_pk);
}

static void apply_add(struct ubr_log *log, struct step *step)
{
    add_event(step, (enum ubr_role)step->entry.role, step->entry.handle);
    log->state.members++;
    log->state.owners += step->entry.role == UBR_ROLE_OWNER;
}

static bool is_last_owner(const struct ubr_log *log, const struct step *step)
{
    return account_role(step->target) == UBR_ROLE_OWNER && log->state.owners == 1;
}

static enum ubr_error check_remove(const struct ubr_log *log, struct step *step)
{
    if (!is_target_member(step)) {
        return UBR_E_NOT_MEMBER;
    }
    if (is_self(step) != (step->entry.reason == UBR_REMOVE_LEFT)) {
        return UBR_E_RANGE;
    }
    bool is_allowed =
        is_self(step) || step->author_role == UBR_ROLE_OWNER ||
        (step->author_role == UBR_ROLE_ADMIN && account_role(step->target) < UBR_ROLE_ADMIN);
    if (!is_allowed) {
        return UBR_E_ROLE;
    }
    return is_last_owner(log, step) ? UBR_E_LAST_OWNER : UBR_OK;
}

static void apply_remove(struct ubr_log *log, struct step *step)
{
    log->state.owners -= account_role(step->target) == UBR_ROLE_OWNER;
    log->state.members--;
    log->state.is_stale = true;
    add_event_same_handle(step, UBR_ROLE_NONE);
    note_loss(log, step);
}

static enum ubr_error check_role(const struct ubr_log *log, struct step *step)
{
    if (!is_target_member(step)) {
        return UBR_E_NOT_MEMBER;
    }
    enum ubr_role old = account_role(step->target);
    if (old == (enum ubr_role)step->entry.role) {
        return UBR_E_RANGE;
    }
    bool is_allowed = step->author_role == UBR_ROLE_OWNER ||
                      (step->author_role == UBR_ROLE_ADMIN && old < UBR_ROLE_ADMIN &&
                       step->entry.role < UBR_ROLE_ADMIN);
    if (!is_allowed) {
        return UBR_E_ROLE;
    }
    return is_last_owner(log, step) ? UBR_E_LAST_OWNER : UBR_OK;
}

static void apply_role(struct ubr_log *log, struct step *step)
{
    log->state.owners -= account_role(step->target) == UBR_ROLE_OWNER;
    log->state.owners += step->entry.role == UBR_ROLE_OWNER;
    add_event_same_handle(step, (enum ubr_role)step->entry.role);
}

static enum ubr_error check_epoch_hashes(const struct ubr_log *log, const struct ubr_entry *entry)
{
    uint8_t hash[UBR_HASH_LEN];
    uint32_t recipients;
    ubr_log_members_hash(log, hash);
    if (memcmp(hash, entry->members_hash, UBR_HASH_LEN) != 0) {
        return UBR_E_MEMBERS_HASH;
    }
    ubr_log_recipients_hash(log, hash, &recipients);
    if (memcmp(hash, entry->recipients_hash, UBR_HASH_LEN) != 0 ||
        recipients != entry->recipients) {
        return UBR_E_RECIPIENTS_HASH;
    }
    return UBR_OK;
}

static enum ubr_error check_epoch(const struct ubr_log *log, struct step *step)
{
    if (step->author_role < UBR_ROLE_WRITER) {
        return UBR_E_ROLE;
    }
    if (step->entry.epoch != log->state.epoch + 1) {
        return UBR_E_EPOCH_NUMBER;
    }
    enum ubr_error error = check_epoch_hashes(log, &step->entry);
    if (error != UBR_OK) {
        return error;
    }
    return (step->entry.link.len != 0) == log->state.is_link_due ? UBR_OK : UBR_E_LINK;
}

static void apply_epoch(struct ubr_log *log, struct step *step)
{
    struct ubr_log_state *state = &log->state;
    const struct ubr_entry *entry = &step->entry;
    struct ubr_log_epoch *epoch = &log->epochs[state->epoch];
    *epoch = (struct ubr_log_epoch){.seq = (uint32_t)entry->seq,
                                    .cause = entry->cause,
                                    .was_stale = state->is_stale,
                                    .has_link = entry->link.len != 0};
    memcpy(epoch->commit, entry->commit, UBR_HASH_LEN);
    memcpy(epoch->author_pk, entry->author_pk, UBR_KEY_LEN);
    memcpy(epoch->author_kid, entry->author_kid, UBR_KID_LEN);
    if (epoch->has_link) {
        memcpy(epoch->link, entry->link.ptr, UBR_LINK_LEN);
    }
    state->epoch = entry->epoch;
    memcpy(state->commit, entry->commit, UBR_HASH_LEN);
    state->is_stale = false;
    state->is_link_due = history_of(state->policy) == UBR_HISTORY_ALL;
}

static enum ubr_error check_device(const struct ubr_log *log, struct step *step)
{
    if (!is_target_member(step)) {
        return UBR_E_NOT_MEMBER;
    }
    if (!is_self(step) && step->author_role < UBR_ROLE_ADMIN) {
        return UBR_E_ROLE;
    }
    enum ubr_error error = UBR_OK;
    if (!step->has_chain) {
        error = log_check_chain(log, step, step->entry.account_pk);
    }
    if (error != UBR_OK) {
        return error;
    }
    bool is_new =
        memcmp(ubr_chain_head(&step->target->chain), step->entry.device_head, UBR_HASH_LEN) != 0;
    return is_new ? UBR_OK : UBR_E_DEVICE_CHAIN;
}

static void apply_device(struct ubr_log *log, struct step *step)
{
    struct chain_change change = log_chain_change(&step->target->chain, &step->chain);
    if (change.takes_kid || change.replaces_box) {
        log->state.is_stale = true;
    }
    if (change.takes_kid) {
        note_loss(log, step);
    }
}

static enum ubr_error check_by_owner(const struct ubr_log *log, struct step *step)
{
    (void)log;
    return step->author_role == UBR_ROLE_OWNER ? UBR_OK : UBR_E_ROLE;
}

static void apply_policy(struct ubr_log *log, struct step *step)
{
    if (history_of(step->entry.policy) < history_of(log->state.policy)) {
        log->state.is_stale = true;
    }
    if (history_of(step->entry.policy) != UBR_HISTORY_ALL) {
        log->state.is_link_due = false;
    }
    set_policy(log, &step->entry);
}

static void apply_close(struct ubr_log *log, struct step *step)
{
    (void)step;
    log->state.is_closed = true;
}

static const struct rule rules[UBR_ENTRY_TYPES_END] = {
    [UBR_ENTRY_CREATE] = {check_create, apply_create},
    [UBR_ENTRY_ADD] = {check_add, apply_add},
    [UBR_ENTRY_REMOVE] = {check_remove, apply_remove},
    [UBR_ENTRY_ROLE] = {check_role, apply_role},
    [UBR_ENTRY_EPOCH] = {check_epoch, apply_epoch},
    [UBR_ENTRY_DEVICE] = {check_device, apply_device},
    [UBR_ENTRY_POLICY] = {check_by_owner, apply_policy},
    [UBR_ENTRY_CLOSE] = {check_by_owner, apply_close},
};

const struct rule *log_rule(enum ubr_entry_type type)
{
    return &rules[type];
}
