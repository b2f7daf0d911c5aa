/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log_state.h"

static void show_member(const struct account *account, struct ubr_member *member_out)
{
    memcpy(member_out->account_pk, account->chain.account_pk, UBR_KEY_LEN);
    member_out->role = account_role(account);
    member_out->handle = account_handle(account);
    memcpy(member_out->head, ubr_chain_head(&account->chain), UBR_HASH_LEN);
    member_out->chain = &account->chain;
}

bool ubr_log_member(const struct ubr_log *log, const uint8_t account_pk[UBR_KEY_LEN],
                    struct ubr_member *member_out)
{
    const struct account *account = log_account(log, account_pk);
    bool is_member = account_role(account) != UBR_ROLE_NONE;
    if (is_member && member_out) {
        show_member(account, member_out);
    }
    return is_member;
}

bool ubr_log_member_next(const struct ubr_log *log, size_t *cursor, struct ubr_member *member_out)
{
    while (*cursor < log->accounts_len) {
        const struct account *account = log->accounts[(*cursor)++];
        if (account_role(account) != UBR_ROLE_NONE) {
            show_member(account, member_out);
            return true;
        }
    }
    return false;
}

const struct ubr_chain *ubr_log_pinned_chain(const struct ubr_log *log,
                                             const uint8_t account_pk[UBR_KEY_LEN])
{
    const struct account *account = log_account(log, account_pk);
    return account ? &account->chain : NULL;
}

static bool is_recipient(const struct kid *kid)
{
    return kid->revoked_seq == UBR_SEQ_NEVER && account_role(kid->account) != UBR_ROLE_NONE;
}

bool ubr_log_recipient_next(const struct ubr_log *log, size_t *cursor,
                            struct ubr_recipient *recipient_out)
{
    while (*cursor < log->kids_len) {
        const struct kid *kid = &log->kids[(*cursor)++];
        if (is_recipient(kid)) {
            const struct ubr_device *device = ubr_chain_device(&kid->account->chain, kid->kid);
            memcpy(recipient_out->kid, kid->kid, UBR_KID_LEN);
            memcpy(recipient_out->box_pk, device->box_pk, UBR_KEY_LEN);
            memcpy(recipient_out->account_pk, kid->account->chain.account_pk, UBR_KEY_LEN);
            return true;
        }
    }
    return false;
}

void ubr_log_members_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN])
{
    struct ubr_hasher hasher;
    struct ubr_member member;
    ubr_hasher_begin(&hasher, UBR_DS_MEMBERS, UBR_HASH_LEN);
    ubr_hasher_add_u32(&hasher, log->state.members);
    for (size_t cursor = 0; ubr_log_member_next(log, &cursor, &member);) {
        ubr_hasher_add(&hasher, member.account_pk, UBR_KEY_LEN);
        ubr_hasher_add_u8(&hasher, (uint8_t)member.role);
    }
    ubr_hasher_end(&hasher, hash_out);
}

static uint32_t count_recipients(const struct ubr_log *log)
{
    uint32_t count = 0;
    for (size_t i = 0; i < log->kids_len; i++) {
        count += is_recipient(&log->kids[i]);
    }
    return count;
}

void ubr_log_recipients_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN],
                             uint32_t *recipients_out)
{
    struct ubr_hasher hasher;
    struct ubr_recipient recipient;
    *recipients_out = count_recipients(log);
    ubr_hasher_begin(&hasher, UBR_DS_RECIPIENTS, UBR_HASH_LEN);
    ubr_hasher_add_u32(&hasher, *recipients_out);
    for (size_t cursor = 0; ubr_log_recipient_next(log, &cursor, &recipient);) {
        ubr_hasher_add(&hasher, recipient.kid, UBR_KID_LEN);
        ubr_hasher_add(&hasher, recipient.box_pk, UBR_KEY_LEN);
    }
    ubr_hasher_end(&hasher, hash_out);
}

static void hash_members_state(const struct ubr_log *log, struct ubr_hasher *hasher)
{
    struct ubr_member member;
    ubr_hasher_add_u32(hasher, log->state.members);
    for (size_t cursor = 0; ubr_log_member_next(log, &cursor, &member);) {
        ubr_hasher_add(hasher, member.account_pk, UBR_KEY_LEN);
        ubr_hasher_add_u8(hasher, (uint8_t)member.role);
        ubr_hasher_add_str8(hasher, ubr_bytes_of_text(member.handle));
        ubr_hasher_add(hasher, member.head, UBR_HASH_LEN);
    }
}

void ubr_log_state_hash(const struct ubr_log *log, uint8_t hash_out[UBR_HASH_LEN])
{
    const struct ubr_log_state *state = &log->state;
    struct ubr_hasher hasher;
    ubr_hasher_begin(&hasher, UBR_DS_ROOM_STATE, UBR_HASH_LEN);
    ubr_hasher_add(&hasher, state->room_id, UBR_ROOM_ID_LEN);
    ubr_hasher_add_u64(&hasher, state->entries - 1);
    ubr_hasher_add(&hasher, state->head, UBR_HASH_LEN);
    ubr_hasher_add_u8(&hasher, state->is_closed);
    ubr_hasher_add_u8(&hasher, state->is_stale);
    ubr_hasher_add_u8(&hasher, state->policy);
    ubr_hasher_add_u32(&hasher, state->rotate_secs);
    ubr_hasher_add_u32(&hasher, state->rotate_msgs);
    ubr_hasher_add_str8(&hasher, ubr_bytes_of(state->name, state->name_len));
    ubr_hasher_add_u32(&hasher, state->epoch);
    ubr_hasher_add(&hasher, state->commit, UBR_HASH_LEN);
    hash_members_state(log, &hasher);
    ubr_hasher_end(&hasher, hash_out);
}
