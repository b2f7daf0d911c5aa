/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "log_state.h"

/* Records from a head back to the pinned one or to the start, newest first. */
struct walk {
    struct ubr_device_record records[UBR_CHAIN_RECORDS_MAX];
    size_t len;
    bool met_pinned;
};

static bool is_zero(const uint8_t hash[UBR_HASH_LEN])
{
    static const uint8_t zeros[UBR_HASH_LEN];
    return memcmp(hash, zeros, UBR_HASH_LEN) == 0;
}

/* Follows prev from head. Only the length of a body is looked at; what it says is checked later, in
 * the order of the chain. */
static enum ubr_error walk_back(const struct step *step, const struct ubr_chain *pinned,
                                const uint8_t account_pk[UBR_KEY_LEN], struct walk *walk)
{
    const uint8_t *at = step->entry.device_head;
    do {
        if (pinned->records_len > 0 && memcmp(at, ubr_chain_head(pinned), UBR_HASH_LEN) == 0) {
            walk->met_pinned = true;
            return UBR_OK;
        }
        if (walk->len == UBR_CHAIN_RECORDS_MAX) {
            return UBR_E_LIMIT;
        }
        struct ubr_device_record *record = &walk->records[walk->len++];
        *record = (struct ubr_device_record){0};
        if (!step->store->find(step->store->context, account_pk, at, record)) {
            return UBR_E_DEVICE_CHAIN;
        }
        if (record->body.len != UBR_DEVICE_BODY_LEN) {
            return UBR_E_PARSE;
        }
        at = record->body.ptr + UBR_DEVICE_PREV_AT;
    } while (!is_zero(at));
    return UBR_OK;
}

/* Only this program's age makes an unknown version or flag invalid. */
static enum ubr_error upgrade_code(enum ubr_error error)
{
    return error == UBR_E_VERSION || error == UBR_E_FLAG ? UBR_E_UPGRADE : error;
}

/* Builds the chain up to the head: on the pinned one if the walk met it, else from the start. */
static enum ubr_error build(const struct walk *walk, const struct ubr_chain *pinned,
                            struct ubr_chain *chain_out)
{
    enum ubr_error error = UBR_OK;
    if (walk->met_pinned) {
        error = ubr_chain_copy(pinned, chain_out);
    } else {
        ubr_chain_init(chain_out, pinned->account_pk);
    }
    for (size_t i = walk->len; error == UBR_OK && i-- > 0;) {
        error = upgrade_code(ubr_chain_append(chain_out, &walk->records[i]));
    }
    return error;
}

/* The store may have given another record than was asked for; and a chain that is valid by itself
 * may still leave out what was pinned before. */
static enum ubr_error check_place(const struct ubr_chain *chain, const struct ubr_chain *pinned,
                                  const uint8_t head[UBR_HASH_LEN])
{
    bool ends_in_head = memcmp(ubr_chain_head(chain), head, UBR_HASH_LEN) == 0;
    bool extends = pinned->records_len == 0 || ubr_chain_contains(chain, ubr_chain_head(pinned));
    return ends_in_head && extends ? UBR_OK : UBR_E_DEVICE_CHAIN;
}

static enum ubr_error check_claims(const struct ubr_log *log, const struct ubr_chain *chain)
{
    for (size_t i = 0; i < chain->devices_len; i++) {
        const struct kid *kid = log_kid(log, chain->devices[i].kid);
        if (kid && memcmp(kid->account->chain.account_pk, chain->account_pk, UBR_KEY_LEN) != 0) {
            return UBR_E_KID_CLAIMED;
        }
    }
    return UBR_OK;
}

enum ubr_error log_check_chain(const struct ubr_log *log, struct step *step,
                               const uint8_t account_pk[UBR_KEY_LEN])
{
    struct ubr_chain none;
    ubr_chain_init(&none, account_pk);
    const struct account *account = log_account(log, account_pk);
    const struct ubr_chain *pinned = account ? &account->chain : &none;
    struct walk *walk = malloc(sizeof *walk);
    if (!walk) {
        return UBR_E_MEMORY;
    }
    walk->len = 0;
    walk->met_pinned = false;
    enum ubr_error error = walk_back(step, pinned, account_pk, walk);
    if (error == UBR_OK) {
        step->has_chain = true;
        error = build(walk, pinned, &step->chain);
    }
    free(walk);
    if (error == UBR_OK) {
        error = check_place(&step->chain, pinned, step->entry.device_head);
    }
    return error == UBR_OK ? check_claims(log, &step->chain) : error;
}

struct chain_change log_chain_change(const struct ubr_chain *before, const struct ubr_chain *after)
{
    struct chain_change change = {0};
    for (size_t i = 0; i < before->devices_len; i++) {
        const struct ubr_device *old = &before->devices[i];
        const struct ubr_device *new = &after->devices[i];
        if (old->is_revoked) {
            continue;
        }
        change.takes_kid |= new->is_revoked;
        change.replaces_box |= memcmp(old->box_pk, new->box_pk, UBR_KEY_LEN) != 0;
    }
    return change;
}
