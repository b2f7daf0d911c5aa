/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_LIB_ROOM_H
#define UNIBUS_CLIENT_LIB_ROOM_H

#include <ubr/accept.h>
#include <ubr/epoch.h>
#include <ubr/history.h>

#include <unibus-client/room.h>

#include "client.h"

struct room_secret {
    uint32_t epoch;
    uint8_t secret[UBR_SECRET_LEN];
};

struct room_window {
    uint8_t kid[UBR_KID_LEN];
    struct ubr_window window;
};

/* Documents in the home, all under its lock and read anew before each change, because several
 * processes of one person may be at work:
 *     rooms/<id>.json     room->doc: pin, trust, mode, secrets, claim
 *     logs/<id>.json      room->entries
 *     counters/<id>.json  what was sent: changed before every message
 *     windows/<id>.json   what was accepted */
struct unibus_room {
    struct unibus_client *client;
    uint8_t id[UBR_ROOM_ID_LEN];
    char id_text[UBR_ROOM32_LEN + 1];
    struct ubr_log *log;
    json_t *entries;
    size_t entries_kept; /* of them in the home */
    json_t *doc;
    uint8_t founder_pk[UBR_KEY_LEN];
    struct room_secret *secrets;
    struct ubr_msg_key *keys; /* of the same epochs, in the same order */
    size_t secrets_len;
    uint64_t *verified_mono_ms; /* by epoch − 1: when this process verified it; 0 = before */
    size_t verified_len;
    struct room_window *windows;
    size_t windows_len;
    uint64_t accepted; /* messages accepted since the windows were saved */
    uint64_t windows_saved_mono_ms;
    bool forgets; /* the windows are not kept in the home */
};

/* room_doc.c */
struct unibus_room *room_new(struct unibus_client *client, const char *room32);
/* Locks the home and reads room->doc anew; edit it, then commit (writes) in any case. */
enum unibus_status room_edit_begin(struct unibus_room *room, struct unibus_err *err);
enum unibus_status room_edit_commit(struct unibus_room *room, struct unibus_err *err);
/* Documents beside: "counters", "windows". A new reference; empty when absent, but an error when
 * it cannot be read: a counter must not begin again. */
enum unibus_status room_read_side(const struct unibus_room *room, const char *folder,
                                  json_t **doc_out, struct unibus_err *err);
enum unibus_status room_write_side(const struct unibus_room *room, const char *folder,
                                   const json_t *doc, struct unibus_err *err);
enum unibus_status room_confirm(struct unibus_room *room, const char *by, struct unibus_err *err);
/* Keeps the log, the pin and what follows from them. */
enum unibus_status room_save_log(struct unibus_room *room, struct unibus_err *err);
enum unibus_status room_load(struct unibus_room *room, struct unibus_err *err);

/* room_log.c */
/* Verifies the next entry and takes it. Fetches device records that are missing. */
enum unibus_status room_take_entry(struct unibus_room *room, struct ubr_bytes body,
                                   const uint8_t sig[UBR_SIG_LEN], struct unibus_err *err);
enum unibus_status room_fetch_log(struct unibus_room *room, struct unibus_err *err);
enum unibus_status room_check_pin(const struct unibus_room *room, struct unibus_err *err);
/* After an append: an entry that is already in the log, noted and remembered. */
void room_note_entry(struct unibus_room *room, struct ubr_bytes body,
                     const uint8_t sig[UBR_SIG_LEN], bool is_new);

/* message_open.c */
/* Takes what windows as they were saved ({kid: …}) have seen. False when they are damaged. */
bool room_merge_windows(struct unibus_room *room, const json_t *windows);

/* room_secrets.c */
const uint8_t *room_secret(const struct unibus_room *room, uint32_t epoch);
/* Keeps it, here and in the home. */
enum unibus_status room_keep_secret(struct unibus_room *room, uint32_t epoch,
                                    const uint8_t secret[UBR_SECRET_LEN], struct unibus_err *err);
/* Only here. */
bool room_hold_secret(struct unibus_room *room, uint32_t epoch,
                      const uint8_t secret[UBR_SECRET_LEN]);
/* Takes the secrets of room->doc; keys know since when they are superseded. */
void room_take_secrets(struct unibus_room *room);
enum unibus_status room_delete_box(struct unibus_room *room, uint32_t epoch,
                                   struct unibus_err *err);
/* A late box of the current or an older epoch that is held; entitlement by the verified log. */
enum unibus_status room_send_box(struct unibus_room *room, uint32_t epoch,
                                 const uint8_t kid[UBR_KID_LEN], struct unibus_err *err);

/* room_draft.c: entries of one append in the making. */
struct room_draft {
    struct unibus_room *room;
    const struct unibus_identity *identity;
    json_t *entries, *boxes;
    size_t stored_bytes;
    uint32_t epoch; /* 0: no epoch in it */
    uint8_t secret[UBR_SECRET_LEN];
    uint8_t commit[UBR_HASH_LEN];
};

/* An entry with its header filled in, to complete and give to draft_add. */
void draft_begin(const struct room_draft *draft, enum ubr_entry_type type,
                 struct ubr_entry *entry_out);
enum unibus_status draft_add(struct room_draft *draft, const struct ubr_entry *entry,
                             struct unibus_err *err);
/* The next epoch, with a box for each recipient. */
enum unibus_status draft_epoch(struct room_draft *draft, enum ubr_cause cause,
                               struct unibus_err *err);

typedef enum unibus_status (*room_decide_fn)(struct room_draft *draft, void *arg,
                                             struct unibus_err *err);
/* Reads the log, lets decide fill a draft, posts it; again after a 412, some times. */
enum unibus_status room_change(struct unibus_room *room, room_decide_fn decide, void *arg,
                               struct unibus_err *err);
/* The same for the first entries of a room that is not there yet. */
enum unibus_status room_change_first(struct unibus_room **room, room_decide_fn decide, void *arg,
                                     bool is_plain, struct unibus_err *err);

/* room_send.c */
/* 9.7: refuses where a client must not send that many messages. */
enum unibus_status room_check_sendable(struct unibus_room *room, size_t count,
                                       struct unibus_err *err);

#endif
