/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_ROOM_H
#define UNIBUS_CLIENT_ROOM_H

#include <jansson.h>
#include <ubr/invite.h>
#include <ubr/log.h>

#include <unibus-client/client.h>

/* A room as this device knows it: the log it verified from the first entry, the pin that the log
 * must go on containing (UBR1, 8), the epoch secrets, counters and windows. All of it is kept in
 * the home. What the node says about members is never used: the log is. */

struct unibus_room;

/* How the head came to be trusted (12.3). */
enum unibus_trust {
    UNIBUS_UNCONFIRMED, /* known from the node's list only: nothing is sent */
    UNIBUS_CONFIRMED,
};

/* Opens a room from the home and verifies the log kept there, without asking the node. A room that
 * the home does not know begins empty, unconfirmed and sealed. */
enum unibus_status unibus_room_open(struct unibus_client *client, const char *room32,
                                    struct unibus_room **room_out, struct unibus_err *err);
void unibus_room_close(struct unibus_room **room);

/* The room that a person means: a name, an id, or an unambiguous beginning of one, among the rooms
 * of the home; a whole id may also be a room that the home does not know. */
enum unibus_status unibus_room_find(struct unibus_client *client, const char *name,
                                    char room32_out[UBR_ROOM32_LEN + 1], struct unibus_err *err);

struct unibus_room_draft {
    const char *name;
    bool is_plain;
    enum ubr_history history;
    uint32_t rotate_secs, rotate_msgs; /* 0 = never */
};
#define UNIBUS_ROTATE_SECS 604800
#define UNIBUS_ROTATE_MSGS 100000

/* A new room with its first epoch; a plain one has none. */
enum unibus_status unibus_room_create(struct unibus_client *client,
                                      const struct unibus_room_draft *draft,
                                      struct unibus_room **room_out, struct unibus_err *err);

/* Fetches the log and compares it with the invite: E-INVITE, E-ROLLBACK, E-FORK. Nothing is kept
 * unless all is well. is_plain pins that the room is not encrypted. */
enum unibus_status unibus_room_join(struct unibus_client *client, const char *invite, bool is_plain,
                                    struct unibus_room **room_out, struct unibus_err *err);
/* Names the head that is verified now. */
enum unibus_status unibus_room_invite(const struct unibus_room *room,
                                      char link_out[UBR_INVITE_TEXT_MAX + 1],
                                      struct unibus_err *err);

/* Brings the log up to the node's: every new entry is verified, the pin must be in it (E-ROLLBACK,
 * E-FORK). At an invalid entry the log ends; everything before it is kept, the code is returned. */
enum unibus_status unibus_room_sync(struct unibus_room *room, struct unibus_err *err);
/* The same from the first entry, with nothing taken from the home but the pin. */
enum unibus_status unibus_room_verify(struct unibus_room *room, struct unibus_err *err);
/* Gets the secrets that this device is entitled to and lacks: own boxes, opened and compared with
 * the commit, then links back. An own box that was good is deleted on the node. No secret at all is
 * no error: it is asked for. */
enum unibus_status unibus_room_fetch_secrets(struct unibus_room *room, struct unibus_err *err);
/* What a member's client does for others (6.4, 6.5): sends boxes to those who asked and are
 * entitled by the verified log, and re-keys a stale room. */
enum unibus_status unibus_room_tend(struct unibus_room *room, struct unibus_err *err);
/* The user says that the head is right: dismisses an unproven claim (9.6), confirms the room. */
enum unibus_status unibus_room_trust_head(struct unibus_room *room, struct unibus_err *err);

/* Changes. Each reads the log, decides, signs and appends; when the log moved on meanwhile it does
 * so again. Refusals carry the code of the log's rule. */
enum unibus_status unibus_room_add(struct unibus_room *room, const char *who, enum ubr_role role,
                                   struct unibus_err *err);
enum unibus_status unibus_room_remove(struct unibus_room *room, const char *who,
                                      struct unibus_err *err);
enum unibus_status unibus_room_leave(struct unibus_room *room, struct unibus_err *err);
enum unibus_status unibus_room_set_role(struct unibus_room *room, const char *who,
                                        enum ubr_role role, struct unibus_err *err);
/* A new epoch; device entries go before it for accounts whose chain moved on. */
enum unibus_status unibus_room_rotate(struct unibus_room *room, struct unibus_err *err);

/* Views. */
const char *unibus_room_id(const struct unibus_room *room);
bool unibus_room_is_plain(const struct unibus_room *room);
enum unibus_trust unibus_room_trust(const struct unibus_room *room);
const struct ubr_log *unibus_room_log(const struct unibus_room *room);
bool unibus_room_has_secret(const struct unibus_room *room, uint32_t epoch);
struct unibus_client *unibus_room_client(struct unibus_room *room);
/* Role of this identity now; UBR_ROLE_NONE for no member. */
enum ubr_role unibus_room_role(const struct unibus_room *room);
/* The verified entries as they came: [{"body","sig"}…]. Borrowed. */
const json_t *unibus_room_entries(const struct unibus_room *room);
/* Fingerprint of who made it; "" for an empty log. */
void unibus_room_founder(const struct unibus_room *room, char id_out[33]);

#endif
