/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "log_state.h"

struct account *account_new(const uint8_t account_pk[UBR_KEY_LEN])
{
    struct account *account = calloc(1, sizeof *account);
    if (account) {
        ubr_chain_init(&account->chain, account_pk);
    }
    return account;
}

void account_free(struct account *account)
{
    if (account) {
        ubr_chain_fini(&account->chain);
        free(account->events);
        free(account);
    }
}

const struct member_event *account_event_at(const struct account *account, uint32_t seq)
{
    size_t first = 0;
    size_t end = account->events_len;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (account->events[middle].seq <= seq) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first > 0 ? &account->events[first - 1] : NULL;
}

enum ubr_role account_role(const struct account *account)
{
    if (!account || account->events_len == 0) {
        return UBR_ROLE_NONE;
    }
    return account->events[account->events_len - 1].role;
}

const char *account_handle(const struct account *account)
{
    return account->events[account->events_len - 1].handle;
}

/* Index of the first account whose key is not below account_pk. */
static size_t account_place(const struct ubr_log *log, const uint8_t account_pk[UBR_KEY_LEN])
{
    size_t first = 0;
    size_t end = log->accounts_len;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (memcmp(log->accounts[middle]->chain.account_pk, account_pk, UBR_KEY_LEN) < 0) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

struct account *log_account(const struct ubr_log *log, const uint8_t account_pk[UBR_KEY_LEN])
{
    size_t place = account_place(log, account_pk);
    if (place == log->accounts_len ||
        memcmp(log->accounts[place]->chain.account_pk, account_pk, UBR_KEY_LEN) != 0) {
        return NULL;
    }
    return log->accounts[place];
}

void log_insert_account(struct ubr_log *log, struct account *account)
{
    size_t place = account_place(log, account->chain.account_pk);
    memmove(&log->accounts[place + 1], &log->accounts[place],
            (log->accounts_len - place) * sizeof(struct account *));
    log->accounts[place] = account;
    log->accounts_len++;
}

void log_remove_account(struct ubr_log *log, const struct account *account)
{
    size_t place = account_place(log, account->chain.account_pk);
    log->accounts_len--;
    memmove(&log->accounts[place], &log->accounts[place + 1],
            (log->accounts_len - place) * sizeof(struct account *));
}

/* Index of the first kid that is not below the given one. */
static size_t kid_place(const struct ubr_log *log, const uint8_t kid[UBR_KID_LEN])
{
    size_t first = 0;
    size_t end = log->kids_len;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (memcmp(log->kids[middle].kid, kid, UBR_KID_LEN) < 0) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    return first;
}

struct kid *log_kid(const struct ubr_log *log, const uint8_t kid[UBR_KID_LEN])
{
    size_t place = kid_place(log, kid);
    if (place == log->kids_len || memcmp(log->kids[place].kid, kid, UBR_KID_LEN) != 0) {
        return NULL;
    }
    return &log->kids[place];
}

static struct kid *insert_kid(struct ubr_log *log, struct account *account,
                              const uint8_t kid[UBR_KID_LEN], uint32_t seq)
{
    size_t place = kid_place(log, kid);
    struct kid *inserted = &log->kids[place];
    memmove(inserted + 1, inserted, (log->kids_len - place) * sizeof *inserted);
    *inserted = (struct kid){.account = account, .first_seq = seq, .revoked_seq = UBR_SEQ_NEVER};
    memcpy(inserted->kid, kid, UBR_KID_LEN);
    log->kids_len++;
    return inserted;
}

void log_note_kids(struct ubr_log *log, struct account *account, uint32_t seq)
{
    for (size_t i = 0; i < account->chain.devices_len; i++) {
        const struct ubr_device *device = &account->chain.devices[i];
        struct kid *kid = log_kid(log, device->kid);
        if (!kid) {
            kid = insert_kid(log, account, device->kid, seq);
        }
        if (device->is_revoked && kid->revoked_seq == UBR_SEQ_NEVER) {
            kid->revoked_seq = seq;
        }
    }
}

void log_cut_kids(struct ubr_log *log, uint32_t end)
{
    size_t kept = 0;
    for (size_t i = 0; i < log->kids_len; i++) {
        struct kid *kid = &log->kids[i];
        if (kid->first_seq >= end) {
            continue;
        }
        if (kid->revoked_seq >= end) {
            kid->revoked_seq = UBR_SEQ_NEVER;
        }
        log->kids[kept++] = *kid;
    }
    log->kids_len = kept;
}
