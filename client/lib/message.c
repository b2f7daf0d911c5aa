/* SPDX-License-Identifier: Apache-2.0 */
#include <unibus-client/message.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <ubr/text.h>

#include "room.h"

static bool token_is_good(const char *token, size_t len, bool is_last, bool may_match)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)token[i];
        bool is_wild = c == '*' || c == '>';
        bool wild_is_good = may_match && len == 1 && (c == '*' || is_last);
        if (c <= ' ' || c == 0x7f || (is_wild && !wild_is_good)) {
            return false;
        }
    }
    return len > 0;
}

static bool channel_is_good(const char *channel, bool may_match)
{
    for (const char *token = channel;; token++) {
        size_t len = strcspn(token, ".");
        bool is_last = token[len] == '\0';
        if (!token_is_good(token, len, is_last, may_match)) {
            return false;
        }
        if (is_last) {
            return ubr_text_is_valid(ubr_bytes_of_text(channel));
        }
        token += len;
    }
}

enum unibus_status unibus_subject(const struct unibus_room *room, const char *channel,
                                  bool may_match, char subject_out[512], struct unibus_err *err)
{
    if (strlen(channel) > 400 || !channel_is_good(channel, may_match)) {
        unibus_fail(err, UNIBUS_USAGE, "\"%.100s\" is not a channel", channel);
        return unibus_fix(err, may_match ? "words joined by dots: chat, chat.general, chat.*, >"
                                         : "words joined by dots: chat, chat.general");
    }
    snprintf(subject_out, 512, "ub.r.%s.%s", room->id_text, channel);
    return UNIBUS_OK;
}

/* Counters that were lost must not begin again: what is sent with them would be a replay. */
static enum unibus_status read_counters(const struct unibus_room *room, json_t **doc_out,
                                        struct unibus_err *err)
{
    enum unibus_status status = room_read_side(room, "counters", doc_out, err);
    bool is_whole =
        status == UNIBUS_OK && wire_number(*doc_out, "counter") >= 0 &&
        (json_object_size(*doc_out) == 0 || json_is_integer(json_object_get(*doc_out, "counter")));
    if (status == UNIBUS_OK && !is_whole) {
        json_decref(*doc_out);
        status = unibus_fail(err, UNIBUS_FAILED, "counters/%s.json in the home is damaged",
                             room->id_text);
    }
    if (status != UNIBUS_OK) {
        unibus_fix(err,
                   "restore the file, or make a new identity: receivers drop counters that repeat");
    }
    return status;
}

/* Uses up the next `count` counters, from *counter_out on: on disk before anything is sent with
 * them (9.1). *previous_out: the one before on the subject. */
static enum unibus_status next_counters(struct unibus_room *room, const char *subject, size_t count,
                                        uint64_t *counter_out, uint64_t *previous_out,
                                        struct unibus_err *err)
{
    enum unibus_status status = unibus_home_lock(room->client->home, err);
    if (status != UNIBUS_OK) {
        return status;
    }
    json_t *doc = NULL;
    status = read_counters(room, &doc, err);
    if (status != UNIBUS_OK) {
        unibus_home_unlock(room->client->home);
        return status;
    }
    json_t *subjects = json_object_get(doc, "subjects");
    if (subjects == NULL) {
        subjects = json_object();
        json_object_set_new(doc, "subjects", subjects);
    }
    int64_t counter = wire_number(doc, "counter") + 1;
    int64_t epoch = ubr_log_state(room->log)->epoch;
    int64_t used = wire_number(doc, "epoch") == epoch ? wire_number(doc, "used") : 0;
    int64_t last = counter + (int64_t)count - 1;
    *previous_out = (uint64_t)wire_number(subjects, subject);
    *counter_out = (uint64_t)counter;
    json_object_set_new(subjects, subject, json_integer(last));
    json_object_set_new(doc, "counter", json_integer(last));
    json_object_set_new(doc, "epoch", json_integer(epoch));
    json_object_set_new(doc, "used", json_integer(used + (int64_t)count));
    status = room_write_side(room, "counters", doc, err);
    json_decref(doc);
    unibus_home_unlock(room->client->home);
    return status;
}

static const struct ubr_msg_key *current_key(const struct unibus_room *room)
{
    for (size_t i = 0; i < room->secrets_len; i++) {
        if (room->keys[i].epoch == ubr_log_state(room->log)->epoch) {
            return &room->keys[i];
        }
    }
    return NULL;
}

static enum unibus_status seal(const struct ubr_msg_draft *draft, uint8_t **wire_out,
                               size_t *len_out, struct unibus_err *err)
{
    size_t cap = ubr_msg_sealed_len(draft);
    if (cap > UBR_MSG_LEN_MAX) {
        return unibus_fail_ubr(err, UNIBUS_FAILED, UBR_E_LIMIT,
                               "a message is at most %d MiB; `unibus blob put` takes more",
                               UBR_MSG_LEN_MAX >> 20);
    }
    uint8_t *wire = malloc(cap);
    if (wire == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    enum ubr_error fault = ubr_msg_seal(draft, wire, cap, len_out);
    if (fault != UBR_OK) {
        free(wire);
        return unibus_fail_ubr(err, UNIBUS_FAILED, (int)fault, "cannot seal the message");
    }
    *wire_out = wire;
    return UNIBUS_OK;
}

static enum unibus_status seal_messages(struct unibus_room *room,
                                        const struct unibus_outgoing *outgoing, size_t count,
                                        struct unibus_sealed *sealed_out, struct unibus_err *err)
{
    const struct ubr_log_state *state = ubr_log_state(room->log);
    struct ubr_msg_draft draft = {
        .room_id = room->id,
        .key = current_key(room),
        .kid = room->client->identity.kid,
        .sign = &room->client->identity.sign,
        .subject = ubr_bytes_of_text(outgoing->subject),
        .head_seq = state->entries - 1,
        .head = state->head,
        .record_n = 1,
    };
    if (outgoing->type != NULL) {
        ubr_ext_set(&draft.ext, UBR_EXT_MEDIA_TYPE);
        draft.ext.media_type = ubr_bytes_of_text(outgoing->type);
    }
    ubr_ext_set(&draft.ext, UBR_EXT_PREVIOUS_COUNTER);
    enum unibus_status status = next_counters(room, outgoing->subject, count, &draft.counter,
                                              &draft.ext.previous_counter, err);
    for (size_t i = 0; i < count && status == UNIBUS_OK; i++) {
        draft.time_ms = wire_now_ms();
        draft.records = &outgoing->contents[i];
        status = seal(&draft, &sealed_out[i].wire, &sealed_out[i].len, err);
        draft.ext.previous_counter = draft.counter++;
    }
    return status;
}

static enum unibus_status copy_plain(struct ubr_bytes content, struct unibus_sealed *sealed_out,
                                     struct unibus_err *err)
{
    uint8_t *copy = malloc(content.len + 1);
    if (copy == NULL) {
        return unibus_fail(err, UNIBUS_FAILED, "no memory");
    }
    if (content.len > 0) {
        memcpy(copy, content.ptr, content.len);
    }
    sealed_out->wire = copy;
    sealed_out->len = content.len;
    return UNIBUS_OK;
}

void unibus_messages_clear(struct unibus_sealed *sealed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(sealed[i].wire);
        sealed[i].wire = NULL;
    }
}

enum unibus_status unibus_messages_seal(struct unibus_room *room,
                                        const struct unibus_outgoing *outgoing, size_t count,
                                        struct unibus_sealed *sealed_out, struct unibus_err *err)
{
    bool is_plain = unibus_room_is_plain(room);
    memset(sealed_out, 0, count * sizeof(*sealed_out));
    enum unibus_status status = room_check_sendable(room, count, err);
    if (status == UNIBUS_OK && !is_plain) {
        status = seal_messages(room, outgoing, count, sealed_out, err);
    }
    for (size_t i = 0; i < count && status == UNIBUS_OK && is_plain; i++) {
        status = copy_plain(outgoing->contents[i], &sealed_out[i], err);
    }
    if (status != UNIBUS_OK) {
        unibus_messages_clear(sealed_out, count);
    }
    return status;
}
