/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "log_state.h"

struct ubr_log *ubr_log_new(void)
{
    return calloc(1, sizeof(struct ubr_log));
}

static void drop_undos(struct ubr_log *log)
{
    for (size_t i = 0; i < log->undos_len; i++) {
        if (log->undos[i].has_chain) {
            ubr_chain_fini(&log->undos[i].chain);
        }
    }
    log->undos_len = 0;
}

void ubr_log_free(struct ubr_log **log)
{
    struct ubr_log *dead = *log;
    *log = NULL;
    if (!dead) {
        return;
    }
    drop_undos(dead);
    for (size_t i = 0; i < dead->accounts_len; i++) {
        account_free(dead->accounts[i]);
    }
    free(dead->hashes);
    free(dead->accounts);
    free(dead->kids);
    free(dead->epochs);
    free(dead->policies);
    free(dead->losses);
    free(dead->undos);
    free(dead);
}

const struct ubr_log_state *ubr_log_state(const struct ubr_log *log)
{
    return &log->state;
}

void ubr_log_begin(struct ubr_log *log)
{
    assert(!log->in_transaction);
    log->in_transaction = true;
    log->saved = log->state;
}

void ubr_log_commit(struct ubr_log *log)
{
    assert(log->in_transaction);
    log->in_transaction = false;
    drop_undos(log);
}

static void undo_account(struct ubr_log *log, struct undo *undo, uint32_t end)
{
    struct account *account = undo->account;
    while (account->events_len > 0 && account->events[account->events_len - 1].seq >= end) {
        account->events_len--;
    }
    if (undo->has_chain) {
        ubr_chain_fini(&account->chain);
        account->chain = undo->chain;
    }
    if (undo->is_new) {
        log_remove_account(log, account);
        account_free(account);
    }
}

void ubr_log_abort(struct ubr_log *log)
{
    assert(log->in_transaction);
    log->in_transaction = false;
    log->state = log->saved;
    uint32_t end = log->state.entries;
    log_cut_kids(log, end);
    while (log->policies_len > 0 && log->policies[log->policies_len - 1].seq >= end) {
        log->policies_len--;
    }
    while (log->losses_len > 0 && log->losses[log->losses_len - 1] >= end) {
        log->losses_len--;
    }
    while (log->undos_len > 0) {
        undo_account(log, &log->undos[--log->undos_len], end);
    }
}

static bool reserve_event(struct account *account)
{
    return grow(&account->events, &account->events_cap, account->events_len + 1,
                sizeof *account->events);
}

/* The account that a create or add makes, ahead of time. */
static bool reserve_account(struct step *step)
{
    if (step->target) {
        return reserve_event(step->target);
    }
    if (!step->has_chain) {
        return true;
    }
    step->new_account = account_new(step->chain.account_pk);
    return step->new_account && reserve_event(step->new_account);
}

/* All memory that applying may need, so that it cannot fail. Room for one more in each array costs
 * nothing, so no rule needs to say which ones it grows. */
static bool reserve(struct ubr_log *log, struct step *step)
{
    size_t entries = (size_t)log->state.entries + 1;
    size_t kids = log->kids_len + (step->has_chain ? step->chain.devices_len : 0);
    size_t epochs = (size_t)log->state.epoch + 1;
    return grow(&log->hashes, &log->hashes_cap, entries, sizeof *log->hashes) &&
           grow(&log->accounts, &log->accounts_cap, log->accounts_len + 1,
                sizeof(struct account *)) &&
           grow(&log->kids, &log->kids_cap, kids, sizeof *log->kids) &&
           grow(&log->epochs, &log->epochs_cap, epochs, sizeof *log->epochs) &&
           grow(&log->policies, &log->policies_cap, log->policies_len + 1, sizeof *log->policies) &&
           grow(&log->losses, &log->losses_cap, log->losses_len + 1, sizeof *log->losses) &&
           grow(&log->undos, &log->undos_cap, log->undos_len + 1, sizeof *log->undos) &&
           reserve_account(step);
}

/* The step's chain becomes the pinned one; the old one waits in undo for an abort. */
static void pin_chain(struct ubr_log *log, struct step *step, struct undo *undo)
{
    struct ubr_chain old = step->target->chain;
    step->target->chain = step->chain;
    step->has_chain = false;
    log_note_kids(log, step->target, (uint32_t)step->entry.seq);
    if (log->in_transaction) {
        undo->chain = old;
        undo->has_chain = true;
    } else {
        ubr_chain_fini(&old);
    }
}

static void apply(struct ubr_log *log, struct step *step)
{
    struct undo undo = {.is_new = step->new_account != NULL};
    if (step->new_account) {
        step->target = step->new_account;
        step->new_account = NULL;
        log_insert_account(log, step->target);
    }
    undo.account = step->target;
    log_rule(step->entry.type)->apply(log, step);
    if (step->has_chain) {
        pin_chain(log, step, &undo);
    }
    if (log->in_transaction && undo.account) {
        log->undos[log->undos_len++] = undo;
    }
    ubr_entry_hash(step->body, log->state.head);
    memcpy(log->hashes[log->state.entries++], log->state.head, UBR_HASH_LEN);
}

enum ubr_error ubr_log_append(struct ubr_log *log, const struct ubr_record_store *store,
                              struct ubr_bytes body, const uint8_t sig[UBR_SIG_LEN])
{
    struct step step = {.store = store, .body = body, .sig = sig};
    enum ubr_error error = log_check(log, &step);
    if (error == UBR_OK && !reserve(log, &step)) {
        error = UBR_E_MEMORY;
    }
    if (error == UBR_OK) {
        apply(log, &step);
    }
    account_free(step.new_account);
    if (step.has_chain) {
        ubr_chain_fini(&step.chain);
    }
    return error;
}
