/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "room.h"

static enum unibus_status refuse(struct unibus_err *err, enum ubr_error code, const char *why)
{
    return unibus_fail_ubr(err, UNIBUS_DENIED, (int)code, "nothing is sent: %s", why);
}

/* Messages sent or accepted in the current epoch, as kept in the home. */
static int64_t used_in_epoch(const struct unibus_room *room, const char *folder)
{
    json_t *doc = NULL;
    struct unibus_err err = UNIBUS_ERR_INIT;
    room_read_side(room, folder, &doc, &err); /* what cannot be read stops sending later */
    int64_t used = wire_number(doc, "epoch") == (int64_t)ubr_log_state(room->log)->epoch
                       ? wire_number(doc, "used")
                       : 0;
    json_decref(doc);
    return used;
}

/* 6.5: an old or used-up epoch is rotated first. */
static enum unibus_status check_epoch_age(const struct unibus_room *room, size_t count,
                                          struct unibus_err *err)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    const json_t *since = json_object_get(room->doc, "epoch_since");
    int64_t age_ms = (int64_t)wire_now_ms() - wire_number(since, "verified_ms");
    if (state->rotate_secs > 0 && wire_number(since, "epoch") == (int64_t)state->epoch &&
        age_ms > (int64_t)state->rotate_secs * 1000) {
        return refuse(err, UBR_E_STALE, "the epoch is too old");
    }
    if (state->rotate_msgs > 0 && used_in_epoch(room, "counters") + used_in_epoch(room, "windows") +
                                          (int64_t)room->accepted + (int64_t)count >
                                      (int64_t)state->rotate_msgs) {
        return refuse(err, UBR_E_STALE, "the epoch is used up");
    }
    return UNIBUS_OK;
}

/* A revocation that is known but not yet in the room's log: its device would read on. */
static enum unibus_status check_revocations(struct unibus_room *room, struct unibus_err *err)
{
    struct ubr_recipient device;
    for (size_t cursor = 0; ubr_log_recipient_next(room->log, &cursor, &device);) {
        const struct contact *contact = contacts_find(room->client, device.account_pk);
        const struct ubr_device *known =
            contact != NULL ? ubr_chain_device(&contact->chain, device.kid) : NULL;
        if (known != NULL && known->is_revoked) {
            return refuse(err, UBR_E_DEVICE_REVOKED, "a device that was revoked is in the room");
        }
    }
    return UNIBUS_OK;
}

/* Whether the entry of the verified log is the one that was claimed. */
static bool claim_is_proven(const struct unibus_room *room, const json_t *claim)
{
    const uint8_t *hash = ubr_log_hash_at(room->log, (uint32_t)wire_number(claim, "seq"));
    uint8_t claimed[UBR_MSG_HEAD_HASH_LEN];
    return hash != NULL && wire_get_hex(claim, "hash", claimed, sizeof(claimed)) &&
           memcmp(hash, claimed, sizeof(claimed)) == 0;
}

static bool claimant_is_gone(const struct unibus_room *room, const json_t *claim)
{
    uint8_t account_pk[UBR_KEY_LEN];
    return wire_get(claim, "account_pk", account_pk, sizeof(account_pk)) &&
           !ubr_log_member(room->log, account_pk, NULL);
}

/* 9.6: somebody has signed a head that this client could not get. */
static enum unibus_status check_claim(struct unibus_room *room, struct unibus_err *err)
{
    const json_t *claim = json_object_get(room->doc, "claim");
    if (claim == NULL) {
        return UNIBUS_OK;
    }
    bool is_reached = wire_number(claim, "seq") < (int64_t)ubr_log_state(room->log)->entries;
    if (!claimant_is_gone(room, claim) && !(is_reached && claim_is_proven(room, claim))) {
        return refuse(err, is_reached ? UBR_E_FORK : UBR_E_HEAD_UNPROVEN,
                      "a member claims another log");
    }
    enum unibus_status status = room_edit_begin(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    json_object_del(room->doc, "claim");
    return room_edit_commit(room, err);
}

static enum unibus_status check_state(const struct unibus_room *room, struct unibus_err *err)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    enum ubr_role role = unibus_room_role(room);
    if (unibus_room_trust(room) != UNIBUS_CONFIRMED) {
        unibus_fail_code(err, UNIBUS_UNVERIFIED, ubr_error_name(UBR_E_HEAD_UNPROVEN),
                         "nothing is sent: the room is known from the node's list only");
        return unibus_fix(err, "take an invite from a member: unibus room join INVITE");
    }
    if (state->is_closed) {
        return refuse(err, UBR_E_CLOSED, "the room was ended");
    }
    if (role < UBR_ROLE_WRITER) {
        return refuse(err, role == UBR_ROLE_NONE ? UBR_E_NOT_MEMBER : UBR_E_ROLE,
                      "this identity may not write");
    }
    return UNIBUS_OK;
}

enum unibus_status room_check_sendable(struct unibus_room *room, size_t count,
                                       struct unibus_err *err)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    enum unibus_status status = check_state(room, err);
    if (status != UNIBUS_OK || unibus_room_is_plain(room)) {
        return status;
    }
    if (state->is_stale) {
        return refuse(err, UBR_E_STALE, "somebody left");
    }
    if (room_secret(room, state->epoch) == NULL) {
        return refuse(err, UBR_E_MSG_EPOCH, "this device has not got the key");
    }
    status = check_epoch_age(room, count, err);
    if (status == UNIBUS_OK) {
        status = check_revocations(room, err);
    }
    return status == UNIBUS_OK ? check_claim(room, err) : status;
}

enum unibus_status unibus_room_trust_head(struct unibus_room *room, struct unibus_err *err)
{
    enum unibus_status status = room_edit_begin(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    json_object_del(room->doc, "claim");
    json_object_set_new(room->doc, "confirmed_by", json_string("user"));
    return room_edit_commit(room, err);
}
