/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <string.h>

#include "message_judge.h"

/* Step 0, of KV (9.8). */
static enum ubr_error check_payload(struct judging *judging)
{
    return ubr_kv_check_payload(judging->delivery->kv_marker, judging->delivery->wire);
}

/* Step 1. */
static enum ubr_error check_form(struct judging *judging)
{
    enum ubr_error error = ubr_msg_parse_header(judging->delivery->wire, &judging->msg->header);
    judging->msg->is_signed = (judging->msg->header.flags & UBR_MSG_SIGNED) != 0;
    return error;
}

/* Step 2. */
static enum ubr_error find_key(struct judging *judging)
{
    const struct ubr_receiver *receiver = judging->receiver;
    const struct ubr_log_state *state = ubr_log_state(receiver->log);
    uint32_t epoch = judging->msg->header.epoch;
    if (epoch > state->epoch) {
        judging->msg->may_fetch = true;
        return UBR_E_LOG_BEHIND;
    }
    judging->c = state->entries - 1;
    for (size_t i = 0; i < receiver->key_n; i++) {
        if (receiver->keys[i].epoch == epoch) {
            judging->key = &receiver->keys[i];
            return UBR_OK;
        }
    }
    return UBR_E_MSG_EPOCH;
}

/* Step 4. */
static enum ubr_error find_device(struct judging *judging)
{
    struct ubr_msg *msg = judging->msg;
    if (!ubr_log_kid(judging->receiver->log, msg->header.id.kid, &judging->device)) {
        msg->may_fetch = true;
        return UBR_E_KID_UNKNOWN;
    }
    memcpy(msg->account_pk, judging->device.account_pk, sizeof msg->account_pk);
    return UBR_OK;
}

static uint32_t lower(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Step 5. An old head must not bring unsigned mode back. */
static enum ubr_error check_authorship(struct judging *judging)
{
    if (!judging->msg->is_signed) {
        uint32_t first = lower(judging->msg->head_seq, judging->c);
        bool is_allowed = ubr_log_allowed_unsigned(judging->receiver->log, first, judging->c);
        return is_allowed ? UBR_OK : UBR_E_MSG_UNSIGNED;
    }
    struct ubr_bytes digest = {judging->digest, sizeof judging->digest};
    bool is_good =
        ubr_signature_is_good(judging->device.sign_pk, UBR_DS_MSG_SIG, digest, judging->sig);
    return is_good ? UBR_OK : UBR_E_MSG_SIG;
}

/* Step 10. */
static enum ubr_error check_subject(struct judging *judging)
{
    struct ubr_msg *msg = judging->msg;
    msg->is_rerouted = !ubr_bytes_are_equal(msg->subject, judging->delivery->subject);
    return msg->is_rerouted && !judging->receiver->may_be_rerouted ? UBR_E_MSG_REROUTED : UBR_OK;
}

/* Step 12, live subscriptions only. */
static enum ubr_error check_in_time(struct judging *judging)
{
    return !judging->receiver->is_history && msg_is_late(judging) ? UBR_E_MSG_LATE : UBR_OK;
}

/* Step 13. */
static enum ubr_error check_replay(struct judging *judging)
{
    const struct ubr_delivery *delivery = judging->delivery;
    enum ubr_window_verdict verdict =
        ubr_window_judge(delivery->window, judging->msg->header.id.counter, delivery->place);
    judging->msg->is_redelivery = verdict == UBR_WINDOW_REDELIVERY;
    return verdict == UBR_WINDOW_REPLAY ? UBR_E_MSG_REPLAY : UBR_OK;
}

/* For a head that cannot be looked at: the sender could write at c, in the epoch of c. */
static enum ubr_error check_sender_at_c(struct judging *judging)
{
    const struct ubr_log *log = judging->receiver->log;
    if (judging->msg->header.epoch != ubr_log_state(log)->epoch) {
        return UBR_E_MSG_EPOCH;
    }
    return ubr_log_sender_at(log, judging->msg->header.id.kid, judging->c, NULL);
}

typedef enum ubr_error step_function(struct judging *judging);

static enum ubr_error run(struct judging *judging, step_function *const *steps, size_t step_n)
{
    enum ubr_error error = UBR_OK;
    for (size_t i = 0; i < step_n && error == UBR_OK; i++) {
        error = steps[i](judging);
    }
    return error;
}

/* What a message must stand, apart from its head, for its head to count (9.6): otherwise anybody
 * who was ever a member could stop all senders. */
static step_function *const claim_steps[] = {
    check_sender_at_c, check_subject, msg_read_body, check_in_time, check_replay,
};

/* Step 6. */
static enum ubr_error check_head_is_known(struct judging *judging)
{
    struct ubr_msg *msg = judging->msg;
    if (msg->head_seq <= judging->c) {
        return UBR_OK;
    }
    msg->may_fetch = true;
    bool is_claim = msg->is_signed && msg->head_seq - judging->c <= UBR_MSG_HEAD_CLAIM_MAX &&
                    run(judging, claim_steps, sizeof claim_steps / sizeof *claim_steps) == UBR_OK;
    return is_claim ? UBR_E_HEAD_UNPROVEN : UBR_E_LOG_BEHIND;
}

/* Step 7. */
static enum ubr_error check_head_hash(struct judging *judging)
{
    const uint8_t *hash = ubr_log_hash_at(judging->receiver->log, judging->msg->head_seq);
    bool is_same =
        hash != NULL && memcmp(hash, judging->msg->head_hash, UBR_MSG_HEAD_HASH_LEN) == 0;
    return is_same ? UBR_OK : UBR_E_FORK;
}

/* Step 8. */
static enum ubr_error check_epoch_at_head(struct judging *judging)
{
    uint32_t epoch = ubr_log_epoch_at(judging->receiver->log, judging->msg->head_seq);
    return epoch == judging->msg->header.epoch ? UBR_OK : UBR_E_MSG_EPOCH;
}

/* Step 9. */
static enum ubr_error check_sender_at_head(struct judging *judging)
{
    struct ubr_msg *msg = judging->msg;
    struct ubr_sender sender;
    enum ubr_error error =
        ubr_log_sender_at(judging->receiver->log, msg->header.id.kid, msg->head_seq, &sender);
    if (error == UBR_OK) {
        msg->role = sender.role;
        msg->handle = sender.handle;
    }
    return error;
}

/* After all others, of KV (9.8). */
static enum ubr_error check_kv_marker(struct judging *judging)
{
    return ubr_kv_check_envelope(judging->delivery->kv_marker, &judging->msg->ext);
}

/* In the order and with the numbers of 9.4; before and after them what 9.8 says of KV. */
static step_function *const steps[] = {
    [0] = check_payload,
    [1] = check_form,
    [2] = find_key,
    [3] = msg_open,
    [4] = find_device,
    [5] = check_authorship,
    [6] = check_head_is_known,
    [7] = check_head_hash,
    [8] = check_epoch_at_head,
    [9] = check_sender_at_head,
    [10] = check_subject,
    [11] = msg_read_body,
    [12] = check_in_time,
    [13] = check_replay,
    [14] = check_kv_marker,
};

enum ubr_error ubr_msg_accept(const struct ubr_receiver *receiver,
                              const struct ubr_delivery *delivery, uint8_t *plain,
                              struct ubr_msg *msg_out)
{
    struct judging judging = {
        .receiver = receiver, .delivery = delivery, .plain = plain, .msg = msg_out};
    memset(msg_out, 0, sizeof *msg_out);
    msg_out->subject = delivery->ub_subject != NULL ? *delivery->ub_subject : delivery->subject;
    enum ubr_error error = run(&judging, steps, sizeof steps / sizeof *steps);
    if (error != UBR_OK) {
        msg_out->content = (struct ubr_bytes){NULL, 0};
        msg_out->ext.media_type = (struct ubr_bytes){NULL, 0};
        if (judging.body.ptr != NULL) {
            sodium_memzero(plain, delivery->wire.len);
        }
        return error;
    }
    msg_out->is_sender_gone =
        ubr_log_sender_at(receiver->log, msg_out->header.id.kid, judging.c, NULL) != UBR_OK;
    return UBR_OK;
}
