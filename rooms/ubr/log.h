/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UBR_LOG_H
#define UBR_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ubr/chain.h"
#include "ubr/entry.h"
#include "ubr/text.h"

/* The log of one room (UBR1, section 5): takes entries that are valid after those before them, and
 * holds the state they give, now and (history.h) after every entry. Bodies and signatures are not
 * kept. One thread at a time; any number may read while none appends. */

#define UBR_LOG_MEMBERS_MAX 4096
#define UBR_LOG_SEQ_END     1000000
/* From here on only owners, admins and leaving: a flood cannot make removal impossible. */
#define UBR_LOG_SEQ_FLOOD 990000
#define UBR_LOG_EPOCH_END (UINT32_C(1) << 31)

struct ubr_log;

/* Where device records come from. */
struct ubr_record_store {
    /* Gives the record of account_pk whose device_hash is hash, borrowed until the append returns;
     * false when it is not at hand. A store may hold forks and need not be trusted: the log checks
     * all it is given. */
    bool (*find)(void *context, const uint8_t account_pk[UBR_KEY_LEN],
                 const uint8_t hash[UBR_HASH_LEN], struct ubr_device_record *record_out);
    void *context;
};

/* The state after the newest entry (5.4). */
struct ubr_log_state {
    uint32_t entries; /* how many; the newest has seq entries − 1. 0: empty log */
    uint8_t room_id[UBR_ROOM_ID_LEN];
    uint8_t head[UBR_HASH_LEN]; /* entry_hash of the newest; zeros for an empty log */
    bool is_closed;
    bool is_stale;    /* somebody was removed since the last epoch: sending is forbidden */
    bool is_link_due; /* the next epoch must carry a link */
    uint8_t policy;
    uint32_t rotate_secs;
    uint32_t rotate_msgs;
    uint8_t name[UBR_ROOM_NAME_MAX];
    uint8_t name_len;
    uint32_t epoch;               /* 0: none yet */
    uint8_t commit[UBR_HASH_LEN]; /* of that epoch; zeros for none */
    uint32_t members;
    uint32_t owners;
};

/* An empty log; NULL when out of memory. */
struct ubr_log *ubr_log_new(void);
/* Frees and nulls; *log may be NULL. */
void ubr_log_free(struct ubr_log **log);

/* Checks the next entry in the order of 5.5 and takes it. The first failure names the code, and
 * nothing changes. The first entry makes the room: a caller that expects a certain room compares
 * state->room_id (12.3). */
enum ubr_error ubr_log_append(struct ubr_log *log, const struct ubr_record_store *store,
                              struct ubr_bytes body, const uint8_t sig[UBR_SIG_LEN]);

/* Several entries, all or none: between begin and abort entries are taken as ever, abort takes them
 * back, commit keeps them. Not nested; outside, each append stands for itself. A client uses it to
 * compute the hashes of an epoch that follows a removal, a server for an append of many (7.1). */
void ubr_log_begin(struct ubr_log *log);
void ubr_log_commit(struct ubr_log *log);
void ubr_log_abort(struct ubr_log *log);

/* Lives as long as the log and follows it. */
const struct ubr_log_state *ubr_log_state(const struct ubr_log *log);

struct ubr_member {
    uint8_t account_pk[UBR_KEY_LEN];
    enum ubr_role role;
    const char *handle;            /* borrowed until the next append */
    uint8_t head[UBR_HASH_LEN];    /* the pinned head of its device chain */
    const struct ubr_chain *chain; /* up to that head; borrowed until the next append */
};

/* The member with this key; false if there is none now. member_out may be NULL. */
bool ubr_log_member(const struct ubr_log *log, const uint8_t account_pk[UBR_KEY_LEN],
                    struct ubr_member *member_out);

/* Members by account_pk, ascending. *cursor starts at 0; false at the end. */
bool ubr_log_member_next(const struct ubr_log *log, size_t *cursor, struct ubr_member *member_out);

/* The chain last pinned for an account, a member now or once; NULL for others. It holds every
 * record up to the pinned head: compare chains over rooms with ubr_chain_contains (E-DEVICE-FORK).
 * Borrowed until the next append. */
const struct ubr_chain *ubr_log_pinned_chain(const struct ubr_log *log,
                                             const uint8_t account_pk[UBR_KEY_LEN]);

/* A live device of a member: one who gets a box of the next epoch. */
struct ubr_recipient {
    uint8_t kid[UBR_KID_LEN];
    uint8_t box_pk[UBR_KEY_LEN];
    uint8_t account_pk[UBR_KEY_LEN];
};

/* Recipients by kid, ascending. *cursor starts at 0; false at the end. */
bool ubr_log_recipient_next(const struct ubr_log *log, size_t *cursor,
                            struct ubr_recipient *recipient_out);

/* 5.3, of the members and recipients now. */
void ubr_log_members_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN]);
void ubr_log_recipients_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN],
                             uint32_t *recipients_out);
/* 5.6; the log is not empty. */
void ubr_log_state_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN]);

/* An entry with the header that fits next and zeros for a payload. */
struct ubr_author {
    uint8_t account_pk[UBR_KEY_LEN];
    uint8_t kid[UBR_KID_LEN];
};

void ubr_log_draft(const struct ubr_log *log, enum ubr_entry_type type,
                   const struct ubr_author *author, uint64_t time_ms, struct ubr_entry *entry_out);

/* The same for an epoch: number, members and recipients are filled in; commit, cause and, if
 * state->is_link_due, link are left to the caller. */
void ubr_log_draft_epoch(const struct ubr_log *log, const struct ubr_author *author,
                         uint64_t time_ms, struct ubr_entry *entry_out);

#endif
