/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include <ubr/text.h>

#include "room.h"

struct target {
    uint8_t account_pk[UBR_KEY_LEN];
    char handle[UBR_HANDLE_MAX + 1];
    enum ubr_role role;
    const struct contact *contact;
};

static bool is_plain(const struct room_draft *draft)
{
    return unibus_room_is_plain(draft->room);
}

/* The own records come from the home: they must be at hand for the log. */
static enum unibus_status know_self(struct unibus_client *client, const char **handle_out,
                                    json_t **self_out, struct unibus_err *err)
{
    const struct unibus_identity *identity;
    const struct contact *contact;
    enum unibus_status status = unibus_client_identity(client, &identity, err);
    if (status == UNIBUS_OK) {
        status = unibus_client_look_up(client, identity->id, self_out, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    *handle_out = wire_text(*self_out, "handle");
    status = contacts_fetch(client, identity->account_pk, &contact, err);
    if (status != UNIBUS_OK) {
        json_decref(*self_out);
    }
    return status;
}

struct first {
    const struct unibus_room_draft *room;
    const char *handle;
};

static enum unibus_status decide_first(struct room_draft *draft, void *arg, struct unibus_err *err)
{
    const struct first *first = arg;
    struct ubr_entry entry;
    const struct contact *self = contacts_find(draft->room->client, draft->identity->account_pk);
    draft_begin(draft, UBR_ENTRY_CREATE, &entry);
    entry.suite = UBR_SUITE_1;
    randombytes_buf(entry.random, sizeof(entry.random));
    entry.policy = (uint8_t)first->room->history;
    entry.rotate_secs = first->room->rotate_secs;
    entry.rotate_msgs = first->room->rotate_msgs;
    entry.handle = ubr_bytes_of_text(first->handle);
    entry.name = ubr_bytes_of_text(first->room->name);
    memcpy(entry.device_head, ubr_chain_head(&self->chain), UBR_HASH_LEN);
    enum unibus_status status = draft_add(draft, &entry, err);
    return status != UNIBUS_OK || first->room->is_plain ? status
                                                        : draft_epoch(draft, UBR_CAUSE_FIRST, err);
}

enum unibus_status unibus_room_create(struct unibus_client *client,
                                      const struct unibus_room_draft *draft,
                                      struct unibus_room **room_out, struct unibus_err *err)
{
    if (!ubr_room_name_is_valid(ubr_bytes_of_text(draft->name))) {
        return unibus_fail(err, UNIBUS_USAGE, "a room's name is at most %d bytes of printable text",
                           UBR_ROOM_NAME_MAX);
    }
    struct first first = {.room = draft};
    json_t *self;
    enum unibus_status status = know_self(client, &first.handle, &self, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    struct unibus_room *room = room_new(client, "");
    status = room == NULL ? unibus_fail(err, UNIBUS_FAILED, "no memory")
                          : room_change_first(&room, decide_first, &first, draft->is_plain, err);
    json_decref(self);
    if (status == UNIBUS_OK) {
        *room_out = room;
    }
    return status;
}

/* A handle is only a label: another key under a known one is worth a word (12.2). */
static void warn_if_changed(struct unibus_room *room, const struct target *target)
{
    struct ubr_entry entry;
    for (size_t i = 0; i < json_array_size(room->entries); i++) {
        uint8_t body[UBR_ENTRY_BODY_MAX];
        size_t len;
        if (!wire_get_upto(json_array_get(room->entries, i), "body", body, sizeof(body), &len) ||
            ubr_entry_parse(ubr_bytes_of(body, len), &entry) != UBR_OK ||
            entry.type != UBR_ENTRY_ADD ||
            !ubr_bytes_are_equal(entry.handle, ubr_bytes_of_text(target->handle))) {
            continue;
        }
        if (memcmp(entry.account_pk, target->account_pk, UBR_KEY_LEN) != 0) {
            unibus_client_notice(room->client,
                                 "key changed: \"%s\" was another account in this room before",
                                 target->handle);
            return;
        }
    }
}

static enum unibus_status look_up(struct unibus_room *room, const char *who, struct target *target,
                                  struct unibus_err *err)
{
    json_t *identity;
    enum unibus_status status = unibus_client_look_up(room->client, who, &identity, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    wire_get(identity, "account_pk", target->account_pk, UBR_KEY_LEN);
    snprintf(target->handle, sizeof(target->handle), "%s", wire_text(identity, "handle"));
    json_decref(identity);
    return contacts_fetch(room->client, target->account_pk, &target->contact, err);
}

static enum unibus_status decide_add(struct room_draft *draft, void *arg, struct unibus_err *err)
{
    const struct target *target = arg;
    const struct ubr_log_state *state = ubr_log_state(draft->room->log);
    struct ubr_entry entry;
    draft_begin(draft, UBR_ENTRY_ADD, &entry);
    entry.role = (uint8_t)target->role;
    entry.handle = ubr_bytes_of_text(target->handle);
    memcpy(entry.account_pk, target->account_pk, UBR_KEY_LEN);
    memcpy(entry.device_head, ubr_chain_head(&target->contact->chain), UBR_HASH_LEN);
    enum unibus_status status = draft_add(draft, &entry, err);
    bool needs_epoch =
        !is_plain(draft) && (state->policy & UBR_POLICY_HISTORY) == UBR_HISTORY_NEXT_EPOCH;
    return status == UNIBUS_OK && needs_epoch ? draft_epoch(draft, UBR_CAUSE_MEMBER_ADDED, err)
                                              : status;
}

/* The newcomer reads the current epoch: every device of his gets a late box. */
static enum unibus_status send_boxes(struct unibus_room *room, const struct target *target,
                                     struct unibus_err *err)
{
    uint32_t epoch = ubr_log_state(room->log)->epoch;
    if (room_secret(room, epoch) == NULL) {
        unibus_client_notice(room->client, "this device has no key to give: another member must");
        return UNIBUS_OK;
    }
    struct ubr_recipient recipient;
    for (size_t cursor = 0; ubr_log_recipient_next(room->log, &cursor, &recipient);) {
        if (memcmp(recipient.account_pk, target->account_pk, UBR_KEY_LEN) != 0) {
            continue;
        }
        enum unibus_status status = room_send_box(room, epoch, recipient.kid, err);
        if (status != UNIBUS_OK) {
            return status;
        }
    }
    return UNIBUS_OK;
}

/* By handle it is the node that said whose key was added: now people can compare. */
static void tell_key(struct unibus_room *room, const struct target *target)
{
    char groups[40];
    unibus_fingerprint_groups(target->contact->id, groups);
    unibus_client_notice(room->client,
                         "the fingerprint of \"%s\" is %s: compare it with `unibus id fingerprint` "
                         "there",
                         target->handle, groups);
}

enum unibus_status unibus_room_add(struct unibus_room *room, const char *who, enum ubr_role role,
                                   struct unibus_err *err)
{
    struct target target = {.role = role};
    enum unibus_status status = look_up(room, who, &target, err);
    if (status == UNIBUS_OK) {
        warn_if_changed(room, &target);
        status = room_change(room, decide_add, &target, err);
    }
    if (status == UNIBUS_OK && strcmp(who, target.handle) == 0) {
        tell_key(room, &target);
    }
    bool is_late = (ubr_log_state(room->log)->policy & UBR_POLICY_HISTORY) != 0;
    return status == UNIBUS_OK && is_late && !unibus_room_is_plain(room)
               ? send_boxes(room, &target, err)
               : status;
}

/* A member of the verified log, by handle or id. */
static enum unibus_status find_member(const struct unibus_room *room, const char *who,
                                      struct target *target, struct unibus_err *err)
{
    struct ubr_member member;
    for (size_t cursor = 0; ubr_log_member_next(room->log, &cursor, &member);) {
        char id[33];
        ubr_fingerprint_text(member.account_pk, id);
        if (strcmp(member.handle, who) == 0 || strcmp(id, who) == 0) {
            memcpy(target->account_pk, member.account_pk, UBR_KEY_LEN);
            return UNIBUS_OK;
        }
    }
    unibus_fail_code(err, UNIBUS_NOT_FOUND, ubr_error_name(UBR_E_NOT_MEMBER),
                     "\"%s\" is no member of the room", who);
    return unibus_fix(err, "`unibus room members %.12s` shows who is", room->id_text);
}

struct removal {
    const char *who; /* NULL: leave */
};

static enum unibus_status decide_remove(struct room_draft *draft, void *arg, struct unibus_err *err)
{
    const struct removal *removal = arg;
    struct target target;
    struct ubr_entry entry;
    enum unibus_status status = UNIBUS_OK;
    memcpy(target.account_pk, draft->identity->account_pk, UBR_KEY_LEN);
    if (removal->who != NULL) {
        status = find_member(draft->room, removal->who, &target, err);
    }
    if (status != UNIBUS_OK) {
        return status;
    }
    bool is_self = memcmp(target.account_pk, draft->identity->account_pk, UBR_KEY_LEN) == 0;
    draft_begin(draft, UBR_ENTRY_REMOVE, &entry);
    memcpy(entry.account_pk, target.account_pk, UBR_KEY_LEN);
    entry.reason = is_self ? UBR_REMOVE_LEFT : UBR_REMOVE_REMOVED;
    status = draft_add(draft, &entry, err);
    /* Whoever leaves must not know the next secret: somebody who stays makes it. */
    return status != UNIBUS_OK || is_self || is_plain(draft)
               ? status
               : draft_epoch(draft, UBR_CAUSE_MEMBER_REMOVED, err);
}

enum unibus_status unibus_room_remove(struct unibus_room *room, const char *who,
                                      struct unibus_err *err)
{
    struct removal removal = {who};
    return room_change(room, decide_remove, &removal, err);
}

enum unibus_status unibus_room_leave(struct unibus_room *room, struct unibus_err *err)
{
    struct removal removal = {NULL};
    return room_change(room, decide_remove, &removal, err);
}

struct new_role {
    const char *who;
    enum ubr_role role;
};

static enum unibus_status decide_role(struct room_draft *draft, void *arg, struct unibus_err *err)
{
    const struct new_role *new_role = arg;
    struct target target;
    struct ubr_entry entry;
    enum unibus_status status = find_member(draft->room, new_role->who, &target, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    struct ubr_member member;
    if (ubr_log_member(draft->room->log, target.account_pk, &member) &&
        member.role == new_role->role) {
        return unibus_fail_code(err, UNIBUS_CONFLICT, "exists", "%s is %s already", new_role->who,
                                ubr_role_name((unsigned)new_role->role));
    }
    draft_begin(draft, UBR_ENTRY_ROLE, &entry);
    memcpy(entry.account_pk, target.account_pk, UBR_KEY_LEN);
    entry.role = (uint8_t)new_role->role;
    return draft_add(draft, &entry, err);
}

enum unibus_status unibus_room_set_role(struct unibus_room *room, const char *who,
                                        enum ubr_role role, struct unibus_err *err)
{
    struct new_role new_role = {who, role};
    return room_change(room, decide_role, &new_role, err);
}

/* Whether the chain that is known goes on after the one pinned in the log. */
static const struct contact *moved_on(struct unibus_room *room, const struct ubr_member *member)
{
    const struct contact *contact = contacts_find(room->client, member->account_pk);
    return contact != NULL && contact->chain.records_len > member->chain->records_len &&
                   ubr_chain_contains(&contact->chain, member->head)
               ? contact
               : NULL;
}

/* The first member, among those for whom this identity may speak, whose chain moved on. */
static const struct contact *next_moved_on(struct room_draft *draft)
{
    enum ubr_role role = unibus_room_role(draft->room);
    struct ubr_member member;
    for (size_t cursor = 0; ubr_log_member_next(draft->room->log, &cursor, &member);) {
        bool is_self = memcmp(member.account_pk, draft->identity->account_pk, UBR_KEY_LEN) == 0;
        const struct contact *contact =
            is_self || role >= UBR_ROLE_ADMIN ? moved_on(draft->room, &member) : NULL;
        if (contact != NULL) {
            return contact;
        }
    }
    return NULL;
}

static enum unibus_status add_devices(struct room_draft *draft, struct unibus_err *err)
{
    enum unibus_status status = UNIBUS_OK;
    const struct contact *contact;
    /* 64 entries an append, one of them the epoch; the rest at the next rotation. */
    for (int i = 0; i < 62 && status == UNIBUS_OK && (contact = next_moved_on(draft)) != NULL;
         i++) {
        struct ubr_entry entry;
        draft_begin(draft, UBR_ENTRY_DEVICE, &entry);
        memcpy(entry.account_pk, contact->chain.account_pk, UBR_KEY_LEN);
        memcpy(entry.device_head, ubr_chain_head(&contact->chain), UBR_HASH_LEN);
        status = draft_add(draft, &entry, err);
    }
    return status;
}

static enum unibus_status decide_rotate(struct room_draft *draft, void *arg, struct unibus_err *err)
{
    const struct ubr_log_state *state = ubr_log_state(draft->room->log);
    const bool *only_if_stale = arg;
    if (*only_if_stale && !state->is_stale) {
        return UNIBUS_OK;
    }
    bool was_stale = state->is_stale;
    enum unibus_status status = add_devices(draft, err);
    enum ubr_cause cause = was_stale         ? UBR_CAUSE_MEMBER_REMOVED
                           : state->is_stale ? UBR_CAUSE_DEVICE_REVOKED
                                             : UBR_CAUSE_MANUAL;
    return status == UNIBUS_OK ? draft_epoch(draft, cause, err) : status;
}

/* Chains are read anew, so that a revocation reaches the room. */
static void refresh_chains(struct unibus_room *room)
{
    struct ubr_member member;
    for (size_t cursor = 0; ubr_log_member_next(room->log, &cursor, &member);) {
        const struct contact *contact;
        struct unibus_err err = UNIBUS_ERR_INIT;
        if (contacts_fetch(room->client, member.account_pk, &contact, &err) != UNIBUS_OK) {
            unibus_client_notice(room->client, "devices of %s: %s", member.handle, err.message);
        }
    }
}

enum unibus_status unibus_room_rotate(struct unibus_room *room, struct unibus_err *err)
{
    if (unibus_room_is_plain(room)) {
        return unibus_fail(err, UNIBUS_USAGE, "a plain room is not encrypted: it has no epochs");
    }
    bool only_if_stale = false;
    enum unibus_status status = unibus_room_sync(room, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    refresh_chains(room);
    return room_change(room, decide_rotate, &only_if_stale, err);
}

static enum unibus_status answer_requests(struct unibus_room *room, struct unibus_err *err)
{
    char path[96];
    json_t *json;
    snprintf(path, sizeof(path), "/v1/rooms/%s/boxes:requested", room->id_text);
    enum unibus_status status = unibus_client_get(room->client, path, NULL, &json, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    const json_t *items = json_object_get(json, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        int64_t epoch = wire_number(item, "epoch");
        uint8_t kid[UBR_KID_LEN];
        struct unibus_err refusal = UNIBUS_ERR_INIT;
        if (epoch > 0 && epoch < UBR_LOG_EPOCH_END && wire_get_hex(item, "kid", kid, sizeof(kid)) &&
            memcmp(kid, room->client->identity.kid, UBR_KID_LEN) != 0) {
            room_send_box(room, (uint32_t)epoch, kid, &refusal);
        }
    }
    json_decref(json);
    return UNIBUS_OK;
}

enum unibus_status unibus_room_tend(struct unibus_room *room, struct unibus_err *err)
{
    enum unibus_status status = unibus_room_sync(room, err);
    if (status == UNIBUS_OK) {
        status = unibus_room_fetch_secrets(room, err);
    }
    if (status != UNIBUS_OK || unibus_room_is_plain(room) ||
        unibus_room_trust(room) != UNIBUS_CONFIRMED) {
        return status;
    }
    bool only_if_stale = true;
    if (ubr_log_state(room->log)->is_stale && unibus_room_role(room) >= UBR_ROLE_WRITER) {
        usleep(randombytes_uniform(2000) * 1000); /* 6.5: so that not all do it at once */
        status = room_change(room, decide_rotate, &only_if_stale, err);
    }
    return status == UNIBUS_OK ? answer_requests(room, err) : status;
}
