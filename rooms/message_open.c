/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>

#include "message_judge.h"
#include "message_parts.h"
#include "ubr/batch.h"
#include "ubr/padding.h"

/* plain = sig(64) when signed ‖ u32 head_seq ‖ head_hash[0..16] ‖ body. Its length was checked with
 * that of the whole message in step 1. */
static void take_apart(struct judging *judging, const struct msg_aad *aad, struct ubr_bytes plain)
{
    struct ubr_reader reader;
    ubr_reader_init(&reader, plain);
    if (judging->msg->is_signed) {
        ubr_get_copy(&reader, judging->sig, sizeof judging->sig);
        msg_digest(aad, ubr_bytes_of(reader.next, reader.left), judging->digest);
    }
    judging->msg->head_seq = ubr_get_u32(&reader);
    ubr_get_copy(&reader, judging->msg->head_hash, sizeof judging->msg->head_hash);
    judging->body = ubr_get_rest(&reader);
}

enum ubr_error msg_open(struct judging *judging)
{
    struct ubr_bytes wire = judging->delivery->wire;
    const struct ubr_log_state *state = ubr_log_state(judging->receiver->log);
    struct msg_aad aad;
    if (judging->msg->subject.len > UBR_MSG_SUBJECT_MAX) {
        return UBR_E_MSG_OPEN; /* nobody can have sealed for it */
    }
    msg_aad_init(&aad, state->room_id, wire.ptr, judging->msg->subject);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            judging->plain, NULL, NULL, wire.ptr + UBR_MSG_HEADER_LEN,
            wire.len - UBR_MSG_HEADER_LEN, aad.buf, aad.len, judging->msg->header.nonce,
            judging->key->key) != 0) {
        return UBR_E_MSG_OPEN;
    }
    take_apart(judging, &aad,
               ubr_bytes_of(judging->plain, wire.len - UBR_MSG_HEADER_LEN - MSG_TAG_LEN));
    return UBR_OK;
}

/* Requests carry an expiry, replies the reference of their request (9.5). */
static enum ubr_error check_expected(const struct judging *judging)
{
    const struct ubr_extensions *ext = &judging->msg->ext;
    const struct ubr_msg_id *request = judging->delivery->request;
    bool is_good = true;
    if (judging->delivery->expected == UBR_MSG_REQUEST) {
        is_good = ubr_ext_is_set(ext, UBR_EXT_EXPIRES);
    }
    if (judging->delivery->expected == UBR_MSG_REPLY) {
        is_good = ubr_ext_is_set(ext, UBR_EXT_REPLY_TO) && request != NULL &&
                  ext->reply_to.counter == request->counter &&
                  sodium_memcmp(ext->reply_to.kid, request->kid, sizeof request->kid) == 0;
    }
    return is_good ? UBR_OK : UBR_E_EXT;
}

static enum ubr_error read_content(struct ubr_msg *msg)
{
    msg->record_n = 1;
    if ((msg->header.flags & UBR_MSG_PADDED) != 0 &&
        ubr_padding_open(msg->content, &msg->content) != UBR_OK) {
        return UBR_E_PARSE;
    }
    if ((msg->header.flags & UBR_MSG_BATCH) != 0) {
        return ubr_batch_check(msg->content, &msg->record_n);
    }
    return UBR_OK;
}

enum ubr_error msg_read_body(struct judging *judging)
{
    struct ubr_msg *msg = judging->msg;
    struct ubr_reader reader;
    ubr_reader_init(&reader, judging->body);
    struct ubr_bytes block = ubr_get_view(&reader, ubr_get_u16(&reader));
    if (reader.failed || ubr_ext_parse(block, &msg->ext) != UBR_OK) {
        return UBR_E_EXT;
    }
    msg->content = ubr_get_rest(&reader);
    enum ubr_error error = check_expected(judging);
    return error != UBR_OK ? error : read_content(msg);
}

bool ubr_msg_record_next(const struct ubr_msg *msg, size_t *cursor, struct ubr_bytes *record_out)
{
    if ((msg->header.flags & UBR_MSG_BATCH) == 0) {
        *record_out = msg->content;
        return (*cursor)++ == 0;
    }
    struct ubr_bytes rest = {msg->content.ptr + *cursor, msg->content.len - *cursor};
    bool is_next = ubr_batch_next(&rest, record_out);
    *cursor = msg->content.len - rest.len;
    return is_next;
}
