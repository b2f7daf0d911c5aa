/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLIENT_MESSAGE_H
#define UNIBUS_CLIENT_MESSAGE_H

#include <ubr/accept.h>

#include <unibus-client/room.h>

/* Messages of a room (UBR1, 9): sealed for the room's epoch, opened and judged by 9.4. In a plain
 * room payloads are what they are, and nobody vouches for them. */

/* "ub.r.<room32>.<channel>". UNIBUS_USAGE unless channel is made of tokens that NATS takes;
 * wildcards only when may_match. */
enum unibus_status unibus_subject(const struct unibus_room *room, const char *channel,
                                  bool may_match, char subject_out[512], struct unibus_err *err);

struct unibus_outgoing {
    const char *subject;              /* from unibus_subject */
    const char *type;                 /* media type; NULL = none */
    const struct ubr_bytes *contents; /* a message each */
};

struct unibus_sealed {
    uint8_t *wire;
    size_t len;
};

/* The payloads to publish on the subject, with header Ub-Subject. Their counters are on disk before
 * this returns, with one write for all. Refuses as 9.7 demands (E-STALE, E-CLOSED, …): all are
 * sealed or none is. Give them back with unibus_messages_clear. */
enum unibus_status unibus_messages_seal(struct unibus_room *room,
                                        const struct unibus_outgoing *outgoing, size_t count,
                                        struct unibus_sealed *sealed_out, struct unibus_err *err);
void unibus_messages_clear(struct unibus_sealed *sealed, size_t count);

struct unibus_incoming {
    const char *subject;    /* as delivered */
    const char *ub_subject; /* header Ub-Subject; NULL when absent */
    struct ubr_bytes payload;
};

/* An accepted message, or what is known of one that was not. */
struct unibus_said {
    struct ubr_msg msg; /* msg.content is what was said */
    char id[33];        /* fingerprint of the sender's account; "" when not known */
    char kid_hex[33];   /* "" when there is no header */
    uint8_t *plain;     /* what msg points into */
    size_t plain_len;
};

/* Judges a live message. UNIBUS_UNVERIFIED with the code of the rule when it must not be shown; the
 * log is fetched once where a newer one could change that. Sealed rooms only. Give said back with
 * unibus_said_clear in any case. */
enum unibus_status unibus_message_open(struct unibus_room *room,
                                       const struct unibus_incoming *incoming,
                                       struct unibus_said *said_out, struct unibus_err *err);
void unibus_said_clear(struct unibus_said *said);

/* Replay windows are kept in the home every second; call this at the end. */
enum unibus_status unibus_messages_flush(struct unibus_room *room, struct unibus_err *err);
/* What this handle accepts is remembered in it only, never in the home: for programs that show no
 * message to anybody, and so that several handles of one home may accept the same ones. */
void unibus_messages_forget(struct unibus_room *room);

#endif
