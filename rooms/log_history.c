/* SPDX-License-Identifier: Apache-2.0 */
#include "ubr/history.h"

#include <string.h>

#include "log_state.h"

const uint8_t *ubr_log_hash_at(const struct ubr_log *log, uint64_t h)
{
    return h < log->state.entries ? log->hashes[h] : NULL;
}

enum ubr_error ubr_log_check_pin(const struct ubr_log *log, uint64_t seq,
                                 const uint8_t head[UBR_HASH_LEN])
{
    const uint8_t *hash = ubr_log_hash_at(log, seq);
    if (!hash) {
        return UBR_E_ROLLBACK;
    }
    return memcmp(hash, head, UBR_HASH_LEN) == 0 ? UBR_OK : UBR_E_FORK;
}

uint32_t ubr_log_epoch_at(const struct ubr_log *log, uint32_t h)
{
    uint32_t first = 0;
    uint32_t end = log->state.epoch;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        if (log->epochs[middle].seq <= h) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

const struct ubr_log_epoch *ubr_log_epoch(const struct ubr_log *log, uint32_t epoch)
{
    return epoch >= 1 && epoch <= log->state.epoch ? &log->epochs[epoch - 1] : NULL;
}

bool ubr_log_epoch_has_grace(const struct ubr_log *log, uint32_t epoch)
{
    for (uint32_t later = epoch + 1; later <= log->state.epoch; later++) {
        const struct ubr_log_epoch *superseding = &log->epochs[later - 1];
        if (superseding->cause < UBR_CAUSE_SCHEDULED || superseding->was_stale) {
            return false;
        }
    }
    return true;
}

/* Whether every policy in force in first … last, masked, is wanted. */
static bool policy_was(const struct ubr_log *log, uint32_t first, uint32_t last, uint8_t mask,
                       uint8_t wanted)
{
    for (size_t i = log->policies_len; i-- > 0;) {
        const struct policy_event *event = &log->policies[i];
        if (event->seq <= last && (event->policy & mask) != wanted) {
            return false;
        }
        if (event->seq <= first) {
            return true;
        }
    }
    return false;
}

bool ubr_log_allowed_unsigned(const struct ubr_log *log, uint32_t first, uint32_t last)
{
    return policy_was(log, first, last, UBR_POLICY_UNSIGNED, UBR_POLICY_UNSIGNED);
}

bool ubr_log_kid(const struct ubr_log *log, const uint8_t kid_wanted[UBR_KID_LEN],
                 struct ubr_log_kid *kid_out)
{
    const struct kid *kid = log_kid(log, kid_wanted);
    if (!kid) {
        return false;
    }
    const struct ubr_device *device = ubr_chain_device(&kid->account->chain, kid->kid);
    memcpy(kid_out->account_pk, kid->account->chain.account_pk, UBR_KEY_LEN);
    memcpy(kid_out->sign_pk, device->sign_pk, UBR_KEY_LEN);
    memcpy(kid_out->box_pk, device->box_pk, UBR_KEY_LEN);
    kid_out->first_seq = kid->first_seq;
    kid_out->revoked_seq = kid->revoked_seq;
    return true;
}

static enum ubr_role role_at(const struct account *account, uint32_t h)
{
    const struct member_event *event = account_event_at(account, h);
    return event ? event->role : UBR_ROLE_NONE;
}

enum ubr_role ubr_log_role_at(const struct ubr_log *log, const uint8_t account_pk[UBR_KEY_LEN],
                              uint32_t h)
{
    const struct account *account = log_account(log, account_pk);
    return account ? role_at(account, h) : UBR_ROLE_NONE;
}

static void show_sender(const struct kid *kid, uint32_t h, struct ubr_sender *sender_out)
{
    const struct member_event *event = account_event_at(kid->account, h);
    memcpy(sender_out->account_pk, kid->account->chain.account_pk, UBR_KEY_LEN);
    sender_out->role = event->role;
    sender_out->handle = event->handle;
}

enum ubr_error ubr_log_sender_at(const struct ubr_log *log, const uint8_t kid_wanted[UBR_KID_LEN],
                                 uint32_t h, struct ubr_sender *sender_out)
{
    const struct kid *kid = log_kid(log, kid_wanted);
    if (!kid) {
        return UBR_E_KID_UNKNOWN;
    }
    enum ubr_role role = role_at(kid->account, h);
    if (role == UBR_ROLE_NONE) {
        return UBR_E_NOT_MEMBER;
    }
    if (kid->first_seq > h) {
        return UBR_E_KID_UNKNOWN;
    }
    if (kid->revoked_seq <= h) {
        return UBR_E_DEVICE_REVOKED;
    }
    if (sender_out) {
        show_sender(kid, h, sender_out);
    }
    return role >= UBR_ROLE_WRITER ? UBR_OK : UBR_E_ROLE;
}

bool ubr_log_lost_someone(const struct ubr_log *log, uint32_t first, uint32_t last)
{
    for (size_t i = log->losses_len; i-- > 0 && log->losses[i] > first;) {
        if (log->losses[i] <= last) {
            return true;
        }
    }
    return false;
}

/* The seqs during which an epoch was the current one: its entry, and the next one's. */
struct span {
    uint32_t first;
    uint32_t end;
};

static struct span span_of(const struct ubr_log *log, uint32_t epoch)
{
    bool is_current = epoch == log->state.epoch;
    return (struct span){.first = log->epochs[epoch - 1].seq,
                         .end = is_current ? UBR_SEQ_NEVER : log->epochs[epoch].seq};
}

static bool is_add(const struct account *account, size_t event)
{
    return account->events[event].role != UBR_ROLE_NONE &&
           (event == 0 || account->events[event - 1].role == UBR_ROLE_NONE);
}

/* End of the membership that began with this event. */
static uint32_t membership_end(const struct account *account, size_t event)
{
    while (++event < account->events_len) {
        if (account->events[event].role == UBR_ROLE_NONE) {
            return account->events[event].seq;
        }
    }
    return UBR_SEQ_NEVER;
}

/* 6.6 (a), for one membership. */
static bool was_member_during(const struct ubr_log *log, const struct account *account,
                              size_t event, struct span span)
{
    uint32_t added = account->events[event].seq;
    bool from_next_epoch =
        policy_was(log, added, added, UBR_POLICY_HISTORY, UBR_HISTORY_NEXT_EPOCH);
    uint32_t added_before = from_next_epoch ? span.first : span.end;
    return added < added_before && membership_end(account, event) > span.first;
}

/* 6.6, for an account that is a member now. */
static bool is_entitled(const struct ubr_log *log, const struct account *account, uint32_t epoch)
{
    struct span span = span_of(log, epoch);
    uint32_t last_added = 0;
    for (size_t i = 0; i < account->events_len; i++) {
        if (is_add(account, i)) {
            last_added = account->events[i].seq;
            if (was_member_during(log, account, i, span)) {
                return true;
            }
        }
    }
    return span.first <= last_added &&
           policy_was(log, span.first, last_added, UBR_POLICY_HISTORY, UBR_HISTORY_ALL);
}

enum ubr_error ubr_log_check_entitled(const struct ubr_log *log,
                                      const uint8_t kid_wanted[UBR_KID_LEN], uint32_t epoch)
{
    const struct kid *kid = log_kid(log, kid_wanted);
    if (!kid) {
        return UBR_E_KID_UNKNOWN;
    }
    if (kid->revoked_seq != UBR_SEQ_NEVER) {
        return UBR_E_DEVICE_REVOKED;
    }
    bool is_given = account_role(kid->account) != UBR_ROLE_NONE && ubr_log_epoch(log, epoch) &&
                    is_entitled(log, kid->account, epoch);
    return is_given ? UBR_OK : UBR_E_BOX_HISTORY;
}
