/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_LOG_STATE_H
#define UBR_LOG_STATE_H

#include "ubr/history.h"
#include "ubr/log.h"

/* What a log holds. Internal to log*.c. Nothing is stored twice or per entry but its hash: each
 * account and kid keeps the few seqs at which it changed, so the past can be asked and an abort can
 * cut everything that is newer than the entries it keeps. */

/* A change of an account's membership. */
struct member_event {
    uint32_t seq;
    enum ubr_role role; /* from here on; UBR_ROLE_NONE: removed */
    char handle[UBR_HANDLE_MAX + 1];
};

/* An account that is or was a member. */
struct account {
    struct ubr_chain chain; /* up to the head last pinned */
    struct member_event *events;
    size_t events_len, events_cap;
};

/* A device of a pinned chain: claimed by its account for ever. */
struct kid {
    uint8_t kid[UBR_KID_LEN];
    struct account *account;
    uint32_t first_seq;
    uint32_t revoked_seq; /* UBR_SEQ_NEVER while live */
};

struct policy_event {
    uint32_t seq;
    uint8_t policy;
};

/* What an abort must put back for one entry; everything else is cut by seq. */
struct undo {
    struct account *account; /* NULL: none touched */
    struct ubr_chain chain;  /* pinned before, if has_chain */
    bool has_chain;
    bool is_new; /* the account came with this entry */
};

struct ubr_log {
    struct ubr_log_state state;
    uint8_t (*hashes)[UBR_HASH_LEN]; /* of each entry; state.entries of them */
    size_t hashes_cap;
    struct account **accounts; /* by account_pk */
    size_t accounts_len, accounts_cap;
    struct kid *kids; /* by kid */
    size_t kids_len, kids_cap;
    struct ubr_log_epoch *epochs; /* epoch 1, 2, …; state.epoch of them */
    size_t epochs_cap;
    struct policy_event *policies;
    size_t policies_len, policies_cap;
    uint32_t *losses; /* seqs that removed a member or took a kid away */
    size_t losses_len, losses_cap;

    bool in_transaction;
    struct ubr_log_state saved;
    struct undo *undos;
    size_t undos_len, undos_cap;
};

/* An entry on its way into the log: what the checks found out and applying needs. */
struct step {
    const struct ubr_record_store *store;
    struct ubr_bytes body;
    const uint8_t *sig;
    struct ubr_entry entry;
    struct account *author; /* NULL for create */
    enum ubr_role author_role;
    uint8_t author_sign_pk[UBR_KEY_LEN];
    struct account *target;      /* the account that the entry names, or NULL */
    struct account *new_account; /* made for a target that was NULL, not yet in the log */
    struct ubr_chain chain;      /* verified, to be pinned, if has_chain */
    bool has_chain;
};

/* log_check.c: all checks of 5.5 in their order, without effect on the log. What it leaves in
 * step->chain the caller frees. */
enum ubr_error log_check(const struct ubr_log *log, struct step *step);

/* log_rules.c: the rules of each type (5.5, step 6) and what it changes. check fails without
 * effect; apply cannot fail, all memory was reserved. */
struct rule {
    enum ubr_error (*check)(const struct ubr_log *log, struct step *step);
    void (*apply)(struct ubr_log *log, struct step *step);
};

const struct rule *log_rule(enum ubr_entry_type type);

/* log_chain.c: the chain check of 5.5, step 6, for the account and head in the entry. Fills
 * step->chain. */
enum ubr_error log_check_chain(const struct ubr_log *log, struct step *step,
                               const uint8_t account_pk[UBR_KEY_LEN]);

/* What the step's chain takes from the devices pinned so far. */
struct chain_change {
    bool takes_kid;
    bool replaces_box;
};

struct chain_change log_chain_change(const struct ubr_chain *before, const struct ubr_chain *after);

/* log_index.c: lookups and changes in the sorted arrays. */
struct account *log_account(const struct ubr_log *log, const uint8_t account_pk[UBR_KEY_LEN]);
struct kid *log_kid(const struct ubr_log *log, const uint8_t kid[UBR_KID_LEN]);
void log_insert_account(struct ubr_log *log, struct account *account);
void log_remove_account(struct ubr_log *log, const struct account *account);
/* Notes the devices of account's chain as of entry seq. */
void log_note_kids(struct ubr_log *log, struct account *account, uint32_t seq);
/* Forgets what was noted at seq ≥ end. */
void log_cut_kids(struct ubr_log *log, uint32_t end);

struct account *account_new(const uint8_t account_pk[UBR_KEY_LEN]);
void account_free(struct account *account);
/* NULL before the first event ≤ seq. */
const struct member_event *account_event_at(const struct account *account, uint32_t seq);
/* Role now; account may be NULL. */
enum ubr_role account_role(const struct account *account);
const char *account_handle(const struct account *account);

#endif
